use serde_json::json;

use super::*;

const YAML: &str = "apiVersion: winconform/v1
kind: Fault
name: planted
summary: For a test.
effects: [network: { outcome: dropped }]
expect:
  verdict: red
  must: [reachability/windows-pod-to-service-ip]
  may: [reachability/node-port-*]
  finding: { layer: serviceIP, subject: win-2025-0 }
";

fn fault(change: impl Fn(&mut Expect)) -> Fault {
    let mut fault = Fault::parse(YAML, "test").unwrap();
    fault.expect.iter_mut().for_each(change);
    fault
}

/// A result of a check on the only node of a target.
fn result(check: &str, level: Level, verdict: VerdictKind, disposition: Disposition, reason: &str) -> CheckResult {
    serde_json::from_value(json!({
        "id": format!("{check}@10.0.26100.1"), "check": check, "suite": "x", "target": "10.0.26100.1", "node": null,
        "title": "t", "statement": "R3", "level": level, "verdict": verdict, "disposition": disposition,
        "reason": reason, "flaky": false, "attempts": 1, "seconds": 1.0, "started_s": null, "phases": [],
        "evidence": [], "findings": [], "observations": [], "earlier": [], "tries": [],
    }))
    .unwrap()
}

fn red(check: &str) -> CheckResult {
    result(check, Level::Core, VerdictKind::Failed, Disposition::Red, "no answer")
}

/// A finding about a node that accounts for the named checks.
fn finding(layer: &str, subject: &str, checks: &[&str]) -> Finding {
    let checks: Vec<String> = checks.iter().map(|check| format!("{check}@10.0.26100.1")).collect();
    serde_json::from_value(json!({
        "id": format!("{layer}:{subject}"), "layer": layer, "subject": subject, "nodes": [subject], "summary": "s",
        "confidence": "likely", "alternatives": [], "advice": [], "checks": checks, "proof": [],
    }))
    .unwrap()
}

fn report(results: Vec<CheckResult>, findings: Vec<Finding>) -> Report {
    let mut report = Report::from_records(&[]);
    report.run.aborted = None;
    (report.results, report.findings) = (results, findings);
    report
}

fn judged_with(fault: &Fault, report: &Report, applied: u64, healthy: &BTreeMap<String, Said>) -> FaultRow {
    let counter = Counter { fault: fault.name.clone(), effect: 0, kind: "network".into(), considered: 9, applied };
    let known = ["reachability/windows-pod-to-service-ip", "nodes/patch-level"].map(str::to_owned).into();
    judge(fault, &Observed { report, counters: vec![counter], healthy, known: &known, seconds: 1.0 })
}

fn judged(fault: &Fault, report: &Report) -> FaultRow {
    judged_with(fault, report, 1, &BTreeMap::new())
}

const MUST: &str = "reachability/windows-pod-to-service-ip";

#[test]
fn what_must_be_red_with_the_right_finding_is_caught() {
    let report =
        report(vec![red(MUST), red("reachability/node-port-outside")], vec![finding("service_ip", "win-2025-0", &[])]);
    let row = judged(&fault(|_| ()), &report);
    assert_eq!((row.verdict, row.reason.as_str()), (RowVerdict::Caught, ""));
    assert!(row.caught && row.finding_right && row.false_alarms.is_empty());
}

#[test]
fn a_green_check_that_must_be_red_is_a_miss_and_names_what_it_said() {
    let passed = result(MUST, Level::Core, VerdictKind::Passed, Disposition::Green, "all answered");
    let row = judged(&fault(|_| ()), &report(vec![passed], vec![]));
    assert_eq!(row.verdict, RowVerdict::Missed);
    assert_eq!(row.reason, "reachability/windows-pod-to-service-ip said passed");
    let row = judged(&fault(|expect| expect.must = vec!["gmsa/nothing".into()]), &report(vec![red(MUST)], vec![]));
    assert_eq!(row.reason, "there is no check gmsa/nothing");
}

#[test]
fn another_layer_or_another_subject_is_a_wrong_finding() {
    for wrong in [finding("pod_network", "win-2025-0", &[]), finding("service_ip", "win-2019-0", &[])] {
        let row = judged(&fault(|_| ()), &report(vec![red(MUST)], vec![wrong]));
        assert_eq!(row.verdict, RowVerdict::WrongFinding);
        assert!(row.caught && !row.finding_right);
    }
}

#[test]
fn a_finding_that_is_not_sure_is_right_when_it_names_the_cause_among_others() {
    let mut unsure = finding("pod_network", "win-2025-0", &[]);
    unsure.alternatives =
        serde_json::from_value(json!([{"layer": "service_ip", "subject": "win-2025-0", "summary": "s"}])).unwrap();
    assert!(!judged(&fault(|_| ()), &report(vec![red(MUST)], vec![unsure.clone()])).finding_right);
    unsure.confidence = Confidence::Possible;
    assert!(judged(&fault(|_| ()), &report(vec![red(MUST)], vec![unsure])).finding_right);
}

#[test]
fn red_beyond_the_expected_is_a_false_alarm_unless_the_right_finding_accounts_for_it() {
    let results = || vec![red(MUST), red("nodes/ready")];
    let right = |checks: &[&str]| vec![finding("service_ip", "win-2025-0", checks)];
    let row = judged(&fault(|_| ()), &report(results(), right(&[])));
    assert_eq!(row.verdict, RowVerdict::FalseAlarm);
    assert_eq!(row.false_alarms, ["nodes/ready@10.0.26100.1"]);
    assert_eq!(judged(&fault(|_| ()), &report(results(), right(&["nodes/ready"]))).verdict, RowVerdict::Caught);
}

#[test]
fn a_fault_that_changed_nothing_proves_nothing() {
    let report = report(vec![red(MUST)], vec![finding("service_ip", "win-2025-0", &[])]);
    let row = judged_with(&fault(|_| ()), &report, 0, &BTreeMap::new());
    assert_eq!(row.verdict, RowVerdict::Invalid);
    assert!(row.reason.contains("9 times"), "{}", row.reason);
}

#[test]
fn what_is_documented_must_turn_nothing_red() {
    let quiet = fault(|expect| {
        expect.verdict = ExpectedVerdict::Quiet;
        expect.must.clear();
        expect.finding = None;
    });
    assert_eq!(judged(&quiet, &report(vec![], vec![])).verdict, RowVerdict::Caught);
    // Not even what another fault might.
    let row = judged(&quiet, &report(vec![red("reachability/node-port-outside")], vec![]));
    assert_eq!(row.verdict, RowVerdict::FalseAlarm);
}

#[test]
fn what_only_reports_must_tell_of_the_subject_what_a_healthy_cluster_does_not() {
    let reported = fault(|expect| {
        expect.verdict = ExpectedVerdict::Reported;
        expect.must = vec!["nodes/patch-level".into()];
        expect.may.clear();
    });
    let said = |reason: &str, findings: Vec<Finding>| {
        let note = result("nodes/patch-level", Level::Info, VerdictKind::Passed, Disposition::Green, reason);
        report(vec![note], findings)
    };
    let right = || vec![finding("service_ip", "win-2025-0", &["nodes/patch-level"])];
    let news = "win-2025-0 runs 10.0.26100.1, the others 10.0.26100.2";
    assert_eq!(judged(&reported, &said(news, right())).verdict, RowVerdict::Caught);
    assert_eq!(judged(&reported, &said(news, vec![])).verdict, RowVerdict::WrongFinding, "told, and not explained");
    assert_eq!(judged(&reported, &said("win-2019-0 differs", vec![])).verdict, RowVerdict::Missed, "another subject");
    let healthy = super::said(&said(news, right()));
    let row = judged_with(&reported, &said(news, right()), 1, &healthy);
    assert_eq!(row.verdict, RowVerdict::Missed, "no news");
}

#[test]
fn a_subject_is_met_by_what_the_nodes_of_a_finding_are_called() {
    let node = |name: &str, os: &str, target: Option<&str>| {
        let of = |key: &str| (key.to_owned(), json!(""));
        let mut node: serde_json::Map<_, _> =
            ["arch", "os_image", "kernel_version", "container_runtime", "kubelet"].map(of).into_iter().collect();
        node.extend([("name".into(), json!(name)), ("os".into(), json!(os)), ("target".into(), json!(target))]);
        node.extend([
            ("ready".into(), json!(true)),
            ("unschedulable".into(), json!(false)),
            ("taints".into(), json!([])),
        ]);
        serde_json::from_value(node.into()).unwrap()
    };
    let target = |name: &str, nodes: &[&str]| {
        serde_json::from_value(json!({ "name": name, "product": null, "nodes": nodes })).unwrap()
    };
    let about = |subject: &str, nodes: &[&str], expected: Patterns| {
        let found = Finding {
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
            ..finding("service_ip", subject, &[])
        };
        let mut report = report(vec![red(MUST)], vec![found]);
        report.nodes = vec![
            node("linux-0", "linux", None),
            node("win-2022-0", "windows", Some("10.0.20348.1")),
            node("win-2022-1", "windows", Some("10.0.20348.1")),
            node("win-2025-0", "windows", Some("10.0.26100.1")),
        ];
        report.targets =
            vec![target("10.0.20348.1", &["win-2022-0", "win-2022-1"]), target("10.0.26100.1", &["win-2025-0"])];
        let expect = |expect: &mut Expect| {
            expect.finding.iter_mut().for_each(|finding| finding.subject = expected.clone());
        };
        judged(&fault(expect), &report).finding_right
    };
    let both = ["win-2022-0", "win-2022-1"];
    let all = ["win-2022-0", "win-2022-1", "win-2025-0"];
    assert!(about("kube-dns", &["win-2025-0"], "win-2025-0".into()));
    assert!(about("win-2025-0", &["win-2025-0"], "10.0.26100.*".into()));
    assert!(about("kube-dns", &both, "10.0.20348.1".into()));
    assert!(about("10.0.20348.1", &both, "win-2022-*".into()));
    assert!(about("kube-dns", &all, "windows".into()));
    assert!(!about("kube-dns", &both, "win-2022-0".into()), "one of two is not what the finding says");
    assert!(!about("kube-dns", &both, "windows".into()));
    assert!(!about("kube-dns", &[], "windows".into()));
}

#[test]
fn fault_files_and_findings_call_the_layers_alike() {
    use winconform_reports::explain::Layer;
    let known: Vec<&str> = winconform_testbed::fault::Layer::all().map(|layer| layer.as_words()).collect();
    let ours = |words: &str| serde_json::from_value::<Layer>(json!(words.replace(' ', "_").to_lowercase())).unwrap();
    let said: Vec<&str> = known.iter().map(|words| ours(words).as_words()).collect();
    assert_eq!(known, said);
    let schema = serde_json::to_value(schemars::schema_for!(Layer)).unwrap();
    assert_eq!(schema["oneOf"].as_array().unwrap().len(), known.len(), "a layer that no fault file can name");
}

#[test]
fn what_nobody_can_tell_must_be_undetermined_and_not_red() {
    let unknowable = fault(|expect| expect.verdict = ExpectedVerdict::Undetermined);
    let unknown = result(MUST, Level::Core, VerdictKind::Undetermined, Disposition::Unknown, "the API server is lost");
    let finding = finding("service_ip", "win-2025-0", &[]);
    assert_eq!(judged(&unknowable, &report(vec![unknown], vec![finding.clone()])).verdict, RowVerdict::Caught);
    assert_eq!(judged(&unknowable, &report(vec![red(MUST)], vec![finding])).verdict, RowVerdict::Missed);
}

#[test]
fn a_run_that_was_cut_is_no_evidence() {
    let mut report = report(vec![red(MUST)], vec![]);
    report.run.aborted = Some("interrupted".into());
    assert_eq!(judged(&fault(|_| ()), &report).verdict, RowVerdict::Unusable);
}
