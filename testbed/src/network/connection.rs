//! One connection of the virtual network, and how attempts to make one end.

use std::{fmt, net::SocketAddrV4, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use thiserror::Error;
use tokio::io::DuplexStream;

/// An open connection, as one of its two ends holds it.
#[derive(Debug)]
pub struct Connection {
    /// The bytes.
    pub stream: DuplexStream,
    /// The other end, as this end sees it: for a listener the client after source translation.
    pub peer: SocketAddrV4,
    /// This end's own address; for a listener the address the connection was finally delivered to.
    pub local: SocketAddrV4,
    /// How long connecting took, in real (unscaled) time.
    pub took: Duration,
}

/// What a listener does with each connection.
pub type Handler = Arc<dyn Fn(Connection) -> BoxFuture<'static, ()> + Send + Sync>;

/// Why there is no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// Something at the destination answered that nothing listens there.
    #[error("connection refused")]
    Refused,
    /// Nothing answered before the caller's patience ended.
    #[error("connection timed out")]
    TimedOut,
    /// The connection was cut while it was being made.
    #[error("connection reset by peer")]
    Reset,
    /// The source has no route to the destination ("General failure" on Windows).
    #[error("no route to host")]
    NoRoute,
}

/// Why a name has no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DnsError {
    /// The server answered that there is no such name (NXDOMAIN).
    #[error("no such name")]
    NoSuchName,
    /// No server answered.
    #[error("no answer from the DNS server")]
    TimedOut,
    /// The server answered that it cannot (SERVFAIL), or its port is closed.
    #[error("the DNS server failed")]
    ServerFailure,
}

/// Why a ping had no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PingError {
    /// Nothing came back.
    #[error("request timed out")]
    TimedOut,
    /// The source has no route to the destination ("General failure" on Windows).
    #[error("no route to host")]
    NoRoute,
}

/// Keeps a listener; dropping it closes the port.
#[must_use = "the port closes when the guard is dropped"]
pub struct ListenGuard {
    close: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl ListenGuard {
    pub(super) fn new(close: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { close: Some(Box::new(close)) }
    }
}

impl Drop for ListenGuard {
    fn drop(&mut self) {
        if let Some(close) = self.close.take() {
            close();
        }
    }
}

impl fmt::Debug for ListenGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListenGuard").finish_non_exhaustive()
    }
}
