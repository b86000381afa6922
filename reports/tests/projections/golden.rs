//! What each format looks like. `cargo insta review` shows what a change does to them.

use std::fs;

use winconform_reports::{
    Report, ReportFile, ReportFormat, RunResult,
    github::annotations,
    html::to_html,
    junit::{Dialect, to_junit},
    log::parse_log,
    markdown::{Limit, to_markdown},
    text::{SummaryOptions, summary},
    write::write_report,
};

use crate::{recorded, stream};

fn options(notes: Vec<String>) -> SummaryOptions {
    SummaryOptions {
        folder: Some("target/winconform/20261123-0915-k3f9".into()),
        reports: vec!["junit.xml".into(), "report.json".into()],
        notes,
        ..SummaryOptions::default()
    }
}

#[test]
fn the_summary_of_a_healthy_run() {
    let (report, notes) = recorded("healthy.ndjson");
    insta::assert_snapshot!(summary(&report, &options(notes)));
}

#[test]
fn the_summary_of_a_broken_and_killed_run() {
    let (report, notes) = recorded("mixed.ndjson");
    insta::assert_snapshot!(summary(&report, &options(notes)));
}

#[test]
fn the_json_report() {
    let (report, _) = recorded("mixed.ndjson");
    insta::assert_snapshot!(report.to_json().unwrap());
}

#[test]
fn the_junit_report_in_the_standard_dialect() {
    let (report, _) = recorded("mixed.ndjson");
    insta::assert_snapshot!(to_junit(&report, Dialect::Standard).unwrap());
}

#[test]
fn the_junit_report_in_the_strict_dialect() {
    let (report, _) = recorded("mixed.ndjson");
    insta::assert_snapshot!(to_junit(&report, Dialect::Strict).unwrap());
}

fn rendered(format: ReportFormat, report: &Report) -> String {
    let mut out = Vec::new();
    format.render(report, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_ctrf_report() {
    insta::assert_snapshot!(rendered(ReportFormat::Ctrf, &recorded("mixed.ndjson").0));
}

#[test]
fn the_informing_results_of_their_own() {
    insta::assert_snapshot!(rendered(ReportFormat::JunitInforming(Dialect::Standard), &recorded("mixed.ndjson").0));
}

#[test]
fn the_page_for_a_browser() {
    // One line for each element, so that a change can be read; style and script are files of their own.
    let page = to_html(&recorded("mixed.ndjson").0).replace("><", ">\n<");
    let (head, body) = page.split_once("<body>").unwrap();
    let (body, _script) = body.split_once("<script>").unwrap();
    assert!(head.contains("Content-Security-Policy"));
    insta::assert_snapshot!(body);
}

#[test]
fn the_markdown_for_an_issue() {
    insta::assert_snapshot!(to_markdown(&recorded("mixed.ndjson").0, Limit::Issue));
}

#[test]
fn the_markdown_of_a_healthy_run() {
    insta::assert_snapshot!(to_markdown(&recorded("healthy.ndjson").0, Limit::StepSummary));
}

#[test]
fn the_summary_of_a_step_on_github() {
    insta::assert_snapshot!(rendered(ReportFormat::GithubSummary, &recorded("mixed.ndjson").0));
}

#[test]
fn the_annotations_of_a_job() {
    insta::assert_snapshot!(annotations(&recorded("mixed.ndjson").0));
}

#[test]
fn the_same_events_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["healthy.ndjson", "mixed.ndjson"] {
        for format in ReportFormat::ALL.into_iter().chain([ReportFormat::Junit(Dialect::Strict)]) {
            let bytes = ["once", "twice"].map(|file| {
                let path = folder.path().join(file);
                write_report(&ReportFile { format, path: path.clone() }, &recorded(name).0).unwrap();
                fs::read(path).unwrap()
            });
            assert_eq!(bytes[0], bytes[1], "{name} as {format}");
        }
    }
}

#[test]
fn a_log_cut_after_any_line_gives_every_report() {
    let log = fs::read(stream("healthy.ndjson")).unwrap();
    let ends = log.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(end, _)| end);
    let mut last_planned = 0;
    for end in ends {
        // In the middle of a line as well as at its end.
        let report = Report::from_records(&parse_log(&log[..end - 1]).unwrap().records);
        assert!(report.results.len() >= last_planned, "a planned result never vanishes");
        last_planned = report.results.len();
        assert_ne!(report.run.result, RunResult::Conformant, "what a log does not say is not conformant");
        for dialect in [Dialect::Standard, Dialect::Strict] {
            winconform_reports::junit::verify(&to_junit(&report, dialect).unwrap()).unwrap();
        }
        assert!(!summary(&report, &SummaryOptions::default()).is_empty());
    }
}
