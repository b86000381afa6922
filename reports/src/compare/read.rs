//! Reads a run to compare: its folder, its log, or its JSON report.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::Snapshot;
use crate::{
    log::{LOG_NAME, LogError, ReadLogsError, parse_log, read_logs},
    report::{REPORT_SCHEMA, Report},
};

/// A run to compare could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadRunError {
    /// The file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// It is neither a log nor a report.
    #[error("`{}` is no run: give a run's folder, its {LOG_NAME}, or its JSON report", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// What the reader of logs said.
        #[source]
        error: LogError,
    },
    /// The logs in a folder cannot be read as one run.
    #[error(transparent)]
    Logs(#[from] ReadLogsError),
    /// It is a JSON report that cannot be read.
    #[error("`{}` is a JSON report, but not one of `{REPORT_SCHEMA}` that this winconform can read", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: serde_json::Error,
    },
}

/// A run that was read.
#[derive(Debug, Clone)]
pub struct ReadRun {
    /// What a comparison needs of it.
    pub snapshot: Snapshot,
    /// What the reader had to pass over, in words for the user.
    pub notes: Vec<String>,
}

/// Reads a run: its folder, its log, or its JSON report; or a folder of logs that are one when merged.
///
/// # Errors
///
/// When there is none, or it is not of a version that this winconform reads.
pub fn read_run(path: &Path) -> Result<ReadRun, ReadRunError> {
    if path.is_dir() {
        let log = read_logs(&[path.to_owned()])?.log;
        let notes = log.notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect();
        return Ok(ReadRun { snapshot: Snapshot::of(&Report::from_records(&log.records)), notes });
    }
    let path = path.to_owned();
    let bytes = fs::read(&path).map_err(|error| ReadRunError::Unreadable { path: path.clone(), error })?;
    // A report is one JSON value over many lines, a log one value a line.
    let first_line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if first_line.trim_ascii() == b"{" || first_line.starts_with(br#"{"schema":"winconform.report"#) {
        let report: Report =
            serde_json::from_slice(&bytes).map_err(|error| ReadRunError::Report { path: path.clone(), error })?;
        return Ok(ReadRun { snapshot: Snapshot::of(&report), notes: Vec::new() });
    }
    let log = parse_log(&bytes).map_err(|error| ReadRunError::Log { path: path.clone(), error })?;
    drop(bytes);
    let notes = log.notes.into_iter().map(|note| format!("{}: {note}", path.display())).collect();
    Ok(ReadRun { snapshot: Snapshot::of(&Report::from_records(&log.records)), notes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Chain, tests::started};

    #[test]
    fn a_folder_a_log_and_a_report_read_alike_and_anything_else_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let records = [started()];
        let line = serde_json::to_string(&records[0]).unwrap() + "\n";
        fs::write(folder.path().join(LOG_NAME), &line).unwrap();
        let report = Report::from_records(&records);
        fs::write(folder.path().join("report.json"), report.to_json().unwrap()).unwrap();
        fs::write(folder.path().join("line.json"), serde_json::to_string(&report).unwrap()).unwrap();
        let read = |name: &str| read_run(&folder.path().join(name)).map(|read| read.snapshot);
        let whole = read("").unwrap();
        for name in [LOG_NAME, "report.json", "line.json"] {
            assert_eq!(read(name).unwrap(), whole, "{name}");
        }
        fs::write(folder.path().join("other"), "hello\n").unwrap();
        fs::write(folder.path().join("other.json"), "{\n}").unwrap();
        let refused = |name: &str| Chain(&read(name).unwrap_err()).to_string();
        assert!(refused("other").contains("is no run: give a run's folder"), "{}", refused("other"));
        assert!(refused("other.json").contains("missing field"), "{}", refused("other.json"));
        assert!(refused("nothing").contains("failed to read"), "{}", refused("nothing"));
    }
}
