//! Defects take effect at once in what people see, and heal at once.

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use winconform_testbed::{client::Testbed, fault::Fault, progress::Info, serve::ServeOptions};

use crate::help::{kubectl, small, start};
use crate::workload::{Workload, windows};

async fn inject(testbed: &Testbed, effects: &str) {
    let yaml =
        format!("apiVersion: winconform/v1\nkind: Fault\nname: planted\nsummary: For a test.\neffects:\n{effects}");
    let fault = Fault::parse(&yaml, "test").unwrap();
    testbed.control().await.unwrap().inject(fault).await.unwrap();
}

/// Heals the fault, which must have changed something.
async fn heal(testbed: &Testbed) {
    let counters = testbed.control().await.unwrap().heal(Some("planted")).await.unwrap();
    assert!(counters.iter().all(|counter| counter.applied > 0), "{counters:?}");
}

async fn idle<'a>(info: &'a Info, name: &'static str) -> Workload<'a> {
    let pod = Workload::start_in(info, name, windows(json!(["cmd", "/c", "ping -t 127.0.0.1 >NUL"]))).await;
    pod.ready().await;
    pod
}

#[tokio::test]
async fn a_node_shows_what_is_wrong_with_it_until_it_is_healed() {
    let testbed = start(&small()).await;
    let info = testbed.info();
    let pod = idle(info, "witness").await;
    let node = ["get", "node", "win-2022-0", "-o", "json"];
    let ready = |status: &'static str| {
        move |said: &str| said.contains("\"reason\": \"KubeletNotReady\"") == (status == "False")
    };
    inject(
        &testbed,
        "- node:\n    nodes: {name: win-2022-0}\n    conditions: [{type: Ready, status: 'False', reason: KubeletNotReady, message: no CNI}]\n    \
         labels: {node.kubernetes.io/windows-build: 10.0.17763, extra: x}\n    removeTaints: [os]\n    nodeInfo: {kernelVersion: 10.0.20348.2582}\n",
    )
    .await;
    let shown = pod.eventually("the condition", &node, ready("False")).await;
    assert!(shown.contains("10.0.20348.2582"), "{shown}");
    pod.eventually("the label", &node, |said| said.contains("\"node.kubernetes.io/windows-build\": \"10.0.17763\""))
        .await;
    pod.eventually("the missing taint", &node, |said| !said.contains("\"value\": \"windows\"")).await;
    heal(&testbed).await;
    pod.eventually("the healthy condition", &node, ready("True")).await;
    let healthy = pod
        .eventually("the labels and the taint", &node, |said| {
            said.contains("\"node.kubernetes.io/windows-build\": \"10.0.20348\"")
                && said.contains("\"value\": \"windows\"")
        })
        .await;
    assert!(!healthy.contains("\"extra\""), "{healthy}");
    testbed.stop().await;
}

#[tokio::test]
async fn a_kubelet_that_refuses_and_commands_that_fail_are_seen_by_exec() {
    let testbed = start(&small()).await;
    let info = testbed.info();
    let _pod = idle(info, "witness").await;
    let exec = async || kubectl(info, &["exec", "witness", "--", "cmd", "/c", "echo true"]).await;
    inject(&testbed, "- node: {nodes: {os: windows}, kubelet: refuses}\n").await;
    let said = exec().await;
    assert!(said.err.contains("error dialing backend"), "{said:?}");
    heal(&testbed).await;
    assert_eq!(exec().await.out, "true\r\n");
    inject(&testbed, "- command: {pods: {os: windows}, commands: '*echo*', stdout: \"false\\n\", exitCode: 5}\n").await;
    let said = exec().await;
    assert_eq!((said.out.as_str(), said.code), ("false\r\n", Some(5)));
    heal(&testbed).await;
    inject(&testbed, "- command: {pods: {os: windows}, transport: statusLost}\n").await;
    let said = exec().await;
    assert_eq!(said.out, "true\r\n");
    assert_ne!(said.code, Some(0), "the status is missing: {said:?}");
    heal(&testbed).await;
    testbed.stop().await;
}

#[tokio::test]
async fn a_pod_is_stuck_or_fails_at_the_stage_that_a_fault_names_and_goes_on_when_healed() {
    let testbed = start(&small()).await;
    let info = testbed.info();
    let spec = || windows(json!(["cmd", "/c", "ping -t 127.0.0.1 >NUL"]));
    inject(&testbed, "- pod: {pods: {os: windows}, stage: sandbox, outcome: stuck}\n").await;
    let stuck = Workload::start_in(info, "stuck", spec()).await;
    stuck
        .status_when("ContainerCreating", |pod| {
            pod["status"]["conditions"].as_array().is_some_and(|list| list.len() > 1)
        })
        .await;
    assert_eq!(stuck.status().await["containerStatuses"][0]["state"]["waiting"]["reason"], "ContainerCreating");
    heal(&testbed).await;
    stuck.ready().await;
    inject(&testbed, "- pod: {pods: {os: windows}, stage: start, outcome: fails, message: Access is denied.}\n").await;
    let failing = Workload::start_in(info, "failing", spec()).await;
    let status = failing
        .status_when("the start error", |pod| {
            pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "StartError"
        })
        .await;
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 128);
    heal(&testbed).await;
    failing.ready().await;
    inject(&testbed, "- image: {images: '*servercore*', missing: true}\n").await;
    let refused = Workload::start_in(info, "refused", spec()).await;
    refused
        .status_when("the pull to fail", |pod| {
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"];
            waiting.as_str().is_some_and(|message| message.contains("no match for platform"))
        })
        .await;
    heal(&testbed).await;
    refused.ready().await;
    inject(&testbed, "- pod: {pods: {os: windows}, stage: stop, outcome: stuck}\n").await;
    kubectl(info, &["delete", "pod", "stuck", "--wait=false", "--grace-period=1"]).await;
    stuck.status_when("its deletion", |pod| pod["metadata"]["deletionTimestamp"].is_string()).await;
    heal(&testbed).await;
    stuck.gone().await;
    testbed.stop().await;
}

#[tokio::test]
async fn what_a_policy_denies_is_refused_with_its_words_until_it_is_healed() {
    let testbed = start(&small()).await;
    let info = testbed.info();
    inject(
        &testbed,
        "- admission: {name: images.policy.test, objects: {fields: {/spec/containers/0/image: '*pause*'}}, \
         outcome: denies, code: 400, message: not from our registry}\n",
    )
    .await;
    let run = async |image: &str| kubectl(info, &["run", "x", "--dry-run=server", &format!("--image={image}")]).await;
    let said = run("registry.k8s.io/pause:3.9").await;
    assert!(said.err.contains("admission webhook \"images.policy.test\" denied the request: not from our registry"));
    assert_eq!(run("registry.k8s.io/e2e-test-images/agnhost:2.53").await.code, Some(0), "another image");
    heal(&testbed).await;
    assert_eq!(run("registry.k8s.io/pause:3.9").await.code, Some(0));
    inject(&testbed, "- admission: {name: down.policy.test, outcome: down}\n").await;
    let said = run("registry.k8s.io/pause:3.9").await;
    assert!(said.err.contains("failed calling webhook \"down.policy.test\""), "{said:?}");
    heal(&testbed).await;
    inject(
        &testbed,
        "- admission: {name: patch.policy.test, outcome: patches, patch: [{op: add, path: /metadata/labels/by, value: fault}]}\n",
    )
    .await;
    let said =
        kubectl(info, &["run", "x", "--dry-run=server", "--image=registry.k8s.io/pause:3.9", "-o", "yaml"]).await;
    assert!(said.out.contains("by: fault"), "{said:?}");
    heal(&testbed).await;
    testbed.stop().await;
}

#[tokio::test]
async fn the_api_server_answers_delays_and_cuts_as_a_fault_wants() {
    let testbed = start(&ServeOptions { api_front: true, ..small() }).await;
    let info = testbed.info();
    let pod = idle(info, "witness").await;
    assert_eq!(kubectl(info, &["exec", "witness", "--", "cmd", "/c", "echo through"]).await.out, "through\r\n");
    let who = kubectl(info, &["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]).await;
    assert_eq!(who.out, "winconform-testbed-admin", "the front speaks for its clients");
    inject(&testbed, "- api: {requests: {resource: nodes, verb: list}, status: 403, message: not tonight}\n").await;
    let said = kubectl(info, &["get", "nodes"]).await;
    assert!(said.err.contains("not tonight"), "{said:?}");
    assert_eq!(kubectl(info, &["get", "pods"]).await.code, Some(0), "another resource");
    heal(&testbed).await;
    inject(&testbed, "- api: {requests: {resource: pods, verb: get, name: witness}, connection: cut}\n").await;
    assert!(kubectl(info, &["get", "pod", "witness"]).await.err.contains("EOF"));
    heal(&testbed).await;
    pod.ready().await;
    testbed.stop().await;
}

/// Follows one kind of object until its watch ends; the events it told.
async fn watch_to_the_end(info: &Info) -> Vec<kube::Result<kube::api::WatchEvent<ConfigMap>>> {
    let kubeconfig = kube::config::Kubeconfig::read_from(&info.kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    let maps: kube::Api<ConfigMap> = kube::Api::namespaced(kube::Client::try_from(config).unwrap(), "default");
    let events = maps.watch(&Default::default(), "0").await.unwrap();
    events.collect().await
}

#[tokio::test]
async fn a_watch_under_way_ends_as_a_fault_wants() {
    let testbed = start(&ServeOptions { api_front: true, ..small() }).await;
    let info = testbed.info();
    inject(&testbed, "- api: {requests: {resource: configmaps}, watch: gone}\n").await;
    let events = watch_to_the_end(info).await;
    assert!(
        matches!(events.last(), Some(Ok(kube::api::WatchEvent::Error(status))) if status.code == 410),
        "{events:?}"
    );
    heal(&testbed).await;
    // This one is open before the fault begins.
    inject(&testbed, "- api: {requests: {resource: configmaps}, watch: ends, when: {start: 5s}}\n").await;
    let events = watch_to_the_end(info).await;
    assert!(events.iter().all(|event| !matches!(event, Err(_) | Ok(kube::api::WatchEvent::Error(_)))), "{events:?}");
    assert!(!events.is_empty(), "it told what there is before it ended");
    heal(&testbed).await;
    testbed.stop().await;
}
