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
    /// Instead of whole commands, the programs that run, those that shells start too: by their names without folder
    /// and `.exe`, and their arguments (`crictl * ps *`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub programs: Option<Patterns>,
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
    /// With `lostInTheMiddle` and `outputCut`: after how many bytes of output; half of it when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<usize>,
}

impl CommandEffect {
    /// Whether it selects a command of these words.
    pub(crate) fn selects(&self, line: &str) -> bool {
        self.commands.as_ref().is_none_or(|commands| commands.matches(line))
    }

    /// How many bytes of so many arrive.
    pub(crate) fn arriving(&self, bytes: usize) -> usize {
        match self.transport {
            Some(Transport::LostInTheMiddle | Transport::OutputCut) => self.after.unwrap_or(bytes / 2).min(bytes),
            Some(Transport::LostBeforeStart) => 0,
            None | Some(Transport::StatusLost) => bytes,
        }
    }
}

/// How an exec connection can be lost, whatever the command did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Transport {
    /// Cut before the command starts.
    LostBeforeStart,
    /// The connection is cut after half of the output, or `after` so many bytes.
    LostInTheMiddle,
    /// All the output arrives, the final status does not.
    StatusLost,
    /// The second half of the output, or all `after` so many bytes, is missing, yet the status says success.
    OutputCut,
}
