//! Puts reports where the user wants them, whole or not at all.

mod atomic;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use thiserror::Error;

pub use self::atomic::check_writable;
use crate::{
    junit::{Dialect, JunitError, JunitFlaw, to_junit, verify},
    report::Report,
};

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// JUnit XML, see [`crate::junit`].
    Junit(Dialect),
    /// JSON, as `docs/report.schema.json` describes it.
    Json,
}

impl ReportFormat {
    /// The names users type, for help texts.
    pub const NAMES: [&'static str; 2] = ["junit", "json"];
}

impl fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Junit(_) => "junit",
            Self::Json => "json",
        })
    }
}

/// A report the user asked for, as `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFile {
    /// What it is written as.
    pub format: ReportFormat,
    /// Where.
    pub path: PathBuf,
}

/// The text is no `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ReportFileError {
    /// There is no `=`, or nothing on one side of it.
    #[error("`{0}` is not of the form FORMAT=PATH, for example `junit=report.xml`")]
    Form(String),
    /// The format is none of ours.
    #[error("`{0}` is no report format (one of {names})", names = ReportFormat::NAMES.join(", "))]
    Format(String),
}

impl FromStr for ReportFile {
    type Err = ReportFileError;

    fn from_str(text: &str) -> Result<Self, ReportFileError> {
        let (format, path) = text
            .split_once('=')
            .filter(|(format, path)| !format.is_empty() && !path.is_empty())
            .ok_or_else(|| ReportFileError::Form(text.to_owned()))?;
        let format = match format {
            "junit" => ReportFormat::Junit(Dialect::Standard),
            "json" => ReportFormat::Json,
            other => return Err(ReportFileError::Format(other.to_owned())),
        };
        Ok(Self { format, path: PathBuf::from(path) })
    }
}

impl ReportFile {
    /// The same file; JUnit in this dialect.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        match self.format {
            ReportFormat::Junit(_) => Self { format: ReportFormat::Junit(dialect), ..self },
            ReportFormat::Json => self,
        }
    }
}

/// A report cannot be written, or was not what it should be when read back.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The path is a folder.
    #[error("`{}` is a folder, a report needs the path of a file", path.display())]
    IsFolder {
        /// The path.
        path: PathBuf,
    },
    /// A part of the path is a file, where it should be a folder.
    #[error("`{}` cannot hold a report: `{}` is not a folder", path.display(), parent.display())]
    NoFolder {
        /// The path.
        path: PathBuf,
        /// The part that is a file.
        parent: PathBuf,
    },
    /// Nothing can be written there.
    #[error("`{}` cannot be written", path.display())]
    NotWritable {
        /// The path.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// The report could not be put into JUnit XML.
    #[error("failed to make the JUnit report")]
    Junit(#[source] JunitError),
    /// The report could not be put into JSON.
    #[error("failed to make the JSON report")]
    Json(#[source] serde_json::Error),
    /// What was read back is not what was written.
    #[error("`{}` does not hold what was written to it", path.display())]
    Differs {
        /// The path.
        path: PathBuf,
    },
    /// A consumer would stumble over the file.
    #[error("`{}` was written, but its consumers would not read it right", path.display())]
    Flawed {
        /// The path.
        path: PathBuf,
        /// What they would stumble over.
        #[source]
        flaw: Flaw,
    },
}

/// What a consumer would stumble over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Flaw {
    /// In a JUnit file.
    #[error("as JUnit")]
    Junit(#[source] JunitFlaw),
    /// In a JSON file.
    #[error("as a JSON report")]
    Json(#[source] serde_json::Error),
    /// It has another number of results than the report.
    #[error("it holds {found} results, the report has {expected}")]
    Results {
        /// Those in the file.
        found: usize,
        /// Those of the report.
        expected: usize,
    },
}

/// Writes a report beside its path, renames it, reads it back and checks it.
///
/// Folders that are missing are made. A path that is no regular file (`/dev/stdout`,
/// a pipe) is written to as it is.
///
/// # Errors
///
/// When it cannot be made, written or read back; a file that was at the path
/// before is then still whole, unless the error is one of reading back.
pub fn write_report(file: &ReportFile, report: &Report) -> Result<(), WriteError> {
    let text = match file.format {
        ReportFormat::Junit(dialect) => to_junit(report, dialect).map_err(WriteError::Junit)?,
        ReportFormat::Json => report.to_json().map_err(WriteError::Json)?,
    };
    let not_writable = |error| WriteError::NotWritable { path: file.path.clone(), error };
    if atomic::is_special(&file.path) {
        return fs::write(&file.path, text).map_err(not_writable);
    }
    atomic::write(&file.path, text.as_bytes()).map_err(not_writable)?;
    read_back(file, report, &text)
}

fn read_back(file: &ReportFile, report: &Report, written: &str) -> Result<(), WriteError> {
    let path = || file.path.clone();
    let text = fs::read_to_string(&file.path).map_err(|error| WriteError::NotWritable { path: path(), error })?;
    if text != written {
        return Err(WriteError::Differs { path: path() });
    }
    check(file.format, report, &text).map_err(|flaw| WriteError::Flawed { path: path(), flaw })
}

fn check(format: ReportFormat, report: &Report, text: &str) -> Result<(), Flaw> {
    let expected = report.results.len();
    let found = match format {
        ReportFormat::Junit(_) => {
            let about_the_run = usize::from(expected == 0) + usize::from(!report.leftovers.is_empty());
            verify(text).map_err(Flaw::Junit)?.tests.saturating_sub(about_the_run)
        }
        ReportFormat::Json => serde_json::from_str::<Report>(text).map_err(Flaw::Json)?.results.len(),
    };
    if found == expected { Ok(()) } else { Err(Flaw::Results { found, expected }) }
}

/// The folder a path lies in; the current one for a bare name.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{planned, started};

    fn report() -> Report {
        let plan = crate::event::Plan { results: vec![planned("nodes/ready")], ..Default::default() };
        Report::from_records(&[started(), crate::Record { ms: 1, event: crate::Event::Planned(plan) }])
    }

    #[test]
    fn a_format_and_a_path_are_parsed_and_anything_else_is_named() {
        let file: ReportFile = "junit=out/a=b.xml".parse().unwrap();
        assert_eq!(file.path, Path::new("out/a=b.xml"));
        assert_eq!(file.with_dialect(Dialect::Strict).format, ReportFormat::Junit(Dialect::Strict));
        assert!(matches!("junit".parse::<ReportFile>(), Err(ReportFileError::Form(_))));
        assert!(matches!("=x".parse::<ReportFile>(), Err(ReportFileError::Form(_))));
        assert!(matches!("pdf=x".parse::<ReportFile>(), Err(ReportFileError::Format(_))));
    }

    #[test]
    fn every_format_is_written_whole_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        for (name, format) in [
            ("a.xml", ReportFormat::Junit(Dialect::Standard)),
            ("b.xml", ReportFormat::Junit(Dialect::Strict)),
            ("c.json", ReportFormat::Json),
        ] {
            let path = folder.path().join("deep/er").join(name);
            write_report(&ReportFile { format, path: path.clone() }, &report()).unwrap();
            write_report(&ReportFile { format, path: path.clone() }, &report()).unwrap();
            assert!(path.is_file());
        }
        assert_eq!(fs::read_dir(folder.path().join("deep/er")).unwrap().count(), 3);
    }

    #[test]
    fn a_flawed_file_is_noticed() {
        let report = report();
        let xml = to_junit(&report, Dialect::Standard).unwrap();
        check(ReportFormat::Junit(Dialect::Standard), &report, &xml).unwrap();
        for flawed in [xml.replace("errors=\"1\"", "errors=\"0\""), xml.replace("</testsuites>", ""), String::new()] {
            assert!(check(ReportFormat::Junit(Dialect::Standard), &report, &flawed).is_err(), "{flawed}");
        }
        assert!(check(ReportFormat::Json, &report, "{}").is_err());
    }
}
