//! What can go wrong with the logs of containers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{pattern::Patterns, select::PodSelector, span::Span, when::When};

/// Changes what becomes of the lines that the containers it selects write.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LogEffect {
    /// In which pods; all when left out.
    pub pods: PodSelector,
    /// Which lines (`*ERROR*`); all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Patterns>,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// They never come into the log.
    pub lost: bool,
    /// They come so much later, and what is written after them too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
}
