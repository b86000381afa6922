//! The virtual network: who reaches whom.
//!
//! Nothing here is a real socket. A pod's program listens on its virtual
//! address, and every connection, wherever it starts, is one question to the
//! [`Network`]: from this [`Source`] to that address, what happens? A
//! destination where nothing listens refuses; an address nobody has times out;
//! nothing else is ever lost without a fault that says so.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

pub use self::{
    connection::{ConnectError, Connection, DnsError, Handler, ListenGuard, PingError},
    facts::{NodeFacts, PodFacts, Source},
};
use self::members::Members;
use crate::{clock::Clock, fault::FaultBoard};

mod connection;
mod facts;
mod members;

/// How much may be under way in each direction of a connection before the writer waits.
const BUFFER: usize = 64 * 1024;

/// The virtual network of one testbed. Clones share it.
#[derive(Debug, Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    members: Members,
    clock: Clock,
    faults: FaultBoard,
}

impl Network {
    /// A network without members.
    #[must_use]
    pub fn new(clock: Clock, faults: FaultBoard) -> Self {
        Self { inner: Arc::new(Inner { members: Members::default(), clock, faults }) }
    }

    /// Makes a node known.
    pub fn add_node(&self, node: Arc<NodeFacts>) {
        self.inner.members.add_node(node);
    }

    /// Gives a pod its address. Nothing listens there yet.
    pub fn attach(&self, pod: Arc<PodFacts>) {
        self.inner.members.attach(pod);
    }

    /// Takes a pod's address away; its listeners close with their guards.
    pub fn detach(&self, uid: &str) {
        self.inner.members.detach(uid);
    }

    /// Opens a port of a pod, until the guard is dropped.
    pub fn listen(&self, pod: &PodFacts, port: u16, handler: Handler) -> ListenGuard {
        self.inner.members.listen(SocketAddrV4::new(pod.ip, port), handler)
    }

    /// Opens a port of a node's own network, until the guard is dropped.
    pub fn listen_on_node(&self, node: &NodeFacts, port: u16, handler: Handler) -> ListenGuard {
        self.inner.members.listen(SocketAddrV4::new(node.internal_ip, port), handler)
    }

    /// Connects, waiting at most `timeout` of real (unscaled) time.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says how the attempt ended; a timeout takes as long as one.
    pub async fn connect(
        &self,
        _from: &Source,
        to: SocketAddrV4,
        timeout: Duration,
    ) -> Result<Connection, ConnectError> {
        let Some(handler) = self.inner.members.listener(to) else {
            if self.inner.members.has_address(*to.ip()) {
                return Err(ConnectError::Refused);
            }
            self.inner.clock.pass(timeout).await;
            return Err(ConnectError::TimedOut);
        };
        let peer = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let (near, far) = tokio::io::duplex(BUFFER);
        tokio::spawn(handler(Connection { stream: far, peer, local: to, took: Duration::ZERO }));
        Ok(Connection { stream: near, peer: to, local: peer, took: Duration::ZERO })
    }

    /// Resolves a name as the source's operating system would.
    ///
    /// # Errors
    ///
    /// [`DnsError`] says what the resolver would say.
    pub async fn resolve(&self, _from: &Source, _name: &str) -> Result<Vec<Ipv4Addr>, DnsError> {
        let _ = &self.inner.faults;
        Err(DnsError::NoSuchName)
    }

    /// Sends one ICMP echo request, waiting at most `timeout` of real (unscaled) time.
    ///
    /// # Errors
    ///
    /// [`PingError`] when no reply comes.
    pub async fn ping(&self, _from: &Source, to: Ipv4Addr, timeout: Duration) -> Result<Duration, PingError> {
        if self.inner.members.has_address(to) {
            return Ok(Duration::from_millis(1));
        }
        self.inner.clock.pass(timeout).await;
        Err(PingError::TimedOut)
    }
}
