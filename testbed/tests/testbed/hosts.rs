//! Nodes as they are seen from their own programs, from the kubelet's statistics, and across a reboot.

use serde_json::{Value, json};
use winconform_testbed::{fault::Fault, serve::ServeOptions};

use crate::help::{kubectl, shared, start};
use crate::workload::{Workload, windows};

fn on_host(command: Value) -> Value {
    let mut spec = windows(command);
    spec["hostNetwork"] = json!(true);
    spec["securityContext"] = json!({"windowsOptions": {"hostProcess": true}});
    spec["nodeSelector"] = json!({"kubernetes.io/hostname": "win-2022-0"});
    spec
}

#[tokio::test]
async fn a_burner_is_held_at_its_limit_in_the_kubelets_statistics() {
    let mut spec = windows(json!([
        "powershell",
        "-Command",
        "1..3 | ForEach-Object { Start-Job { while ($true) {} } }; Wait-Job *"
    ]));
    spec["containers"][0]["resources"] =
        json!({"limits": {"cpu": "1", "memory": "800Mi"}, "requests": {"cpu": "100m", "memory": "300Mi"}});
    let pod = Workload::start("burner", spec).await;
    pod.ready().await;
    let held = |said: &str| {
        let summary: Value = serde_json::from_str(said).unwrap_or_default();
        summary["pods"].as_array().into_iter().flatten().any(|pod| {
            let cores = pod["containers"][0]["cpu"]["usageNanoCores"].as_u64().unwrap_or(0);
            let memory = &pod["containers"][0]["memory"];
            pod["podRef"]["name"] == "burner"
                && (950_000_000..=1_000_000_000).contains(&cores)
                && memory["workingSetBytes"].is_u64()
                && memory["rssBytes"].is_null()
        })
    };
    let node = kubectl(shared(), &["get", "pod", "burner", "-o", "jsonpath={.spec.nodeName}"]).await.out;
    pod.eventually("a full core", &["get", "--raw", &format!("/api/v1/nodes/{node}/proxy/stats/summary")], held).await;
    let script = "try { $a = [byte[]]::new(900MB); 'had it' } catch { $_.FullyQualifiedErrorId }";
    let said = kubectl(shared(), &["exec", "burner", "--", "powershell", "-Command", script]).await;
    assert_eq!(said.out, "System.OutOfMemoryException\r\n", "{said:?}");
    assert_eq!(pod.status().await["containerStatuses"][0]["restartCount"], 0, "nothing is killed on Windows");
    pod.delete().await;
}

#[tokio::test]
async fn a_pod_that_its_node_has_no_room_for_is_refused_by_the_kubelet() {
    let mut spec = windows(json!(["cmd"]));
    spec["nodeName"] = json!("win-2025-0");
    spec["nodeSelector"] = Value::Null;
    spec["containers"][0]["resources"] = json!({"requests": {"cpu": "64"}});
    let pod = Workload::start("greedy", spec).await;
    let status = pod.status_when("the refusal", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(status["reason"], "OutOfcpu");
}

#[tokio::test]
async fn a_node_that_is_rebooted_comes_back_with_its_pods_and_what_waits_for_that_happens() {
    let testbed = start(&ServeOptions { shape: "one-build".into(), ..ServeOptions::default() }).await;
    let info = testbed.info();
    let fault = Fault::parse(
        "apiVersion: winconform/v1\nkind: Fault\nname: after-reboot\nsummary: For a test.\neffects:\n- node:\n    nodes: {name: win-2022-0}\n    \
         when: {after: {nodeRebooted: {name: win-2022-0}}}\n    labels: {was-rebooted: x}\n",
        "test",
    )
    .unwrap();
    testbed.control().await.unwrap().inject(fault).await.unwrap();

    let host = Workload::start_in(info, "host", on_host(json!(["cmd", "/c", "ping -t 127.0.0.1 >NUL"]))).await;
    let mut spec = windows(json!(["cmd", "/c", "ping -t 127.0.0.1 >NUL"]));
    spec["nodeSelector"] = json!({"kubernetes.io/hostname": "win-2022-0"});
    let pod = Workload::start_in(info, "survivor", spec).await;
    host.ready().await;
    pod.ready().await;
    let listed = kubectl(info, &["exec", "host", "--", "crictl", "ps", "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let names: Vec<&str> = listed["containers"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|container| container["labels"]["io.kubernetes.pod.name"].as_str())
        .collect();
    assert!(names.contains(&"survivor") && names.contains(&"host"), "{names:?}");
    let before = pod.status().await;

    let boot =
        ["get", "node", "win-2022-0", "-o", "jsonpath={.status.nodeInfo.bootID} {.metadata.labels.was-rebooted}"];
    assert_eq!(kubectl(info, &boot).await.out, "8 ");
    let said = kubectl(info, &["exec", "host", "--", "cmd", "/c", "shutdown /r /t 0"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    pod.eventually("the boot", &boot, |said| said == "9 x").await;
    let after = pod
        .status_when("the pod's second life", |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 1
                && pod["status"]["containerStatuses"][0]["ready"] == true
        })
        .await;
    let last = &after["containerStatuses"][0]["lastState"]["terminated"];
    assert_eq!((last["reason"].as_str(), last["exitCode"].as_i64()), (Some("Unknown"), Some(255)));
    assert_ne!(after["podIP"], before["podIP"], "another sandbox has another address");
    pod.eventually("the events", &["get", "events"], |said| {
        said.contains("has been rebooted, boot id: 9") && said.contains("Pod sandbox changed")
    })
    .await;
    host.ready().await;
    let said = kubectl(
        info,
        &["exec", "host", "--", "powershell", "-Command", "(Get-WinEvent -LogName System).Id -contains 1074"],
    )
    .await;
    assert_eq!(said.out, "True\r\n", "{said:?}");
    testbed.stop().await;
}
