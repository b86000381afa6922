//! Who is on the network: nodes, pods, and the ports they have open.

use std::{
    collections::HashMap,
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Handler, ListenGuard, NodeFacts, PodFacts};

/// Nodes, pods and listeners. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Members {
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    nodes: HashMap<Ipv4Addr, Arc<NodeFacts>>,
    pods: HashMap<String, Arc<PodFacts>>,
    /// Who has an address of the pod network; host-network pods are found by their node's.
    pod_by_ip: HashMap<Ipv4Addr, Arc<PodFacts>>,
    /// The newest listener of a port is last: a restarted container may open it before its predecessor has closed it.
    listeners: HashMap<SocketAddrV4, Vec<(u64, Handler)>>,
    next_listener: u64,
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
        self.tables().nodes.insert(node.internal_ip, node);
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

    pub(super) fn listen(&self, address: SocketAddrV4, handler: Handler) -> ListenGuard {
        let mut tables = self.tables();
        let id = tables.next_listener;
        tables.next_listener += 1;
        tables.listeners.entry(address).or_default().push((id, handler));
        let members = self.clone();
        ListenGuard::new(move || members.close(address, id))
    }

    fn close(&self, address: SocketAddrV4, id: u64) {
        let mut tables = self.tables();
        if let Some(handlers) = tables.listeners.get_mut(&address) {
            handlers.retain(|(other, _)| *other != id);
            if handlers.is_empty() {
                tables.listeners.remove(&address);
            }
        }
    }

    pub(super) fn listener(&self, address: SocketAddrV4) -> Option<Handler> {
        self.tables().listeners.get(&address)?.last().map(|(_, handler)| Arc::clone(handler))
    }

    /// Whether a node or pod has this address.
    pub(super) fn has_address(&self, ip: Ipv4Addr) -> bool {
        let tables = self.tables();
        tables.nodes.contains_key(&ip) || tables.pod_by_ip.contains_key(&ip)
    }
}
