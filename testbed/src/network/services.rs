//! Services and their backends, as kube-proxy keeps them.
//!
//! Fed by watches ([`super::watch`]) or, in tests, by plain values.

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, SocketAddrV4},
    time::Instant,
};

use crate::fault::{Happening, Protocol, ServiceName};

/// How many states of a Service's endpoints are remembered for faults that look back.
const HISTORY: usize = 64;

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Namespace and name.
    pub name: ServiceName,
    /// The IPv4 addresses inside the cluster: Service IPs and `spec.externalIPs`. None for a headless Service.
    pub addresses: Vec<Ipv4Addr>,
    /// `status.loadBalancer.ingress[].ip`.
    pub load_balancers: Vec<Ipv4Addr>,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// `spec.sessionAffinity: ClientIP`.
    pub affinity: bool,
    /// `spec.internalTrafficPolicy: Local`.
    pub internal_local: bool,
    /// `spec.externalTrafficPolicy: Local`.
    pub external_local: bool,
    /// `spec.externalName`, of a Service that is only a name.
    pub external_name: Option<String>,
    /// Whether it is of type LoadBalancer and still without an address.
    pub wants_load_balancer: bool,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty for an only port.
    pub name: String,
    /// Its number on the Service's addresses.
    pub port: u16,
    /// Its number on every node, if any.
    pub node_port: Option<u16>,
    /// Its protocol.
    pub protocol: Protocol,
}

/// An endpoint of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The pod's address.
    pub ip: Ipv4Addr,
    /// The node it is on, by name.
    pub node: Option<String>,
    /// `conditions.ready`.
    pub ready: bool,
    /// `conditions.serving`.
    pub serving: bool,
    /// `conditions.terminating`.
    pub terminating: bool,
    /// Its own name under a headless Service.
    pub hostname: Option<String>,
    /// The numbers behind the Service's ports, by port name: target ports are resolved in the slice.
    pub ports: Vec<(String, Protocol, u16)>,
}

impl Endpoint {
    fn backend(&self, port: &ServicePort) -> Option<Backend> {
        let (_, _, number) =
            self.ports.iter().find(|(name, protocol, _)| *name == port.name && *protocol == port.protocol)?;
        Some(Backend { address: SocketAddrV4::new(self.ip, *number), node: self.node.clone() })
    }
}

/// Where a connection through a Service can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The pod's address and target port.
    pub address: SocketAddrV4,
    /// The node it is on, by name.
    pub node: Option<String>,
}

/// All Services and endpoints.
#[derive(Debug, Default)]
pub(super) struct ServiceTable {
    services: BTreeMap<ServiceName, Service>,
    /// By namespace and name of the slice.
    slices: HashMap<(String, String), (ServiceName, Vec<Endpoint>)>,
    /// What each Service's endpoints were, and from when; the last entry is how they are.
    history: HashMap<ServiceName, Vec<(Instant, Vec<Endpoint>)>>,
}

impl ServiceTable {
    pub(super) fn put_service(&mut self, service: Service) -> Vec<Happening> {
        let name = service.name.clone();
        match self.services.insert(name.clone(), service) {
            None => vec![Happening::ServiceAdded(name)],
            Some(_) => Vec::new(),
        }
    }

    pub(super) fn remove_service(&mut self, name: &ServiceName) -> Vec<Happening> {
        let known = self.services.remove(name).is_some();
        if !self.slices.values().any(|(owner, _)| owner == name) {
            self.history.remove(name);
        }
        known.then(|| Happening::ServiceRemoved(name.clone())).into_iter().collect()
    }

    /// Keeps only the Services that a new list still has.
    pub(super) fn retain_services(&mut self, keep: impl Fn(&ServiceName) -> bool) -> Vec<Happening> {
        let gone: Vec<_> = self.services.keys().filter(|name| !keep(name)).cloned().collect();
        gone.iter().flat_map(|name| self.remove_service(name)).collect()
    }

    /// Stores one slice of a Service's endpoints; says what that changed for its connections.
    pub(super) fn put_slice(
        &mut self,
        slice: (String, String),
        service: ServiceName,
        endpoints: Vec<Endpoint>,
        now: Instant,
    ) -> Vec<Happening> {
        self.slices.insert(slice, (service.clone(), endpoints));
        self.note(service, now)
    }

    pub(super) fn remove_slice(&mut self, slice: &(String, String), now: Instant) -> Vec<Happening> {
        match self.slices.remove(slice) {
            Some((service, _)) => self.note(service, now),
            None => Vec::new(),
        }
    }

    /// Keeps only the slices that a new list still has.
    pub(super) fn retain_slices(&mut self, keep: impl Fn(&(String, String)) -> bool, now: Instant) -> Vec<Happening> {
        let gone: Vec<_> = self.slices.keys().filter(|slice| !keep(slice)).cloned().collect();
        gone.iter().flat_map(|slice| self.remove_slice(slice, now)).collect()
    }

    /// Writes the present state of a Service's endpoints into its history.
    fn note(&mut self, service: ServiceName, now: Instant) -> Vec<Happening> {
        let mut present: Vec<Endpoint> = Vec::new();
        for (_, endpoints) in self.slices.values().filter(|(owner, _)| *owner == service) {
            for endpoint in endpoints {
                if !present.iter().any(|known| known.ip == endpoint.ip) {
                    present.push(endpoint.clone());
                }
            }
        }
        present.sort_by_key(|endpoint| endpoint.ip);
        let history = self.history.entry(service.clone()).or_default();
        let before = history.last().map(|(_, endpoints)| ready_ips(endpoints)).unwrap_or_default();
        let after = ready_ips(&present);
        let forgotten = present.is_empty() && !self.services.contains_key(&service);
        if history.last().is_none_or(|(_, known)| *known != present) {
            history.push((now, present));
        }
        if history.len() > HISTORY {
            history.remove(0);
        }
        if forgotten {
            self.history.remove(&service);
        }
        let mut happened = Vec::new();
        if before.iter().any(|ip| !after.contains(ip)) {
            happened.push(Happening::EndpointRemoved(service.clone()));
        }
        if after.iter().any(|ip| !before.contains(ip)) {
            happened.push(Happening::EndpointAdded(service));
        }
        happened
    }

    pub(super) fn len(&self) -> usize {
        self.services.len()
    }

    pub(super) fn get(&self, name: &ServiceName) -> Option<&Service> {
        self.services.get(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Service> {
        self.services.values()
    }

    /// The Service and port behind an address inside the cluster.
    pub(super) fn by_address(&self, to: SocketAddrV4, protocol: Protocol) -> Option<(&Service, &ServicePort)> {
        self.find(|service, port| port.port == to.port() && service.addresses.contains(to.ip()), protocol)
    }

    /// The Service and port behind a load balancer's address.
    pub(super) fn by_load_balancer(&self, to: SocketAddrV4, protocol: Protocol) -> Option<(&Service, &ServicePort)> {
        self.find(|service, port| port.port == to.port() && service.load_balancers.contains(to.ip()), protocol)
    }

    /// The Service and port behind a node port.
    pub(super) fn by_node_port(&self, number: u16, protocol: Protocol) -> Option<(&Service, &ServicePort)> {
        self.find(|_, port| port.node_port == Some(number), protocol)
    }

    fn find(
        &self,
        fits: impl Fn(&Service, &ServicePort) -> bool,
        protocol: Protocol,
    ) -> Option<(&Service, &ServicePort)> {
        self.services.values().find_map(|service| {
            let port = service.ports.iter().find(|port| port.protocol == protocol && fits(service, port))?;
            Some((service, port))
        })
    }

    /// Whether a Service has this address, whatever the port.
    pub(super) fn has_address(&self, ip: Ipv4Addr) -> bool {
        self.services.values().any(|service| service.addresses.contains(&ip) || service.load_balancers.contains(&ip))
    }

    /// The endpoints of a Service now.
    pub(super) fn endpoints(&self, service: &ServiceName) -> &[Endpoint] {
        self.history.get(service).and_then(|history| history.last()).map_or(&[], |(_, endpoints)| endpoints)
    }

    /// Where kube-proxy sends connections: ready endpoints, or if there is none, those that still serve while they terminate.
    ///
    /// With `only_on` those of one node alone count (traffic policy Local).
    pub(super) fn backends(&self, service: &ServiceName, port: &ServicePort, only_on: Option<&str>) -> Vec<Backend> {
        usable(self.endpoints(service), port, only_on)
    }

    /// The backends that the Service had at `then`.
    pub(super) fn backends_at(&self, service: &ServiceName, port: &ServicePort, then: Instant) -> Vec<Backend> {
        let Some(history) = self.history.get(service) else { return Vec::new() };
        let at = history.iter().rev().find(|(from, _)| *from <= then).or_else(|| history.first());
        at.map(|(_, endpoints)| usable(endpoints, port, None)).unwrap_or_default()
    }

    /// Every backend that the Service had at `then` or since, present ones included.
    pub(super) fn backends_since(&self, service: &ServiceName, port: &ServicePort, then: Instant) -> Vec<Backend> {
        let mut all = self.backends_at(service, port, then);
        let later = self.history.get(service).into_iter().flatten().filter(|(from, _)| *from > then);
        for backend in later.flat_map(|(_, endpoints)| usable(endpoints, port, None)) {
            if !all.contains(&backend) {
                all.push(backend);
            }
        }
        all
    }
}

fn ready_ips(endpoints: &[Endpoint]) -> Vec<Ipv4Addr> {
    endpoints.iter().filter(|endpoint| endpoint.ready).map(|endpoint| endpoint.ip).collect()
}

fn usable(endpoints: &[Endpoint], port: &ServicePort, only_on: Option<&str>) -> Vec<Backend> {
    let local = |endpoint: &&Endpoint| only_on.is_none_or(|node| endpoint.node.as_deref() == Some(node));
    let pick = |fits: fn(&Endpoint) -> bool| -> Vec<Backend> {
        endpoints.iter().filter(local).filter(|e| fits(e)).filter_map(|e| e.backend(port)).collect()
    };
    let ready = pick(|endpoint| endpoint.ready);
    if ready.is_empty() { pick(|endpoint| endpoint.serving && endpoint.terminating) } else { ready }
}
