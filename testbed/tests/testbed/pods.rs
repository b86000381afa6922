//! Pods as people see them: what becomes of them, and why.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use winconform_testbed::client;

use crate::help::{kubectl, shared, small, start};
use crate::workload::{Workload, linux, windows};

#[tokio::test]
async fn the_events_of_a_windows_pod_are_those_of_a_kubelet() {
    let pod = Workload::start("described", windows(json!(["ping", "-t", "127.0.0.1"]))).await;
    pod.ready().await;
    let told = pod
        .eventually("the event Started", &["describe", "pod", "described"], |said| said.contains("Container started"))
        .await;
    let reasons: Vec<_> = told
        .lines()
        .skip_while(|line| !line.starts_with("Events:"))
        .skip(3)
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    assert_eq!(reasons, ["Scheduled", "Pulled", "Created", "Started"], "{told}");
}

#[tokio::test]
async fn a_watch_sees_the_phases_that_a_real_pod_goes_through() {
    // What is listed first shows that the watch has begun: nothing after that list is missed.
    let _listed = Workload::start("listed", linux(json!(["sleep", "600"]))).await;
    let mut watch = client::kubectl(shared())
        .args(["get", "pods", "-w", "--no-headers"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("kubectl starts");
    let mut lines = BufReader::new(watch.stdout.take().expect("it is piped")).lines();
    let mut next = async || lines.next_line().await.expect("kubectl writes text").expect("kubectl goes on watching");
    while !next().await.starts_with("listed ") {}
    let pod = Workload::start("watched", windows(json!(["ping", "-t", "127.0.0.1"]))).await;
    pod.ready().await;
    pod.delete().await;
    let mut phases: Vec<String> = Vec::new();
    while phases.last().is_none_or(|phase| phase != "Terminating") {
        let line = next().await;
        let Some(row) = line.strip_prefix("watched ") else { continue };
        phases.push(row.split_whitespace().nth(1).expect("a STATUS column").to_owned());
        phases.dedup();
    }
    assert_eq!(phases, ["Pending", "ContainerCreating", "Running", "Terminating"]);
}

#[tokio::test]
async fn a_container_that_keeps_failing_is_backed_off_and_keeps_its_last_words() {
    let pod = Workload::start("crashing", windows(json!(["cmd", "/c", "echo last words & exit 3"]))).await;
    let status = pod.status_when("the back-off", |pod| waiting(pod) == Some("CrashLoopBackOff")).await;
    let container = &status["containerStatuses"][0];
    assert!(container["restartCount"].as_i64().unwrap() >= 1, "{container}");
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    let logs = kubectl(shared(), &["logs", "crashing", "--previous"]).await;
    assert_eq!(logs.out, "last words \r\n");
}

#[tokio::test]
async fn negative_windows_exit_codes_stay_what_they_are() {
    let mut spec = windows(json!(["cmd", "/c", "exit -1073741510"]));
    spec["restartPolicy"] = json!("Never");
    let pod = Workload::start("control-c", spec).await;
    let status = pod.status_when("its end", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], -1_073_741_510);
}

#[tokio::test]
async fn an_image_of_another_windows_is_not_pulled() {
    let mut spec = windows(json!(["cmd"]));
    spec["containers"][0]["image"] = json!("mcr.microsoft.com/windows/servercore:ltsc2019");
    let pod = Workload::start("mismatched", spec).await;
    let status = pod
        .status_when("the pull to fail", |pod| waiting(pod).is_some_and(|reason| reason.contains("ImagePull")))
        .await;
    let message = status["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("no match for platform in manifest: not found"), "{message}");
    assert_eq!(status["phase"], "Pending");
}

#[tokio::test]
async fn a_pod_of_another_system_is_failed_by_the_kubelet() {
    let mut spec = linux(json!(["sleep", "60"]));
    spec["nodeName"] = json!("win-2022-0"); // past the scheduler
    spec["os"] = json!({"name": "linux"});
    spec["nodeSelector"] = json!({});
    let pod = Workload::start("misplaced", spec).await;
    let status = pod.status_when("its refusal", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(status["reason"], "PodOSNotSupported");
}

#[tokio::test]
async fn an_unknown_handler_is_named_in_the_event() {
    let info = shared();
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "docker-class"}, "handler": "docker"});
    Workload::apply(info, &class).await;
    let mut spec = windows(json!(["cmd"]));
    spec["runtimeClassName"] = json!("docker-class");
    let pod = Workload::start("handled", spec).await;
    pod.eventually("the event", &["get", "events", "--field-selector", "involvedObject.name=handled"], |said| {
        said.contains("no runtime for \"docker\" is configured")
    })
    .await;
    kubectl(info, &["delete", "runtimeclass", "docker-class"]).await;
}

#[tokio::test]
async fn init_containers_run_one_after_the_other_before_the_others() {
    let mut spec = linux(json!(["sleep", "60"]));
    let image = spec["containers"][0]["image"].clone();
    spec["initContainers"] = json!([
        {"name": "one", "image": image, "command": ["sh", "-c", "echo one"]},
        {"name": "two", "image": image, "command": ["sh", "-c", "echo two"]},
    ]);
    let pod = Workload::start("initialised", spec).await;
    pod.ready().await;
    let status = pod.status().await;
    let finished = |at: usize| {
        status["initContainerStatuses"][at]["state"]["terminated"]["finishedAt"].as_str().unwrap().to_owned()
    };
    assert!(finished(0) <= finished(1));
    let logs = kubectl(shared(), &["logs", "initialised", "-c", "two"]).await;
    assert_eq!(logs.out, "two\n");
}

#[tokio::test]
async fn a_liveness_probe_that_fails_restarts_the_container() {
    let mut spec = linux(json!(["sleep", "600"]));
    spec["terminationGracePeriodSeconds"] = json!(1);
    spec["containers"][0]["livenessProbe"] =
        json!({"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 2});
    let pod = Workload::start("unhealthy", spec).await;
    pod.status_when("a restart", |pod| pod["status"]["containerStatuses"][0]["restartCount"].as_i64() >= Some(1)).await;
    let events = ["get", "events", "--field-selector", "involvedObject.name=unhealthy"];
    pod.eventually("the event Unhealthy", &events, |said| said.contains("Liveness probe failed")).await;
}

#[tokio::test]
async fn a_readiness_probe_decides_when_the_web_server_is_ready() {
    let script =
        "$listener = New-Object System.Net.HttpListener ; $listener.Prefixes.Add('http://*:80/') ; callerCount";
    let mut spec = windows(json!(["powershell.exe", "-command", script]));
    // The delay is long enough that a status is posted in between, however busy the machine is.
    spec["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"port": 80}, "initialDelaySeconds": 40, "periodSeconds": 1});
    let pod = Workload::start("probed", spec).await;
    pod.status_when("a run that is not ready", |pod| {
        let container = &pod["status"]["containerStatuses"][0];
        container["state"]["running"].is_object() && container["ready"] == false
    })
    .await;
    pod.ready().await;
}

#[tokio::test]
async fn a_deleted_pod_is_gone_and_its_address_is_given_back() {
    let testbed = start(&small()).await;
    let info = testbed.info();
    let pod = Workload::start_in(info, "deleted", windows(json!(["ping", "-t", "127.0.0.1"]))).await;
    pod.ready().await;
    let ip = pod.status().await["podIP"].as_str().unwrap().to_owned();
    pod.delete().await;
    assert!(kubectl(info, &["get", "pod", "deleted"]).await.err.contains("NotFound"));
    let other = Workload::start_in(info, "other", linux(json!(["sleep", "60"]))).await;
    other.ready().await;
    let said =
        kubectl(info, &["exec", "other", "--", "curl", "-sS", "--connect-timeout", "1", &format!("http://{ip}/")])
            .await;
    assert_eq!(said.code, Some(28), "nothing has the address any more: {said:?}");
    testbed.stop().await;
}

#[tokio::test]
async fn a_host_process_pod_is_on_the_nodes_network_as_system() {
    let mut spec = windows(json!(["ping", "-t", "127.0.0.1"]));
    spec["hostNetwork"] = json!(true);
    spec["securityContext"] = json!({"windowsOptions": {"hostProcess": true, "runAsUserName": "NT AUTHORITY\\SYSTEM"}});
    let pod = Workload::start("on-the-host", spec).await;
    pod.ready().await;
    let status = pod.status().await;
    assert_eq!(status["podIP"], status["hostIP"]);
    let said = kubectl(shared(), &["exec", "on-the-host", "--", "whoami"]).await;
    assert_eq!(said.out, "nt authority\\system\r\n");
}

#[tokio::test]
async fn the_mounted_token_opens_the_api_server() {
    let pod = Workload::start("token", linux(json!(["sleep", "60"]))).await;
    pod.ready().await;
    let script = "curl -sS -k -o /dev/null -w '%{http_code}' -H \"Authorization: Bearer $(cat /var/run/secrets/kubernetes.io/serviceaccount/token)\" \
                  https://10.96.0.1/api";
    let said = kubectl(shared(), &["exec", "token", "--", "sh", "-c", script]).await;
    assert_eq!(said.out, "200", "{said:?}");
}

#[tokio::test]
async fn an_image_that_is_not_there_is_pulled_once_and_then_present() {
    let mut spec = windows(json!(["cmd", "/c", "ping -t 127.0.0.1"]));
    spec["containers"][0]["image"] = json!("mcr.microsoft.com/windows/servercore:10.0.20348.5386");
    spec["nodeSelector"]["kubernetes.io/hostname"] = json!("win-2022-1");
    let first = Workload::start("pulled", spec.clone()).await;
    first.ready().await;
    let events = |name: &str| format!("involvedObject.name={name}");
    first
        .eventually("the pull", &["get", "events", "--field-selector", &events("pulled")], |said| {
            said.contains("Successfully pulled image") && said.contains("Image size:")
        })
        .await;
    let second = Workload::start("present", spec).await;
    second.ready().await;
    second
        .eventually("the event Pulled", &["get", "events", "--field-selector", &events("present")], |said| {
            said.contains("already present on machine")
        })
        .await;
}

fn waiting(pod: &Value) -> Option<&str> {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str()
}
