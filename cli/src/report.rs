//! `winconform report`: reports again, from a run's log.

use std::path::PathBuf;

use clap::Args;
use winconform_reports::{
    Report, read_log,
    text::{SummaryOptions, summary},
    write::{check_writable, write_report},
};

use crate::{arguments::OutputArguments, error::CliError, session::log_of, terminal::Terminal};

/// Make reports again from a run's log.
///
/// Every report is a projection of the log, so a report made today from an old
/// log, or from the log of a run that was killed, is as good as the one made then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform report target/winconform/latest
  winconform report events.ndjson --report junit=report.xml --junit-dialect strict")]
pub struct ReportArguments {
    /// A run's folder, or its events.ndjson.
    log: PathBuf,
    #[command(flatten)]
    output: OutputArguments,
}

/// Writes the reports and prints the summary. Whether the run was red does not
/// matter here: the exit code is 0 when all reports were written.
///
/// # Errors
///
/// When the log cannot be read, or a report not be written.
pub fn report(arguments: ReportArguments, terminal: Terminal) -> Result<u8, CliError> {
    let path = log_of(&arguments.log);
    let files = arguments.output.files();
    for file in &files {
        check_writable(&file.path)?;
    }
    let log = read_log(&path)?;
    let report = Report::from_records(&log.records);
    for file in &files {
        write_report(file, &report)?;
    }
    terminal.out(&summary(
        &report,
        &SummaryOptions {
            style: terminal.style(),
            width: terminal.width(),
            folder: path.parent().map(PathBuf::from),
            reports: files.into_iter().map(|file| file.path).collect(),
            notes: log.notes,
        },
    ));
    Ok(0)
}
