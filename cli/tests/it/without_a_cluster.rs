//! What needs no cluster and starts nothing.

use crate::command::Home;

#[test]
fn checks_are_listed_without_a_cluster() {
    let done = Home::new().run("list");
    assert_eq!(done.code, Some(0), "{done:#?}");
    for suite in ["nodes/", "win-webserver/", "reachability/"] {
        assert!(done.out.contains(suite), "{}", done.out);
    }
}

#[test]
fn a_list_for_programs_says_of_each_check_what_passing_means() {
    let done = Home::new().run("list --json --suite nodes");
    let listed: serde_json::Value = serde_json::from_str(&done.out).unwrap();
    let listed = listed.as_array().unwrap();
    assert!(!listed.is_empty());
    for check in listed {
        assert!(check["id"].as_str().unwrap().starts_with("nodes/"), "{check}");
        assert!(check["passing"].as_str().unwrap().ends_with('.'), "{check}");
    }
}

#[test]
fn the_guide_is_listed_with_the_checks_of_each_statement() {
    let done = Home::new().run("list --guide");
    done.must_print(0, &["N1   All nodes are healthy.", "nodes/ready", "R7   A limitation"]);
}

#[test]
fn a_check_is_explained_with_what_to_do_when_it_fails() {
    let done = Home::new().run("explain reachability/windows-pod-to-own-service-ip");
    done.must_print(0, &["loopback DSR", "https://github.com/Azure/AKS/issues/2608", "--fault svc-09-no-hairpin"]);
    Home::new().run("explain nodes/redy").must_say(2, &["did you mean `nodes/ready`?"]);
}

#[test]
fn manifests_fit_a_cluster_or_are_the_guides_own() {
    let done = Home::new().run("manifests --testbed --target 10.0.26100");
    done.must_print(0, &["servercore:ltsc2025", "windows-build: \"10.0.26100\"", "value: windows"]);
    Home::new().run("manifests --literal guide-1.18").must_print(0, &["node.k8s.io/v1beta1", "handler: 'docker'"]);
    Home::new()
        .run("manifests --testbed --target 10.0.9")
        .must_say(2, &["no target of this cluster begins with `10.0.9`"]);
}

#[test]
fn a_plan_for_a_testbed_starts_none() {
    let home = Home::new();
    let done = home.run("plan --testbed --target 10.0.20348");
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.contains("win-webserver@10.0.20348.5499"), "{}", done.out);
    assert!(!done.out.contains("@10.0.17763"), "{}", done.out);
    assert!(!home.path("state").exists(), "nothing was started");
}

#[test]
fn a_plan_that_would_verify_nothing_says_so_and_exits_with_3() {
    let done = Home::new().run("plan --testbed --shape no-windows");
    assert_eq!(done.code, Some(3), "{done:#?}");
    assert!(done.out.contains("no Windows node"), "{}", done.out);
}

#[test]
fn a_misspelt_check_is_answered_with_the_right_one() {
    for command in ["run --testbed --check", "plan --testbed --check", "list --check"] {
        let done = Home::new().run(&format!("{command} nodes/redy"));
        done.must_say(2, &["no check is called `nodes/redy`", "did you mean `nodes/ready`?"]);
    }
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_the_run() {
    let home = Home::new();
    let file = home.file("file", "");
    let done = home.run(&format!("run --testbed --report junit={file}/report.xml"));
    done.must_say(2, &["cannot hold a report", "is not a folder"]);
    assert!(!done.err.contains("testbed:"), "a testbed was started: {}", done.err);
}

#[test]
fn a_folder_that_holds_another_log_is_refused_before_the_run() {
    let home = Home::new();
    home.file("events.ndjson", "");
    let done = home.run("run --testbed --out .");
    done.must_say(2, &["holds the log of another run"]);
}

#[test]
fn shapes_and_faults_that_do_not_exist_cost_no_boot() {
    let home = Home::new();
    home.run("run --testbed --shape defalt").must_say(2, &["`defalt`", "default"]);
    home.run("run --testbed --fault image-01-no-match").must_say(2, &["image-01-no-match"]);
    let broken = home.file("broken.yaml", "name: broken\nnodes:\n  - nme: x\n");
    home.run(&format!("run --testbed --shape {broken}")).must_say(2, &["broken.yaml", "line 3"]);
}

#[test]
fn a_wrong_option_exits_with_2() {
    for line in ["run --tesbed", "run --testbed --jobs 0", "run --testbed --timeout-scale 0", "frobnicate"] {
        assert_eq!(Home::new().run(line).code, Some(2), "{line}");
    }
}

#[test]
fn whoever_stops_reading_has_seen_enough() {
    let home = Home::new();
    let mut child = home.command(["list"]).spawn().unwrap();
    drop(child.stdout.take());
    let done = child.wait_with_output().unwrap();
    assert_eq!(done.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
}
