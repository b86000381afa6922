//! Real listeners for node ports and load balancers, where the machine allows them.
//!
//! Each testbed claims a 127.x.y.0/24 of its own by holding a marker port in it.
//! On Linux the whole of 127.0.0.0/8 is there; macOS has only 127.0.0.1, and
//! nothing can be claimed.

use std::{
    collections::{HashMap, HashSet},
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use thiserror::Error;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{Network, Source, addresses::virtual_load_balancer, proxy::pause};
use crate::fault::Protocol;

/// The port that whoever has claimed a range holds on its last address.
const MARKER_PORT: u16 = 47_127;

/// The ranges to try: 127.64.0.0/24 and up.
const FIRST_RANGE: u8 = 64;
const RANGES: u16 = 1024;

/// The first node's last octet, and the first load balancer's.
const FIRST_NODE: usize = 10;
const FIRST_LOAD_BALANCER: u8 = 200;
const LAST_LOAD_BALANCER: u8 = 250;

/// As many real listeners as there may be: each costs a file descriptor.
const MOST_LISTENERS: usize = 256;

/// How long a real client's connection is tried, in real time.
const PATIENCE: Duration = Duration::from_secs(30);

/// There are no real listeners on this machine.
#[derive(Debug, Error)]
pub enum LoopbackError {
    /// Addresses beyond 127.0.0.1 cannot be used.
    #[error("{address} cannot be bound, so node ports are only reached through the proxy")]
    NotHere {
        /// What was tried.
        address: SocketAddrV4,
        /// Why not.
        source: std::io::Error,
    },
    /// Every range is taken.
    #[error(
        "all {RANGES} loopback ranges are taken by other testbeds, so node ports are only reached through the proxy"
    )]
    AllTaken,
}

/// A claimed 127.x.y.0/24.
#[derive(Debug)]
pub(super) struct Range {
    first: [u8; 3],
    _marker: std::net::TcpListener,
}

impl Range {
    fn address(&self, last: u8) -> Ipv4Addr {
        let [a, b, c] = self.first;
        Ipv4Addr::new(a, b, c, last)
    }

    fn claim(seed: u32) -> Result<Self, LoopbackError> {
        let seed = u16::try_from(seed % u32::from(RANGES)).unwrap_or_default();
        for step in 0..RANGES {
            let [high, low] = ((seed + step) % RANGES).to_be_bytes();
            let first = [127, FIRST_RANGE + high, low];
            let address = SocketAddrV4::new(Ipv4Addr::new(first[0], first[1], first[2], 254), MARKER_PORT);
            match std::net::TcpListener::bind(address) {
                Ok(marker) => return Ok(Self { first, _marker: marker }),
                Err(source) if source.kind() == std::io::ErrorKind::AddrInUse => {}
                Err(source) => return Err(LoopbackError::NotHere { address, source }),
            }
        }
        Err(LoopbackError::AllTaken)
    }
}

impl Network {
    /// Claims a 127.x.y.0/24 and opens node ports and load balancers on it, until `cancel`.
    ///
    /// Call it before the nodes are added: [`external_ip`](Self::external_ip) has addresses from then on.
    ///
    /// # Errors
    ///
    /// When the machine has no such addresses to give. The network works without.
    pub fn open_loopback(&self, cancel: CancellationToken) -> Result<(), LoopbackError> {
        let range = Range::claim(std::process::id())?;
        if self.inner.loopback.set(range).is_ok() {
            let network = self.clone();
            tokio::spawn(cancel.clone().run_until_cancelled_owned(async move { network.keep_open(&cancel).await }));
        }
        Ok(())
    }

    /// The ExternalIP of the node at `index` of the shape; `None` where there are no real listeners.
    #[must_use]
    pub fn external_ip(&self, index: usize) -> Option<Ipv4Addr> {
        let range = self.inner.loopback.get()?;
        let last = u8::try_from(index + FIRST_NODE).ok().filter(|last| *last < FIRST_LOAD_BALANCER)?;
        Some(range.address(last))
    }

    /// The address of load balancer number `index`.
    pub(super) fn load_balancer_ip(&self, index: u8) -> Option<Ipv4Addr> {
        let Some(range) = self.inner.loopback.get() else { return Some(virtual_load_balancer(index)) };
        let last = FIRST_LOAD_BALANCER.checked_add(index).filter(|last| *last <= LAST_LOAD_BALANCER)?;
        Some(range.address(last))
    }

    /// Keeps the real listeners as the Services want them.
    async fn keep_open(&self, cancel: &CancellationToken) {
        let mut changed = self.inner.services_changed.subscribe();
        let mut tasks = JoinSet::new();
        let mut open: HashMap<SocketAddrV4, tokio::task::AbortHandle> = HashMap::new();
        let mut impossible = HashSet::new();
        loop {
            changed.borrow_and_update();
            let wanted = self.wanted_listeners();
            open.retain(|address, task| {
                let keep = wanted.contains(address);
                if !keep {
                    task.abort();
                }
                keep
            });
            impossible.retain(|address| wanted.contains(address));
            for address in wanted {
                if open.contains_key(&address) || impossible.contains(&address) || open.len() >= MOST_LISTENERS {
                    continue;
                }
                match TcpListener::bind(address).await {
                    Ok(listener) => {
                        let (network, cancel) = (self.clone(), cancel.clone());
                        let serving = async move { network.serve_real(listener, address, &cancel).await };
                        open.insert(address, tasks.spawn(serving));
                    }
                    Err(error) => {
                        tracing::info!(%error, %address, "this address is only reached through the proxy");
                        impossible.insert(address);
                    }
                }
            }
            while tasks.try_join_next().is_some() {}
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Every address at which a Service is reached from outside.
    fn wanted_listeners(&self) -> HashSet<SocketAddrV4> {
        let nodes: Vec<Ipv4Addr> = self.inner.members.nodes().iter().filter_map(|node| node.external_ip).collect();
        let services = self.inner.services();
        let mut wanted = HashSet::new();
        for service in services.iter() {
            for port in service.ports.iter().filter(|port| port.protocol == Protocol::Tcp) {
                wanted.extend(
                    port.node_port.iter().flat_map(|number| nodes.iter().map(|ip| SocketAddrV4::new(*ip, *number))),
                );
                let real = service.load_balancers.iter().filter(|ip| ip.is_loopback());
                wanted.extend(real.map(|ip| SocketAddrV4::new(*ip, port.port)));
            }
        }
        wanted
    }

    async fn serve_real(&self, listener: TcpListener, address: SocketAddrV4, cancel: &CancellationToken) {
        loop {
            match listener.accept().await {
                Ok((mut client, _)) => {
                    let network = self.clone();
                    tokio::spawn(cancel.clone().run_until_cancelled_owned(async move {
                        // A real client sees only open and closed: what fails inside is a cut connection here.
                        if let Ok(mut server) = network.connect(&Source::Outside, address, PATIENCE).await {
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut server.stream).await;
                        }
                    }));
                }
                Err(error) => pause("real listener", &error, cancel).await,
            }
        }
    }
}
