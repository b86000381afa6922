//! What a run says of one check: a fact, written to the log and never rewritten.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The answer to one check at one place.
///
/// `Failed` blames the cluster, `Undetermined` blames us or the environment;
/// the two never share a word. Which is which in a borderline case is decided by
/// one table, the harness's `blame` module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind", content = "detail")]
pub enum Verdict {
    /// The cluster keeps the promise. The note says what was seen, in one line.
    Passed(String),
    /// The cluster breaks the promise; the text says what was expected and seen.
    Failed(String),
    /// A documented limitation is there, as documented.
    LimitationPresent(String),
    /// A documented limitation was not met: the cluster can do more.
    LimitationLifted(String),
    /// The promise does not concern this cluster, for the observed reason.
    NotApplicable(String),
    /// The question could not be asked or its answer not trusted.
    Undetermined(String),
}

/// A verdict without its text, to count and to match by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// See [`Verdict::Passed`].
    Passed,
    /// See [`Verdict::Failed`].
    Failed,
    /// See [`Verdict::LimitationPresent`].
    LimitationPresent,
    /// See [`Verdict::LimitationLifted`].
    LimitationLifted,
    /// See [`Verdict::NotApplicable`].
    NotApplicable,
    /// See [`Verdict::Undetermined`].
    Undetermined,
}

impl Verdict {
    /// The kind, without the text.
    #[must_use]
    pub fn kind(&self) -> VerdictKind {
        match self {
            Self::Passed(_) => VerdictKind::Passed,
            Self::Failed(_) => VerdictKind::Failed,
            Self::LimitationPresent(_) => VerdictKind::LimitationPresent,
            Self::LimitationLifted(_) => VerdictKind::LimitationLifted,
            Self::NotApplicable(_) => VerdictKind::NotApplicable,
            Self::Undetermined(_) => VerdictKind::Undetermined,
        }
    }

    /// The text: what was seen, what broke, or why it could not be asked.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Passed(text)
            | Self::Failed(text)
            | Self::LimitationPresent(text)
            | Self::LimitationLifted(text)
            | Self::NotApplicable(text)
            | Self::Undetermined(text) => text,
        }
    }
}

impl VerdictKind {
    /// The word used in JSON and in sentences: `limitation_present`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::LimitationPresent => "limitation_present",
            Self::LimitationLifted => "limitation_lifted",
            Self::NotApplicable => "not_applicable",
            Self::Undetermined => "undetermined",
        }
    }
}

impl VerdictKind {
    /// Whether this is what several rounds come to, where another gave `other`.
    ///
    /// A promise that was broken once is broken; a limitation that was lifted once can
    /// be; and a round that could not tell says nothing beside one that could.
    #[must_use]
    pub fn outweighs(self, other: Self) -> bool {
        let weight = |kind| match kind {
            Self::Failed => 5,
            Self::LimitationLifted => 4,
            Self::LimitationPresent => 3,
            Self::Passed => 2,
            Self::Undetermined => 1,
            Self::NotApplicable => 0,
        };
        weight(self) > weight(other)
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much hangs on a check (guide.md).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every conformant cluster with Windows nodes keeps it.
    Core,
    /// Only where the cluster has the feature, or the user asks.
    Extended,
    /// A documented limitation: present, lifted, or inconclusive; never red unless asked.
    Limitation,
    /// Recorded and reported; never red.
    Info,
}

impl Level {
    /// The word used in JSON and in lists.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Extended => "extended",
            Self::Limitation => "limitation",
            Self::Info => "info",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
