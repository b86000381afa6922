//! Two runs compared, and many summed up, as users type it.
//!
//! Which change counts as what is shown beside the code, on made-up runs; here are whole runs:
//! a recorded one, and two on testbeds that differ as planted.

use std::fs;

use serde_json::Value;

use crate::command::{Home, root};

fn stream(name: &str) -> String {
    root().join("reports/tests/streams").join(name).display().to_string()
}

fn json(home: &Home, name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(home.path(name)).unwrap()).unwrap()
}

/// The ids of the changes of one kind.
fn changed(comparison: &Value, kind: &str) -> Vec<String> {
    let changes = comparison["changes"].as_array().unwrap();
    let of_kind = changes.iter().filter(|change| change["kind"] == kind);
    of_kind.map(|change| change["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_compared_with_itself_is_equal_and_with_a_broken_one_is_not() {
    let home = Home::new();
    let (healthy, mixed) = (stream("healthy.ndjson"), stream("mixed.ndjson"));
    home.run(&format!("compare {healthy} {healthy}")).must_say(0, &[]);
    let worse = home
        .run(&format!("compare {healthy} {mixed} --report json=c.json --report html=c.html --report markdown=c.md"));
    assert_eq!(worse.code, Some(1), "{worse:#?}");
    assert!(worse.out.contains("regressed"), "{}", worse.out);
    assert!(!changed(&json(&home, "c.json"), "regressed").is_empty());
    assert!(home.path("c.html").is_file() && home.path("c.md").is_file());
    home.run(&format!("compare {healthy} {mixed} --fail-on none")).must_say(0, &[]);
    home.run(&format!("compare {mixed} {healthy}")).must_say(0, &[]);
}

#[test]
fn what_cannot_be_compared_is_said() {
    let home = Home::new();
    let healthy = stream("healthy.ndjson");
    home.file("other.txt", "hello\n");
    home.run(&format!("compare {healthy} other.txt")).must_say(2, &["is no run: give a run's folder"]);
    home.run(&format!("compare {healthy} nothing")).must_say(2, &["failed to read `nothing`"]);
    home.run(&format!("compare {healthy} {healthy} --pair 9=2")).must_say(2, &["has no target `9`"]);
    home.run(&format!("compare {healthy} {healthy} --fail-on worse")).must_say(2, &["nothing to fail on"]);
    home.run("history .").must_say(2, &["holds no run"]);
}

#[test]
fn a_folder_of_runs_has_a_history() {
    let home = Home::new();
    for (night, name) in [("1", "healthy.ndjson"), ("2", "mixed.ndjson")] {
        fs::create_dir(home.path(night)).unwrap();
        let log = fs::read_to_string(stream(name)).unwrap();
        let log = log.replace("20261123-0915-k3f9", &format!("night-{night}"));
        fs::write(home.path(night).join("events.ndjson"), log).unwrap();
    }
    let done = home.run("history . --report json=history.json --report html=history.html");
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.contains("2 runs:") && done.out.contains("last held in night-1"), "{}", done.out);
    assert_eq!(json(&home, "history.json")["runs"].as_array().unwrap().len(), 2);
}

/// `one-build`, a patch level later.
const PATCHED: &str = "\
name: patched
nodes:
  - { name: win-2022-0, os: windows, build: 10.0.20348.5600, taints: [{ key: os, value: windows, effect: NoSchedule }] }
  - { name: win-2022-1, os: windows, build: 10.0.20348.5600, taints: [{ key: os, value: windows, effect: NoSchedule }] }
  - { name: linux-0, os: linux }
";

/// Two runs on testbeds that differ in a patch level, one fault and the pace of their nodes.
#[test]
fn what_was_planted_is_what_a_comparison_finds() {
    let home = Home::new();
    home.file("patched.yaml", PATCHED);
    let questions =
        "--check win-webserver/pods-ready --check win-webserver/serves-page --check reachability/windows-pod-to-*";
    home.run(&format!("run --testbed --shape one-build {questions} --repeat 5 --out base")).must_say(0, &[]);
    let same = home.run("compare base base --fail-on regressed,new-failure,slower");
    assert!(same.code == Some(0) && same.out.trim_start().starts_with("equal"), "{same:#?}");
    let broken = home.run(&format!(
        "run --testbed --shape patched.yaml --latency 0.4 --fault svc-09 {questions} --repeat 5 --out new --baseline base"
    ));
    assert_eq!(broken.code, Some(1), "{broken:#?}");
    let done = home.run("compare base new --report json=c.json");
    assert_eq!(done.code, Some(1), "{done:#?}");
    let comparison = json(&home, "c.json");
    let own_service = "reachability/windows-pod-to-own-service-ip@10.0.20348.5600";
    assert_eq!(changed(&comparison, "regressed"), [own_service], "{}", done.out);
    assert_eq!(comparison["pairs"][0]["by"], "build");
    let differences = comparison["environment"].as_array().unwrap();
    let build = differences.iter().find(|difference| difference["what"] == "Windows build").unwrap();
    assert_eq!((&build["base"], &build["candidate"]), (&"10.0.20348.5499".into(), &"10.0.20348.5600".into()));
    let slower = comparison["timings"]["changed"].as_array().unwrap();
    assert!(slower.iter().any(|change| change["what"] == "pod start"), "{}", done.out);
}
