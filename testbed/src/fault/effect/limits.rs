//! What can go wrong with the limits of containers.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fault::{select::PodSelector, when::When},
    pod::thousandths,
};

/// Holds containers to other limits than their pods name, from their start on; those without a limit are left alone.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsEffect {
    /// In which pods; all when left out.
    pub pods: PodSelector,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// Processors: `none` where the limit is dropped, or the quantity that is kept instead; the pod's own when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Limit>,
    /// Memory, likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Limit>,
}

/// What a container is held to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Limit {
    /// To nothing.
    Dropped,
    /// To a quantity as Kubernetes writes them: `500m`, `300Mi`.
    Quantity(String),
}

impl Limit {
    /// The limit in thousandths of its unit; none where there is none.
    pub(crate) fn thousandths(&self) -> Option<u64> {
        match self {
            Self::Dropped => None,
            Self::Quantity(quantity) => thousandths(quantity),
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => "none",
            Self::Quantity(quantity) => quantity,
        })
    }
}

impl From<Limit> for String {
    fn from(limit: Limit) -> Self {
        limit.to_string()
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "none" => Ok(Self::Dropped),
            quantity if thousandths(quantity).is_some_and(|limit| limit > 0) => Ok(Self::Quantity(text)),
            other => Err(format!("`{other}` is neither `none` nor a quantity, like `500m` or `300Mi`")),
        }
    }
}
