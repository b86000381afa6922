//! What can be wrong with a shape, said with the line it is on.

use std::path::PathBuf;

use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::Spanned;
use thiserror::Error;

use super::{Shape, rules::Broken};

/// A shape could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// No shape of that name ships with the crate.
    #[error("there is no shape `{name}`{}; there are {known}, or give the path of a YAML file", suggestion(.similar.as_ref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The shape whose name is close to it.
        similar: Option<String>,
        /// All shapes there are.
        known: String,
    },
    /// The file could not be read.
    #[error("the shape {path} could not be read", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The text is not the YAML of a shape.
    #[error("the shape {origin} is not what a shape looks like")]
    Yaml {
        /// What was read.
        origin: String,
        /// What is wrong, and on which line.
        source: Box<serde_saphyr::Error>,
    },
    /// The YAML describes something that could not be.
    #[error("the shape {origin}{}: {reason}", at(*.line))]
    Rule {
        /// What was read.
        origin: String,
        /// The line at fault, from 1.
        line: Option<u64>,
        /// What is wrong there.
        reason: String,
    },
}

impl ShapeError {
    pub(super) fn unknown(name: &str) -> Self {
        let similar = Shape::shipped()
            .map(|known| (strsim::jaro_winkler(known, name), known))
            .filter(|(likeness, _)| *likeness > 0.8)
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
            .map(|(_, known)| known.to_owned());
        let known = Shape::shipped().collect::<Vec<_>>().join(", ");
        Self::Unknown { name: name.to_owned(), similar, known }
    }

    pub(super) fn yaml(origin: &str, source: serde_saphyr::Error) -> Self {
        Self::Yaml { origin: origin.to_owned(), source: Box::new(source) }
    }

    pub(super) fn rule(origin: &str, yaml: &str, broken: Broken) -> Self {
        let line = broken.node.and_then(|node| line_of_node(yaml, node));
        Self::Rule { origin: origin.to_owned(), line, reason: broken.reason }
    }
}

/// The line on which the node at `index` begins.
fn line_of_node(yaml: &str, index: usize) -> Option<u64> {
    #[derive(Deserialize)]
    struct Lines {
        nodes: Vec<Spanned<IgnoredAny>>,
    }
    let lines: Lines = serde_saphyr::from_str(yaml).ok()?;
    lines.nodes.get(index).map(|node| node.defined.line()).filter(|line| *line > 0)
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

fn suggestion(similar: Option<&String>) -> String {
    similar.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}
