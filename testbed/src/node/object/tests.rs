use std::{net::Ipv4Addr, sync::Arc};

use super::*;
use crate::{
    fault::{Condition, ConditionStatus},
    image::HostPlatform,
    shape::Shape,
};

fn windows() -> (NodeShape, Arc<NodeFacts>) {
    let shape = Shape::parse(
        "name: t\nnodes:\n- {name: win-2022-0, os: windows, build: 10.0.20348.5499, taints: [{key: os, value: windows, effect: NoSchedule}]}\n",
        "test",
    )
    .unwrap();
    let node = shape.nodes[0].clone();
    let facts = NodeFacts {
        name: node.name.clone(),
        os: node.os,
        arch: node.arch.clone(),
        build: node.build.clone(),
        runtime: node.runtime.clone(),
        labels: labels(&node, &shape.features),
        internal_ip: Ipv4Addr::new(10, 240, 0, 10),
        external_ip: None,
    };
    (node, Arc::new(facts))
}

#[test]
fn a_windows_node_is_registered_as_a_kubelet_registers_one() {
    let (shape, facts) = windows();
    let effects = NodeEffects::default();
    let host =
        HostPlatform { os: Os::Windows, arch: "amd64", version: shape.build.as_deref(), runtime: &shape.runtime };
    let images = image::baked(&host);
    let conditions = conditions(&effects, &[], Timestamp::UNIX_EPOCH);
    let node = node(&shape, &facts, status(&shape, &facts, &images[..1], &effects, 8, conditions));
    insta::assert_json_snapshot!(node);
}

#[test]
fn the_build_label_is_left_out_where_the_cluster_does_not_set_it() {
    let (shape, _) = windows();
    let features = Features { windows_build_label: false, ..Features::default() };
    assert!(!labels(&shape, &features).contains_key(WINDOWS_BUILD));
}

#[test]
fn a_condition_that_a_fault_changes_keeps_its_place_and_gets_a_new_time() {
    let mut effects = NodeEffects::default();
    let before = conditions(&effects, &[], Timestamp::UNIX_EPOCH);
    effects.conditions.push(Condition {
        kind: "Ready".into(),
        status: ConditionStatus::False,
        reason: "KubeletNotReady".into(),
        message: "cni plugin not initialized".into(),
    });
    let later = Timestamp::from_second(60).unwrap();
    let now = conditions(&effects, &before, later);
    let kinds: Vec<_> = now.iter().map(|c| (c.type_.as_str(), c.status.as_str())).collect();
    assert_eq!(
        kinds,
        [("MemoryPressure", "False"), ("DiskPressure", "False"), ("PIDPressure", "False"), ("Ready", "False")]
    );
    assert_eq!(now[0].last_transition_time, Some(Time(Timestamp::UNIX_EPOCH)));
    assert_eq!(now[3].last_transition_time, Some(Time(later)));
    assert_eq!(now[0].last_heartbeat_time, Some(Time(later)));
}

#[test]
fn a_fault_can_change_what_node_info_says() {
    let (shape, facts) = windows();
    let mut effects = NodeEffects::default();
    effects.node_info.kernel_version = Some("10.0.20348.2582".into());
    let info = status(&shape, &facts, &[], &effects, 8, Vec::new()).node_info.unwrap();
    assert_eq!(
        (info.kernel_version.as_str(), info.os_image.as_str()),
        ("10.0.20348.2582", "Windows Server 2022 Datacenter")
    );
}
