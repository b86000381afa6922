//! `winconform report`: reports again, from the logs of one or more runs.

use std::path::PathBuf;

use clap::Args;
use winconform_reports::{
    Report, read_logs,
    text::{SummaryOptions, summary},
    write::{check_writable, write_report},
};

use crate::{arguments::OutputArguments, error::CliError, terminal::Terminal};

/// Make reports again from the logs of runs.
///
/// Every report is a projection of the log, so a report made today from an old
/// log, or from the log of a run that was killed, is as good as the one made then.
///
/// Several logs (shards, the processes of `cargo nextest run`, runs of the same thing)
/// become one report. What several of them asked counts as asked in several rounds: broken
/// in one is broken, and flaky where another held. They must agree in version, policy and
/// cluster.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  winconform report target/winconform/latest
  winconform report events.ndjson --report junit=report.xml --junit-dialect strict
  winconform report shard-1 shard-2 --report html=report.html")]
pub struct ReportArguments {
    /// Run folders, events.ndjson files, or folders that hold either at any depth.
    #[arg(required = true)]
    log: Vec<PathBuf>,
    #[command(flatten)]
    output: OutputArguments,
}

/// Writes the reports and prints the summary. Whether the run was red does not
/// matter here: the exit code is 0 when all reports were written.
///
/// # Errors
///
/// When a log cannot be read, they cannot be merged, or a report not be written.
pub fn report(arguments: ReportArguments, terminal: Terminal) -> Result<u8, CliError> {
    let files = arguments.output.files();
    for file in &files {
        check_writable(&file.path)?;
    }
    let logs = read_logs(&arguments.log)?;
    let report = Report::from_records(&logs.log.records);
    for file in &files {
        write_report(file, &report)?;
    }
    terminal.out(&summary(
        &report,
        &SummaryOptions {
            style: terminal.style(),
            width: terminal.width(),
            folder: Some(logs.folder).filter(|folder| !folder.as_os_str().is_empty()),
            reports: files.into_iter().map(|file| file.path).collect(),
            notes: logs.log.notes,
        },
    ));
    Ok(0)
}
