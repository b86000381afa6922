//! What can go wrong with an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{pattern::Patterns, select::NodeSelector, span::Span, when::When};

/// Changes how the images it selects are pulled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageEffect {
    /// Which images, by their reference (`*servercore*`); all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Patterns>,
    /// On which nodes; all when left out.
    pub nodes: NodeSelector,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// The manifest list has nothing for this node's platform: `no match for platform in manifest`.
    pub missing: bool,
    /// The image says that it was made for this Windows version (`10.0.17763.8511`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// The runtime takes the image whatever Windows version it was made for, and it runs, as under Hyper-V isolation.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub any_version: bool,
    /// The pull fails with this text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The pull takes this much longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
}
