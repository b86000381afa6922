//! Where events go, and the clock they are stamped with.

use std::{fmt, sync::Arc, time::Duration};

use tokio::time::Instant;
use winconform_reports::{Event, Record, secrets::record_without_secrets};

/// Takes events: the log, the terminal, a waiting `cargo test`.
pub trait Sink: Send + Sync {
    /// Takes one event. Called from async code, so it must not block for long.
    fn take(&self, record: &Record);
}

impl<F: Fn(&Record) + Send + Sync> Sink for F {
    fn take(&self, record: &Record) {
        self(record);
    }
}

/// Stamps events and hands them to every sink.
#[derive(Clone)]
pub struct Journal {
    started: Instant,
    sinks: Arc<[Arc<dyn Sink>]>,
}

impl Journal {
    /// Starts the run's clock.
    #[must_use]
    pub fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self { started: Instant::now(), sinks: sinks.into() }
    }

    /// Reports an event, now. Nobody sees the secrets in it, whoever said them.
    pub fn emit(&self, event: Event) {
        let record = record_without_secrets(Record { ms: millis(self.started.elapsed()), event });
        for sink in self.sinks.iter() {
            sink.take(&record);
        }
    }

    /// When the run started.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("sinks", &self.sinks.len()).finish_non_exhaustive()
    }
}

/// Whole milliseconds.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
