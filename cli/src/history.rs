//! `winconform history`: what many runs say together.

use std::{path::PathBuf, str::FromStr};

use clap::Args;
use winconform_reports::{
    history::{self, History, page::to_html, read_runs, text},
    write::{check_writable, write_whole},
};

use crate::{error::CliError, terminal::Terminal};

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
    report: Vec<HistoryFile>,
}

/// What a history is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Json,
}

/// A history to write, as `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HistoryFile {
    format: Format,
    path: PathBuf,
}

impl FromStr for HistoryFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (format, path) = text
            .split_once('=')
            .filter(|(_, path)| !path.is_empty())
            .ok_or_else(|| format!("`{text}` is not of the form FORMAT=PATH, for example `html=history.html`"))?;
        let format = match format {
            "html" => Format::Html,
            "json" => Format::Json,
            other => return Err(format!("`{other}` is no format of a history (one of html, json)")),
        };
        Ok(Self { format, path: PathBuf::from(path) })
    }
}

/// Reads, writes what was asked for, prints the text. The exit code is 0: what the runs
/// say was their own exit codes' business.
///
/// # Errors
///
/// When the folder holds no run, or a file cannot be written.
pub fn history(arguments: &HistoryArguments, terminal: Terminal) -> Result<u8, CliError> {
    for file in &arguments.report {
        check_writable(&file.path)?;
    }
    let (runs, notes) = read_runs(&arguments.folder)?;
    let history = history::history(runs, notes);
    for file in &arguments.report {
        write_whole(&file.path, &rendered(&history, file.format)?)?;
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
