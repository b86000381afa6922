//! Group managed service accounts, from the webhook to the domain.

use serde_json::{Value, json};

use crate::{
    help::{kubectl, shared},
    workload::{Workload, windows, with_input},
};

/// A pod with a credential spec, run by a service account.
fn member(spec: &str, account: &str) -> Value {
    let mut pod = windows(json!(["ping", "-t", "127.0.0.1"]));
    pod["serviceAccountName"] = json!(account);
    pod["securityContext"] = json!({"windowsOptions": {"gmsaCredentialSpecName": spec}});
    pod
}

/// Lets the service account `name` use the credential spec `webapp01`.
async fn let_use(name: &str) {
    let rbac = "rbac.authorization.k8s.io";
    let rule = json!({
        "apiGroups": ["windows.k8s.io"], "resources": ["gmsacredentialspecs"], "resourceNames": ["webapp01"], "verbs": ["use"],
    });
    for object in [
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}),
        json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": name}, "rules": [rule]}),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
        }),
    ] {
        Workload::apply(shared(), &object).await;
    }
}

#[tokio::test]
async fn a_pod_that_may_use_a_spec_gets_its_contents_and_is_a_member_of_the_domain() {
    let_use("member").await;
    let pod = Workload::start("member", member("webapp01", "member")).await;
    pod.ready().await;
    let contents = kubectl(
        shared(),
        &["get", "pod", "member", "-o", "jsonpath={.spec.securityContext.windowsOptions.gmsaCredentialSpec}"],
    );
    let contents: Value = serde_json::from_str(&contents.await.out).unwrap();
    assert_eq!(contents["DomainJoinConfig"]["DnsName"], "corp.example");
    let run = async |words: &[&str]| {
        let all: Vec<&str> = ["exec", "member", "--"].into_iter().chain(words.iter().copied()).collect();
        kubectl(shared(), &all).await.out
    };
    let verified = run(&["nltest", "/sc_verify:corp.example"]).await;
    assert!(verified.contains("Trust Verification Status = 0 0x0 NERR_Success\r\n"), "{verified}");
    let got = run(&["klist", "get", "krbtgt"]).await;
    assert!(got.contains("Client: webapp01$ @ CORP.EXAMPLE"), "{got}");
    let file = r"\\files.corp.example\conformance\shared.txt";
    assert_eq!(run(&["cmd", "/c", &format!("echo shared>{file}&& type {file}&& del {file}")]).await, "shared\r\n");
}

#[tokio::test]
async fn who_may_not_use_a_spec_and_who_names_none_that_is_are_refused_by_the_webhook() {
    let refused = async |spec: &str| {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "refused"}, "spec": member(spec, "default")});
        with_input(shared(), &["apply", "-f", "-"], &pod.to_string()).await.err
    };
    let denied = "admission webhook \"admission-webhook.windows-gmsa.sigs.k8s.io\" denied the request:";
    assert!(refused("webapp01").await.contains(&format!(
        "{denied} service account \"default\" is not authorized to `use` GMSA cred spec \"webapp01\""
    )));
    assert!(refused("nobody").await.contains(&format!("{denied} cred spec nobody does not exist")));
}
