//! A testbed that starts as it should.

use std::os::unix::fs::PermissionsExt as _;

use winconform_testbed::{client::Testbed, progress::Progress, serve::ServeOptions};

use crate::help::{executable, kubectl, shared, small, start};

#[tokio::test]
async fn the_default_testbed_has_six_ready_nodes_of_four_builds() {
    let columns = "custom-columns=NAME:.metadata.name,OS:.status.nodeInfo.operatingSystem,\
        KERNEL:.status.nodeInfo.kernelVersion,BUILD:.metadata.labels.node\\.kubernetes\\.io/windows-build,\
        READY:.status.conditions[?(@.type==\"Ready\")].status";
    let said = kubectl(shared(), &["get", "nodes", "-o", columns]).await;
    insta::assert_snapshot!(said.out, @r"
    NAME         OS        KERNEL             BUILD        READY
    linux-0      linux     6.8.0-85-generic   <none>       True
    linux-1      linux     6.8.0-85-generic   <none>       True
    win-2019-0   windows   10.0.17763.8511    10.0.17763   True
    win-2022-0   windows   10.0.20348.5499    10.0.20348   True
    win-2022-1   windows   10.0.20348.5499    10.0.20348   True
    win-2025-0   windows   10.0.26100.33296   10.0.26100   True
    ");
}

#[tokio::test]
async fn kubectl_and_the_api_server_are_of_the_pinned_release() {
    let info = shared();
    assert_eq!(info.version, "v1.37.2");
    let said = kubectl(info, &["version", "-o", "yaml"]).await;
    assert_eq!(said.out.matches("gitVersion: v1.37.2").count(), 2, "{said:?}");
}

#[tokio::test]
async fn what_is_secret_is_only_readable_by_its_owner() {
    let info = shared();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&info.state_dir), 0o700);
    assert_eq!(mode(&info.kubeconfig), 0o600);
    for file in std::fs::read_dir(info.state_dir.join("pki")).unwrap().flatten() {
        assert_eq!(mode(&file.path()), 0o600, "{}", file.path().display());
    }
}

#[tokio::test]
async fn two_testbeds_at_once_know_nothing_of_each_other() {
    let (windows, linux) = (small(), ServeOptions { shape: "no-windows".into(), ..small() });
    let (one, other) = tokio::join!(start(&windows), start(&linux));
    let made = kubectl(one.info(), &["create", "namespace", "only-here"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let looked = kubectl(other.info(), &["get", "namespace", "only-here"]).await;
    assert!(looked.err.contains("NotFound"), "{looked:?}");
    let nodes = kubectl(other.info(), &["get", "nodes", "-o", "name"]).await;
    assert_eq!(nodes.out, "node/linux-0\nnode/linux-1\n");
    tokio::join!(one.stop(), other.stop());
}

#[tokio::test]
async fn the_steps_of_a_start_are_told_and_then_that_it_is_ready() {
    let mut told = Vec::new();
    let testbed = Testbed::start(&executable(), &small(), |progress| told.push(progress)).await.unwrap();
    let mut steps: Vec<String> = told
        .iter()
        .map(|progress| match progress {
            Progress::Step { what, .. } => what.to_string(),
            Progress::Ready(info) => format!("ready: {}", info.shape),
            other => format!("{other:?}"),
        })
        .collect();
    steps.dedup();
    assert_eq!(steps, ["starting the control plane", "registering the nodes", "ready: one-windows-node"]);
    testbed.stop().await;
}

#[tokio::test]
async fn the_control_socket_knows_the_testbed() {
    let testbed = start(&small()).await;
    let status = testbed.control().await.unwrap().status().await.unwrap();
    assert_eq!((status.pid, status.shape.as_str()), (testbed.info().pid, "one-windows-node"));
    assert_eq!(status.nodes.len(), 2);
    testbed.stop().await;
}
