//! What else there is in the cluster.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::fault::when::When;

/// Brings objects that somebody else has in the cluster; they go when the fault is healed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectEffect {
    /// When they are there.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// The object, as it would be applied.
    pub manifest: Value,
}

impl ObjectEffect {
    /// A field of its manifest, by its JSON pointer; empty where it is not there.
    #[must_use]
    pub fn text(&self, pointer: &str) -> &str {
        self.manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}
