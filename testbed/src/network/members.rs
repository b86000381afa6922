//! Who is on the network: nodes, pods, and the ports they have open.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::FutureExt as _;
use tokio_util::sync::CancellationToken;

use super::{API_SERVER, Handler, ListenGuard, NodeFacts, PodFacts};
use crate::fault::End;

/// Nodes, pods and listeners. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    nodes: HashMap<String, Arc<NodeFacts>>,
    /// By InternalIP and by ExternalIP.
    node_by_ip: HashMap<Ipv4Addr, Arc<NodeFacts>>,
    pods: HashMap<String, Arc<PodFacts>>,
    /// Who has an address of the pod network; host-network pods are found by their node's.
    pod_by_ip: HashMap<Ipv4Addr, Arc<PodFacts>>,
    /// The newest listener of a port is last: a restarted container may open it before its predecessor has closed it.
    listeners: HashMap<SocketAddrV4, Vec<Listener>>,
    next_listener: u64,
    /// Hosts beyond the cluster.
    outside: HashSet<Ipv4Addr>,
    outside_names: HashMap<String, Ipv4Addr>,
}

struct Listener {
    id: u64,
    /// The pod that listens, of several on one host's network.
    pod: Option<String>,
    handler: Handler,
}

/// A handler whose connections end with the port: a process that is gone answers nobody, not even an old friend.
fn until(closed: CancellationToken, handler: Handler) -> Handler {
    Arc::new(move |connection| {
        let served = handler(connection);
        let closed = closed.clone();
        async move {
            tokio::select! {
                biased;
                () = served => {}
                () = closed.cancelled() => {}
            }
        }
        .boxed()
    })
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("nodes", &self.nodes.len())
            .field("pods", &self.pods.len())
            .field("ports", &self.listeners.len())
            .finish_non_exhaustive()
    }
}

impl Members {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_node(&self, node: Arc<NodeFacts>) {
        let mut tables = self.tables();
        tables.node_by_ip.retain(|_, known| known.name != node.name);
        for ip in std::iter::once(node.internal_ip).chain(node.external_ip) {
            tables.node_by_ip.insert(ip, Arc::clone(&node));
        }
        tables.nodes.insert(node.name.clone(), node);
    }

    pub(super) fn nodes(&self) -> Vec<Arc<NodeFacts>> {
        let mut nodes: Vec<_> = self.tables().nodes.values().cloned().collect();
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        nodes
    }

    pub(super) fn node_at(&self, ip: Ipv4Addr) -> Option<Arc<NodeFacts>> {
        self.tables().node_by_ip.get(&ip).cloned()
    }

    pub(super) fn attach(&self, pod: Arc<PodFacts>) {
        let mut tables = self.tables();
        if !pod.host_network {
            tables.pod_by_ip.insert(pod.ip, Arc::clone(&pod));
        }
        tables.pods.insert(pod.uid.clone(), pod);
    }

    pub(super) fn detach(&self, uid: &str) -> Option<Arc<PodFacts>> {
        let mut tables = self.tables();
        let pod = tables.pods.remove(uid)?;
        // The address may already belong to a newer pod.
        if tables.pod_by_ip.get(&pod.ip).is_some_and(|owner| owner.uid == uid) {
            tables.pod_by_ip.remove(&pod.ip);
        }
        Some(pod)
    }

    pub(super) fn pod_at(&self, ip: Ipv4Addr) -> Option<Arc<PodFacts>> {
        self.tables().pod_by_ip.get(&ip).cloned()
    }

    /// The pods with addresses of their own, in the order of these.
    pub(super) fn pods(&self) -> Vec<Arc<PodFacts>> {
        let mut pods: Vec<_> = self.tables().pod_by_ip.values().cloned().collect();
        pods.sort_by_key(|pod| pod.ip);
        pods
    }

    /// Whether a pod with an address of its own runs on the node.
    pub(super) fn runs_pods(&self, node: &str) -> bool {
        self.tables().pod_by_ip.values().any(|pod| pod.node.name == node)
    }

    pub(super) fn add_outside(&self, name: Option<&str>, ip: Ipv4Addr) {
        let mut tables = self.tables();
        tables.outside.insert(ip);
        if let Some(name) = name {
            tables.outside_names.insert(name.to_ascii_lowercase(), ip);
        }
    }

    pub(super) fn outside_name(&self, name: &str) -> Option<Ipv4Addr> {
        self.tables().outside_names.get(name).copied()
    }

    pub(super) fn listen(&self, address: SocketAddrV4, pod: Option<&str>, handler: Handler) -> ListenGuard {
        let mut tables = self.tables();
        let id = tables.next_listener;
        tables.next_listener += 1;
        let closed = CancellationToken::new();
        let listener = Listener { id, pod: pod.map(str::to_owned), handler: until(closed.clone(), handler) };
        tables.listeners.entry(address).or_default().push(listener);
        let members = self.clone();
        ListenGuard::new(move || {
            members.close(address, id);
            closed.cancel();
        })
    }

    fn close(&self, address: SocketAddrV4, id: u64) {
        let mut tables = self.tables();
        if let Some(listeners) = tables.listeners.get_mut(&address) {
            listeners.retain(|other| other.id != id);
            if listeners.is_empty() {
                tables.listeners.remove(&address);
            }
        }
    }

    pub(super) fn listener(&self, address: SocketAddrV4) -> Option<Handler> {
        self.tables().listeners.get(&address)?.last().map(|listener| Arc::clone(&listener.handler))
    }

    /// Who is at an address: a pod, a pod that listens on its node's network, or the node.
    pub(super) fn end_at(&self, address: SocketAddrV4) -> End {
        let tables = self.tables();
        if let Some(pod) = tables.pod_by_ip.get(address.ip()) {
            return End::of_pod(Arc::clone(pod));
        }
        let listener = tables.listeners.get(&address).and_then(|listeners| listeners.last());
        if let Some(pod) = listener.and_then(|listener| tables.pods.get(listener.pod.as_ref()?)) {
            return End::of_pod(Arc::clone(pod));
        }
        End { pod: None, node: tables.node_by_ip.get(address.ip()).cloned() }
    }

    /// Whether anything is at this address that would refuse a connection to a closed port.
    pub(super) fn has_address(&self, ip: Ipv4Addr) -> bool {
        let tables = self.tables();
        ip == *API_SERVER.ip()
            || tables.node_by_ip.contains_key(&ip)
            || tables.pod_by_ip.contains_key(&ip)
            || tables.outside.contains(&ip)
    }
}
