//! Puts reports where the user wants them, whole or not at all.

mod atomic;
mod check;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use thiserror::Error;

pub use self::{atomic::check_writable, check::Flaw};
use crate::{
    ctrf::write_ctrf,
    github::annotations,
    html::to_html,
    junit::{Dialect, Scope, write_junit},
    markdown::{Limit, to_markdown},
    report::Report,
};

/// What a report is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportFormat {
    /// JUnit XML, see [`crate::junit`].
    Junit(Dialect),
    /// JUnit XML of the informing results alone.
    JunitInforming(Dialect),
    /// JSON, as `docs/report.schema.json` describes it.
    Json,
    /// CTRF, see [`crate::ctrf`].
    Ctrf,
    /// One page for a browser, see [`crate::html`].
    Html,
    /// Markdown for an issue, see [`crate::markdown`].
    Markdown,
    /// Markdown for the summary of a step on GitHub.
    GithubSummary,
    /// Workflow commands for GitHub, see [`crate::github`].
    GithubAnnotations,
}

impl ReportFormat {
    /// Every format, JUnit in its usual dialect.
    pub const ALL: [Self; 8] = [
        Self::Junit(Dialect::Standard),
        Self::JunitInforming(Dialect::Standard),
        Self::Json,
        Self::Ctrf,
        Self::Html,
        Self::Markdown,
        Self::GithubSummary,
        Self::GithubAnnotations,
    ];

    /// The name users type.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Junit(_) => "junit",
            Self::JunitInforming(_) => "junit-informing",
            Self::Json => "json",
            Self::Ctrf => "ctrf",
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::GithubSummary => "github",
            Self::GithubAnnotations => "github-annotations",
        }
    }

    /// The names users type, for help texts.
    #[must_use]
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// Writes a report in this format.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn render(self, report: &Report, mut out: impl io::Write) -> io::Result<()> {
        match self {
            Self::Junit(dialect) => write_junit(report, dialect, Scope::Verdicts, out),
            Self::JunitInforming(dialect) => write_junit(report, dialect, Scope::Informing, out),
            Self::Json => report.write_json(out).map_err(io::Error::from),
            Self::Ctrf => write_ctrf(report, &mut out).map_err(io::Error::from),
            Self::Html => out.write_all(to_html(report).as_bytes()),
            Self::Markdown => out.write_all(to_markdown(report, Limit::Issue).as_bytes()),
            Self::GithubSummary => out.write_all(to_markdown(report, Limit::StepSummary).as_bytes()),
            Self::GithubAnnotations => out.write_all(annotations(report).as_bytes()),
        }
    }
}

impl fmt::Display for ReportFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
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
    #[error("`{0}` is no report format (one of {names})", names = ReportFormat::names())]
    Format(String),
}

impl FromStr for ReportFile {
    type Err = ReportFileError;

    fn from_str(text: &str) -> Result<Self, ReportFileError> {
        let (format, path) = text
            .split_once('=')
            .filter(|(format, path)| !format.is_empty() && !path.is_empty())
            .ok_or_else(|| ReportFileError::Form(text.to_owned()))?;
        let known = ReportFormat::ALL.into_iter().find(|known| known.name() == format);
        let format = known.ok_or_else(|| ReportFileError::Format(format.to_owned()))?;
        Ok(Self { format, path: PathBuf::from(path) })
    }
}

impl ReportFile {
    /// The same file; JUnit in this dialect.
    #[must_use]
    pub fn with_dialect(self, dialect: Dialect) -> Self {
        match self.format {
            ReportFormat::Junit(_) => Self { format: ReportFormat::Junit(dialect), ..self },
            ReportFormat::JunitInforming(_) => Self { format: ReportFormat::JunitInforming(dialect), ..self },
            _ => self,
        }
    }
}

/// Writes a text where it can be read whole or not at all; folders are made.
///
/// # Errors
///
/// When nothing can be written there.
pub fn write_whole(path: &Path, text: &str) -> Result<(), WriteError> {
    check_writable(path)?;
    let written = atomic::write(path, |out| out.write_all(text.as_bytes()));
    written.map(drop).map_err(|error| WriteError::NotWritable { path: path.to_owned(), error })
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
    let path = || file.path.clone();
    let not_writable = |error| WriteError::NotWritable { path: path(), error };
    let render = |out: &mut dyn io::Write| file.format.render(report, out);
    if atomic::is_special(&file.path) {
        return atomic::write_as_it_is(&file.path, render).map_err(not_writable);
    }
    let written = atomic::write(&file.path, render).map_err(not_writable)?;
    if atomic::digest_of(&file.path).map_err(not_writable)? != written {
        return Err(WriteError::Differs { path: path() });
    }
    let back = std::fs::File::open(&file.path).map_err(not_writable)?;
    check::check(file.format, report, io::BufReader::new(back))
        .map_err(|flaw| WriteError::Flawed { path: path(), flaw })
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
        for format in ReportFormat::ALL.into_iter().chain([ReportFormat::Junit(Dialect::Strict)]) {
            let path = folder.path().join("deep/er").join(format.name());
            write_report(&ReportFile { format, path: path.clone() }, &report()).unwrap();
            write_report(&ReportFile { format, path: path.clone() }, &report()).unwrap();
            assert!(path.is_file());
        }
        assert_eq!(std::fs::read_dir(folder.path().join("deep/er")).unwrap().count(), ReportFormat::ALL.len());
    }

    #[test]
    fn a_flawed_file_is_noticed_in_every_format() {
        let report = report();
        for format in ReportFormat::ALL {
            let mut sound = Vec::new();
            format.render(&report, &mut sound).unwrap();
            check::check(format, &report, sound.as_slice()).unwrap_or_else(|flaw| panic!("{format}: {flaw:?}"));
            let text = String::from_utf8(sound).unwrap();
            let cut = text.chars().take(text.chars().count() / 2).collect::<String>();
            let flawed = [cut, text.replace("nodes/ready", "").replace("name=\"ready\"", ""), "<x".to_owned()];
            // Half a page of Markdown is Markdown, and what has nothing to say says nothing.
            let noticed = flawed.iter().filter(|flawed| check::check(format, &report, flawed.as_bytes()).is_err());
            assert!(noticed.count() >= usize::from(!text.is_empty()), "{format}");
        }
    }
}
