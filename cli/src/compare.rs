//! `winconform compare`: what changed between two runs.

use std::path::PathBuf;

use clap::Args;
use winconform_reports::compare::{
    self, AskedPair, Comparison, FailOn, markdown::markdown, page::to_html, read_run, text,
};

use crate::{
    error::CliError,
    projection::{self, Projection, check_all},
    terminal::Terminal,
};

/// Say what changed between two runs.
///
/// The base is the run that is known to be good, the candidate the one in
/// question; each is a run's folder, its events.ndjson, or its JSON report. Targets
/// are paired by name, else by build, else the single one that is left on each side:
/// the patch level, the runtime and the kubelet are what a new build changes.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit codes:
  0  no regression
  1  a regression, or what --fail-on names
  2  a run cannot be read, or the command line is wrong
  3  the two runs have no answer in common

Examples:
  winconform compare target/winconform/good target/winconform/latest
  winconform compare good.json new.json --pair 10.0.20348=10.0.26100 --fail-on regressed,slower
  winconform compare good.json new.json --report markdown=changes.md --report html=changes.html")]
pub struct CompareArguments {
    /// The run that is known to be good.
    base: PathBuf,
    /// The run in question.
    candidate: PathBuf,
    /// Which target stands for which, by the beginnings of their names (repeatable).
    #[arg(long, value_name = "BASE=CANDIDATE")]
    pair: Vec<AskedPair>,
    /// What the exit code 1 is for, joined by commas: `regressed`, `new-failure`, `other-reason`, `newly-flaky`,
    /// `coverage-lost`, `limitation-lifted`, `finding-new`, `slower`, …; or `none`.
    #[arg(long, value_name = "LIST", default_value_t)]
    fail_on: FailOn,
    /// Write the comparison: `html=FILE`, `markdown=FILE` or `json=FILE` (repeatable).
    #[arg(long, value_name = "FORMAT=PATH")]
    report: Vec<Projection<Format>>,
}

/// What a comparison is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Markdown,
    Json,
}

impl projection::Format for Format {
    const OF: &'static str = "a comparison";
    const EXAMPLE: &'static str = "markdown=changes.md";
    const ALL: &'static [(&'static str, Self)] =
        &[("html", Self::Html), ("markdown", Self::Markdown), ("json", Self::Json)];
}

/// Compares, writes what was asked for, prints the text, and gives the exit code.
///
/// # Errors
///
/// When a run cannot be read, the targets not be paired as asked, or a file not be written.
pub fn compare(arguments: &CompareArguments, terminal: Terminal) -> Result<u8, CliError> {
    check_all(&arguments.report)?;
    let (base, candidate) = (read_run(&arguments.base)?, read_run(&arguments.candidate)?);
    let comparison = compare::compare(&base.snapshot, &candidate.snapshot, &arguments.pair)?;
    for file in &arguments.report {
        file.write(|format| rendered(&comparison, format))?;
    }
    let notes = base.notes.into_iter().chain(candidate.notes).collect();
    terminal.out(&text::text(&comparison, &text::Options { style: terminal.style(), width: terminal.width(), notes }));
    Ok(comparison.exit_code(&arguments.fail_on))
}

fn rendered(comparison: &Comparison, format: Format) -> Result<String, CliError> {
    match format {
        Format::Html => Ok(to_html(comparison)),
        Format::Markdown => Ok(markdown(comparison)),
        Format::Json => comparison.to_json().map_err(CliError::Json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_needs_a_format_and_a_path() {
        assert!("markdown=a=b.md".parse::<Projection<Format>>().is_ok());
        for bad in ["markdown", "markdown=", "junit=x.xml", "=x"] {
            assert!(bad.parse::<Projection<Format>>().is_err(), "{bad}");
        }
    }
}
