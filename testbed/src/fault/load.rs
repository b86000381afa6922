//! Reading fault files, and saying what is wrong with them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::Spanned;
use thiserror::Error;

use super::{
    catalogue,
    file::Fault,
    rules::{self, Offence},
};

/// A fault could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FaultError {
    /// No fault of that name ships with the crate.
    #[error("there is no fault `{name}`{}; `winconform testbed faults` lists them, or give the path of a YAML file", suggestion(.similar.as_deref()))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The fault whose name is close to it.
        similar: Option<String>,
    },
    /// The file could not be read.
    #[error("the fault {path} could not be read", path = .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The text is not the YAML of a fault.
    #[error("the fault {origin}{}{}", at(*.line), suggestion(.similar.as_deref()))]
    Yaml {
        /// What was read.
        origin: String,
        /// The line at fault, from 1.
        line: Option<u64>,
        /// The word that may have been meant.
        similar: Option<String>,
        /// What is wrong there.
        source: Box<serde_saphyr::Error>,
    },
    /// The YAML describes something that makes no sense.
    #[error("the fault {origin}{}: {reason}", at(*.line))]
    Rule {
        /// What was read.
        origin: String,
        /// The line at fault, from 1.
        line: Option<u64>,
        /// What is wrong there.
        reason: String,
    },
}

impl Fault {
    /// The fault that `text` names: one of the catalogue's (by its whole name or its id), or the path of a YAML file.
    ///
    /// Anything with a path separator, a dot or an existing file behind it is taken as a path.
    ///
    /// # Errors
    ///
    /// When there is no such fault or file, or when it is not a good fault.
    pub fn find(text: &str) -> Result<Self, FaultError> {
        let path = Path::new(text);
        match catalogue::get(text) {
            Err(FaultError::Unknown { .. }) if text.contains(['/', '\\', '.']) || path.exists() => Self::read(path),
            found => found,
        }
    }

    /// The fault in a file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or holds no good fault.
    pub fn read(path: &Path) -> Result<Self, FaultError> {
        let yaml =
            std::fs::read_to_string(path).map_err(|source| FaultError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&yaml, &path.display().to_string())
    }

    /// The fault that a YAML text describes; `origin` is what messages call the text.
    ///
    /// # Errors
    ///
    /// When the text is no YAML, has unknown or missing fields, or describes something that makes no sense.
    pub fn parse(yaml: &str, origin: &str) -> Result<Self, FaultError> {
        let plain = serde_saphyr::options! { with_snippet: false };
        let fault: Self = serde_saphyr::from_str_with_options(yaml, plain).map_err(|source| {
            let line = source.location().map(|location| location.line()).filter(|line| *line > 0);
            let similar = misspelt(&source.to_string());
            FaultError::Yaml { origin: origin.to_owned(), line, similar, source: Box::new(source) }
        })?;
        rules::check(&fault).map_err(|Offence { effect, reason }| {
            let line = effect.and_then(|index| line_of_effect(yaml, index));
            FaultError::Rule { origin: origin.to_owned(), line, reason }
        })?;
        Ok(fault)
    }

    /// Checks a fault that did not come from a file.
    ///
    /// # Errors
    ///
    /// When it describes something that makes no sense.
    pub fn check(&self) -> Result<(), FaultError> {
        rules::check(self).map_err(|Offence { reason, .. }| FaultError::Rule {
            origin: format!("`{}`", self.name),
            line: None,
            reason,
        })
    }
}

/// The line on which the effect at `index` begins.
fn line_of_effect(yaml: &str, index: usize) -> Option<u64> {
    #[derive(Deserialize)]
    struct Lines {
        effects: Vec<Spanned<IgnoredAny>>,
    }
    let lines: Lines = serde_saphyr::from_str(yaml).ok()?;
    lines.effects.get(index).map(|effect| effect.defined.line()).filter(|line| *line > 0)
}

/// What an unknown word was meant to be, by the words that serde expected: "unknown field `a`, expected one of b, c".
fn misspelt(message: &str) -> Option<String> {
    let (_, rest) = message.split_once("unknown ")?;
    let unknown = rest.split('`').nth(1)?;
    let expected = rest.split_once("expected ").map_or("", |(_, list)| list.trim_start_matches("one of "));
    let words = expected.split([',', ' ', '`']).filter(|word| !word.is_empty());
    nearest(unknown, words)
}

/// The word in `known` that `word` was probably meant to be.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    known
        .filter(|candidate| *candidate != word)
        .map(|candidate| (strsim::jaro_winkler(candidate, word), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate.to_owned())
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

fn suggestion(similar: Option<&str>) -> String {
    similar.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}
