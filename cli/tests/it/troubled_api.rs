//! An API server that is slow, says no for a reason of its own, and drops watches, blames no cluster.

use winconform_reports::{Report, VerdictKind, read_log};

use crate::command::{Done, Home};

/// A run of a suite on a testbed whose API server has these effects.
fn run(effects: &str) -> (Done, Report) {
    let home = Home::new();
    let fault = home.file(
        "fault.yaml",
        &format!("apiVersion: winconform/v1\nkind: Fault\nname: troubled\nsummary: A troubled API server.\neffects:\n{effects}"),
    );
    let line = format!("run --testbed --shape one-windows-node --fault {fault} --suite win-webserver --out run");
    let done = home.run(&line);
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    (done, report)
}

#[test]
fn dropped_watches_and_slow_answers_change_no_verdict() {
    let (done, report) = run(
        "  - api:\n      requests: { verb: watch, userAgent: 'winconform/*' }\n      watch: gone\n      when: { start: 0s, end: 8s }\n  \
         - api:\n      requests: { verb: '!watch', userAgent: 'winconform/*' }\n      delay: 300ms\n",
    );
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(report.results.iter().any(|result| result.verdict == VerdictKind::Passed));
}

#[test]
fn watches_that_never_show_anything_blame_nobody() {
    let (done, report) = run(
        "  - api:\n      requests: { verb: watch, resource: pods, userAgent: 'winconform/*' }\n      watch: ends\n",
    );
    assert_eq!(done.code, Some(2), "{done:#?}");
    assert!(report.results.iter().all(|result| result.verdict != VerdictKind::Failed), "{:#?}", report.results);
    let said = "shows less than the API server has";
    assert!(report.results.iter().any(|result| result.reason.contains(said)), "{:#?}", report.results);
}

#[test]
fn too_many_requests_and_no_service_are_undetermined_and_named() {
    for (status, said) in [(429, "429"), (503, "503")] {
        let (done, report) = run(&format!(
            "  - api:\n      requests: {{ verb: create, resource: deployments, userAgent: 'winconform/*' }}\n      status: {status}\n"
        ));
        assert_eq!(done.code, Some(2), "{done:#?}");
        assert!(report.results.iter().all(|result| result.verdict != VerdictKind::Failed), "{:#?}", report.results);
        assert!(report.results.iter().any(|result| result.reason.contains(said)), "{:#?}", report.results);
    }
}
