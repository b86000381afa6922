//! What the strictest consumers ask, as assertions over the parsed file.
//!
//! The rules are those of `junit-10.xsd` (Jenkins' xUnit plugin) and of Surefire's
//! schema, written down again here since no schema validator is at hand everywhere.

use std::{env, fs, process::Command};

use super::{
    xml::{Element, parse},
    *,
};
use crate::log::parse_log;

const MIXED: &str = include_str!("../../tests/streams/mixed.ndjson");
const HEALTHY: &str = include_str!("../../tests/streams/healthy.ndjson");

fn report(log: &str) -> Report {
    Report::from_records(&parse_log(log.as_bytes()).unwrap().records)
}

/// The mixed run, with everything in it that a container could say to break a file.
fn hostile() -> Report {
    let log = MIXED
        .replace(
            "connection timed out",
            "\\u001b[31m</failure>]]>\\u0000\\ufffe &amp; \\\"<script>alert(1)</script>\\ttab\\u0007",
        )
        .replace("reset by the API server", &"x".repeat(1_000_000));
    report(&log)
}

fn strict(report: &Report) -> Element {
    parse(&to_junit(report, Dialect::Strict).unwrap()).unwrap()
}

fn only(element: &Element, allowed: &[&str]) {
    for (name, _) in &element.attributes {
        assert!(allowed.contains(&name.as_str()), "`{}` must not have `{name}`", element.name);
    }
}

fn has(element: &Element, required: &[&str]) {
    for name in required {
        assert!(element.attribute(name).is_some(), "`{}` must have `{name}`", element.name);
    }
}

#[test]
fn the_strict_dialect_keeps_the_rules_of_jenkins_xunit() {
    for report in [report(MIXED), report(HEALTHY), hostile(), report("")] {
        let root = strict(&report);
        only(&root, &["name", "time", "tests", "failures", "errors"]);
        for suite in &root.children {
            assert_eq!(suite.name, "testsuite");
            has(suite, &["name", "tests", "failures", "errors"]);
            for child in &suite.children {
                assert!(["properties", "testcase"].contains(&child.name.as_str()), "{}", child.name);
            }
            for case in suite.named("testcase") {
                has(case, &["name"]);
                only(case, &["name", "time", "classname", "group"]);
                for part in &case.children {
                    match part.name.as_str() {
                        "failure" | "error" | "skipped" => only(part, &["type", "message"]),
                        "flakyFailure" | "rerunFailure" => {
                            has(part, &["type"]);
                            only(part, &["type", "message"]);
                        }
                        "system-out" => only(part, &[]),
                        other => panic!("`testcase` must not have `{other}`"),
                    }
                }
            }
        }
    }
}

#[test]
fn each_suite_alone_keeps_the_rules_of_surefire() {
    const ORDER: [&str; 6] = ["failure", "rerunFailure", "flakyFailure", "skipped", "error", "system-out"];
    for report in [report(MIXED), report(HEALTHY), hostile(), report("")] {
        for suite in &strict(&report).children {
            has(suite, &["name", "tests", "errors", "skipped", "failures"]);
            only(suite, &["name", "time", "timestamp", "tests", "errors", "skipped", "failures"]);
            let first_case = suite.children.iter().position(|child| child.name == "testcase").unwrap();
            assert!(suite.children[..first_case].iter().all(|child| child.name == "properties"));
            assert!(first_case <= 1 && suite.children[first_case..].iter().all(|child| child.name == "testcase"));
            for case in suite.named("testcase") {
                has(case, &["name", "time"]);
                let places: Vec<usize> = case
                    .children
                    .iter()
                    .map(|part| ORDER.iter().position(|name| *name == part.name).unwrap())
                    .collect();
                assert!(places.is_sorted(), "{:?}", case.children);
                for part in &case.children {
                    match part.name.as_str() {
                        "skipped" => only(part, &["message"]),
                        "flakyFailure" | "rerunFailure" => {
                            assert_eq!(part.children[0].name, "stackTrace");
                            assert_eq!(part.text.trim(), "", "Surefire allows no text beside the stack trace");
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}

#[test]
fn every_consumers_common_ground_holds_in_both_dialects() {
    for dialect in [Dialect::Standard, Dialect::Strict] {
        for report in [report(MIXED), report(HEALTHY), hostile(), report("")] {
            let xml = to_junit(&report, dialect).unwrap();
            verify(&xml).unwrap();
            for case in parse(&xml).unwrap().children.iter().flat_map(|suite| suite.named("testcase")) {
                for outcome in
                    case.children.iter().filter(|part| ["failure", "error", "skipped"].contains(&part.name.as_str()))
                {
                    let message = outcome.attribute("message").unwrap();
                    assert!(!message.is_empty() && !message.contains('\n'));
                    let start: String = message.chars().take(20).filter(|c| !c.is_whitespace()).collect();
                    let text: String = outcome.text.split_whitespace().collect();
                    assert!(
                        text.contains(start.trim_end_matches('…')),
                        "the text repeats the message\n{message}\n{}",
                        outcome.text
                    );
                }
            }
        }
    }
}

#[test]
fn verdicts_become_the_outcomes_that_consumers_count() {
    let report = report(MIXED);
    let counts = verify(&to_junit(&report, Dialect::Standard).unwrap()).unwrap();
    let run = &report.run.counts;
    let cleanup = usize::from(!report.leftovers.is_empty());
    assert_eq!(
        (counts.tests, counts.failures, counts.errors, counts.skipped),
        (run.total + cleanup, run.red, run.unknown, run.skipped + cleanup)
    );
}

#[test]
fn hostile_text_neither_breaks_nor_swells_a_file() {
    let xml = to_junit(&hostile(), Dialect::Standard).unwrap();
    assert!(xml.len() < 400_000, "{}", xml.len());
    assert!(!xml.contains("<script>"));
}

#[test]
fn the_first_seventy_characters_of_a_message_stand_alone() {
    let long = "no answer from the service address within five seconds although every backend is ready and listens";
    let message = case::message(long);
    let lead: String = message.chars().take(70).collect();
    assert!(lead.contains('…'), "{lead}");
    assert!(message.ends_with("listens"));
    let clauses =
        "no answer from 10.96.0.11:80 from win-2022-1: connection timed out; other nodes had 16 of 16 answered";
    assert_eq!(case::message(clauses), clauses);
    assert!(case::message(&"é".repeat(900)).chars().count() <= 300);
}

#[test]
fn a_flawed_file_is_told_from_a_sound_one() {
    let sound = to_junit(&report(MIXED), Dialect::Standard).unwrap();
    let name = "name=\"ready@win-2019-0\"";
    for flawed in [
        sound.replace("name=\"answers@win-2019-0\"", name),
        sound.replacen("failures=\"6\"", "failures=\"5\"", 1),
        sound.replacen(" time=\"0.", " time=\"1,000.", 1),
        sound.replacen("classname=\"winconform.nodes\"", "classname=\"nodes\"", 1),
        sound.replacen("</testcase>", "</testcase><x/", 1),
        sound.replacen("<testcase ", "\u{1}<testcase ", 1),
    ] {
        assert_ne!(flawed, sound);
        assert!(verify(&flawed).is_err());
    }
}

/// With `WINCONFORM_SCHEMAS` naming a folder that has `junit-10.xsd` and
/// `surefire.xsd`, and `xmllint` installed, the real schemas decide.
#[test]
fn the_strict_dialect_is_valid_against_the_real_schemas() {
    let xmllint = Command::new("xmllint").arg("--version").output().is_ok();
    let Some(schemas) = env::var_os("WINCONFORM_SCHEMAS").filter(|_| xmllint) else {
        assert_ne!(env::var("WINCONFORM_STRICT").as_deref(), Ok("1"), "needs xmllint and WINCONFORM_SCHEMAS");
        println!("skipped: needs xmllint and WINCONFORM_SCHEMAS");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let validate = |schema: &str, xml: &str| {
        let file = folder.path().join("report.xml");
        fs::write(&file, xml).unwrap();
        let schema = std::path::Path::new(&schemas).join(schema);
        let told = Command::new("xmllint").arg("--noout").arg("--schema").arg(schema).arg(&file).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    };
    for report in [report(MIXED), report(HEALTHY), hostile(), report("")] {
        let xml = to_junit(&report, Dialect::Strict).unwrap();
        validate("junit-10.xsd", &xml);
        for suite in
            xml.split_inclusive("</testsuite>").filter_map(|part| part.find("<testsuite ").map(|at| &part[at..]))
        {
            validate("surefire.xsd", suite);
        }
    }
}
