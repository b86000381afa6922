//! A process's way into the network.

use std::{
    any::Any,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use tokio::{sync::watch, time::Instant};

use crate::{
    clock::Clock,
    network::{ConnectError, Connection, DnsError, Handler, Network, PingError, PodFacts, Resolved, Source},
};

/// Keeps a port open until it is dropped.
pub(crate) type Listening = Box<dyn Any + Send>;

/// What a process can do with the network. Durations are real, not scaled.
pub(crate) trait Link: Send + Sync {
    /// Connects.
    fn connect(&self, to: SocketAddrV4, timeout: Duration) -> BoxFuture<'_, Result<Connection, ConnectError>>;

    /// Asks a name server, or the usual one, for a name, completed as the operating system would.
    fn lookup<'a>(&'a self, server: Option<Ipv4Addr>, name: &'a str) -> BoxFuture<'a, Result<Resolved, DnsError>>;

    /// Resolves a name as the operating system would.
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<Ipv4Addr>, DnsError>> {
        async move { Ok(self.lookup(None, name).await?.addresses) }.boxed()
    }

    /// Sends one echo request.
    fn ping(&self, to: Ipv4Addr, timeout: Duration) -> BoxFuture<'_, Result<Duration, PingError>>;

    /// Opens a port.
    fn listen(&self, port: u16, handler: Handler) -> Listening;
}

/// How long a resolver tries before it gives up.
const RESOLVER_PATIENCE: Duration = Duration::from_secs(10);

/// The way of a pod's processes into the virtual network.
pub(crate) struct NetworkLink {
    network: Network,
    clock: Clock,
    pod: Arc<PodFacts>,
    source: Source,
    up: watch::Receiver<bool>,
}

impl NetworkLink {
    /// The link of `pod`, which carries nothing until `up` turns true.
    pub(crate) fn new(network: Network, clock: Clock, pod: Arc<PodFacts>, up: watch::Receiver<bool>) -> Self {
        Self { network, clock, source: Source::Pod(pod.clone()), pod, up }
    }

    /// Waits for the network, and says how much of `patience` (real time) is left; `None` when it ran out.
    async fn wait_until_up(&self, patience: Duration) -> Option<Duration> {
        let mut up = self.up.clone();
        if *up.borrow() {
            return Some(patience);
        }
        let since = Instant::now();
        tokio::select! {
            biased;
            Ok(_) = up.wait_for(|&up| up) => {
                let scale = self.clock.scale();
                let waited = if scale > 0.0 { since.elapsed().div_f64(scale) } else { Duration::ZERO };
                Some(patience.saturating_sub(waited))
            }
            () = self.clock.pass(patience) => None,
        }
    }
}

impl Link for NetworkLink {
    fn connect(&self, to: SocketAddrV4, timeout: Duration) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        async move {
            let left = self.wait_until_up(timeout).await.ok_or(ConnectError::TimedOut)?;
            self.network.connect(&self.source, to, left).await
        }
        .boxed()
    }

    fn lookup<'a>(&'a self, server: Option<Ipv4Addr>, name: &'a str) -> BoxFuture<'a, Result<Resolved, DnsError>> {
        async move {
            self.wait_until_up(RESOLVER_PATIENCE).await.ok_or(DnsError::TimedOut)?;
            self.network.lookup(&self.source, server, name).await
        }
        .boxed()
    }

    fn ping(&self, to: Ipv4Addr, timeout: Duration) -> BoxFuture<'_, Result<Duration, PingError>> {
        async move {
            let left = self.wait_until_up(timeout).await.ok_or(PingError::TimedOut)?;
            self.network.ping(&self.source, to, left).await
        }
        .boxed()
    }

    fn listen(&self, port: u16, handler: Handler) -> Listening {
        if self.pod.host_network {
            Box::new(self.network.listen_on_node(&self.pod.node, port, handler))
        } else {
            Box::new(self.network.listen(&self.pod, port, handler))
        }
    }
}
