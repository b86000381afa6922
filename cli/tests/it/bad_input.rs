//! Clusters that cannot be judged: each says why, and what to do.

use serde_json::json;
use winconform_reports::{Report, VerdictKind, read_log};

use crate::{
    access::{apply, kubeconfig_for, server, token_of},
    command::Home,
    standing::{block_on, client, info, kubeconfig},
};

#[test]
fn without_any_cluster_the_testbed_is_offered() {
    Home::new().run("run").must_say(2, &["kubeconfig", "`winconform run --testbed` needs no cluster"]);
}

#[test]
fn a_cluster_that_does_not_answer_is_named_and_still_makes_a_report() {
    let home = Home::new();
    let nobody = home.file("kubeconfig", &kubeconfig_for("https://127.0.0.1:9", "token: x"));
    let done = home.run(&format!("run --kubeconfig {nobody} --out run --report json=report.json"));
    done.must_say(2, &["the API server at https://127.0.0.1:9 did not answer", "reachable from here"]);
    let report: Report = serde_json::from_str(&std::fs::read_to_string(home.path("report.json")).unwrap()).unwrap();
    assert_eq!(report.run.exit_code, 2);
    assert!(report.run.aborted.unwrap().contains("did not answer"));
}

#[test]
fn expired_credentials_are_called_that() {
    let home = Home::new();
    let expired = home.file("kubeconfig", &kubeconfig_for(&server(), "token: long-gone"));
    let done = home.run(&format!("run --kubeconfig {expired} --out run"));
    done.must_say(2, &["Unauthorized", "have expired; log in again"]);
}

#[test]
fn a_context_that_does_not_exist_is_answered_with_those_that_do() {
    let done = Home::new().run(&format!("run --kubeconfig {} --context prod", kubeconfig()));
    done.must_say(2, &["no context `prod`", &info().context]);
}

#[test]
fn a_kubeconfig_that_is_no_yaml_is_named() {
    let home = Home::new();
    let garbage = home.file("garbage", "{{{ not: [yaml");
    home.run(&format!("run --kubeconfig {garbage}")).must_say(2, &["garbage", "cannot be used"]);
}

#[test]
fn a_cluster_without_windows_nodes_is_not_applicable_and_says_what_to_do() {
    let home = Home::new();
    let done = home.run("run --testbed --shape no-windows --out run");
    done.must_say(3, &["no Windows node", "--testbed"]);
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    assert_eq!(report.run.exit_code, 3);
    assert_eq!(report.run.counts.skipped, report.run.counts.total);
}

#[test]
fn an_identity_that_may_not_create_namespaces_is_told_which_verbs_it_lacks() {
    let home = Home::new();
    let token = token_of_a_spectator();
    let spectator = home.file("kubeconfig", &kubeconfig_for(&server(), &format!("token: {token}")));
    let done = home.run(&format!("run --kubeconfig {spectator} --out run"));
    done.must_say(2, &["may not use", "namespaces (create", "pods (create", "`winconform rbac`"]);
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    let asked: Vec<_> = report.results.iter().filter(|result| result.verdict != VerdictKind::NotApplicable).collect();
    assert!(!asked.is_empty() && asked.iter().all(|result| result.reason.contains("namespaces (create")), "{asked:#?}");
}

#[test]
fn an_image_that_cannot_be_pulled_is_undetermined_and_names_the_image() {
    let home = Home::new();
    let fault = home.file(
        "no-such-image.yaml",
        "apiVersion: winconform/v1\nkind: Fault\nname: no-such-image\nsummary: The registry is empty.\neffects:\n  \
         - image:\n      images: \"!*/pause*\"\n      error: 'failed to resolve reference: not found'\n",
    );
    let line =
        format!("run --testbed --shape one-windows-node --fault {fault} --check win-webserver/pods-ready --out run");
    let done = home.run(&line);
    assert_eq!(done.code, Some(2), "{done:#?}");
    assert!(done.out.contains("not found"), "{}", done.out);
}

/// A service account that may look at nodes, and nothing else.
fn token_of_a_spectator() -> String {
    let name = json!({ "name": "spectator" });
    let group = "rbac.authorization.k8s.io";
    let objects = vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "spectator", "namespace": "default" } }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": name,
            "rules": [{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["list"] }],
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": name,
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "spectator" },
            "subjects": [{ "kind": "ServiceAccount", "name": "spectator", "namespace": "default" }],
        }),
    ];
    let client = client();
    block_on(async {
        apply(&client, objects).await;
        token_of(&client, "spectator").await
    })
}
