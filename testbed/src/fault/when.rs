//! When an effect is in force, and how often it bites.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    pattern::Patterns,
    select::{NodeSelector, PodSelector},
    span::Span,
};

/// When an effect is in force; left out, from injection to healing and every time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// With `after`: only for this long after it happened (again).
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
    /// Only every n-th time that the selectors fit: counted per source and destination for connections and names, per effect otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub one_in: Option<u32>,
}

impl When {
    pub(super) fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that happens in a cluster and that an effect can wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Trigger {
    /// A Service lost a backend: a pod of it was deleted, became unready or was scaled away.
    EndpointRemoved(ServiceSelector),
    /// A Service gained a backend.
    EndpointAdded(ServiceSelector),
    /// A pod was deleted.
    PodDeleted(PodSelector),
    /// A pod got its address.
    PodStarted(PodSelector),
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
