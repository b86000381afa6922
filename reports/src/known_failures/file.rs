//! Reading a file of known failures, and saying what is wrong with it.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use serde_saphyr::Spanned;
use thiserror::Error;

use super::KnownFailure;
use crate::id::CheckId;

/// A file of known failures could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KnownFailuresError {
    /// It cannot be read.
    #[error("the file of known failures `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// It is not the YAML of known failures.
    #[error("the file of known failures `{}`{} is not as docs/known-failures.schema.json says", path.display(), at(*line))]
    Yaml {
        /// The file.
        path: PathBuf,
        /// The line at fault, from 1.
        line: Option<u64>,
        /// What is wrong there.
        #[source]
        error: Box<serde_saphyr::Error>,
    },
    /// An entry makes no sense.
    #[error("the file of known failures `{}`{}: {reason}", path.display(), at(Some(*line)))]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line the entry begins at, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

fn at(line: Option<u64>) -> String {
    line.map(|line| format!(", line {line}")).unwrap_or_default()
}

/// The file: a list under one key, so that it can say more one day.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Known failures of winconform")]
struct File {
    /// The failures, in any order.
    #[schemars(with = "Vec<KnownFailure>")]
    known_failures: Vec<Spanned<KnownFailure>>,
}

/// Reads a file of known failures; `checks` are all there are.
///
/// # Errors
///
/// When it cannot be read, is no such file, or has an entry that names no check or no reason.
pub fn read_known_failures(path: &Path, checks: &[CheckId]) -> Result<Vec<KnownFailure>, KnownFailuresError> {
    let text =
        fs::read_to_string(path).map_err(|error| KnownFailuresError::Unreadable { path: path.to_owned(), error })?;
    let plain = serde_saphyr::options! { with_snippet: false };
    let file: File = serde_saphyr::from_str_with_options(&text, plain).map_err(|error| KnownFailuresError::Yaml {
        path: path.to_owned(),
        line: error.location().map(|location| location.line()),
        error: Box::new(error),
    })?;
    let mut entries = Vec::new();
    for Spanned { value: entry, referenced, .. } in file.known_failures {
        if let Some(reason) = flaw(&entry, checks) {
            return Err(KnownFailuresError::Entry { path: path.to_owned(), line: referenced.line(), reason });
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// What is wrong with an entry beyond its form.
fn flaw(entry: &KnownFailure, checks: &[CheckId]) -> Option<String> {
    let reason = &entry.reason;
    if reason.finding.is_none() && reason.observation.is_none() && reason.text.is_none() {
        return Some("`reason` needs a `finding`, an `observation` or a `text`".to_owned());
    }
    if reason.text.as_ref().is_some_and(|text| text.trim().is_empty()) {
        return Some("`reason.text` is empty, which every failure contains".to_owned());
    }
    if !checks.iter().any(|check| entry.names(check)) {
        return Some(format!("no check is called `{}`; `winconform list` shows them all", entry.check));
    }
    if !(entry.issue.starts_with("https://") || entry.issue.starts_with("http://")) {
        return Some(format!("`issue` is no link: `{}`", entry.issue));
    }
    None
}

/// The JSON Schema of the file; `docs/known-failures.schema.json` holds it.
#[must_use]
pub fn json_schema() -> Schema {
    schema_for!(File)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Chain;

    fn read(text: &str) -> Result<Vec<KnownFailure>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known.yaml");
        fs::write(&path, text).unwrap();
        let checks = ["iis/deploys", "nodes/ready"].map(|check| check.parse().unwrap());
        read_known_failures(&path, &checks)
            .map_err(|error| Chain(&error).to_string().replace(&path.display().to_string(), "known.yaml"))
    }

    const GOOD: &str = "\
known_failures:
  - check: iis/*
    builds: 10.0.26100.1..10.0.26100.4000
    reason: { finding: image }
    issue: https://example.org/1
    expires: 2026-12-31
  - check: nodes/ready
    reason: { observation: { kind: node, what: condition Ready } }
    issue: https://example.org/2
    expires: 2026-12-01
    note: the pool is being replaced
";

    #[test]
    fn a_good_file_is_read() {
        let entries = read(GOOD).unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0].builds.as_ref().unwrap().to_string(), "10.0.26100.1..10.0.26100.4000");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let wrong = |from: &str, to: &str| read(&GOOD.replace(from, to)).unwrap_err();
        let all = [
            wrong("nodes/ready", "nodes/redy"),
            wrong("{ finding: image }", "{}"),
            wrong("finding: image", "finding: imagination"),
            wrong("2026-12-01", "soon"),
            wrong("https://example.org/2", "see the wiki"),
            wrong("note:", "notes:"),
            wrong("10.0.26100.1..", "Windows 11.."),
            wrong("known_failures:", "known:"),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn the_published_schema_is_that_of_the_types() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/known-failures.schema.json");
        let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
        if std::env::var_os("WINCONFORM_UPDATE_SCHEMA").is_some() {
            fs::write(path, &text).unwrap();
        }
        let published = fs::read_to_string(path).unwrap_or_default();
        assert!(
            published == text,
            "docs/known-failures.schema.json is out of date; WINCONFORM_UPDATE_SCHEMA=1 writes it"
        );
    }
}
