//! Appends records, one line each.

use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{LOG_NAME, LogError};
use crate::event::Record;

/// Appends to a run's log. Shared by reference between tasks: an append is one
/// short write to a local file, cheap enough to be made where things happen.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    end: Mutex<End>,
}

/// Where the log ends.
#[derive(Debug)]
struct End {
    file: File,
    /// Bytes of whole lines.
    whole: u64,
    /// Half a line stands behind them and could not be taken back.
    torn: bool,
}

impl LogWriter {
    /// Creates `events.ndjson` in a folder, and the folder where it is missing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be made or already holds a log: two runs never share one.
    pub fn create(folder: &Path) -> Result<Self, LogError> {
        fs::create_dir_all(folder).map_err(|error| LogError::Folder { path: folder.to_owned(), error })?;
        let path = folder.join(LOG_NAME);
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Ok(file) => Ok(Self { path, end: Mutex::new(End { file, whole: 0, torn: false }) }),
            Err(error) => Err(LogError::Create { path, error }),
        }
    }

    /// Where the log is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one record and hands it to the operating system.
    ///
    /// # Errors
    ///
    /// When the line cannot be written. Half a line, as a full disk leaves it, is
    /// taken back, so that the log stays readable and a later append may succeed.
    pub fn append(&self, record: &Record) -> Result<(), LogError> {
        let mut line = serde_json::to_vec(record).map_err(LogError::Encode)?;
        line.push(b'\n');
        // A thread that panicked while appending left whole lines, or `torn` says otherwise.
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.torn {
            return Err(LogError::Torn { path: self.path.clone() });
        }
        end.append(&line).map_err(|error| LogError::Append { path: self.path.clone(), error })
    }
}

impl End {
    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.torn = true;
        let written = self.file.write_all(line).and_then(|()| self.file.flush());
        match written {
            Ok(()) => {
                self.whole += line.len() as u64;
                self.torn = false;
                Ok(())
            }
            Err(error) => {
                self.torn = self.file.set_len(self.whole).is_err();
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{event::Event, log::read_log};

    fn cleaned(ms: u64) -> Record {
        Record { ms, event: Event::CleanedUp { left: vec![format!("namespace/{ms}")] } }
    }

    #[test]
    fn every_record_is_on_disk_as_soon_as_it_is_appended() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogWriter::create(&folder.path().join("deep/run")).unwrap();
        log.append(&crate::tests::started()).unwrap();
        log.append(&cleaned(7)).unwrap();
        assert_eq!(read_log(log.path()).unwrap().records, [crate::tests::started(), cleaned(7)]);
    }

    #[test]
    fn a_log_is_never_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let _first = LogWriter::create(folder.path()).unwrap();
        assert!(matches!(LogWriter::create(folder.path()), Err(LogError::Create { .. })));
    }

    #[test]
    fn lines_of_many_threads_never_mix() {
        let folder = tempfile::tempdir().unwrap();
        let log = LogWriter::create(folder.path()).unwrap();
        log.append(&crate::tests::started()).unwrap();
        thread::scope(|scope| {
            for thread in 0..4 {
                let log = &log;
                scope.spawn(move || (0..50).for_each(|n| log.append(&cleaned(thread * 100 + n)).unwrap()));
            }
        });
        assert_eq!(read_log(log.path()).unwrap().records.len(), 201);
    }
}
