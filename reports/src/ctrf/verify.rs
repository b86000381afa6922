//! Reads a CTRF file back, and checks what its consumers rely on.

use std::{collections::HashSet, fmt, io};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use thiserror::Error;

/// What a consumer would stumble over.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CtrfFlaw {
    /// It is no JSON, or lacks what the format requires, or has what it does not know.
    #[error("it does not keep to the format")]
    Format(#[source] serde_json::Error),
    /// A count differs from what is there.
    #[error("the summary says {says} {what}, there are {are}")]
    Count {
        /// Which count.
        what: &'static str,
        /// What the summary says.
        says: usize,
        /// What is there.
        are: usize,
    },
    /// Two tests have the same id.
    #[error("two tests are called `{0}`")]
    Twice(String),
}

/// Checks a CTRF file, and counts its tests.
///
/// # Errors
///
/// With the first thing that some consumer would stumble over.
pub fn verify(file: impl io::Read) -> Result<usize, CtrfFlaw> {
    let document: Document = serde_json::from_reader(file).map_err(CtrfFlaw::Format)?;
    let Summary { tests, passed, failed, skipped, pending, other, .. } = document.results.summary;
    let found = document.results.tests;
    if let Some(name) = found.twice {
        return Err(CtrfFlaw::Twice(name));
    }
    let counts = [
        ("tests", tests, found.total),
        ("passed", passed, found.passed),
        ("failed", failed, found.failed),
        ("skipped", skipped, found.skipped),
        ("pending", pending, found.pending),
        ("other", other, found.other),
    ];
    match counts.into_iter().find(|(_, says, are)| says != are) {
        Some((what, says, are)) => Err(CtrfFlaw::Count { what, says, are }),
        None => Ok(found.total),
    }
}

// What the format requires and allows, as far as we write it. Fields that only have
// to be there are read as anything.

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "the fields only have to be there, and no others")]
struct Document {
    report_format: Name,
    spec_version: String,
    run_id: Option<String>,
    timestamp: Option<String>,
    generated_by: Option<String>,
    results: Results,
}

#[derive(Deserialize)]
enum Name {
    #[serde(rename = "CTRF")]
    Ctrf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields only have to be there, and no others")]
struct Results {
    tool: Tool,
    summary: Summary,
    tests: Tests,
    environment: Option<IgnoredAny>,
    extra: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields only have to be there, and no others")]
struct Tool {
    name: String,
    version: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the fields only have to be there, and no others")]
struct Summary {
    tests: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    pending: usize,
    other: usize,
    flaky: usize,
    suites: usize,
    start: u64,
    stop: u64,
    duration: u64,
    extra: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Passed,
    Failed,
    Skipped,
    Pending,
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "the fields only have to be there, and no others")]
struct Test {
    test_id: String,
    name: String,
    suite: Vec<String>,
    status: Status,
    raw_status: String,
    duration: u64,
    start: Option<u64>,
    stop: Option<u64>,
    flaky: bool,
    retries: u32,
    retry_attempts: Option<IgnoredAny>,
    tags: Vec<String>,
    labels: IgnoredAny,
    r#type: String,
    message: Option<String>,
    trace: Option<String>,
    attachments: Option<IgnoredAny>,
    stdout: Option<Vec<IgnoredAny>>,
    steps: Option<IgnoredAny>,
    extra: Option<IgnoredAny>,
}

/// The tests, counted as they are read.
#[derive(Default)]
struct Tests {
    total: usize,
    passed: usize,
    failed: usize,
    skipped: usize,
    pending: usize,
    other: usize,
    twice: Option<String>,
}

impl<'de> Deserialize<'de> for Tests {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Counting)
    }
}

struct Counting;

impl<'de> Visitor<'de> for Counting {
    type Value = Tests;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tests")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tests: A) -> Result<Tests, A::Error> {
        let mut found = Tests::default();
        let mut ids = HashSet::new();
        while let Some(test) = tests.next_element::<Test>()? {
            found.total += 1;
            match test.status {
                Status::Passed => found.passed += 1,
                Status::Failed => found.failed += 1,
                Status::Skipped => found.skipped += 1,
                Status::Pending => found.pending += 1,
                Status::Other => found.other += 1,
            }
            if !ids.insert(test.test_id.clone()) {
                found.twice.get_or_insert(test.test_id);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Report, ctrf::write_ctrf, log::parse_log};

    fn written() -> String {
        let log = parse_log(include_bytes!("../../tests/streams/mixed.ndjson")).unwrap();
        let mut out = Vec::new();
        write_ctrf(&Report::from_records(&log.records), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_consumer_would_stumble_over_is_found() {
        let sound = written();
        assert_eq!(verify(sound.as_bytes()).unwrap(), 76);
        for (from, to) in [
            ("\"tests\": 76", "\"tests\": 75"),
            ("\"status\": \"failed\"", "\"status\": \"broken\""),
            ("\"reportFormat\": \"CTRF\"", "\"reportFormat\": \"JUnit\""),
            ("\"testId\"", "\"id\""),
            ("nodes/ready@win-2022-0", "nodes/ready@win-2019-0"),
        ] {
            assert!(verify(sound.replace(from, to).as_bytes()).is_err(), "{from}");
        }
        assert!(verify(sound.get(..sound.len() - 3).unwrap().as_bytes()).is_err());
    }
}
