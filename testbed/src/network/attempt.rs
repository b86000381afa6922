//! The one decision: what becomes of an attempt to reach something.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use super::{
    API_SERVER, DNS_SERVER, Handler, Inner, OUTSIDE, Source,
    path::{Path, own_address},
    services::Backend,
};
use crate::{
    fault::{Broken, End, Flow, Kind, Mark, Protocol, Rewrite, Ruling, Transfer, WrongBackend},
    shape::Os,
};

/// Within one node, and between nodes of one cluster.
const NEAR: Duration = Duration::from_micros(300);
const FAR: Duration = Duration::from_micros(900);

/// What becomes of one attempt.
pub(super) struct Attempt {
    /// How long it takes before that shows, in real time.
    pub(super) delay: Duration,
    /// The round trip on a healthy network.
    pub(super) round_trip: Duration,
    /// What the listener takes the client for.
    pub(super) client: Ipv4Addr,
    /// How it ends.
    pub(super) fate: Fate,
    /// What becomes of its bytes, where it opens.
    pub(super) transfer: Option<(Transfer, Mark)>,
}

/// How an attempt ends.
#[derive(Clone)]
pub(super) enum Fate {
    /// Something answers at this address.
    Open(SocketAddrV4, Option<Handler>),
    /// Nothing does.
    Broken(Broken),
}

impl Fate {
    fn is_like(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Open(own, _), Self::Open(other, _)) => own == other,
            (Self::Broken(own), Self::Broken(other)) => own == other,
            _ => false,
        }
    }
}

impl Inner {
    /// Decides what becomes of an attempt from `from` to `to`, faults included.
    pub(super) fn attempt(&self, from: &Source, to: SocketAddrV4, protocol: Protocol) -> Attempt {
        let path = self.path(from, to, protocol);
        self.attempt_on(from, &path, protocol)
    }

    pub(super) fn attempt_on(&self, from: &Source, path: &Path, protocol: Protocol) -> Attempt {
        let mut flow = self.flow(from, path, protocol);
        let target = if path.service.is_some() { self.choose(from, path, &flow) } else { Ok(path.to) };
        flow.end = target.map(|address| self.members.end_at(address)).unwrap_or_default();
        let unhindered = target.map_or_else(Fate::Broken, |address| self.answer(address, protocol));
        let healthy = match self.is_dropped(from, path, protocol) {
            true => Fate::Broken(Broken::Dropped),
            false => unhindered.clone(),
        };
        let client = client_address(from, path);
        let round_trip = round_trip(&flow);
        let attempt = Attempt { delay: Duration::ZERO, round_trip, client, fate: healthy, transfer: None };
        self.rule(self.faults.network(&flow), attempt, unhindered, &flow)
    }

    /// The flow as far as it is known before a backend is chosen.
    pub(super) fn flow(&self, from: &Source, path: &Path, protocol: Protocol) -> Flow {
        let services = self.services();
        let local_backend = match (&path.service, &path.entry) {
            (Some((service, port)), Some(entry)) => {
                !services.backends(&service.name, port, Some(&entry.name)).is_empty()
            }
            _ => false,
        };
        Flow {
            source: from.clone(),
            to: path.to,
            protocol,
            kinds: path.kinds.clone(),
            service: path.service_name(),
            named_node: path.named_node.clone(),
            entry: path.entry.clone(),
            end: End::default(),
            local_backend,
            services: services.len(),
        }
    }

    /// The backend that this connection through a Service gets.
    fn choose(&self, from: &Source, path: &Path, flow: &Flow) -> Result<SocketAddrV4, Broken> {
        let Some((service, port)) = &path.service else { return Ok(path.to) };
        let only_on = path.entry.as_ref().filter(|_| path.only_local).map(|entry| entry.name.as_str());
        let current = self.services().backends(&service.name, port, only_on);
        if let Some((wrong, since, mark)) = self.faults.backend(flow)
            && let Some(chosen) = self.wrong_backend(&wrong, since, service, port)
        {
            if !current.iter().any(|backend| backend.address == chosen) {
                self.faults.applied(mark);
            }
            return Ok(chosen);
        }
        let addresses: Vec<SocketAddrV4> = current.iter().map(|backend| backend.address).collect();
        if service.affinity {
            let key = (service.name.clone(), client_address(from, path));
            let mut sticky = self.sticky();
            if let Some(known) = sticky.get(&key).filter(|known| addresses.contains(known)) {
                return Ok(*known);
            }
            if let Some(chosen) = self.dice.pick(&addresses) {
                sticky.insert(key, *chosen);
                return Ok(*chosen);
            }
        }
        self.dice.pick(&addresses).copied().ok_or_else(|| no_backend(path))
    }

    fn wrong_backend(
        &self,
        wrong: &WrongBackend,
        since: std::time::Instant,
        service: &super::Service,
        port: &super::ServicePort,
    ) -> Option<SocketAddrV4> {
        let of = |backends: Vec<Backend>| self.dice.pick(&backends).map(|backend| backend.address);
        match wrong {
            WrongBackend::Removed => of(self.services().backends_since(&service.name, port, since)),
            WrongBackend::Frozen => of(self.services().backends_at(&service.name, port, since)),
            WrongBackend::Pod(selector) => {
                let own = self.services().backends(&service.name, port, None);
                let number = own.first().map_or(port.port, |backend| backend.address.port());
                let strangers: Vec<_> = self
                    .members
                    .pods()
                    .into_iter()
                    .filter(|pod| selector.matches(pod) && !own.iter().any(|backend| *backend.address.ip() == pod.ip))
                    .collect();
                self.dice.pick(&strangers).map(|pod| SocketAddrV4::new(pod.ip, number))
            }
        }
    }

    /// What is at an address, without faults.
    fn answer(&self, address: SocketAddrV4, protocol: Protocol) -> Fate {
        let present = self.members.has_address(*address.ip());
        match protocol {
            Protocol::Tcp => match self.members.listener(address) {
                Some(handler) => Fate::Open(address, Some(handler)),
                None if present => Fate::Broken(Broken::Refused),
                None => Fate::Broken(Broken::Dropped),
            },
            // Where no such Service is, the testbed itself answers for names.
            Protocol::Udp if address == SocketAddrV4::new(DNS_SERVER, 53) => Fate::Open(address, None),
            Protocol::Udp | Protocol::Icmp if present => Fate::Open(address, None),
            Protocol::Udp | Protocol::Icmp => Fate::Broken(Broken::Dropped),
        }
    }

    /// Applies what the faults say, and tells them what it changed. `unhindered` is what would come of the attempt if
    /// nothing on the way kept it back.
    fn rule(&self, ruling: Ruling, mut attempt: Attempt, unhindered: Fate, flow: &Flow) -> Attempt {
        for (delay, mark) in ruling.delays {
            attempt.delay += delay;
            self.faults.applied(mark);
        }
        if let Some((ending, mark)) = ruling.ends {
            let fate = ending.broken().map_or(unhindered, Fate::Broken);
            if !attempt.fate.is_like(&fate) {
                attempt.fate = fate;
                self.faults.applied(mark);
            }
        }
        if matches!(attempt.fate, Fate::Open(_, Some(_))) {
            attempt.transfer = ruling.transfer;
        }
        if let Some((rewrite, mark)) = ruling.source
            && let Some(client) = rewritten(rewrite, flow)
            && client != attempt.client
        {
            attempt.client = client;
            if matches!(attempt.fate, Fate::Open(..)) {
                self.faults.applied(mark);
            }
        }
        attempt
    }

    pub(super) fn applied(&self, mark: Mark) {
        self.faults.applied(mark);
    }
}

/// What kube-proxy makes of a Service that has nobody to answer.
fn no_backend(path: &Path) -> Broken {
    let on_windows = path.entry.as_ref().is_some_and(|entry| entry.os == Os::Windows);
    // Linux rejects; Windows has no load-balancing policy then, and the packet is lost. Policy Local drops on both.
    if on_windows || path.only_local { Broken::Dropped } else { Broken::Refused }
}

/// The client's address as the listener sees it.
fn client_address(from: &Source, path: &Path) -> Ipv4Addr {
    let own = own_address(from).unwrap_or(match from {
        Source::ApiServer => *API_SERVER.ip(),
        _ => OUTSIDE,
    });
    // What enters through a node's port, or from outside, is translated to that node, unless the policy keeps the client.
    let enters = path.kinds.contains(&Kind::NodePort) || from.node().is_none() && path.service.is_some();
    match &path.entry {
        Some(entry) if enters && !path.only_local => entry.internal_ip,
        _ => own,
    }
}

fn rewritten(rewrite: Rewrite, flow: &Flow) -> Option<Ipv4Addr> {
    match rewrite {
        Rewrite::Address(address) => Some(address),
        Rewrite::Node => flow.entry.as_ref().or_else(|| flow.source.node()).map(|node| node.internal_ip),
    }
}

fn round_trip(flow: &Flow) -> Duration {
    match (flow.source.node(), &flow.end.node) {
        (Some(from), Some(to)) if from.name == to.name => NEAR,
        _ => FAR,
    }
}
