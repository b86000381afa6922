//! Finds the logs that a user's path names, and reads them as one.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Component, Path, PathBuf},
};

use thiserror::Error;

use super::{LOG_NAME, Log, LogError, MergeError, Part, merge, read_log};

/// How deep logs are looked for.
const DEPTH: usize = 6;

/// Logs could not be read as one.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadLogsError {
    /// A folder cannot be listed.
    #[error("failed to list the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// There is no log in a folder.
    #[error("`{}` holds no log of a run ({LOG_NAME}), nor do the folders in it", path.display())]
    None {
        /// The folder.
        path: PathBuf,
    },
    /// A log cannot be read.
    #[error("failed to read `{}` as a run's log", path.display())]
    Log {
        /// The log.
        path: PathBuf,
        /// Why not.
        #[source]
        error: LogError,
    },
    /// The logs are no parts of one whole.
    #[error(transparent)]
    Merge(Box<MergeError>),
}

/// One log, or several read as one.
#[derive(Debug, Clone, PartialEq)]
pub struct Logs {
    /// What is in them.
    pub log: Log,
    /// The folder in which the paths of evidence begin; empty for the current one.
    pub folder: PathBuf,
    /// How many files that were.
    pub files: usize,
}

/// Reads logs, or the logs in folders, and merges them.
///
/// # Errors
///
/// When a path leads to no log, one cannot be read, or they are no parts of one whole.
pub fn read_logs(paths: &[PathBuf]) -> Result<Logs, ReadLogsError> {
    let mut files = BTreeSet::new();
    for path in paths {
        files.extend(logs_at(path)?);
    }
    let folder = common_folder(&files);
    let read = |path: &PathBuf| {
        let log = read_log(path).map_err(|error| ReadLogsError::Log { path: path.clone(), error })?;
        let within = folder_of(path).strip_prefix(&folder).unwrap_or(folder_of(path));
        // Paths in logs have slashes, whatever the system.
        let within: Vec<_> = within.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        Ok(Part { name: path.display().to_string(), folder: within.join("/"), log })
    };
    let parts = files.iter().map(read).collect::<Result<Vec<Part>, ReadLogsError>>()?;
    Ok(Logs { log: merge(parts).map_err(|error| ReadLogsError::Merge(Box::new(error)))?, folder, files: files.len() })
}

/// The logs that a path names: itself, the one in a run's folder, or those in the folders below.
fn logs_at(path: &Path) -> Result<Vec<PathBuf>, ReadLogsError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut logs = Vec::new();
    find(path, DEPTH, &mut logs).map_err(|error| ReadLogsError::Folder { path: path.to_owned(), error })?;
    if logs.is_empty() { Err(ReadLogsError::None { path: path.to_owned() }) } else { Ok(logs) }
}

/// A run's folder holds one log. Links below are not followed: `latest` is one of the runs beside it.
fn find(folder: &Path, depth: usize, logs: &mut Vec<PathBuf>) -> io::Result<()> {
    let own = folder.join(LOG_NAME);
    if own.is_file() {
        logs.push(own);
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() && depth > 0 {
            // A folder below that we may not list is somebody else's.
            let _ = find(&entry.path(), depth - 1, logs);
        }
    }
    Ok(())
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

/// The deepest folder that all files are in.
fn common_folder(files: &BTreeSet<PathBuf>) -> PathBuf {
    let mut folders = files.iter().map(|file| folder_of(file));
    let Some(first) = folders.next() else { return PathBuf::new() };
    let mut common: Vec<Component<'_>> = first.components().collect();
    for folder in folders {
        let alike = common.iter().zip(folder.components()).take_while(|(one, other)| *one == other).count();
        common.truncate(alike);
    }
    common.into_iter().collect()
}
