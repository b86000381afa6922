//! One recorded run, through every projection.
//!
//! `streams/mixed.ndjson` is a run on the default testbed with two defects, killed
//! before its end: passed, failed, undetermined, not applicable and limited results,
//! a flaky one, objects left behind, and a last line that was cut.
//! `streams/healthy.ndjson` is the same run with nothing wrong.

#![expect(clippy::unwrap_used, reason = "a panic fails the test; the lint exempts tests, not what they share")]

mod comparing;
mod consumers;
mod golden;
mod hostile;
mod published_schema;

use std::path::{Path, PathBuf};

use winconform_reports::{Report, read_log};

/// The report of a recorded run, and what the reader passed over.
fn recorded(name: &str) -> (Report, Vec<String>) {
    let log = read_log(&stream(name)).unwrap();
    (Report::from_records(&log.records), log.notes)
}

fn stream(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams").join(name)
}
