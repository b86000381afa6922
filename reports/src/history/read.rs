//! Finds the runs in a folder: logs, and JSON reports.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    Chain,
    compare::{Snapshot, read_run},
    log::LOG_NAME,
};

/// How deep runs are looked for.
const DEPTH: usize = 6;

/// A folder of runs could not be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// The folder cannot be listed.
    #[error("failed to list the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// There is no run in it.
    #[error("`{}` holds no run: neither a log ({LOG_NAME}) nor a JSON report", path.display())]
    Empty {
        /// The folder.
        path: PathBuf,
    },
}

/// Reads all runs in a folder and those below it, and says what it passed over.
///
/// A run that is there twice (its log and a report of it, or a link) counts once.
///
/// # Errors
///
/// When the folder cannot be listed, or holds no run.
pub fn read_runs(folder: &Path) -> Result<(Vec<Snapshot>, Vec<String>), HistoryError> {
    let mut files = Vec::new();
    find(folder, DEPTH, &mut files).map_err(|error| HistoryError::Folder { path: folder.to_owned(), error })?;
    files.sort();
    let mut runs: BTreeMap<String, Snapshot> = BTreeMap::new();
    let mut notes = Vec::new();
    for file in files {
        let is_log = file.file_name().is_some_and(|name| name == LOG_NAME);
        match read_run(&file) {
            Ok(read) => {
                notes.extend(read.notes);
                runs.entry(read.snapshot.run.clone()).or_insert(read.snapshot);
            }
            // Any folder holds JSON that is no report; a log that cannot be read is missed by somebody.
            Err(error) if is_log => notes.push(format!("passed over: {}", Chain(&error))),
            Err(_) => {}
        }
    }
    if runs.is_empty() {
        return Err(HistoryError::Empty { path: folder.to_owned() });
    }
    Ok((runs.into_values().collect(), notes))
}

/// Links are not followed: `latest` is one of the runs beside it.
fn find(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (kind, path) = (entry.file_type()?, entry.path());
        if kind.is_dir() && depth > 0 {
            // A folder below that we may not list is somebody else's.
            let _ = find(&path, depth - 1, files);
        }
        let is_run = entry.file_name() == LOG_NAME || path.extension().is_some_and(|extension| extension == "json");
        if kind.is_file() && is_run {
            files.push(path);
        }
    }
    Ok(())
}
