//! What the cluster looks like: its nodes and the targets they form.

use std::{collections::BTreeMap, str::FromStr};

use k8s_openapi::api::core::v1::Node;
use kube::{Api, api::ListParams};
use thiserror::Error;
use winconform_reports::{Place, event};

use super::{
    api_error::ApiError,
    client::Cluster,
    permissions::{Permission, may},
    surroundings,
    windows_build::{KernelVersion, product_of},
};

/// An operating system that nodes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Os {
    /// Windows Server.
    Windows,
    /// Linux.
    Linux,
}

impl Os {
    /// The value of the label `kubernetes.io/os`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Linux => "linux",
        }
    }
}

/// A taint as it stands on a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taint {
    /// Its key, for example `os`.
    pub key: String,
    /// Its value; empty where it has none.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// The text is no taint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no taint: write `key=value:effect` as kubectl does, with NoSchedule, PreferNoSchedule or NoExecute as effect"
)]
pub struct TaintError(String);

impl FromStr for Taint {
    type Err = TaintError;

    /// Reads `os=windows:NoSchedule`, or `os:NoSchedule` without a value.
    fn from_str(text: &str) -> Result<Self, TaintError> {
        let refused = || TaintError(text.to_owned());
        let (rest, effect) = text.rsplit_once(':').ok_or_else(refused)?;
        let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
        let known = matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute");
        let plain = |part: &str| !part.contains(|c: char| c.is_whitespace() || matches!(c, '=' | ':' | ','));
        match known && !key.is_empty() && plain(key) && plain(value) {
            true => Ok(Self { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() }),
            false => Err(refused()),
        }
    }
}

impl Taint {
    /// `os=windows:NoSchedule`, as `kubectl` prints and takes it.
    #[must_use]
    pub fn spelled(&self) -> String {
        match self.value.is_empty() {
            true => format!("{}:{}", self.key, self.effect),
            false => format!("{}={}:{}", self.key, self.value, self.effect),
        }
    }

    /// Whether Kubernetes itself put it there because of the node's condition.
    ///
    /// A pod of ours never tolerates these: a node that is not ready is not asked.
    #[must_use]
    pub fn is_condition(&self) -> bool {
        const CONDITIONS: &[&str] = &[
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unreachable",
            "node.kubernetes.io/unschedulable",
            "node.kubernetes.io/memory-pressure",
            "node.kubernetes.io/disk-pressure",
            "node.kubernetes.io/pid-pressure",
            "node.kubernetes.io/network-unavailable",
            "node.cloudprovider.kubernetes.io/uninitialized",
        ];
        CONDITIONS.contains(&self.key.as_str())
    }
}

/// The label by which a virtual node says whether others' pods can reach its own.
const DATAPATH: &str = "winconform.io/datapath";
/// The label with a Windows node's build: its first three numbers, without the patch level.
pub const BUILD_LABEL: &str = "node.kubernetes.io/windows-build";

/// What is known of a node. Fields the node does not fill are empty, never invented.
#[derive(Debug, Clone)]
pub struct NodeFacts {
    /// `metadata.name`.
    pub name: String,
    /// From `status.nodeInfo.operatingSystem`; the label only where that is empty.
    pub os: Os,
    /// From `status.nodeInfo.architecture`.
    pub arch: String,
    /// From `status.nodeInfo`.
    pub os_image: String,
    /// From `status.nodeInfo`, as written.
    pub kernel_version: String,
    /// The kernel version read as Windows', where it is one.
    pub windows: Option<KernelVersion>,
    /// From `status.nodeInfo.containerRuntimeVersion`.
    pub container_runtime: String,
    /// From `status.nodeInfo.kubeletVersion`.
    pub kubelet: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// All taints.
    pub taints: Vec<Taint>,
    /// Whether the condition Ready is True.
    pub ready: bool,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// The runtime handlers that its runtime has configured (`status.runtimeHandlers`, since 1.30); the
    /// default one has no name. Empty where the node does not say.
    pub handlers: Vec<String>,
    /// How many processors the node has, where it says so.
    pub cpus: Option<u32>,
    /// The first InternalIP.
    pub internal_ip: Option<String>,
    /// The first ExternalIP.
    pub external_ip: Option<String>,
    /// The target it belongs to; none on Linux.
    pub target: Option<String>,
}

impl NodeFacts {
    /// Whether a pod of ours can be meant for it: ready, not cordoned.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.closed_because().is_none()
    }

    /// Why no pod of ours is meant for it.
    #[must_use]
    pub fn closed_because(&self) -> Option<&'static str> {
        if self.unschedulable {
            Some("is cordoned")
        } else if !self.ready {
            Some("is not ready")
        } else {
            None
        }
    }

    /// Whether it is a virtual node that joined a cluster of others, to which no network leads from there
    /// (`winconform testbed join`).
    #[must_use]
    pub fn is_apart(&self) -> bool {
        self.labels.get(DATAPATH).is_some_and(|datapath| datapath == "none")
    }

    /// Whether its containers are Docker's: its one runtime handler is `docker`, and no HostProcess pod runs there.
    #[must_use]
    pub fn runs_docker(&self) -> bool {
        self.container_runtime.starts_with("docker://")
    }

    /// Whether a taint of the operator's keeps pods off that do not tolerate it.
    #[must_use]
    pub fn keeps_pods_off(&self) -> bool {
        self.taints.iter().any(|taint| taint.effect != "PreferNoSchedule" && !taint.is_condition())
    }

    /// The build that its label names, where it carries one.
    #[must_use]
    pub fn build_label(&self) -> Option<&str> {
        self.labels.get(BUILD_LABEL).map(String::as_str)
    }

    /// Whether that label names the build that the node really runs.
    #[must_use]
    pub fn build_label_is_true(&self) -> bool {
        self.windows.is_some_and(|version| self.build_label() == Some(version.build_label().as_str()))
    }

    fn read(node: &Node) -> Self {
        let status = node.status.clone().unwrap_or_default();
        let info = status.node_info.clone();
        let text = |pick: fn(&k8s_openapi::api::core::v1::NodeSystemInfo) -> &String| {
            info.as_ref().map(|info| pick(info).clone()).unwrap_or_default()
        };
        let labels = node.metadata.labels.clone().unwrap_or_default();
        let mut os = text(|info| &info.operating_system);
        if os.is_empty() {
            os = labels.get("kubernetes.io/os").cloned().unwrap_or_default();
        }
        let address = |kind: &str| {
            let addresses = status.addresses.iter().flatten();
            addresses.into_iter().find(|address| address.type_ == kind).map(|address| address.address.clone())
        };
        let kernel_version = text(|info| &info.kernel_version);
        let os = if os.eq_ignore_ascii_case("windows") { Os::Windows } else { Os::Linux };
        Self {
            name: node.metadata.name.clone().unwrap_or_default(),
            windows: (os == Os::Windows).then(|| kernel_version.parse().ok()).flatten(),
            os,
            arch: text(|info| &info.architecture),
            os_image: text(|info| &info.os_image),
            kernel_version,
            container_runtime: text(|info| &info.container_runtime_version),
            kubelet: text(|info| &info.kubelet_version),
            taints: (node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default().into_iter())
                .map(|taint| Taint { key: taint.key, value: taint.value.unwrap_or_default(), effect: taint.effect })
                .collect(),
            ready: (status.conditions.iter().flatten())
                .any(|condition| condition.type_ == "Ready" && condition.status == "True"),
            unschedulable: node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false),
            handlers: (status.runtime_handlers.iter().flatten())
                .map(|handler| handler.name.clone().unwrap_or_default())
                .collect(),
            cpus: (status.capacity.as_ref()).and_then(|capacity| capacity.get("cpu")?.0.parse().ok()),
            internal_ip: address("InternalIP"),
            external_ip: address("ExternalIP"),
            labels,
            target: None,
        }
    }
}

/// Windows nodes with equal kernel version, runtime and kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As shown and filtered: the kernel version, and a suffix where runtime or kubelet differ.
    pub name: String,
    /// The version its nodes share, where it can be read.
    pub windows: Option<KernelVersion>,
    /// The names of its nodes, sorted.
    pub nodes: Vec<String>,
}

/// The cluster's nodes and the targets they form.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The cluster as a whole.
    pub cluster: event::Cluster,
    /// All nodes, by name.
    pub nodes: Vec<NodeFacts>,
    /// All targets, by name.
    pub targets: Vec<Target>,
}

/// The cluster could not be looked at.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// The server's version could not be read: it is not there, or refuses us.
    #[error("the API server at {server} did not answer")]
    Version {
        /// Its address.
        server: String,
        /// What happened.
        #[source]
        error: Box<ApiError>,
    },
    /// The nodes could not be listed.
    #[error("the nodes of the cluster could not be listed")]
    Nodes(#[source] Box<ApiError>),
}

impl ObserveError {
    /// What the user can do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        let (Self::Version { error, .. } | Self::Nodes(error)) = self;
        match error.kube() {
            kube::Error::Api(status) if status.code == 401 => {
                "the cluster does not accept these credentials: they are wrong or have expired; log in again"
            }
            kube::Error::Api(status) if status.code == 403 => {
                "this identity may not look at the cluster; it needs `list` on `nodes`"
            }
            kube::Error::Auth(_) => "the credentials could not be had; log in again",
            kube::Error::Api(_) => "the API server answered, but not as Kubernetes does; is this its address?",
            _ => "is the cluster running, and reachable from here? `--context` names another one",
        }
    }
}

/// What looking at a cluster asks for; its version may be read by everybody.
pub(super) const ASKS: &[Permission] = &[may("list", "", "nodes")];

impl Facts {
    /// Reads the version, the nodes, and what runs on every node: three requests.
    ///
    /// # Errors
    ///
    /// When the API server cannot be reached, refuses our credentials, or does not let us list nodes.
    pub async fn observe(cluster: &Cluster) -> Result<Self, ObserveError> {
        let nodes: Api<Node> = Api::all(cluster.client());
        let every_node = ListParams::default();
        let client = cluster.client();
        let (version, nodes, system) =
            futures::join!(cluster.version(), nodes.list(&every_node), surroundings::system(&client));
        let version = version.map_err(|error| ObserveError::Version {
            server: cluster.server().to_owned(),
            error: Box::new(error.into()),
        })?;
        let nodes = nodes.map_err(|error| ObserveError::Nodes(Box::new(error.into())))?;
        let mut facts = Self::from_nodes(&nodes.items);
        facts.cluster = event::Cluster {
            context: cluster.context().to_owned(),
            server: cluster.server().to_owned(),
            version,
            provider: surroundings::provider(&nodes.items),
            system,
        };
        Ok(facts)
    }

    /// Derives the facts from nodes, whoever read or wrote them.
    #[must_use]
    pub fn from_nodes<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> Self {
        let mut nodes: Vec<NodeFacts> = nodes.into_iter().map(NodeFacts::read).collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        let targets = group_into_targets(&mut nodes);
        Self { cluster: event::Cluster::default(), nodes, targets }
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeFacts> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The target of that name.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<&Target> {
        self.targets.iter().find(|target| target.name == name)
    }

    /// The nodes of an operating system that a pod of ours can be meant for.
    pub fn open_nodes(&self, os: Os) -> impl Iterator<Item = &NodeFacts> {
        self.nodes.iter().filter(move |node| node.os == os && node.is_open())
    }

    /// The nodes a place stands for; for the cluster, all of them.
    pub fn nodes_of(&self, place: &Place) -> impl Iterator<Item = &NodeFacts> {
        let place = place.clone();
        self.nodes.iter().filter(move |node| match &place {
            Place::Cluster => true,
            Place::Target(target) => node.target.as_ref() == Some(target),
            Place::Node { node: name, .. } => node.name == *name,
        })
    }

    /// The facts as the log has them.
    #[must_use]
    pub fn to_event(&self) -> event::Observed {
        let node = |node: &NodeFacts| event::Node {
            name: node.name.clone(),
            os: node.os.as_str().to_owned(),
            arch: node.arch.clone(),
            os_image: node.os_image.clone(),
            kernel_version: node.kernel_version.clone(),
            container_runtime: node.container_runtime.clone(),
            kubelet: node.kubelet.clone(),
            ready: node.ready,
            unschedulable: node.unschedulable,
            taints: node.taints.iter().map(Taint::spelled).collect(),
            target: node.target.clone(),
            updates: None,
        };
        let target = |target: &Target| event::Target {
            name: target.name.clone(),
            product: target.windows.and_then(|version| Some(product_of(version.build)?.name.to_owned())),
            nodes: target.nodes.clone(),
        };
        event::Observed {
            cluster: self.cluster.clone(),
            nodes: self.nodes.iter().map(node).collect(),
            targets: self.targets.iter().map(target).collect(),
        }
    }
}

/// Groups the Windows nodes and tells each its target. Two targets of one kernel
/// version are told apart by a suffix: the runtime, then the kubelet.
fn group_into_targets(nodes: &mut [NodeFacts]) -> Vec<Target> {
    type Key = (String, String, String);
    let key = |node: &NodeFacts| -> Key {
        (node.kernel_version.clone(), node.container_runtime.clone(), node.kubelet.clone())
    };
    let mut groups: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate().filter(|(_, node)| node.os == Os::Windows) {
        groups.entry(key(node)).or_default().push(index);
    }
    let keys: Vec<Key> = groups.keys().cloned().collect();
    let mut targets = Vec::new();
    for ((kernel, runtime, kubelet), members) in groups {
        let alike = |other: &&Key| other.0 == kernel;
        let runtimes_differ = keys.iter().filter(alike).any(|other| other.1 != runtime);
        let kubelets_differ = keys.iter().filter(alike).any(|other| other.1 == runtime && other.2 != kubelet);
        let mut name = if kernel.is_empty() { "unknown-build".to_owned() } else { kernel.clone() };
        if runtimes_differ {
            name = format!("{name}-{}", runtime.replace("://", "-"));
        }
        if kubelets_differ {
            name = format!("{name}-{kubelet}");
        }
        for &index in &members {
            nodes[index].target = Some(name.clone());
        }
        targets.push(Target {
            windows: kernel.parse().ok(),
            nodes: members.iter().map(|&index| nodes[index].name.clone()).collect(),
            name,
        });
    }
    targets.sort_by(|a, b| a.name.cmp(&b.name));
    targets
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(name: &str, os: &str, kernel: &str, runtime: &str) -> Node {
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "kubernetes.io/os": os } },
            "status": {
                "conditions": [{ "type": "Ready", "status": "True" }],
                "nodeInfo": {
                    "operatingSystem": os, "architecture": "amd64", "osImage": "", "kernelVersion": kernel,
                    "containerRuntimeVersion": runtime, "kubeletVersion": "v1.37.2", "bootID": "", "machineID": "",
                    "systemUUID": "", "kubeProxyVersion": ""
                }
            }
        }))
        .unwrap()
    }

    #[test]
    fn a_taint_is_read_as_kubectl_writes_it_and_nothing_else_is() {
        let taint: Taint = "node.kubernetes.io/os=Windows:NoSchedule".parse().unwrap();
        assert_eq!((taint.key.as_str(), taint.value.as_str()), ("node.kubernetes.io/os", "Windows"));
        assert_eq!(taint.spelled(), "node.kubernetes.io/os=Windows:NoSchedule");
        assert_eq!("os:NoExecute".parse::<Taint>().unwrap().spelled(), "os:NoExecute");
        for text in [
            "",
            "os",
            "os=windows",
            "os=windows:noschedule",
            "=windows:NoSchedule",
            "os=a=b:NoSchedule",
            "a b:NoSchedule",
        ] {
            assert!(text.parse::<Taint>().is_err(), "{text}");
        }
    }

    #[test]
    fn nodes_of_one_build_and_patch_level_are_one_target() {
        let nodes = [
            node("b", "windows", "10.0.20348.5499", "containerd://1.7.29"),
            node("a", "windows", "10.0.20348.5499", "containerd://1.7.29"),
            node("c", "windows", "10.0.20348.2582", "containerd://1.7.29"),
            node("l", "linux", "6.8.0", "containerd://1.7.29"),
        ];
        let facts = Facts::from_nodes(&nodes);
        let names: Vec<&str> = facts.targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["10.0.20348.2582", "10.0.20348.5499"]);
        assert_eq!(facts.targets[1].nodes, ["a", "b"]);
        assert_eq!(facts.node("l").unwrap().target, None);
    }

    #[test]
    fn a_different_runtime_makes_a_different_target_with_a_suffix() {
        let nodes = [
            node("a", "windows", "10.0.20348.5499", "containerd://1.7.29"),
            node("b", "windows", "10.0.20348.5499", "containerd://2.0.4"),
        ];
        let facts = Facts::from_nodes(&nodes);
        let names: Vec<&str> = facts.targets.iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["10.0.20348.5499-containerd-1.7.29", "10.0.20348.5499-containerd-2.0.4"]);
    }

    #[test]
    fn a_taint_is_read_as_it_is_spelled() {
        for text in ["os=windows:NoSchedule", "node.kubernetes.io/os=windows:NoExecute", "win:PreferNoSchedule"] {
            assert_eq!(text.parse::<Taint>().unwrap().spelled(), text);
        }
        for text in ["os=windows", "os=windows:Never", "=windows:NoSchedule", ""] {
            assert!(text.parse::<Taint>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_node_that_says_nothing_of_itself_is_still_a_node() {
        let facts = Facts::from_nodes(&[Node::default()]);
        assert_eq!(facts.nodes.len(), 1);
        assert!(!facts.nodes[0].ready);
        assert!(facts.targets.is_empty());
    }
}
