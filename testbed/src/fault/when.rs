//! When an effect is in force, and how often it bites.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    pattern::Patterns,
    select::{NodeSelector, PodSelector},
    span::Span,
};

/// When an effect is in force; left out, from injection to healing and every time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct When {
    /// From this long after the fault was injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Span>,
    /// Until this long after the fault was injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<Span>,
    /// Only once this has happened (after the injection).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Trigger>,
    /// With `after`: only once it has happened so many times.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub times: Option<u32>,
    /// With `after`: only for this long after it happened (again).
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
    /// With `after`: only for the Service, the pod or the node that it happened to, not for others like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
    /// Only every n-th time that the selectors fit: counted per source and destination for connections and names, per effect otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub one_in: Option<u32>,
    /// Only with this probability, each time that the selectors fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub probability: Option<f64>,
    /// What the chances of `probability` follow from: the same seed decides alike.
    #[serde(skip_serializing_if = "is_zero")]
    pub seed: u64,
    /// With `oneIn` or `probability`: decide once for each pod or other source, and stay with it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub sticky: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(seed: &u64) -> bool {
    *seed == 0
}

impl When {
    pub(super) fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// What an event must have happened to, so that it concerns a connection, a pod, ….
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Own {
    /// The Service that the connection goes through.
    Service,
    /// The pod at either end, or the pod itself.
    Pod,
    /// The node at either end, or that the pod runs on.
    Node,
}

/// Something that happens in a cluster and that an effect can wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Trigger {
    /// A Service lost a backend: a pod of it was deleted, became unready or was scaled away.
    EndpointRemoved(ServiceSelector),
    /// A Service gained a backend.
    EndpointAdded(ServiceSelector),
    /// A Service was made.
    ServiceAdded(ServiceSelector),
    /// A Service was deleted.
    ServiceRemoved(ServiceSelector),
    /// A pod was deleted.
    PodDeleted(PodSelector),
    /// A pod got its address.
    PodStarted(PodSelector),
    /// A container of a pod was started again.
    ContainerRestarted(PodSelector),
    /// A node was rebooted.
    NodeRebooted(NodeSelector),
}

/// Which Services; all when empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSelector {
    /// By name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Patterns>,
    /// By namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Patterns>,
}
