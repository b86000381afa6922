//! The Node object that a virtual kubelet posts.
//!
//! Fields, order and texts are those of a real kubelet on AKS and of
//! `pkg/kubelet/kubelet_node_status.go` (Kubernetes 1.37).

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeRuntimeHandler,
        NodeSpec, NodeStatus, NodeSystemInfo, Taint,
    },
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{ObjectMeta, Time},
    },
};

use crate::{
    fault::NodeEffects,
    image::{self, Image},
    network::NodeFacts,
    shape::{Features, NodeShape, Os},
};

/// The port of every kubelet's API.
pub(crate) const KUBELET_PORT: u16 = 10250;

/// The label with a Windows node's build, without the patch level.
const WINDOWS_BUILD: &str = "node.kubernetes.io/windows-build";

/// Whether the node's kubelet is of this minor release or a later one.
fn is_from(node: &NodeShape, minor: u32) -> bool {
    node.kubelet_minor().is_none_or(|own| own >= minor)
}

/// The labels a kubelet sets, and those of the shape. The build is one of them since Kubernetes 1.17.
pub(super) fn labels(node: &NodeShape, features: &Features) -> BTreeMap<String, String> {
    let os = node.os.label();
    let mut labels: BTreeMap<String, String> = [
        ("beta.kubernetes.io/arch", node.arch.as_str()),
        ("beta.kubernetes.io/os", os),
        ("kubernetes.io/arch", &node.arch),
        ("kubernetes.io/hostname", &node.name),
        ("kubernetes.io/os", os),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    let labelled = features.windows_build_label && is_from(node, 17);
    if let Some(build) = node.windows_build().filter(|_| labelled) {
        labels.insert(WINDOWS_BUILD.to_owned(), build.to_owned());
    }
    labels.extend(node.labels.clone());
    labels
}

/// The taints of the shape.
pub(super) fn taints(node: &NodeShape) -> Vec<Taint> {
    node.taints
        .iter()
        .map(|taint| Taint {
            key: taint.key.clone(),
            value: Some(taint.value.clone()).filter(|value| !value.is_empty()),
            effect: taint.effect.to_string(),
            time_added: None,
        })
        .collect()
}

/// The whole object, as a kubelet registers it.
pub(super) fn node(shape: &NodeShape, facts: &NodeFacts, status: NodeStatus) -> Node {
    Node {
        metadata: ObjectMeta {
            name: Some(shape.name.clone()),
            labels: Some(facts.labels.clone()),
            annotations: Some(
                [("volumes.kubernetes.io/controller-managed-attach-detach".to_owned(), "true".to_owned())].into(),
            ),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            provider_id: Some(format!("testbed://{}", shape.name)),
            taints: Some(taints(shape)).filter(|taints| !taints.is_empty()),
            ..NodeSpec::default()
        }),
        status: Some(status),
    }
}

/// The status with the node's own facts and what is wrong with it.
pub(super) fn status(
    shape: &NodeShape,
    facts: &NodeFacts,
    images: &[Image],
    effects: &NodeEffects,
    boots: u32,
    conditions: Vec<NodeCondition>,
) -> NodeStatus {
    let address = |kind: &str, address: String| NodeAddress { type_: kind.to_owned(), address };
    let mut addresses =
        vec![address("InternalIP", facts.internal_ip.to_string()), address("Hostname", shape.name.clone())];
    if let Some(external) = facts.external_ip {
        addresses.push(address("ExternalIP", external.to_string()));
    }
    NodeStatus {
        addresses: Some(addresses),
        allocatable: Some(allocatable(shape, effects)),
        capacity: Some(resources(shape, &shape.cpu, &shape.memory, "133703676Ki", effects)),
        conditions: Some(conditions),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: KUBELET_PORT.into() }),
        }),
        // Alphabetical, or the API server refuses. Without it, it would speak SPDY, which these kubelets do not, however
        // old the shape says they are.
        declared_features: Some(vec!["ExtendWebSocketsToKubelet".to_owned()]),
        images: Some(images.iter().take(50).map(listed).collect()),
        node_info: Some(info(shape, effects, boots)),
        runtime_handlers: Some(
            handlers(shape, effects)
                .into_iter()
                .map(|name| NodeRuntimeHandler { name: Some(name), features: None })
                .collect(),
        )
        .filter(|_| is_from(shape, 31)),
        ..NodeStatus::default()
    }
}

fn listed(image: &Image) -> ContainerImage {
    ContainerImage {
        names: Some(vec![image.id.clone(), image.name.clone()]),
        size_bytes: i64::try_from(image.size).ok(),
    }
}

/// The runtime handlers that the runtime has configured: its defaults, unless a fault says otherwise.
pub(crate) fn handlers(shape: &NodeShape, effects: &NodeEffects) -> Vec<String> {
    let names: &[&str] = match shape.os {
        _ if shape.runs_docker() => &["", "docker"],
        Os::Windows => &["", "runhcs-wcow-hypervisor", "runhcs-wcow-process"],
        Os::Linux => &["", "runc"],
    };
    effects.handlers.clone().unwrap_or_else(|| names.iter().map(|&name| name.to_owned()).collect())
}

/// What the node leaves for pods.
pub(super) fn allocatable(shape: &NodeShape, effects: &NodeEffects) -> BTreeMap<String, Quantity> {
    resources(shape, &allocatable_cpu(&shape.cpu), &allocatable_memory(&shape.memory), "123221307598", effects)
}

fn resources(
    shape: &NodeShape,
    cpu: &str,
    memory: &str,
    storage: &str,
    effects: &NodeEffects,
) -> BTreeMap<String, Quantity> {
    let own = [("cpu", cpu), ("memory", memory), ("ephemeral-storage", storage), ("pods", &shape.pods.to_string())]
        .map(|(name, quantity)| (name.to_owned(), quantity.to_owned()));
    let told = effects.resources.clone();
    own.into_iter().chain(told).map(|(name, quantity)| (name, Quantity(quantity))).collect()
}

/// What the kubelet leaves for pods: 140 millicores stay reserved, as on AKS.
fn allocatable_cpu(cpu: &str) -> String {
    match cpu.parse::<u64>() {
        Ok(cores) if cores > 0 => format!("{}m", cores * 1000 - 140),
        _ => cpu.to_owned(),
    }
}

/// What the kubelet leaves for pods: about three quarters of small nodes, as on AKS.
fn allocatable_memory(memory: &str) -> String {
    match memory.strip_suffix("Ki").and_then(|kib| kib.parse::<u64>().ok()) {
        Some(kib) => format!("{}Ki", kib / 4 * 3),
        None => memory.to_owned(),
    }
}

fn info(shape: &NodeShape, effects: &NodeEffects, boots: u32) -> NodeSystemInfo {
    let told = &effects.node_info;
    let or = |told: &Option<String>, real: &str| told.clone().unwrap_or_else(|| real.to_owned());
    NodeSystemInfo {
        architecture: or(&told.architecture, &shape.arch),
        boot_id: or(&told.boot_id, &boot_id(shape, boots)),
        container_runtime_version: or(&told.container_runtime_version, &shape.runtime),
        kernel_version: or(&told.kernel_version, shape.kernel_version()),
        kube_proxy_version: if is_from(shape, 33) { String::new() } else { shape.kubelet.clone() },
        kubelet_version: or(&told.kubelet_version, &shape.kubelet),
        machine_id: match shape.os {
            Os::Windows => shape.name.clone(),
            Os::Linux => image::digest(&["machine", &shape.name]).chars().take(32).collect(),
        },
        operating_system: or(&told.operating_system, shape.os.label()),
        os_image: or(&told.os_image, shape.os_image()),
        system_uuid: uuid(&image::digest(&["system", &shape.name])).to_uppercase(),
        ..NodeSystemInfo::default()
    }
}

/// What `bootID` says: Windows counts boots in the registry; Linux invents an id at each.
pub(super) fn boot_id(shape: &NodeShape, boots: u32) -> String {
    match shape.os {
        Os::Windows => boots.to_string(),
        Os::Linux => uuid(&image::digest(&["boot", &shape.name, &boots.to_string()])),
    }
}

fn uuid(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// A kubelet's conditions in its order, `Ready` last, with what a fault says in their place.
///
/// A condition keeps the time of its transition while its status stays.
pub(super) fn conditions(effects: &NodeEffects, before: &[NodeCondition], now: Timestamp) -> Vec<NodeCondition> {
    const HEALTHY: [(&str, &str, &str, &str); 4] = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let healthy = HEALTHY.map(|(kind, status, reason, message)| (kind, status, reason, message));
    let told = effects
        .conditions
        .iter()
        .map(|told| (told.kind.as_str(), told.status.as_str(), told.reason.as_str(), told.message.as_str()));
    let foreign = told.clone().filter(|(kind, ..)| !healthy.iter().any(|(known, ..)| known == kind));
    let own = healthy.map(|usual| told.clone().find(|(kind, ..)| *kind == usual.0).unwrap_or(usual));
    foreign
        .chain(own)
        .map(|(kind, status, reason, message)| {
            let unchanged = before.iter().find(|old| old.type_ == kind && old.status == status);
            NodeCondition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: Some(reason.to_owned()),
                message: Some(message.to_owned()),
                last_heartbeat_time: Some(Time(now)),
                last_transition_time: unchanged.and_then(|old| old.last_transition_time.clone()).or(Some(Time(now))),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
