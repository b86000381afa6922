//! The run log: one JSON [`Record`](crate::Record) a line, appended as things happen.
//!
//! It is the only thing a run must write: every report is a projection of it. So
//! the [writer](LogWriter) hands each line to the operating system at once (a
//! killed process leaves all but its last line), and the [reader](read_log)
//! takes a log that was cut anywhere. [Several](read_logs) are [merged](merge()) into one.

mod find;
mod merge;
mod reader;
mod writer;

use std::{io, path::PathBuf};

use thiserror::Error;

pub use self::{
    find::{Logs, ReadLogsError, read_logs},
    merge::{MergeError, Part, merge},
    reader::{Log, parse_log, read_log},
    writer::LogWriter,
};

/// The name of the log in a run's folder.
pub const LOG_NAME: &str = "events.ndjson";

/// The log could not be written or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The run's folder cannot be made.
    #[error("failed to create the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// The log cannot be created; it is never overwritten.
    #[error("failed to create the log `{}`", path.display())]
    Create {
        /// The log.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// A line could not be appended; the log ends with the line before it.
    #[error("failed to append to the log `{}`", path.display())]
    Append {
        /// The log.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// An earlier write left half a line that could not be taken back.
    #[error("the log `{}` ends in half a line, nothing can be appended", path.display())]
    Torn {
        /// The log.
        path: PathBuf,
    },
    /// An event cannot be written as JSON.
    #[error("failed to write an event as JSON")]
    Encode(#[source] serde_json::Error),
    /// The log cannot be read.
    #[error("failed to read the log `{}`", path.display())]
    Read {
        /// The log.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// The first line is not that of a run log.
    #[error("not a run log: the first line should start a run of schema `{}`", crate::event::SCHEMA)]
    NotALog,
    /// The log was written by a newer winconform.
    #[error(
        "the log has the schema `{found}`, this winconform reads `{}`; use the version that wrote it, or a newer one",
        crate::event::SCHEMA
    )]
    Newer {
        /// The schema in the log's first line.
        found: String,
    },
    /// A line in the middle is not an event.
    #[error("line {line} of the log is not an event")]
    Garbage {
        /// Counted from 1.
        line: usize,
        /// What the parser said.
        #[source]
        error: serde_json::Error,
    },
}
