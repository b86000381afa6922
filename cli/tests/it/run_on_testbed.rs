//! The main job, on a healthy testbed.

use std::fs;

use serde_json::Value;
use winconform_reports::{Report, VerdictKind, read_log};

use crate::{
    command::{Home, root},
    standing::{info, kubeconfig},
};

#[test]
fn a_healthy_testbed_conforms_and_leaves_reports_and_nothing_else() {
    let home = Home::new();
    let done = home.run("run --testbed --out run --report junit=report.xml --report json=report.json");
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.contains("conformant"), "{}", done.out);
    assert!(!done.out.contains('\u{1b}'), "NO_COLOR was set");
    winconform_reports::junit::verify(&fs::read_to_string(home.path("report.xml")).unwrap()).unwrap();
    must_fit_the_schema(&serde_json::from_str(&fs::read_to_string(home.path("report.json")).unwrap()).unwrap());
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    assert_eq!(report.leftovers, Vec::<String>::new());
    assert!(report.run.boot_s.is_some() && report.run.critical_path_s.is_some());
    let state = report.run.testbed.unwrap();
    assert_eq!((state.shape.as_str(), state.latency.as_str()), ("default", "fast"));
}

#[test]
fn a_run_on_a_cluster_says_first_which_one_and_what_it_will_create() {
    let home = Home::new();
    let proxy = &info().outside_proxy;
    let line = format!(
        "run --kubeconfig {} --suite nodes --target 10.0.26100 --outside-proxy {proxy} --out run",
        kubeconfig()
    );
    let done = home.run(&line);
    done.must_say(
        0,
        &["cluster: context `", "win-2025-0", "will create, and remove at the end: the namespaces winconform-"],
    );
    assert!(done.out.contains("partially verified"), "{}", done.out);
}

#[test]
fn a_report_made_again_from_the_log_is_the_same() {
    let home = Home::new();
    let line = format!(
        "run --kubeconfig {} --check nodes/known-build --out run --report json=first.json --report junit=first.xml",
        kubeconfig()
    );
    home.run(&line).must_say(0, &[]);
    home.run("report run --report json=second.json --report junit=second.xml").must_say(0, &[]);
    for format in ["json", "xml"] {
        let read = |name: &str| fs::read_to_string(home.path(&format!("{name}.{format}"))).unwrap();
        assert_eq!(read("first"), read("second"));
    }
}

#[test]
fn runs_of_a_user_are_kept_in_the_state_directory() {
    let home = Home::new();
    home.run(&format!("run --kubeconfig {} --check nodes/known-build", kubeconfig())).must_say(0, &[]);
    assert!(home.path("state/winconform/runs/latest/events.ndjson").is_file());
}

#[test]
fn nodes_of_docker_are_asked_what_they_can_be_asked() {
    let home = Home::new();
    let shape = home.file(
        "docker.yaml",
        "name: docker
about: The nodes that the guide of Kubernetes 1.18 was written for.
base: one-windows-node
change:
  - { os: windows, build: 10.0.17763.1577, runtime: docker://19.3.14, kubelet: v1.18.20 }
",
    );
    let done = home.run(&format!("run --testbed --shape {shape} --out run"));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    let said = |check: &str| {
        let of_check = report.results.iter().find(|result| result.check.to_string() == check);
        of_check.map(|result| (result.verdict, result.reason.clone())).unwrap()
    };
    let (verdict, reason) = said("nodes/containers-on-node");
    assert_eq!(verdict, VerdictKind::NotApplicable);
    assert!(reason.contains("docker://19.3.14") && reason.contains("need containerd"), "{reason}");
    let (verdict, reason) = said("runtime-class/pod-lands-on-build");
    assert!(verdict == VerdictKind::Passed && reason.ends_with("by the handler docker"), "{verdict} {reason}");
    assert_eq!(said("runtime-class/unknown-handler-named").0, VerdictKind::Passed);
}

#[test]
fn a_container_that_names_no_user_runs_as_its_images_whichever_that_is() {
    for (image, user) in [("nanoserver", "containeruser"), ("servercore", "containeradministrator")] {
        let home = Home::new();
        let line = format!(
            "run --kubeconfig {} --check run-as-user/image-default --target 10.0.20348 --out run \
             --image-map 10.0.20348=mcr.microsoft.com/windows/{image}:ltsc2022",
            kubeconfig()
        );
        home.run(&line).must_say(0, &[]);
        let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
        let reason = report.results[0].reason.to_lowercase();
        assert!(reason.ends_with(user), "{image}: {reason}");
    }
}

fn must_fit_the_schema(report: &Value) {
    let schema = fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(report).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    for field in ["schema", "run", "cluster", "nodes", "results", "findings", "matrix"] {
        assert!(!report[field].is_null(), "`{field}` is missing");
    }
}
