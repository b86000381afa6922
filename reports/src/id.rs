//! The names of things, each made in one place.
//!
//! A check is `reachability/node-port-outside`. What a run answers about it adds
//! where it was asked: `@10.0.20348.5499` (a target) or `@win-2022-0` (a node).
//! `cargo test` calls the same thing `reachability::node-port-outside@…`, JUnit
//! splits it into a class name and a name. All of those are made here.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names a check, as `suite/check`, for example `nodes/ready`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct CheckId {
    suite: String,
    name: String,
}

/// The text does not name a check.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a check id of the form `suite/check` (lower-case letters, digits and hyphens)")]
pub struct CheckIdError {
    text: String,
}

impl CheckId {
    /// The suite, for example `reachability`.
    #[must_use]
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// The check within its suite, for example `node-port-outside`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The stem of the check's source file, for example `node_port_outside`.
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The folder of the check's source file, for example `win_webserver`.
    #[must_use]
    pub fn folder(&self) -> String {
        self.suite.replace('-', "_")
    }
}

impl FromStr for CheckId {
    type Err = CheckIdError;

    fn from_str(text: &str) -> Result<Self, CheckIdError> {
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        match text.split_once('/') {
            Some((suite, name)) if plain(suite) && plain(name) => {
                Ok(Self { suite: suite.to_owned(), name: name.to_owned() })
            }
            _ => Err(CheckIdError { text: text.to_owned() }),
        }
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.suite, self.name)
    }
}

impl TryFrom<String> for CheckId {
    type Error = CheckIdError;

    fn try_from(text: String) -> Result<Self, CheckIdError> {
        text.parse()
    }
}

impl From<CheckId> for String {
    fn from(id: CheckId) -> Self {
        id.to_string()
    }
}

/// Where a check was asked: of the whole cluster, of a target, or of one node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Once for the cluster.
    Cluster,
    /// Once for the Windows nodes of one target, for example `10.0.20348.5499`.
    Target(String),
    /// Once for one node; the target it belongs to is kept beside it.
    Node {
        /// The node's name.
        node: String,
        /// The target the node belongs to; none for a Linux node.
        target: Option<String>,
    },
}

impl Place {
    /// The target, where the place has one.
    #[must_use]
    pub fn target(&self) -> Option<&str> {
        match self {
            Self::Cluster => None,
            Self::Target(target) => Some(target),
            Self::Node { target, .. } => target.as_deref(),
        }
    }

    /// The node, where the place is one node.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Cluster | Self::Target(_) => None,
            Self::Node { node, .. } => Some(node),
        }
    }

    fn suffix(&self) -> Option<&str> {
        self.node().or_else(|| self.target())
    }
}

/// Names one answer of a run: a check and where it was asked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ResultId {
    /// The check.
    pub check: CheckId,
    /// Where it was asked.
    pub place: Place,
}

impl ResultId {
    /// Joins a check and a place.
    #[must_use]
    pub fn new(check: CheckId, place: Place) -> Self {
        Self { check, place }
    }

    /// The name as `cargo test` prints and filters it:
    /// `reachability::node-port-outside@10.0.20348.5499`.
    #[must_use]
    pub fn trial_name(&self) -> String {
        format!("{}::{}", self.check.suite, self.local_name())
    }

    /// The JUnit suite and class name: `winconform.reachability`.
    #[must_use]
    pub fn junit_class(&self) -> String {
        format!("winconform.{}", self.check.suite)
    }

    /// The name within its suite: `node-port-outside@10.0.20348.5499`.
    #[must_use]
    pub fn local_name(&self) -> String {
        match self.place.suffix() {
            Some(suffix) => format!("{}@{suffix}", self.check.name),
            None => self.check.name.clone(),
        }
    }
}

impl fmt::Display for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.check.suite, self.local_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_named_alike_by_every_consumer() {
        let check: CheckId = "reachability/node-port-outside".parse().unwrap();
        let id = ResultId::new(check, Place::Target("10.0.20348.5499".into()));
        assert_eq!(id.to_string(), "reachability/node-port-outside@10.0.20348.5499");
        assert_eq!(id.trial_name(), "reachability::node-port-outside@10.0.20348.5499");
        assert_eq!(id.junit_class(), "winconform.reachability");
        assert_eq!(id.local_name(), "node-port-outside@10.0.20348.5499");
        assert_eq!(id.check.file_stem(), "node_port_outside");
    }

    #[test]
    fn a_name_without_suite_or_with_capitals_is_refused() {
        for text in ["ready", "/ready", "nodes/", "Nodes/ready", "nodes/ready/now", "nodes/ré"] {
            assert!(text.parse::<CheckId>().is_err(), "{text}");
        }
    }
}
