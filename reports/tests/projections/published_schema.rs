//! `docs/report.schema.json` is what the types say, and what reports keep to.
//!
//! After a change of the types: `WINCONFORM_UPDATE_SCHEMA=1 cargo test -p winconform-reports published_schema`.

use std::{env, fs, path::PathBuf};

use serde_json::Value;
use winconform_reports::{Report, report::json_schema};

use crate::recorded;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/report.schema.json")
}

fn published() -> Value {
    serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap()
}

#[test]
fn the_published_schema_is_that_of_the_types() {
    let text = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if env::var_os("WINCONFORM_UPDATE_SCHEMA").is_some() {
        fs::write(path(), &text).unwrap();
    }
    let published = fs::read_to_string(path()).unwrap_or_default();
    assert!(published == text, "docs/report.schema.json is out of date; WINCONFORM_UPDATE_SCHEMA=1 writes it");
}

#[test]
fn real_reports_keep_to_the_published_schema() {
    let validator = jsonschema::validator_for(&published()).unwrap();
    let of_no_log = Report::from_records(&[]);
    for report in [recorded("healthy.ndjson").0, recorded("mixed.ndjson").0, of_no_log] {
        let report: Value = serde_json::from_str(&report.to_json().unwrap()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&report).map(|error| error.to_string()).collect();
        assert_eq!(errors, [] as [&str; 0]);
    }
}

#[test]
fn a_report_that_lacks_a_field_or_bends_a_word_is_refused() {
    let validator = jsonschema::validator_for(&published()).unwrap();
    let sound: Value = serde_json::from_str(&recorded("mixed.ndjson").0.to_json().unwrap()).unwrap();
    for (pointer, key) in [("", "schema"), ("/run", "exit_code"), ("/results/0", "verdict"), ("/findings/0", "layer")] {
        let mut without = sound.clone();
        without.pointer_mut(pointer).unwrap().as_object_mut().unwrap().remove(key).unwrap();
        assert!(!validator.is_valid(&without), "{pointer}/{key}");
        let mut bent = sound.clone();
        bent.pointer_mut(pointer).unwrap()[key] = "bent".into();
        assert!(!validator.is_valid(&bent), "{pointer}/{key}");
    }
}

#[test]
fn a_report_read_back_is_the_report() {
    let (report, _) = recorded("mixed.ndjson");
    assert_eq!(serde_json::from_str::<Report>(&report.to_json().unwrap()).unwrap(), report);
}
