//! What an address means to the one who connects to it, and who may not.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use super::{API_SERVER, Inner, NodeFacts, Service, ServicePort, Source, services::Backend};
use crate::{
    fault::{Kind, Protocol, ServiceName},
    shape::Os,
};

/// What the address of one attempt means.
#[derive(Debug)]
pub(super) struct Path {
    /// Where the connection goes, after any loopback address.
    pub(super) to: SocketAddrV4,
    pub(super) kinds: Vec<Kind>,
    pub(super) service: Option<(Service, ServicePort)>,
    /// The node whose address is named.
    pub(super) named_node: Option<Arc<NodeFacts>>,
    /// Where Service addresses are translated.
    pub(super) entry: Option<Arc<NodeFacts>>,
    /// Whether the Service's traffic policy leaves only backends on `entry`.
    pub(super) only_local: bool,
}

impl Path {
    pub(super) fn service_name(&self) -> Option<ServiceName> {
        self.service.as_ref().map(|(service, _)| service.name.clone())
    }

    fn direct(to: SocketAddrV4, kind: Kind, named_node: Option<Arc<NodeFacts>>) -> Self {
        Self { to, kinds: vec![kind], service: None, named_node, entry: None, only_local: false }
    }
}

impl Inner {
    /// What `to` means to `from`.
    pub(super) fn path(&self, from: &Source, to: SocketAddrV4, protocol: Protocol) -> Path {
        let to = match own_address(from) {
            Some(own) if *to.ip() == Ipv4Addr::LOCALHOST => SocketAddrV4::new(own, to.port()),
            _ => to,
        };
        let here = from.node().cloned();
        if to.ip() == API_SERVER.ip() {
            // A control plane that somebody else manages: beyond the cluster's nodes.
            let mut path = Path::direct(to, Kind::ApiServer, None);
            path.kinds.push(Kind::Outside);
            return path;
        }
        if self.is_dns_server(to.ip(), to.port(), protocol) && self.members.pod_at(*to.ip()).is_none() {
            return Path::direct(to, Kind::Dns, None);
        }
        if let Some(pod) = self.members.pod_at(*to.ip()) {
            let mut path = Path::direct(to, Kind::Pod, None);
            if self.is_dns_server(&pod.ip, to.port(), protocol) {
                path.kinds.push(Kind::Dns);
            }
            return path;
        }
        let services = self.services();
        if let Some((service, port)) = services.by_address(to, protocol) {
            let mut kinds = vec![Kind::Service];
            kinds.extend(is_api_server(&service.name).then_some(Kind::ApiServer));
            kinds.extend((is_dns(&service.name) && port.port == 53).then_some(Kind::Dns));
            let only_local = service.internal_local;
            let service = Some((service.clone(), port.clone()));
            return Path { to, kinds, service, named_node: None, entry: here, only_local };
        }
        if let Some((service, port)) = services.by_load_balancer(to, protocol) {
            let (service, port) = (service.clone(), port.clone());
            let local = services.backends(&service.name, &port, None);
            drop(services);
            // Inside the cluster kube-proxy takes the short way; from outside the balancer picks a node.
            let outside = here.is_none();
            let entry = here.or_else(|| self.balanced_node(&service, &local));
            let only_local = outside && service.external_local;
            let kinds = vec![Kind::LoadBalancer];
            return Path { to, kinds, service: Some((service, port)), named_node: None, entry, only_local };
        }
        let Some(node) = self.members.node_at(*to.ip()) else {
            let kind = match to.ip() {
                ip if services.has_address(*ip) => Kind::Service, // a port that the Service does not have, or a ping
                ip if is_inside(*ip) => Kind::Pod,
                _ => Kind::Outside,
            };
            return Path::direct(to, kind, None);
        };
        if self.members.listener(to).is_none()
            && let Some((service, port)) = services.by_node_port(to.port(), protocol)
        {
            // The policy is about strangers: a node's own connections may go on to any backend.
            let only_local = service.external_local && here.is_none_or(|here| here.name != node.name);
            let service = Some((service.clone(), port.clone()));
            let (named_node, entry) = (Some(Arc::clone(&node)), Some(node));
            return Path { to, kinds: vec![Kind::NodePort], service, named_node, entry, only_local };
        }
        Path::direct(to, Kind::Node, Some(node))
    }

    /// Whether the healthy network drops this: documented limitations, and what cannot be reached from outside.
    pub(super) fn is_dropped(&self, from: &Source, path: &Path, protocol: Protocol) -> bool {
        let is = |kind| path.kinds.contains(&kind);
        let on_windows = from.node().is_some_and(|node| node.os == Os::Windows);
        if protocol == Protocol::Icmp && is(Kind::Outside) && on_windows && !from.on_host_network() {
            return true; // the Windows network plug-ins cannot translate ICMP (kubernetes.io, "Networking on Windows")
        }
        if matches!(from, Source::Outside) && !is(Kind::NodePort) && !is(Kind::LoadBalancer) {
            return true;
        }
        if let Some(node) = path.named_node.as_ref().filter(|_| is(Kind::NodePort))
            && node.os == Os::Windows
            && !self.members.runs_pods(&node.name)
        {
            // "There needs to be at least one pod running on the Windows node for NodePort forwarding to work"
            // (Microsoft, common problems of Kubernetes on Windows).
            return true;
        }
        let Some(node) = from.node().filter(|node| node.os == Os::Windows && from.on_host_network()) else {
            return false;
        };
        // The guide: hosts do not reach Service IPs, and not their own node ports. The API server's Service is
        // reached, as kubelets and host-network agents depend on it.
        let own_node_port = is(Kind::NodePort) && path.named_node.as_ref().is_some_and(|named| named.name == node.name);
        let service = (is(Kind::Service) || is(Kind::LoadBalancer)) && !is(Kind::ApiServer);
        own_node_port && !self.features.host_reaches_own_node_port || service && !self.features.host_reaches_services
    }

    /// A node that a load balancer would send a connection to: its health check passes there.
    fn balanced_node(&self, service: &Service, backends: &[Backend]) -> Option<Arc<NodeFacts>> {
        let healthy = |node: &Arc<NodeFacts>| {
            if service.external_local {
                backends.iter().any(|backend| backend.node.as_ref() == Some(&node.name))
            } else {
                node.os == Os::Linux || self.members.runs_pods(&node.name)
            }
        };
        let nodes: Vec<_> = self.members.nodes().into_iter().filter(healthy).collect();
        self.dice.pick(&nodes).cloned()
    }

    fn is_dns_server(&self, ip: &Ipv4Addr, port: u16, protocol: Protocol) -> bool {
        let services = self.services();
        services.iter().filter(|service| is_dns(&service.name)).any(|service| {
            service.ports.iter().filter(|own| own.protocol == protocol && own.port == 53).any(|own| {
                services
                    .backends(&service.name, own, None)
                    .iter()
                    .any(|backend| backend.address.ip() == ip && backend.address.port() == port)
            })
        })
    }
}

/// Whether an address belongs to the cluster's ranges, so that nobody beyond it can have it.
fn is_inside(ip: Ipv4Addr) -> bool {
    let [a, b, ..] = ip.octets();
    a == 10 && matches!(b, 96 | 240 | 244 | 250)
}

/// The address that `127.0.0.1` stands for.
pub(super) fn own_address(from: &Source) -> Option<Ipv4Addr> {
    match from {
        Source::Outside | Source::ApiServer => None,
        Source::Node(node) => Some(node.internal_ip),
        Source::Pod(pod) => Some(pod.ip),
    }
}

fn is_dns(name: &ServiceName) -> bool {
    name.namespace == "kube-system" && name.name == "kube-dns"
}

fn is_api_server(name: &ServiceName) -> bool {
    name.namespace == "default" && name.name == "kubernetes"
}
