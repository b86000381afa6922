//! What can go wrong when objects are admitted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{pattern::Patterns, span::Span, when::When};

/// Changes how an admission webhook answers about the objects it selects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AdmissionEffect {
    /// Which of the webhooks that the cluster has, by name; left out, the fault brings one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Patterns>,
    /// What a webhook of the fault's own is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// About which objects.
    pub objects: ObjectSelector,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// What happens instead.
    pub outcome: Admission,
    /// The HTTP code of a denial; 403 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 400, max = 599))]
    pub code: Option<u16>,
    /// The text of a denial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// With `patches`: the JSON Patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Vec<serde_json::Value>>,
    /// How much longer an answer takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// What the API server does when a webhook of the fault's own does not answer; `Fail` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_policy: Option<FailurePolicy>,
}

impl AdmissionEffect {
    /// The name of a webhook of the fault's own.
    #[must_use]
    pub fn own_name(&self) -> &str {
        self.name.as_deref().unwrap_or("policy.example.com")
    }

    /// The denial, as a webhook's response says it.
    #[must_use]
    pub fn denial(&self) -> serde_json::Value {
        let message = self.message.as_deref().unwrap_or("denied by policy");
        serde_json::json!({"allowed": false, "status": {"code": self.code.unwrap_or(403), "message": message}})
    }
}

/// What an admission webhook does about an object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Admission {
    /// What it should (after `delay`).
    #[default]
    Answers,
    /// Nothing: the connection is cut.
    Down,
    /// It denies, with `code` and `message`.
    Denies,
    /// It admits the object as it is: what it should have filled in or refused stays.
    Ignores,
    /// It changes the object by `patch`.
    Patches,
}

/// What the API server does when a webhook does not answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FailurePolicy {
    /// It refuses the object.
    #[default]
    Fail,
    /// It goes on without.
    Ignore,
}

/// Which objects, on their way into the cluster. Every constraint must hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectSelector {
    /// Of which resources: `pods`, `deployments`, `pods/exec`; pods when left out.
    pub resources: Vec<String>,
    /// Which operations: `CREATE`, `UPDATE`, `DELETE`, `CONNECT`; creation when left out.
    pub operations: Vec<Operation>,
    /// By namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Patterns>,
    /// By name, or by the prefix that a name is made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Patterns>,
    /// By labels, each by its value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Patterns>,
    /// By who asks (`system:serviceaccount:kube-system:replicaset-controller`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Patterns>,
    /// By fields, each a JSON pointer (`/spec/serviceAccountName`); a field that is not there fits only `""`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, Patterns>,
}

impl Default for ObjectSelector {
    fn default() -> Self {
        Self {
            resources: vec!["pods".to_owned()],
            operations: vec![Operation::Create],
            namespace: None,
            name: None,
            labels: BTreeMap::new(),
            user: None,
            fields: BTreeMap::new(),
        }
    }
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed.
    Delete,
    /// Something is connected to it: exec, port-forward.
    Connect,
}

impl Operation {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}
