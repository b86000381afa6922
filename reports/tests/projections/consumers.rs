//! What others read of us, read by their own schemas and parsers.
//!
//! They are published by others and stay there: `.ci/run consumers` gets them. Without
//! them a test says so and is skipped; `WINCONFORM_NEEDS_CONSUMERS` makes that a failure.

use std::{env, ffi::OsString, fs, process::Command};

use serde_json::Value;
use winconform_reports::{Report, ReportFormat, junit::Dialect};

use crate::recorded;

/// What a variable names, where it is set.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn named(variable: &str) -> Option<OsString> {
    let named = env::var_os(variable);
    let needed = env::var_os("WINCONFORM_NEEDS_CONSUMERS").is_some();
    assert!(named.is_some() || !needed, "{variable} is not set, and WINCONFORM_NEEDS_CONSUMERS is");
    if named.is_none() {
        println!("skipped: {variable} is not set");
    }
    named
}

fn reports() -> [Report; 3] {
    [recorded("healthy.ndjson").0, recorded("mixed.ndjson").0, Report::from_records(&[])]
}

fn rendered(format: ReportFormat, report: &Report) -> Vec<u8> {
    let mut out = Vec::new();
    format.render(report, &mut out).unwrap();
    out
}

#[test]
fn ctrf_is_valid_by_the_schema_that_its_makers_publish() {
    let Some(path) = named("WINCONFORM_CTRF_SCHEMA") else { return };
    let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in reports() {
        let mut file: Value = serde_json::from_slice(&rendered(ReportFormat::Ctrf, &report)).unwrap();
        let errors: Vec<String> = validator.iter_errors(&file).map(|error| error.to_string()).collect();
        assert_eq!(errors, [] as [&str; 0]);
        file["results"]["summary"]["passed"] = "many".into();
        assert!(!validator.is_valid(&file), "the schema refuses something");
    }
}

/// Prints `tests failures errors skipped` as a program that uses junitparser counts them.
const COUNT: &str = "
import sys
from junitparser import JUnitXml, Error, Failure, Skipped
counts = dict.fromkeys((Failure, Error, Skipped), 0)
tests = 0
for suite in JUnitXml.fromfile(sys.argv[1]):
    for case in suite:
        tests += 1
        for result in case.result:
            counts[type(result)] = counts.get(type(result), 0) + 1
print(tests, counts[Failure], counts[Error], counts[Skipped])
";

#[test]
fn junitparser_counts_what_we_count() {
    let Some(python) = named("WINCONFORM_JUNITPARSER") else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.xml");
    for report in reports() {
        for dialect in [Dialect::Standard, Dialect::Strict] {
            let xml = rendered(ReportFormat::Junit(dialect), &report);
            let ours = winconform_reports::junit::verify_read(xml.as_slice()).unwrap();
            fs::write(&path, &xml).unwrap();
            let told = Command::new(&python).args(["-c", COUNT]).arg(&path).output().unwrap();
            assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
            let theirs = String::from_utf8(told.stdout).unwrap();
            assert_eq!(theirs.trim(), format!("{} {} {} {}", ours.tests, ours.failures, ours.errors, ours.skipped));
        }
    }
}
