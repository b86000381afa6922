//! What the network and the faults know about nodes and pods.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc, time::Instant};

use crate::shape::Os;

/// A node as the network and the faults see it.
#[derive(Debug, Clone)]
pub struct NodeFacts {
    /// `metadata.name`.
    pub name: String,
    /// Its operating system.
    pub os: Os,
    /// `amd64` or `arm64`.
    pub arch: String,
    /// On Windows the whole kernel version, patch level included: `10.0.20348.5499`.
    pub build: Option<String>,
    /// `containerd://2.1.4`.
    pub runtime: String,
    /// The labels it registered with.
    pub labels: BTreeMap<String, String>,
    /// The virtual InternalIP, from 10.240.0.0/16.
    pub internal_ip: Ipv4Addr,
    /// A loopback address on which its node ports are real listeners, where the machine allows that.
    pub external_ip: Option<Ipv4Addr>,
}

/// A pod with an address, as the network and the faults see it.
#[derive(Debug, Clone)]
pub struct PodFacts {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// Where it runs.
    pub node: Arc<NodeFacts>,
    /// From the node's pod CIDR, or the node's InternalIP for a pod on the host's network.
    pub ip: Ipv4Addr,
    /// Whether it uses the host's network (on Windows: a HostProcess pod).
    pub host_network: bool,
    /// The images of its containers.
    pub images: Vec<String>,
    /// `metadata.labels`.
    pub labels: BTreeMap<String, String>,
    /// `spec.serviceAccountName`.
    pub service_account: String,
    /// The Windows user it asks for, container level before pod level.
    pub run_as_user: Option<String>,
    /// The name of its group managed service account's credential spec.
    pub gmsa: Option<String>,
    /// `spec.runtimeClassName`.
    pub runtime_class: Option<String>,
    /// Which pod of its node this is, in the order in which they started, from 1.
    pub ordinal: u64,
    /// When its sandbox got its address.
    pub started: Instant,
}

/// Where a connection starts.
#[derive(Debug, Clone)]
pub enum Source {
    /// Beyond the cluster: the runner's machine, a browser.
    Outside,
    /// The API server, through its egress proxy.
    ApiServer,
    /// A process on a node's own network: the host itself, a host-network pod.
    Node(Arc<NodeFacts>),
    /// A process in a pod.
    Pod(Arc<PodFacts>),
}

impl Source {
    /// The node this source runs on, when it runs on one.
    #[must_use]
    pub fn node(&self) -> Option<&Arc<NodeFacts>> {
        match self {
            Self::Outside | Self::ApiServer => None,
            Self::Node(node) => Some(node),
            Self::Pod(pod) => Some(&pod.node),
        }
    }

    /// The pod this source is, when it is one.
    #[must_use]
    pub fn pod(&self) -> Option<&Arc<PodFacts>> {
        match self {
            Self::Pod(pod) => Some(pod),
            Self::Outside | Self::ApiServer | Self::Node(_) => None,
        }
    }

    /// Whether it uses its node's own network, with the host's limitations.
    #[must_use]
    pub fn on_host_network(&self) -> bool {
        match self {
            Self::Node(_) => true,
            Self::Pod(pod) => pod.host_network,
            Self::Outside | Self::ApiServer => false,
        }
    }
}
