//! Turns what happened in a run into reports, without knowing a cluster.
//!
//! # The nouns
//!
//! * An [`Event`] is anything worth reporting; a [`Record`] is one with its time.
//! * The log (`events.ndjson`) is the only source; every report is a projection of it.
//! * A [`Verdict`] is a fact; a [`Disposition`] is what the user's [`Policy`] makes of it.
//! * A finding is a cause that accounts for one or more failed checks.
//!
//! # From a log to reports
//!
//! ```
//! use winconform_reports::{
//!     Event, LogWriter, Policy, Record, Report, RunResult,
//!     event::{RunStarted, SCHEMA},
//!     junit::{Dialect, to_junit},
//!     read_log,
//!     text::{SummaryOptions, summary},
//! };
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! // The harness appends what happens, each line on its way to the disk at once.
//! let log = LogWriter::create(folder)?;
//! let started = RunStarted {
//!     schema: SCHEMA.to_owned(),
//!     run: "20261123-0915-k3f9".to_owned(),
//!     started: "2026-11-23T09:15:00Z".parse()?,
//!     version: "0.1.0".to_owned(),
//!     policy: Policy::default(),
//!     timeout_scale: 1.0,
//!     testbed: None,
//!     rounds: 1,
//!     retries: 0,
//! };
//! log.append(&Record { ms: 0, event: Event::RunStarted(started) })?;
//!
//! // It is killed here. The log is readable, and says so in every report.
//! let log = read_log(log.path())?;
//! let report = Report::from_records(&log.records);
//! assert_eq!(report.run.result, RunResult::Unknown);
//! assert!(summary(&report, &SummaryOptions::default()).contains("nothing was asked"));
//! assert!(to_junit(&report, Dialect::Standard)?.contains("<error"));
//! # Ok(())
//! # }
//! ```
//!
//! # What this crate does not do
//!
//! It asks no cluster and knows no type of Kubernetes: a report made from a log
//! found in an archive is the same, byte for byte, as the one made on the day.

pub mod chain;
pub mod changes;
pub mod clean;
pub mod compare;
pub mod ctrf;
pub mod disposition;
pub mod event;
pub mod explain;
pub mod github;
pub mod history;
pub mod html;
pub mod id;
pub mod junit;
pub mod known_failures;
pub mod log;
pub mod markdown;
pub mod report;
pub mod secrets;
pub mod statistics;
pub mod text;
pub mod verdict;
mod words;
pub mod write;

#[cfg(test)]
mod tests;

pub use self::{
    chain::Chain,
    changes::Changes,
    disposition::{Disposition, Policy, RunResult},
    event::{Event, Record},
    explain::Finding,
    id::{CheckId, Place, ResultId},
    log::{LogWriter, read_log, read_logs},
    report::Report,
    verdict::{Level, Verdict, VerdictKind},
    write::{ReportFile, ReportFormat, check_writable, write_report},
};
