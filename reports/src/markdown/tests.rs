use super::*;
use crate::{
    changes::{ChangeGroup, Changes, Tone},
    log::parse_log,
};

const MIXED: &str = include_str!("../../tests/streams/mixed.ndjson");

#[test]
fn differences_stand_first() {
    let mut report = Report::from_records(&parse_log(MIXED.as_bytes()).unwrap().records);
    let items = vec!["reachability/dns passed before".to_owned()];
    let groups = vec![ChangeGroup { title: "regressed".into(), tone: Tone::Bad, items }];
    report.changes = Some(Changes { baseline: "run a".into(), groups });
    let page = to_markdown(&report, Limit::StepSummary);
    assert!(page.find("## What changed since run a").unwrap() < page.find("## What broke").unwrap());
}

#[test]
fn a_page_that_would_be_too_long_is_cut_between_its_parts_and_says_so() {
    let mut report = Report::from_records(&parse_log(MIXED.as_bytes()).unwrap().records);
    let finding = report.findings[0].clone();
    report.findings = vec![crate::Finding { proof: vec!["x".repeat(400); 12], ..finding }; 25];
    let page = to_markdown(&report, Limit::Issue);
    assert!(page.len() <= Limit::Issue.bytes() && page.ends_with(LEFT_OUT), "{}", page.len());
    assert!(to_markdown(&report, Limit::StepSummary).contains("## The run"));
}
