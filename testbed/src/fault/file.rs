//! What a fault file holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{effect::Effect, pattern::Patterns};

/// A named defect made of effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// The version of this format.
    pub api_version: ApiVersion,
    /// What this file is.
    pub kind: FaultKind,
    /// What it is called: lower-case letters, digits and hyphens. Healing names it.
    #[schemars(regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// One sentence on what an operator sees.
    pub summary: String,
    /// Where it was reported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<String>,
    /// Whatever else a reader should know: what the real cause was, what cannot be told apart from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// What is wrong. All effects are in force at once, each in its own `when`.
    #[schemars(length(min = 1))]
    pub effects: Vec<Effect>,
    /// What an operator would want to be told. The testbed keeps it and does not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

impl Fault {
    /// Whether it can be seen only by who goes through the front of the API server.
    #[must_use]
    pub fn needs_api_front(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Api(_)))
    }
}

/// The version of the format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The only one there is.
    #[default]
    #[serde(rename = "winconform/v1")]
    V1,
}

/// What the file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FaultKind {
    /// A fault.
    #[default]
    Fault,
}

/// What an operator would want to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// What a run should come to.
    pub verdict: ExpectedVerdict,
    /// The checks that must say so, by id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must: Vec<String>,
    /// The checks that may say so too, by id or glob.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may: Vec<String>,
    /// The cause to name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<ExpectedFinding>,
}

/// What a run should come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ExpectedVerdict {
    /// The `must` checks fail.
    Red,
    /// An info or limitation result names the subject.
    Reported,
    /// Nobody can say.
    Undetermined,
    /// Nothing turns red: this is documented behaviour.
    Quiet,
}

/// The cause to name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpectedFinding {
    /// The layer: `node`, `service IP`, `DNS`, …
    pub layer: String,
    /// The node, build, image, Service, …: a pattern, or several of which any will do.
    pub subject: Patterns,
}
