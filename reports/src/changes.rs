//! What is different from a baseline, in the words that reports show.
//!
//! Whoever compares decides what a regression is; reports only show it, and first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is different from a baseline.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changes {
    /// What it was compared with, in words: `run 20261122-0200-a1b2 of 10.0.26100.32995`.
    pub baseline: String,
    /// The changes by kind, the most important first; kinds without any are left out.
    pub groups: Vec<ChangeGroup>,
}

/// Changes of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeGroup {
    /// The kind, for example `regressed`.
    pub title: String,
    /// Whether this is good news.
    pub tone: Tone,
    /// One line for each change.
    pub items: Vec<String>,
}

/// Whether changes are good news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Something got worse.
    Bad,
    /// Something got better.
    Good,
    /// Neither.
    Neutral,
}
