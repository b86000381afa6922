//! The catalogue of defects against the checks: each check has a defect that it must show.
//!
//! A check that cannot fail does not count. So every check is named in the `must` of a
//! fault that ships, and here it is asked with that fault in force: it must be red, or,
//! where it only reports, tell of the fault's subject. `winconform trust` asks all checks
//! with every fault; this asks each check once.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
};

use tokio::runtime::Runtime;
use winconform_reports::{Disposition, Level, Report, VerdictKind, read_log, report::CheckResult};
use winconform_testbed::{
    client::Testbed,
    directory::SHARE_PATH,
    fault::{Expect, ExpectedVerdict, Fault, Pattern, Patterns, catalogue},
    serve::ServeOptions,
};

use crate::{command::Home, standing::start};

/// The faults that ship and turn checks red, or make them report.
fn telling() -> Vec<(Fault, Expect)> {
    let all = catalogue::names().map(|name| catalogue::get(name).unwrap());
    let expected = all.filter_map(|fault| fault.expect.clone().map(|expect| (fault, expect)));
    expected.filter(|(_, expect)| matches!(expect.verdict, ExpectedVerdict::Red | ExpectedVerdict::Reported)).collect()
}

/// The checks there are.
fn checks() -> BTreeSet<String> {
    winconform_suites::all().iter().map(|check| check.id.to_owned()).collect()
}

#[test]
fn every_check_has_a_defect_that_it_must_show() {
    let shown: BTreeSet<String> = telling().into_iter().flat_map(|(_, expect)| expect.must).collect();
    let without: Vec<String> = checks().into_iter().filter(|check| !shown.contains(check)).collect();
    assert!(
        without.is_empty(),
        "no fault in testbed/faults names these checks in its `must`, so nobody knows whether they can fail: {without:?}"
    );
}

#[test]
fn a_defect_names_checks_that_exist() {
    let known = checks();
    for name in catalogue::names() {
        let expect = catalogue::get(name).unwrap().expect.unwrap();
        for pattern in expect.must.iter().chain(&expect.may) {
            let exists = known.iter().any(|check| Pattern::new(pattern).matches(check));
            assert!(exists, "{name} names {pattern}, which is no check");
        }
    }
}

/// The testbed of one suite, with one defect at a time.
struct Patient {
    runtime: Runtime,
    testbed: Testbed,
}

/// One suite at a time, so that none waits for the others' processors.
static TURN: Mutex<()> = Mutex::new(());

impl Patient {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let testbed = runtime.block_on(start(&ServeOptions { api_front: true, ..ServeOptions::default() }));
        Self { runtime, testbed }
    }

    /// What these checks say with a fault in force.
    fn ask(&self, fault: &Fault, checks: &[&String]) -> Report {
        let control = || async { self.testbed.control().await.unwrap() };
        let asked = |name: &str| checks.iter().any(|check| check.starts_with(name));
        self.runtime.block_on(async {
            let mut control = control().await;
            // A domain's defects leave nothing behind, and its webhook would first have to come back.
            if !asked("gmsa/") {
                control.reset().await.unwrap();
            }
            control.inject(fault.clone()).await.unwrap();
        });
        let info = self.testbed.info();
        let mut line = format!(
            "run --kubeconfig {} --outside-proxy {} --gmsa-share {SHARE_PATH} --timeout-scale 0.3 --allow-load-balancer \
             --out run",
            info.kubeconfig.display(),
            info.outside_proxy
        );
        for check in checks {
            let _ = write!(line, " --check {check}");
        }
        let run = fault.run.clone().unwrap_or_default();
        if run.allow_disruptive {
            line += " --allow-disruptive --target 10.0.26100"; // a reboot takes its time, and one shows it
        }
        if let Some(taint) = run.expect_taint {
            let _ = write!(line, " --expect-taint={taint}");
        }
        if asked("nodes/system-pods-stable") {
            line += " --check nodes/answers"; // it looks at what happens while others are asked
        }
        let home = Home::new();
        let done = home.run(&line);
        let counters = self.runtime.block_on(async { control().await.heal(Some(&fault.name)).await.unwrap() });
        let applied = counters.iter().any(|counter| counter.applied > 0);
        assert!(applied, "{} changed nothing, so it proves nothing: {counters:?}\n{done:#?}", fault.name);
        Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records)
    }
}

/// Whether a result tells of the fault.
fn tells(result: &CheckResult, expect: &Expect) -> bool {
    let names_subject = || {
        let patterns = match &expect.finding.as_ref()?.subject {
            Patterns::One(pattern) => vec![pattern],
            Patterns::Many(patterns) => patterns.iter().collect(),
        };
        Some(patterns.iter().any(|pattern| Pattern::new(format!("*{pattern}*")).matches(&result.reason)))
    };
    match expect.verdict {
        ExpectedVerdict::Red => result.disposition == Disposition::Red,
        _ => match result.level {
            Level::Limitation => result.verdict == VerdictKind::LimitationLifted,
            Level::Info => names_subject() == Some(true),
            _ => false,
        },
    }
}

/// Asks every check of a suite, each with a fault that it must show; the fewest faults that show in all of them.
fn each_check_shows_its_defect(suite: &str) {
    let mut left: BTreeSet<String> =
        checks().into_iter().filter(|check| check.split('/').next() == Some(suite)).collect();
    assert!(!left.is_empty(), "there is no suite {suite}");
    let faults = telling();
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let patient = Patient::new();
    let mut silent = Vec::new();
    while !left.is_empty() {
        let shown = |expect: &Expect| expect.must.iter().filter(|check| left.contains(*check)).count();
        let Some((fault, expect)) = faults.iter().rev().max_by_key(|(_, expect)| shown(expect)) else { break };
        let asked: Vec<String> = expect.must.iter().filter(|check| left.contains(*check)).cloned().collect();
        assert!(!asked.is_empty(), "no fault shows in {left:?}");
        let report = patient.ask(fault, &asked.iter().collect::<Vec<_>>());
        for check in asked {
            let mut results = report.results.iter().filter(|result| result.check.to_string() == check);
            if !results.clone().any(|result| tells(result, expect)) {
                let said = results.next().map(|result| format!("{}: {}", result.verdict, result.reason));
                silent.push(format!("{check} does not show {}: {}", fault.name, said.unwrap_or_default()));
            }
            left.remove(&check);
        }
    }
    patient.runtime.block_on(patient.testbed.stop());
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

macro_rules! suites {
    ($($(#[$attribute:meta])* $test:ident: $suite:literal,)*) => {
        $(
            #[test]
            $(#[$attribute])*
            fn $test() {
                each_check_shows_its_defect($suite);
            }
        )*

        #[test]
        fn no_suite_is_left_out() {
            let known: BTreeSet<String> =
                checks().iter().filter_map(|check| Some(check.split_once('/')?.0.to_owned())).collect();
            assert_eq!(BTreeSet::from([$($suite.to_owned()),*]), known);
        }
    };
}

suites! {
    each_check_of_nodes_shows_its_defect: "nodes",
    #[ignore = "takes minutes, and was not seen whole on a quiet machine: run it by name"]
    each_check_of_the_web_server_shows_its_defect: "win-webserver",
    #[ignore = "takes minutes, and was not seen whole on a quiet machine: run it by name"]
    each_check_of_reachability_shows_its_defect: "reachability",
    each_check_of_placement_shows_its_defect: "placement",
    each_check_of_runtime_classes_shows_its_defect: "runtime-class",
    each_check_of_iis_shows_its_defect: "iis",
    #[ignore = "takes minutes, and was not seen whole on a quiet machine: run it by name"]
    each_check_of_users_shows_its_defect: "run-as-user",
    each_check_of_domain_accounts_shows_its_defect: "gmsa",
    each_check_of_lifecycle_shows_its_defect: "lifecycle",
}
