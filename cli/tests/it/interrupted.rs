//! Runs that do not end by themselves.

use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace};
use kube::{Api, api::ListParams, runtime::wait::await_condition};
use rustix::process::Signal;
use winconform_reports::{Report, VerdictKind, read_log, report::CheckResult};

use crate::{
    command::Home,
    standing::{block_on, client, kubeconfig},
};

/// A run that has just begun to start its fixtures, with budgets and a Lease that are short.
fn begun(home: &Home, run: &str) -> crate::command::Running {
    let options = format!("--out run --run-id {run} --timeout-scale 0.1");
    let mut running = home.start(&format!("run --kubeconfig {} {options}", kubeconfig()));
    running.until("asking for ");
    let leases: Api<Lease> = Api::namespaced(client(), &format!("winconform-{run}"));
    let is_there = |lease: Option<&Lease>| lease.is_some();
    block_on(await_condition(leases, "winconform-run", is_there)).unwrap();
    running
}

fn namespaces_of(run: &str) -> Vec<String> {
    let namespaces: Api<Namespace> = Api::all(client());
    let found = block_on(async move { namespaces.list(&ListParams::default()).await.unwrap() });
    let names = found.items.into_iter().filter_map(|namespace| namespace.metadata.name);
    names.filter(|name| name.starts_with(&format!("winconform-{run}"))).collect()
}

fn report_of(home: &Home) -> Report {
    Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records)
}

#[test]
fn ctrl_c_cleans_up_and_what_was_not_asked_is_undetermined() {
    let home = Home::new();
    let running = begun(&home, "ctrl-c");
    running.signal(Signal::INT);
    running.done().must_say(2, &["stopping: cleaning up", "press Ctrl-C again"]);
    assert_eq!(namespaces_of("ctrl-c"), Vec::<String>::new());
    let report = report_of(&home);
    assert_eq!(report.run.aborted.as_deref(), Some("interrupted"));
    let interrupted =
        |result: &CheckResult| result.verdict == VerdictKind::Undetermined && result.reason.contains("interrupted");
    assert!(report.results.iter().any(interrupted), "{:#?}", report.results);
}

#[test]
fn a_termination_signal_cleans_up_too() {
    let home = Home::new();
    let running = begun(&home, "sigterm");
    running.signal(Signal::TERM);
    running.done().must_say(2, &["stopping: cleaning up"]);
    assert_eq!(namespaces_of("sigterm"), Vec::<String>::new());
}

#[test]
fn cleanup_leaves_a_living_run_alone() {
    let home = Home::new();
    let running = begun(&home, "living");
    let left_alone = home.run(&format!("cleanup --kubeconfig {} --dry-run", kubeconfig()));
    assert!(left_alone.out.contains("run living is alive"), "{left_alone:#?}");
    running.signal(Signal::INT);
    running.done();
}

#[test]
fn a_killed_run_makes_a_report_and_cleanup_removes_what_it_left() {
    let home = Home::new();
    let running = begun(&home, "killed");
    running.signal(Signal::KILL);
    assert_eq!(running.done().code, None);

    let report = home.run("report run --report json=report.json");
    assert_eq!(report.code, Some(0), "{report:#?}");
    assert!(report.out.contains("killed"), "{}", report.out);
    assert!(report_of(&home).results.iter().any(CheckResult::is_aborted));

    assert_eq!(namespaces_of("killed").len(), 2, "it left its namespaces");
    let cleaned = home.run(&format!("cleanup --kubeconfig {}", kubeconfig()));
    assert_eq!(cleaned.code, Some(0), "{cleaned:#?}");
    assert!(cleaned.out.contains("removed namespace winconform-killed\n"), "{}", cleaned.out);
    assert_eq!(namespaces_of("killed"), Vec::<String>::new());
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_says_what_removes_the_rest() {
    let home = Home::new();
    let mut running = begun(&home, "twice");
    running.signal(Signal::INT);
    running.until("stopping: cleaning up");
    running.signal(Signal::INT);
    let done = running.done();
    // The first one may have been through already: cleaning up takes no longer than the second signal.
    if done.code != Some(2) {
        done.must_say(130, &["left at once: `winconform cleanup`"]);
    }
}
