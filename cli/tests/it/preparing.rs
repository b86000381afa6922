//! What a run needs before it asks: images, the secret to pull them with, and nodes.

use std::fs;

use k8s_openapi::api::core::v1::{Node, Pod, Secret};
use kube::{
    Api,
    api::{ListParams, PostParams},
    runtime::wait::await_condition,
};
use serde_json::{Value, json};
use winconform_reports::{Event, Report, event::FixtureState, read_log};

use crate::{
    command::Home,
    standing::{block_on, client, kubeconfig},
};

const SECRET: &str = "hunter2-in-base64";

#[test]
fn the_images_of_a_run_are_listed_for_each_build_with_what_they_stand_for() {
    let home = Home::new();
    let done = home.run("images --testbed --json --image-registry registry.corp/mirror");
    assert_eq!(done.code, Some(0), "{done:#?}");
    let images: Value = serde_json::from_str(&done.out).unwrap();
    let published = "mcr.microsoft.com/windows/servercore:ltsc2022";
    let of_2022 = images.as_array().unwrap().iter().find(|image| image["published"] == published).unwrap();
    assert_eq!(of_2022["image"], "registry.corp/mirror/windows/servercore:ltsc2022");
    assert_eq!(of_2022["targets"], json!(["10.0.20348.5499"]));
    assert_eq!(of_2022["platforms"], json!(["windows/amd64"]));
    let names = home.run("images --testbed --names --check win-webserver/pods-ready --target 10.0.26100");
    assert!(names.out.lines().any(|line| line == "mcr.microsoft.com/windows/servercore:ltsc2025"), "{}", names.out);
    assert!(!names.out.contains("ltsc2022"), "{}", names.out);
}

#[test]
fn images_that_are_pulled_beforehand_are_there_when_the_fixtures_start() {
    let home = Home::new();
    let line = format!(
        "run --kubeconfig {} --check win-webserver/pods-ready --target 10.0.26100 --prepull --out run",
        kubeconfig()
    );
    home.run(&line).must_say(0, &[]);
    let records = read_log(&home.path("run/events.ndjson")).unwrap().records;
    let at = |fixture: &str, wanted: &FixtureState| {
        records.iter().position(|record| {
            matches!(&record.event, Event::FixtureChanged { fixture: name, state } if name == fixture && state == wanted)
        })
    };
    let pulled = at("images@win-2025-0", &FixtureState::Ready).unwrap();
    let started = at("win-webserver@10.0.26100.33296", &FixtureState::Starting).unwrap();
    assert!(pulled < started, "the fixture did not wait for its image");
}

#[test]
fn a_private_registry_and_its_secret_reach_every_pod_and_no_log() {
    let home = Home::new();
    let client = client();
    block_on(async {
        let secrets: Api<Secret> = Api::namespaced(client.clone(), "default");
        let secret = json!({
            "metadata": { "name": "regcred" }, "type": "kubernetes.io/dockerconfigjson",
            "stringData": { ".dockerconfigjson": format!("{{\"auths\":{{\"registry.corp\":{{\"auth\":\"{SECRET}\"}}}}}}") },
        });
        secrets.create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    });
    // The testbed's nodes have no such registry: the pods wait for their image, and are kept to be looked at.
    let line = format!(
        "run --kubeconfig {} --check win-webserver/pods-ready --target 10.0.26100 --image-registry registry.corp/mirror \
         --pull-secret default/regcred --keep always --run-id private-registry --timeout-scale 0.05 --out run",
        kubeconfig()
    );
    let done = home.run(&line);
    assert_eq!(done.code, Some(2), "a registry that cannot be reached blames nobody: {done:#?}");
    let (pods, copied) = block_on(async {
        let namespace = "winconform-private-registry";
        let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
        let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
        (pods.list(&ListParams::default()).await.unwrap().items, secrets.get("regcred").await.unwrap())
    });
    assert_eq!(copied.type_.as_deref(), Some("kubernetes.io/dockerconfigjson"));
    assert!(!pods.is_empty());
    for pod in pods {
        let spec = pod.spec.unwrap();
        assert_eq!(spec.image_pull_secrets.unwrap()[0].name, "regcred");
        let image = spec.containers[0].image.clone().unwrap();
        assert!(image.starts_with("registry.corp/mirror/windows/servercore:"), "{image}");
    }
    home.run(&format!("cleanup --kubeconfig {}", kubeconfig())).must_say(0, &[]);
    for entry in walk(&home.path("run")) {
        let text = fs::read_to_string(&entry).unwrap_or_default();
        assert!(!text.contains(SECRET) && !text.contains("aHVudGVyMi"), "the secret is in {}", entry.display());
    }
}

#[test]
fn a_secret_that_is_not_there_or_no_registry_takes_is_said_before_anything_starts() {
    let home = Home::new();
    let line = |secret: &str| {
        format!(
            "run --kubeconfig {} --check win-webserver/pods-ready --pull-secret {secret} --out {}",
            kubeconfig(),
            secret.replace('/', "-")
        )
    };
    home.run(&line("default/nothing")).must_say(2, &["read the pull secret default/nothing", "not found"]);
}

#[test]
fn an_image_map_that_cannot_be_read_is_named_with_its_line() {
    let home = Home::new();
    home.file("map", "mcr.microsoft.com=registry.corp\nnonsense\n");
    home.run("images --testbed --image-map-file map").must_say(2, &["`map`", "line 2", "FROM=TO"]);
    home.run("images --testbed --image-map-file nowhere").must_say(2, &["`nowhere` cannot be read"]);
    home.run("images --testbed --image-map nonsense").must_say(2, &["FROM=TO"]);
}

#[test]
fn a_run_waits_for_nodes_that_an_autoscaler_brings() {
    let home = Home::new();
    let line = format!(
        "run --kubeconfig {} --check nodes/known-build --target 10.0.99999 --wait-for-nodes 10.0.99999 --run-id waits --out run",
        kubeconfig()
    );
    let mut running = home.start(&line);
    let client = client();
    block_on(async {
        // The autoscaler: a pod that no node takes brings a node.
        let pods: Api<Pod> = Api::namespaced(client.clone(), "winconform-waits-wanted");
        let waits = |pod: Option<&Pod>| {
            let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.clone()).unwrap_or_default();
            conditions.iter().any(|condition| condition.reason.as_deref() == Some("Unschedulable"))
        };
        let waiting = await_condition(pods, "wanted-0", waits).await.unwrap().unwrap();
        let selector = waiting.spec.unwrap().node_selector.unwrap();
        assert_eq!(selector["node.kubernetes.io/windows-build"], "10.0.99999");
        let nodes: Api<Node> = Api::all(client.clone());
        let node = json!({
            "metadata": { "name": "scaled-up", "labels": { "kubernetes.io/os": "windows", "node.kubernetes.io/windows-build": "10.0.99999" } },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "" }],
                "nodeInfo": {
                    "operatingSystem": "windows", "architecture": "amd64", "kernelVersion": "10.0.99999.1", "osImage": "",
                    "containerRuntimeVersion": "containerd://2.0.4", "kubeletVersion": "v1.37.2", "kubeProxyVersion": "",
                    "bootID": "", "machineID": "", "systemUUID": "",
                },
            },
        });
        nodes.create(&PostParams::default(), &serde_json::from_value(node).unwrap()).await.unwrap();
    });
    running.until("cluster: context");
    let done = running.done();
    block_on(async {
        let nodes: Api<Node> = Api::all(client.clone());
        nodes.delete("scaled-up", &Default::default()).await.unwrap();
    });
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    assert!(report.results.iter().any(|result| result.result_id().place.target() == Some("10.0.99999.1")), "{done:#?}");
}

#[test]
fn nodes_that_do_not_come_are_undetermined_and_say_what_was_seen() {
    let home = Home::new();
    let line = format!(
        "run --kubeconfig {} --check nodes/known-build --wait-for-nodes 50 --timeout-scale 0.001 --out run",
        kubeconfig()
    );
    home.run(&line).must_say(2, &["50 Windows nodes that take pods", "Windows nodes take pods", "autoscaler"]);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(walk(&path)) } else { files.push(path) }
    }
    files
}
