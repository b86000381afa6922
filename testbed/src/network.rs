//! The virtual network: who reaches whom.
//!
//! Nothing here is a real socket. A pod's program listens on its virtual
//! address, and every connection, wherever it starts, is one question to the
//! [`Network`]: from this [`Source`] to that address, what happens? A
//! destination where nothing listens refuses; an address nobody has times out;
//! nothing else is ever lost without a fault, or a documented limitation of
//! Windows, that says so.
//!
//! The way of a connection: `path` says what the address means, `attempt`
//! chooses a backend and asks the faults, and [`Network::connect`] lets the time
//! pass and hands the two ends out.

use std::{
    collections::{BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::io::{AsyncReadExt as _, DuplexStream};

pub(crate) use self::dns::{search_list, suffixes};
pub use self::{
    addresses::{API_SERVER, CLUSTER_DOMAIN, DNS_SERVER, DNS_SERVERS, OUTSIDE},
    connection::{ConnectError, Connection, DnsError, Handler, ListenGuard, PingError},
    dns::Resolved,
    facts::{NodeFacts, PodFacts, Source},
    loopback::LoopbackError,
    proxy::NetworkError,
    services::{Backend, Endpoint, Service, ServicePort},
};
use self::{
    attempt::{Attempt, Fate},
    dice::Dice,
    members::Members,
    path::own_address,
    services::ServiceTable,
};
use crate::{
    clock::Clock,
    fault::{Broken, FaultBoard, Happening, Protocol, ServiceName},
    shape::Features,
};

mod addresses;
mod attempt;
mod balancer;
mod connect_request;
mod connection;
mod dice;
mod dns;
mod facts;
mod loopback;
mod members;
mod path;
mod proxy;
mod services;
#[cfg(test)]
mod tests;
mod transfer;
mod watch;

/// How much may be under way in each direction of a connection before the writer waits.
const BUFFER: usize = 64 * 1024;

/// How long a resolver asks before it gives up, in real time.
const DNS_PATIENCE: Duration = Duration::from_secs(10);

/// The first port that clients connect from.
const FIRST_EPHEMERAL: u16 = 49152;

/// A Service as kube-proxy programs it.
#[derive(Debug, Clone)]
pub(crate) struct ServiceWithBackends {
    /// `namespace/name`.
    pub(crate) name: String,
    /// Its addresses inside the cluster.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Its load balancers' addresses.
    pub(crate) load_balancers: Vec<Ipv4Addr>,
    /// Its ports, and who answers on them.
    pub(crate) ports: Vec<(ServicePort, Vec<Backend>)>,
}

/// The virtual network of one testbed. Clones share it.
#[derive(Debug, Clone)]
pub struct Network {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    members: Members,
    services: Mutex<ServiceTable>,
    /// Which backend a client keeps, for Services with session affinity.
    sticky: Mutex<HashMap<(ServiceName, Ipv4Addr), SocketAddrV4>>,
    /// Moves on whenever Services, endpoints or nodes change.
    services_changed: tokio::sync::watch::Sender<u64>,
    clock: Clock,
    faults: FaultBoard,
    features: Features,
    dice: Dice,
    next_port: AtomicU16,
    /// The range of real loopback addresses, where there is one.
    loopback: OnceLock<loopback::Range>,
    /// Listeners that live as long as the network.
    kept: Mutex<Vec<ListenGuard>>,
}

impl Network {
    /// A network without members.
    #[must_use]
    pub fn new(clock: Clock, faults: FaultBoard, features: &Features) -> Self {
        faults.adopt(&clock);
        Self {
            inner: Arc::new(Inner {
                members: Members::default(),
                services: Mutex::default(),
                sticky: Mutex::default(),
                services_changed: tokio::sync::watch::Sender::new(0),
                clock,
                faults,
                features: features.clone(),
                dice: Dice::default(),
                next_port: AtomicU16::new(FIRST_EPHEMERAL),
                loopback: OnceLock::new(),
                kept: Mutex::default(),
            }),
        }
    }

    /// Makes a node known, or its facts anew.
    pub fn add_node(&self, node: Arc<NodeFacts>) {
        self.inner.members.add_node(node);
        self.inner.services_changed.send_modify(|version| *version += 1);
    }

    /// Gives a pod its address. Nothing listens there yet.
    pub fn attach(&self, pod: Arc<PodFacts>) {
        self.inner.members.attach(Arc::clone(&pod));
        self.inner.faults.happened(&Happening::PodStarted(pod));
    }

    /// Takes a pod's address away; its listeners close with their guards.
    pub fn detach(&self, uid: &str) {
        if let Some(pod) = self.inner.members.detach(uid) {
            self.inner.faults.happened(&Happening::PodDeleted(pod));
        }
    }

    /// Takes a pod's address away that is to get another one.
    pub fn disconnect(&self, uid: &str) {
        self.inner.members.detach(uid);
    }

    /// Opens a port of a pod, until the guard is dropped.
    pub fn listen(&self, pod: &PodFacts, port: u16, handler: Handler) -> ListenGuard {
        self.inner.members.listen(SocketAddrV4::new(pod.ip, port), Some(&pod.uid), handler)
    }

    /// Opens a port of a node's own network, until the guard is dropped.
    pub fn listen_on_node(&self, node: &NodeFacts, port: u16, handler: Handler) -> ListenGuard {
        self.inner.members.listen(SocketAddrV4::new(node.internal_ip, port), None, handler)
    }

    /// Opens a port of a host beyond the cluster, which has this name in the world's DNS, until the guard is dropped.
    ///
    /// The host itself stays: closed ports of it refuse.
    pub fn listen_outside(&self, name: Option<&str>, address: SocketAddrV4, handler: Handler) -> ListenGuard {
        self.inner.members.add_outside(name, *address.ip());
        self.inner.members.listen(address, None, handler)
    }

    /// Puts a host beyond the nodes onto the network, which answers where nothing listens as hosts do.
    pub fn add_outside(&self, ip: Ipv4Addr) {
        self.inner.members.add_outside(None, ip);
    }

    /// Stores a Service as it is now.
    pub fn put_service(&self, service: Service) {
        self.inner.change_services(|table, _| table.put_service(service));
    }

    /// Forgets a Service.
    pub fn remove_service(&self, name: &ServiceName) {
        self.inner.change_services(|table, _| table.remove_service(name));
    }

    /// Stores one slice (named within its Service's namespace) of a Service's endpoints.
    pub fn put_slice(&self, slice: &str, service: ServiceName, endpoints: Vec<Endpoint>) {
        let slice = (service.namespace.clone(), slice.to_owned());
        self.inner.change_services(|table, now| table.put_slice(slice, service, endpoints, now));
    }

    /// Forgets one slice of endpoints.
    pub fn remove_slice(&self, namespace: &str, slice: &str) {
        let slice = (namespace.to_owned(), slice.to_owned());
        self.inner.change_services(|table, now| table.remove_slice(&slice, now));
    }

    /// All Services, with who answers for each port.
    #[must_use]
    pub(crate) fn services(&self) -> Vec<ServiceWithBackends> {
        let table = self.inner.services();
        let whole = |service: &Service| ServiceWithBackends {
            name: format!("{}/{}", service.name.namespace, service.name.name),
            addresses: service.addresses.clone(),
            load_balancers: service.load_balancers.clone(),
            ports: service.ports.iter().map(|port| (port.clone(), table.backends(&service.name, port, None))).collect(),
        };
        table.iter().map(whole).collect()
    }

    /// Connects, waiting at most `timeout` of real (unscaled) time.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says how the attempt ended; a timeout takes as long as one.
    pub async fn connect(
        &self,
        from: &Source,
        to: SocketAddrV4,
        timeout: Duration,
    ) -> Result<Connection, ConnectError> {
        let Attempt { delay, round_trip, client, fate, transfer } = self.inner.attempt(from, to, Protocol::Tcp);
        let took = round_trip + delay;
        if took > timeout || matches!(fate, Fate::Broken(Broken::Dropped)) {
            self.inner.clock.pass(timeout).await;
            return Err(ConnectError::TimedOut);
        }
        if !delay.is_zero() {
            self.inner.clock.pass(delay).await;
        }
        let port = self.inner.ephemeral_port();
        let own = SocketAddrV4::new(own_address(from).unwrap_or(client), port);
        let (near, far) = tokio::io::duplex(BUFFER);
        match fate {
            Fate::Open(local, Some(handler)) => {
                let peer = SocketAddrV4::new(client, port);
                tokio::spawn(handler(Connection { stream: far, peer, local, took }));
            }
            Fate::Broken(Broken::Silent) => {
                tokio::spawn(say_nothing(far));
            }
            Fate::Broken(Broken::Reset) => return Err(ConnectError::Reset),
            Fate::Broken(Broken::NoRoute) => return Err(ConnectError::NoRoute),
            Fate::Broken(Broken::Refused | Broken::Dropped) | Fate::Open(_, None) => {
                return Err(ConnectError::Refused);
            }
        }
        let stream = match transfer {
            Some((transfer, mark)) => transfer::through(near, transfer, mark, &self.inner),
            None => near,
        };
        Ok(Connection { stream, peer: to, local: own, took })
    }

    /// Resolves a name as the source's operating system would.
    ///
    /// # Errors
    ///
    /// [`DnsError`] says what the resolver would say.
    pub async fn resolve(&self, from: &Source, name: &str) -> Result<Vec<Ipv4Addr>, DnsError> {
        self.lookup(from, None, name).await.map(|resolved| resolved.addresses)
    }

    /// Resolves a name by the DNS server at `server` (as `nslookup name server` does), or by the usual one.
    ///
    /// # Errors
    ///
    /// [`DnsError`] says what the resolver would say.
    pub async fn lookup(&self, from: &Source, server: Option<Ipv4Addr>, name: &str) -> Result<Resolved, DnsError> {
        if let Ok(address) = name.parse() {
            return Ok(Resolved { name: name.to_owned(), addresses: vec![address] });
        }
        if name.trim_end_matches('.').eq_ignore_ascii_case("localhost") {
            return Ok(Resolved { name: "localhost".into(), addresses: vec![Ipv4Addr::LOCALHOST] });
        }
        let dns::Outcome { delay, answer } = self.inner.question(from, server, name);
        let lost = answer == Err(DnsError::TimedOut) || delay > DNS_PATIENCE;
        let wait = if lost { DNS_PATIENCE } else { delay };
        if !wait.is_zero() {
            self.inner.clock.pass(wait).await;
        }
        if lost { Err(DnsError::TimedOut) } else { answer }
    }

    /// Sends one ICMP echo request, waiting at most `timeout` of real (unscaled) time.
    ///
    /// Service addresses and load balancers answer no pings, and what a Windows pod sends beyond the cluster is lost
    /// (the Windows network plug-ins cannot translate ICMP).
    ///
    /// # Errors
    ///
    /// [`PingError`] when no reply comes.
    pub async fn ping(&self, from: &Source, to: Ipv4Addr, timeout: Duration) -> Result<Duration, PingError> {
        let Attempt { delay, round_trip, fate, .. } =
            self.inner.attempt(from, SocketAddrV4::new(to, 0), Protocol::Icmp);
        match fate {
            Fate::Open(..) if round_trip + delay <= timeout => {
                if !delay.is_zero() {
                    self.inner.clock.pass(delay).await;
                }
                Ok(round_trip + delay)
            }
            Fate::Broken(Broken::NoRoute) => Err(PingError::NoRoute),
            Fate::Open(..) | Fate::Broken(_) => {
                self.inner.clock.pass(timeout).await;
                Err(PingError::TimedOut)
            }
        }
    }

    /// Sends what reaches the API server's virtual address to the real one.
    pub fn forward_api_server(&self, real: SocketAddr) {
        // The Service `kubernetes` leads to the port that the API server really has.
        let advertised = SocketAddrV4::new(*API_SERVER.ip(), real.port());
        for address in BTreeSet::from([API_SERVER, advertised]) {
            self.forward(address, real);
        }
    }

    /// Sends what reaches a virtual address to a real one, as long as the network lives.
    pub fn forward(&self, address: SocketAddrV4, real: SocketAddr) {
        let handler: Handler = Arc::new(move |mut connection: Connection| {
            Box::pin(async move {
                match tokio::net::TcpStream::connect(real).await {
                    Ok(mut server) => {
                        // Either side may cut the connection whenever it likes.
                        let _ = tokio::io::copy_bidirectional(&mut connection.stream, &mut server).await;
                    }
                    Err(error) => tracing::debug!(%error, %real, "the real address took no connection"),
                }
            })
        });
        let mut kept = self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(self.inner.members.listen(address, None, handler));
    }
}

impl Inner {
    fn services(&self) -> MutexGuard<'_, ServiceTable> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sticky(&self) -> MutexGuard<'_, HashMap<(ServiceName, Ipv4Addr), SocketAddrV4>> {
        self.sticky.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_services(&self, change: impl FnOnce(&mut ServiceTable, Instant) -> Vec<Happening>) {
        let now = now();
        let happened = change(&mut self.services(), now);
        for happening in &happened {
            self.faults.happened_at(happening, now);
        }
        self.services_changed.send_modify(|version| *version += 1);
    }

    fn ephemeral_port(&self) -> u16 {
        let next = |port: u16| Some(port.checked_add(1).unwrap_or(FIRST_EPHEMERAL));
        self.next_port.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(FIRST_EPHEMERAL)
    }
}

/// Holds a connection open without a word until the client gives up.
async fn say_nothing(mut stream: DuplexStream) {
    let mut ignored = [0; 1024];
    while let Ok(1..) = stream.read(&mut ignored).await {}
}

/// The time on the runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
