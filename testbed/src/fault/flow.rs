//! What effects are asked about: an attempt to reach something, a happening. See [`super::asked`] for requests.

use std::{fmt, net::SocketAddrV4, sync::Arc};

use super::{
    effect::{Kind, Place, Protocol},
    when::Own,
};
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

    /// Who talks to what: what `oneIn` counts by, and whom triggers may have happened to.
    pub(super) fn subject(&self) -> Subject {
        let who = Subject::of_source(&self.source);
        let mut about = who.about;
        about.extend(self.service.as_ref().map(|service| (Own::Service, service.to_string())));
        about.extend(self.end.pod.as_ref().map(|pod| (Own::Pod, pod.uid.clone())));
        about.extend(
            [&self.end.node, &self.named_node].into_iter().flatten().map(|node| (Own::Node, node.name.clone())),
        );
        Subject { counted_by: format!("{} {}", who.who, self.to), who: who.who, about }
    }
}

/// Whom one question is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Subject {
    /// What `oneIn` and `probability` count by.
    pub(super) counted_by: String,
    /// What they decide for once and for all where they are `sticky`.
    pub(super) who: String,
    /// To whom a trigger of `own` may have happened.
    pub(super) about: Vec<(Own, String)>,
}

impl Subject {
    /// A node itself; what is decided about it stays.
    pub(super) fn of_node(node: &NodeFacts) -> Self {
        Self { counted_by: node.name.clone(), who: node.name.clone(), about: vec![(Own::Node, node.name.clone())] }
    }

    /// A pod; counted with all others.
    pub(super) fn of_pod(pod: &PodFacts) -> Self {
        let about = vec![(Own::Pod, pod.uid.clone()), (Own::Node, pod.node.name.clone())];
        Self { counted_by: String::new(), who: pod.uid.clone(), about }
    }

    /// Something without a place; counted with all others.
    pub(super) fn of_word(who: &str) -> Self {
        Self { counted_by: String::new(), who: who.to_owned(), about: Vec::new() }
    }

    /// Who connects or asks.
    pub(super) fn of_source(source: &Source) -> Self {
        match source {
            Source::Outside => Self::of_word("outside"),
            Source::ApiServer => Self::of_word("api-server"),
            Source::Node(node) => Self::of_node(node),
            Source::Pod(pod) => Self::of_pod(pod),
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Something that happened in the cluster, for effects that wait for it.
#[derive(Debug, Clone)]
pub enum Happening {
    /// A Service lost a backend.
    EndpointRemoved(ServiceName),
    /// A Service gained a backend.
    EndpointAdded(ServiceName),
    /// A Service was made.
    ServiceAdded(ServiceName),
    /// A Service was deleted.
    ServiceRemoved(ServiceName),
    /// A pod was deleted.
    PodDeleted(Arc<PodFacts>),
    /// A pod got its address.
    PodStarted(Arc<PodFacts>),
    /// A container of a pod was started again.
    ContainerRestarted(Arc<PodFacts>),
    /// A node was rebooted.
    NodeRebooted(Arc<NodeFacts>),
}

impl Happening {
    /// Whom it happened to.
    pub(super) fn whom(&self) -> Vec<(Own, String)> {
        match self {
            Self::EndpointRemoved(service)
            | Self::EndpointAdded(service)
            | Self::ServiceAdded(service)
            | Self::ServiceRemoved(service) => vec![(Own::Service, service.to_string())],
            Self::PodDeleted(pod) | Self::PodStarted(pod) | Self::ContainerRestarted(pod) => {
                vec![(Own::Pod, pod.uid.clone()), (Own::Node, pod.node.name.clone())]
            }
            Self::NodeRebooted(node) => vec![(Own::Node, node.name.clone())],
        }
    }
}
