//! What a fault file holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    effect::Effect,
    expect::{Expect, RunOptions},
};

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
    /// With which options `winconform trust` asks, where the usual ones would not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunOptions>,
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
