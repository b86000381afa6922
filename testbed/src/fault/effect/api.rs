//! What can go wrong with requests to the API server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{pattern::Patterns, span::Span, when::When};

/// Changes how the API server answers the requests it selects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ApiEffect {
    /// Which requests; all when left out.
    #[serde(skip_serializing_if = "RequestSelector::is_empty")]
    pub requests: RequestSelector,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// The answer is this HTTP status instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub status: Option<u16>,
    /// The text of that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many seconds the answer asks to wait (`Retry-After`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// What the client sends is changed by this JSON Patch on its way; where it does not fit, nothing is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Vec<serde_json::Value>>,
    /// The answer takes this much longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// What becomes of the connection, running watches and execs included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Loss>,
    /// What becomes of watches, running ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watch: Option<WatchLoss>,
}

impl ApiEffect {
    /// Whether it looks at what clients send.
    #[must_use]
    pub fn reads_bodies(&self) -> bool {
        self.patch.is_some() || !self.requests.fields.is_empty()
    }
}

/// Which requests. Every constraint must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestSelector {
    /// By verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verb: Option<Patterns>,
    /// By resource: `pods`, `pods/exec`, `nodes`; a path like `/readyz` where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Patterns>,
    /// By namespace; a request about none fits only `""`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Patterns>,
    /// By the name of the object; a request about none fits only `""`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Patterns>,
    /// By the client's user agent (`kubectl/*`, `kube-scheduler/*`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Patterns>,
    /// By who asks (`system:kube-scheduler`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Patterns>,
    /// By fields of what is sent, each a JSON pointer (`/spec/runtimeClassName`); a field that is not there fits only `""`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Patterns>,
}

impl RequestSelector {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a connection to the API server is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Loss {
    /// Cut without an answer; what was asked is not done.
    Cut,
    /// Cut after what was asked was done, so that the client never learns it.
    CutAfterwards,
    /// Open, and never answered.
    Hangs,
}

/// How a watch is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum WatchLoss {
    /// It ends as watches do.
    Ends,
    /// It ends with 410 Gone, so that the client must list anew.
    Gone,
    /// It stays open and tells nothing more.
    Silent,
}
