//! The least role: it is enough, nothing in it is for nothing, and what it lacks is named.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use winconform_harness::{
    Check,
    cluster::{Cluster, ConnectOptions, Permission, missing_permissions, permissions_of},
    run::Selection,
};
use winconform_reports::{Report, VerdictKind, disposition::Profile, read_log, report::CheckResult};

use crate::{
    access::{apply, kubeconfig_for, server, token_of},
    command::Home,
    standing::{block_on, client, info, kubeconfig},
};

/// Allowed to everybody who is known at all (`system:basic-user`).
const ALLOWED_TO_ALL: &str = "create selfsubjectaccessreviews.authorization.k8s.io";

/// What only a run needs that takes long, is in trouble, or cleans up after another.
const ONLY_IN_TROUBLE: [&str; 6] = [
    "watch serviceaccounts", // where the account is there at the first look, nothing is waited for
    "patch leases.coordination.k8s.io",
    "get leases.coordination.k8s.io",
    "create pods/exec", // asked of the API server for a GET
    "list namespaces",
    "watch namespaces",
];

/// Never sent: held, since nobody can give leave that they do not have.
const HELD: &str = "use gmsacredentialspecs.windows.k8s.io";

#[test]
fn the_printed_role_is_enough_for_the_core_profile_and_holds_nothing_that_is_not_used() {
    enough_and_not_more("core", "winconform-least-core");
}

#[test]
fn the_printed_role_is_enough_for_the_extended_profile_and_holds_nothing_that_is_not_used() {
    enough_and_not_more("extended", "winconform-least-extended");
}

fn enough_and_not_more(profile: &str, name: &str) {
    let home = Home::new();
    let printed = home.run(&format!("rbac --profile {profile} --name {name} --bind-service-account default/{name}"));
    assert_eq!(printed.code, Some(0), "{printed:#?}");
    assert!(!printed.out.contains("nodes/proxy"), "{}", printed.out);
    let objects: Vec<Value> = serde_saphyr::from_multiple(&printed.out).unwrap();
    let role = objects[0].clone();
    let client = client();
    block_on(apply(&client, objects));
    let token = block_on(token_of(&client, name));
    let least = home.file("least", &kubeconfig_for(&server(), &format!("token: {token}")));

    let proxy = &info().outside_proxy;
    let line = format!("run --kubeconfig {least} --profile {profile} --outside-proxy {proxy} --out run --verbose");
    let done = home.run(&line);
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    // Whether the cluster is well is other tests' question: here nothing may have been refused.
    let refused = |reason: &str| ["forbidden", "may not use", "HTTP 403"].iter().any(|word| reason.contains(word));
    // A check that asks whether something is refused passes with just those words.
    let asked_in_vain = report.results.iter().filter(|result| result.verdict != VerdictKind::Passed);
    let troubled: Vec<_> = asked_in_vain.filter(|result| refused(&result.reason)).collect();
    assert!(troubled.is_empty(), "{troubled:#?}\n{}", done.err);
    let passed = report.results.iter().filter(|result| result.verdict == VerdictKind::Passed).count();
    assert!(passed * 2 > report.results.len(), "{}", done.out);
    assert_eq!(report.leftovers, Vec::<String>::new());

    let used = kinds_of_requests(&done.err);
    let granted = granted(&role);
    let beyond: Vec<&String> = used.difference(&granted).filter(|kind| *kind != ALLOWED_TO_ALL).collect();
    assert!(beyond.is_empty(), "asked for without being in the role: {beyond:?}");
    let unused: Vec<&String> = granted
        .difference(&used)
        .filter(|kind| ![ONLY_IN_TROUBLE.as_slice(), &[HELD]].concat().contains(&kind.as_str()))
        .collect();
    assert!(unused.is_empty(), "in the role, but never asked for: {unused:?}");
}

#[test]
fn whatever_is_taken_out_of_the_role_is_named_before_anything_is_created() {
    winconform::prepare(false);
    let permissions = extended_permissions();
    let home = Home::new();
    let users: Vec<String> = (0..permissions.len()).map(|index| format!("lacks-{index}")).collect();
    let kubeconfig = home.file("impersonating", &impersonating(&users));
    let admin = client();
    block_on(async {
        for (user, lacked) in users.iter().zip(&permissions) {
            let rules: Vec<Value> = permissions.iter().filter(|permission| *permission != lacked).map(rule).collect();
            apply(&admin, bound(user, &rules)).await;
        }
        for (user, lacked) in users.iter().zip(&permissions) {
            let options = ConnectOptions { kubeconfig: Some(kubeconfig.clone().into()), context: Some(user.clone()) };
            let client = Cluster::connect(&options).await.unwrap().client();
            let missing = settled(&client, &permissions).await;
            assert_eq!(missing, [*lacked], "{user}");
        }
    });
    // What only some checks ask keeps the others from nothing, and is said by those.
    for (user, lacked) in users.iter().zip(&permissions).filter(|(_, lacked)| lacked.group == "windows.k8s.io") {
        let out = format!("run-{user}");
        home.run(&format!("run --kubeconfig {kubeconfig} --context {user} --suite gmsa --out {out}"));
        let report = Report::from_records(&read_log(&home.path(&out).join("events.ndjson")).unwrap().records);
        let named = format!("{} ({})", lacked.target(), lacked.verb);
        let said =
            |result: &&CheckResult| result.verdict == VerdictKind::Undetermined && result.reason.contains(&named);
        let silent: Vec<_> = report.results.iter().filter(|result| !said(result)).map(|result| &result.id).collect();
        let expected: &[&str] = if lacked.verb == "use" { &["gmsa/crd-and-webhook"] } else { &[] };
        assert_eq!(silent, expected, "{lacked}");
    }
}

/// What is missing, as soon as the API server's own watch has seen the role: then it is one thing.
async fn settled(client: &kube::Client, permissions: &[Permission]) -> Vec<Permission> {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        let missing = missing_permissions(client, permissions).await.unwrap();
        if missing.len() <= 1 || tokio::time::Instant::now() > deadline {
            return missing;
        }
    }
}

fn extended_permissions() -> Vec<Permission> {
    let checks = winconform_suites::all();
    let selection = Selection::default().of_profile(Profile::Extended);
    let is_extended = |check: &&&'static Check| {
        !check.disruptive && selection.leaves_to_others(&check.parsed_id().unwrap(), check.level).is_none()
    };
    permissions_of(checks.iter().filter(is_extended).copied())
}

/// The verb and resource of each request that a run logged.
fn kinds_of_requests(log: &str) -> BTreeSet<String> {
    let of_line = |line: &str| Some(line.split_once("first request of its kind")?.1.split('"').nth(1)?.to_owned());
    let kinds: BTreeSet<String> = log.lines().filter_map(of_line).collect();
    assert!(kinds.len() > 10, "the log names no requests: {log}");
    kinds
}

fn granted(role: &Value) -> BTreeSet<String> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut granted = BTreeSet::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(&rule["apiGroups"]) {
            let group = if group.is_empty() { String::new() } else { format!(".{group}") };
            for resource in texts(&rule["resources"]) {
                granted.extend(texts(&rule["verbs"]).iter().map(|verb| format!("{verb} {resource}{group}")));
            }
        }
    }
    granted
}

fn rule(permission: &Permission) -> Value {
    json!({ "apiGroups": [permission.group], "resources": [permission.resource], "verbs": [permission.verb] })
}

fn bound(user: &str, rules: &[Value]) -> Vec<Value> {
    let group = "rbac.authorization.k8s.io";
    vec![
        json!({ "apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": { "name": user }, "rules": rules }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": user },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": user },
            "subjects": [{ "apiGroup": group, "kind": "User", "name": user }],
        }),
    ]
}

/// The administrator's kubeconfig, with a context for each user to be.
fn impersonating(users: &[String]) -> String {
    let admin: Value = serde_saphyr::from_str(&std::fs::read_to_string(kubeconfig()).unwrap()).unwrap();
    let user = |name: &String| {
        let mut own = admin["users"][0]["user"].clone();
        own["as"] = json!(name);
        json!({ "name": name, "user": own })
    };
    let context = |name: &String| json!({ "name": name, "context": { "cluster": info().context, "user": name } });
    json!({
        "apiVersion": "v1", "kind": "Config", "clusters": admin["clusters"],
        "users": users.iter().map(user).collect::<Vec<_>>(),
        "contexts": users.iter().map(context).collect::<Vec<_>>(),
    })
    .to_string()
}
