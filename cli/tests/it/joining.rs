//! Virtual Windows nodes in a control plane that somebody else started.

use std::process::Command;

use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{Event, Node, Pod},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use serde_json::{Value, json};
use winconform_reports::{Report, VerdictKind, read_log};
use winconform_testbed::serve::ServeOptions;

use crate::{
    command::Home,
    standing::{block_on, client_of, start},
};

/// A control plane without a node, which knows nothing of virtual ones.
struct Foreign {
    client: Client,
    kubeconfig: String,
    _testbed: winconform_testbed::client::Testbed,
}

fn foreign() -> Foreign {
    block_on(async {
        let options =
            ServeOptions { control_plane_only: true, shape: "no-active-directory".into(), ..ServeOptions::default() };
        let testbed = start(&options).await;
        let client = client_of(&testbed.info().kubeconfig).await;
        Foreign { client, kubeconfig: testbed.info().kubeconfig.display().to_string(), _testbed: testbed }
    })
}

#[test]
fn virtual_windows_nodes_join_are_judged_for_what_makes_sense_and_leave_no_trace() {
    let (home, foreign) = (Home::new(), foreign());
    let kubeconfig = &foreign.kubeconfig;
    home.run(&format!("testbed join --kubeconfig {kubeconfig}")).must_say(0, &["have joined", "no network leads"]);
    block_on(add_a_real_linux_node(&foreign.client));

    let done = home.run(&format!("run --kubeconfig {kubeconfig} --skip nodes/ready --timeout-scale 0.3 --out run"));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    let of = |check: &str| {
        let found = report.results.iter().find(|result| result.check.to_string() == check);
        found.map(|result| (result.verdict, result.reason.as_str())).unwrap()
    };
    assert_eq!(of("win-webserver/serves-page").0, VerdictKind::Passed);
    assert_eq!(of("reachability/windows-pod-to-service-ip").0, VerdictKind::Passed);
    let (verdict, reason) = of("reachability/linux-pod-to-windows-pod");
    assert_eq!(verdict, VerdictKind::NotApplicable);
    assert!(reason.contains("no network leads from the virtual Windows nodes"), "{reason}");
    assert!(of("reachability/node-port-outside").1.contains("no network leads to the ports"), "{report:#?}");

    home.run(&format!("testbed leave --kubeconfig {kubeconfig}")).must_say(0, &["4 virtual nodes have left"]);
    assert_eq!(block_on(traces(&foreign.client)), Vec::<String>::new());
    home.run(&format!("testbed leave --kubeconfig {kubeconfig}")).must_say(2, &["no virtual nodes have joined"]);
}

#[test]
fn nodes_whose_process_was_killed_leave_all_the_same() {
    let (home, foreign) = (Home::new(), foreign());
    let kubeconfig = &foreign.kubeconfig;
    home.run(&format!("testbed join --kubeconfig {kubeconfig} --shape one-windows-node")).must_say(0, &[]);
    let status: Value = serde_json::from_str(&home.run("testbed status --json").out).unwrap();
    let process = status[0]["info"]["pid"].to_string();
    assert!(Command::new("kill").args(["-KILL", &process]).status().unwrap().success());
    home.run(&format!("testbed leave --kubeconfig {kubeconfig}")).must_say(0, &["1 virtual nodes have left"]);
    assert_eq!(block_on(traces(&foreign.client)), Vec::<String>::new());
}

#[test]
fn a_node_that_is_not_ours_is_never_taken_over() {
    let (home, foreign) = (Home::new(), foreign());
    block_on(add_a_node(&foreign.client, "win-2022-0", "windows"));
    let done = home.run(&format!("testbed join --kubeconfig {} --shape one-windows-node", foreign.kubeconfig));
    done.must_say(2, &["has a node `win-2022-0` already", "another --shape"]);
    let left = block_on(async { Api::<Node>::all(foreign.client.clone()).get("win-2022-0").await.unwrap() });
    assert!(!left.labels().contains_key("winconform.io/joined"), "{left:#?}");
}

#[test]
fn an_address_that_the_api_server_does_not_reach_is_refused_with_what_to_do() {
    let (home, foreign) = (Home::new(), foreign());
    let line = format!("testbed join --kubeconfig {} --address 127.0.0.1", foreign.kubeconfig);
    home.run(&line).must_say(2, &["127.0.0.1 cannot be reached from anywhere else", "--address"]);
    assert_eq!(block_on(traces(&foreign.client)), Vec::<String>::new());
}

async fn add_a_real_linux_node(client: &Client) {
    add_a_node(client, "real-linux", "linux").await;
}

/// A node that somebody else brought. Nobody runs its pods.
async fn add_a_node(client: &Client, name: &str, os: &str) {
    let node = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/os": os, "kubernetes.io/arch": "amd64" } },
        "status": {
            "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "" }],
            "nodeInfo": {
                "operatingSystem": os, "architecture": "amd64", "kernelVersion": "6.8.0", "osImage": "",
                "containerRuntimeVersion": "containerd://2.0.4", "kubeletVersion": "v1.37.2", "kubeProxyVersion": "",
                "bootID": "", "machineID": "", "systemUUID": "",
            },
        },
    });
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
}

/// What is left of virtual nodes in a cluster.
async fn traces(client: &Client) -> Vec<String> {
    let all = ListParams::default();
    let ours = |name: &str| name.starts_with("win-");
    let nodes = Api::<Node>::all(client.clone()).list(&all).await.unwrap();
    let leases = Api::<Lease>::namespaced(client.clone(), "kube-node-lease").list(&all).await.unwrap();
    let pods = Api::<Pod>::all(client.clone()).list(&all).await.unwrap();
    let events = Api::<Event>::all(client.clone()).list(&all).await.unwrap();
    let mut found: Vec<String> = nodes
        .items
        .iter()
        .map(ResourceExt::name_any)
        .filter(|name| ours(name))
        .map(|name| format!("node {name}"))
        .collect();
    found.extend(
        leases.items.iter().map(ResourceExt::name_any).filter(|name| ours(name)).map(|name| format!("lease {name}")),
    );
    let on_ours = |pod: &&Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).is_some_and(ours);
    found.extend(pods.items.iter().filter(on_ours).map(|pod| format!("pod {}", pod.name_any())));
    let about_ours = |event: &&Event| {
        let by = event.source.as_ref().and_then(|source| source.host.as_deref());
        // The control plane itself notes that a node went.
        event.reason.as_deref() != Some("RemovingNode")
            && event.involved_object.kind.as_deref() == Some("Node")
            && event.involved_object.name.as_deref().is_some_and(ours)
            || by.is_some_and(ours)
    };
    found.extend(events.items.iter().filter(about_ours).map(|event| format!("event {}", event.name_any())));
    found
}
