//! Events on their way into the log.

use std::sync::{Arc, Mutex, PoisonError};

use winconform_harness::journal::Sink;
use winconform_reports::{LogWriter, Record, log::LogError};

/// Appends every event, and remembers the first one that could not be.
#[derive(Debug)]
pub(super) struct LogSink {
    log: Arc<LogWriter>,
    failure: Mutex<Option<LogError>>,
}

impl LogSink {
    pub(super) fn new(log: Arc<LogWriter>) -> Self {
        Self { log, failure: Mutex::default() }
    }

    /// Why the log is not whole, once.
    pub(super) fn failure(&self) -> Option<LogError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Sink for LogSink {
    fn take(&self, record: &Record) {
        if let Err(error) = self.log.append(record) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}
