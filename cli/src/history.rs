//! `winconform history`: what many runs say together.

use std::path::PathBuf;

use clap::Args;
use winconform_reports::history::{self, History, page::to_html, read_runs, text};

use crate::{
    error::CliError,
    projection::{self, Projection, check_all},
    terminal::Terminal,
};

/// Sum up many runs.
///
/// Reads every log and JSON report in a folder and those below it, and says for each
/// check and line of builds how often it held and how flaky it is (with the range in
/// which the true share lies), since which run it is broken and what changed then, and
/// how long pods took to start, run by run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform history target/winconform
  winconform history nightly --report html=history.html --report json=history.json")]
pub struct HistoryArguments {
    /// A folder of runs.
    folder: PathBuf,
    /// Write the history: `html=FILE` or `json=FILE` (repeatable).
    #[arg(long, value_name = "FORMAT=PATH")]
    report: Vec<Projection<Format>>,
}

/// What a history is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
}

impl projection::Format for Format {
    const OF: &'static str = "a history";
    const EXAMPLE: &'static str = "html=history.html";
    const ALL: &'static [(&'static str, Self)] = &[("html", Self::Html), ("json", Self::Json)];
}

/// Reads, writes what was asked for, prints the text. The exit code is 0: what the runs
/// say was their own exit codes' business.
///
/// # Errors
///
/// When the folder holds no run, or a file cannot be written.
pub fn history(arguments: &HistoryArguments, terminal: Terminal) -> Result<u8, CliError> {
    check_all(&arguments.report)?;
    let (runs, notes) = read_runs(&arguments.folder)?;
    let history = history::history(runs, notes);
    for file in &arguments.report {
        file.write(|format| rendered(&history, format))?;
    }
    terminal.out(&text::text(&history, &text::Options { style: terminal.style(), width: terminal.width() }));
    Ok(0)
}

fn rendered(history: &History, format: Format) -> Result<String, CliError> {
    match format {
        Format::Html => Ok(to_html(history)),
        Format::Json => history.to_json().map_err(CliError::Json),
    }
}
