//! What can go wrong with a command run in a container.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{pattern::Patterns, select::PodSelector, span::Span, when::When};

/// Changes what the commands it selects do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandEffect {
    /// In which pods; all when left out.
    pub pods: PodSelector,
    /// Which commands, by their words joined with spaces (`*nltest*`); all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commands: Option<Patterns>,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// What it writes to standard output instead. Line ends are written as the container's system writes them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What it writes to standard error instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// The exit code instead of the true one; Windows codes have 32 bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u32>,
    /// It never ends.
    pub hang: bool,
    /// It takes this much longer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// What becomes of the exec connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
}

/// How an exec connection can be lost, whatever the command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// Cut before the command starts.
    LostBeforeStart,
    /// Cut after the first half of the output.
    LostInTheMiddle,
    /// All the output arrives, the final status does not.
    StatusLost,
    /// The second half of the output is missing, yet the status says success.
    OutputCut,
}
