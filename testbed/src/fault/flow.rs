//! One attempt to reach something, as network effects see it.

use std::{net::SocketAddrV4, sync::Arc};

use super::effect::{Kind, Place, Protocol};
use crate::network::{NodeFacts, PodFacts, Source};

/// Where a connection ends: a pod, or something on a node itself.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// The pod, when it is one.
    pub pod: Option<Arc<PodFacts>>,
    /// The node it is on, when it is on one.
    pub node: Option<Arc<NodeFacts>>,
}

impl End {
    /// The end that a pod is.
    #[must_use]
    pub fn of_pod(pod: Arc<PodFacts>) -> Self {
        Self { node: Some(Arc::clone(&pod.node)), pod: Some(pod) }
    }
}

/// Which Service a connection goes through.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One attempt to reach something.
#[derive(Debug, Clone)]
pub struct Flow {
    /// Who attempts it.
    pub source: Source,
    /// The address named.
    pub to: SocketAddrV4,
    /// How.
    pub protocol: Protocol,
    /// What kinds of address that is: a DNS query through the Service IP is both of them.
    pub kinds: Vec<Kind>,
    /// The Service it goes through.
    pub service: Option<ServiceName>,
    /// The node whose address is named.
    pub named_node: Option<Arc<NodeFacts>>,
    /// Where Service addresses are translated: the source's node, or the one whose node port is named.
    pub entry: Option<Arc<NodeFacts>>,
    /// Where it ends, once that is chosen.
    pub end: End,
    /// Whether `entry` runs a backend of the Service.
    pub local_backend: bool,
    /// How many Services the cluster has.
    pub services: usize,
}

impl Flow {
    /// Where this ends, seen from where it enters.
    pub(super) fn place(&self) -> Option<Place> {
        let node = self.end.node.as_ref()?;
        if let (Some(from), Some(to)) = (self.source.pod(), &self.end.pod)
            && from.uid == to.uid
        {
            return Some(Place::Itself);
        }
        let entry = self.entry.as_ref().or_else(|| self.source.node())?;
        Some(if entry.name == node.name { Place::SameNode } else { Place::OtherNode })
    }

    /// The same path walked the other way; `None` where it does not end on a pod or node.
    pub(super) fn reversed(&self) -> Option<Self> {
        let source = match (&self.end.pod, &self.end.node) {
            (Some(pod), _) => Source::Pod(Arc::clone(pod)),
            (None, Some(node)) => Source::Node(Arc::clone(node)),
            (None, None) => return None,
        };
        let (end, kind, to) = match &self.source {
            Source::Pod(pod) if pod.host_network => (End::of_pod(Arc::clone(pod)), Kind::Node, pod.ip),
            Source::Pod(pod) => (End::of_pod(Arc::clone(pod)), Kind::Pod, pod.ip),
            Source::Node(node) => (End { pod: None, node: Some(Arc::clone(node)) }, Kind::Node, node.internal_ip),
            Source::Outside | Source::ApiServer => return None,
        };
        Some(Self {
            source,
            to: SocketAddrV4::new(to, self.to.port()),
            protocol: self.protocol,
            kinds: vec![kind],
            service: None,
            named_node: None,
            entry: None,
            end,
            local_backend: false,
            services: self.services,
        })
    }

    /// Who talks to what: what `oneIn` counts by.
    pub(super) fn pair(&self) -> String {
        let who = match &self.source {
            Source::Outside => "outside",
            Source::ApiServer => "api-server",
            Source::Node(node) => node.name.as_str(),
            Source::Pod(pod) => pod.uid.as_str(),
        };
        format!("{who} {}", self.to)
    }
}

/// Something that happened in the cluster, for effects that wait for it.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A Service lost a backend.
    EndpointRemoved(ServiceName),
    /// A Service gained a backend.
    EndpointAdded(ServiceName),
    /// A pod was deleted.
    PodDeleted(Arc<PodFacts>),
    /// A pod got its address.
    PodStarted(Arc<PodFacts>),
    /// A node was rebooted.
    NodeRebooted(Arc<NodeFacts>),
}
