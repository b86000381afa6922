//! Ways into the network from real sockets: HTTP proxies, and plain listeners.
//!
//! kube-apiserver's egress selector (`HTTPConnect` over a Unix socket, the
//! protocol of konnectivity) sends every connection to a pod, a Service or a
//! kubelet as `CONNECT 10.244.0.5:80`. The outside vantage is the same on a TCP
//! port, from another [`Source`].

use std::{
    net::{SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::{
    ConnectError, Network, Source,
    connect_request::{self, HeadError, ProxyRequest},
};
use crate::kubelet_api;

/// How long a proxy tries to connect, in real time: longer than whoever uses it waits.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to leave a socket alone that cannot accept.
const BREATH: Duration = Duration::from_millis(100);

/// A way into the network could not be opened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The egress socket could not be opened.
    #[error("the egress socket {path} could not be opened", path = .path.display())]
    Egress {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No port could be opened for the API server's egress.
    #[error("no port could be opened for the API server in its container")]
    EgressPort {
        /// Why not.
        source: std::io::Error,
    },
    /// The outside proxy could not be opened.
    #[error("the proxy for the outside vantage could not be opened on 127.0.0.1")]
    Outside {
        /// Why not.
        source: std::io::Error,
    },
}

impl Network {
    /// Answers kube-apiserver's egress connections on a Unix socket until `cancel`. The socket is open on return.
    ///
    /// # Errors
    ///
    /// When the socket cannot be opened.
    pub fn serve_egress(&self, socket: &Path, cancel: CancellationToken) -> Result<(), NetworkError> {
        let listener =
            UnixListener::bind(socket).map_err(|source| NetworkError::Egress { path: socket.to_owned(), source })?;
        let network = self.clone();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = cancel.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, _)) => network.take(stream, Source::ApiServer, &cancel),
                    Err(error) => pause("egress socket", &error, &cancel).await,
                }
            }
        });
        Ok(())
    }

    /// The same on a TCP port through TLS, for an API server in a container, which alone is let in.
    pub(crate) fn serve_egress_through_tls(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        cancel: CancellationToken,
    ) {
        let (network, acceptor) = (self.clone(), TlsAcceptor::from(tls));
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = cancel.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        pause("egress port", &error, &cancel).await;
                        continue;
                    }
                };
                let (network, acceptor, cancel) = (network.clone(), acceptor.clone(), cancel.clone());
                tokio::spawn(async move {
                    match acceptor.accept(stream).await {
                        Ok(stream) if kubelet_api::is_api_server(&stream) => {
                            network.take(stream, Source::ApiServer, &cancel);
                        }
                        Ok(_) => tracing::warn!("somebody else than the API server knocked at the egress port"),
                        Err(error) => tracing::debug!(%error, "TLS handshake at the egress port"),
                    }
                });
            }
        });
    }

    /// Opens the HTTP proxy that is the outside vantage on a free port of 127.0.0.1, until `cancel`.
    ///
    /// It takes CONNECT and `http://` URLs. Where nothing answers it says 504, where the way is closed 502 (refused,
    /// reset) or 503 (no route), with the reason in the status line.
    ///
    /// # Errors
    ///
    /// When no port can be opened.
    pub async fn serve_outside(&self, cancel: CancellationToken) -> Result<SocketAddr, NetworkError> {
        let failed = |source| NetworkError::Outside { source };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let network = self.clone();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = cancel.cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                match accepted {
                    Ok((stream, _)) => {
                        let _ = stream.set_nodelay(true); // only slower without
                        network.take(stream, Source::Outside, &cancel);
                    }
                    Err(error) => pause("outside proxy", &error, &cancel).await,
                }
            }
        });
        Ok(address)
    }

    fn take(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        from: Source,
        cancel: &CancellationToken,
    ) {
        let (network, cancel) = (self.clone(), cancel.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = cancel.cancelled() => {}
                result = network.proxy(stream, from) => {
                    if let Err(error) = result {
                        tracing::debug!(%error, "a proxied connection was lost");
                    }
                }
            }
        });
    }

    async fn proxy(&self, mut client: impl AsyncRead + AsyncWrite + Unpin, from: Source) -> std::io::Result<()> {
        let ProxyRequest { host, port, first_bytes, tunnel } = match connect_request::read(&mut client).await {
            Ok(request) => request,
            Err(HeadError::Bad(reason)) => return answer(&mut client, 400, reason).await,
            Err(HeadError::Lost { source }) => return Err(source),
        };
        let ip = match self.lookup(&from, None, &host).await {
            Ok(resolved) => resolved.addresses.first().copied(),
            Err(_) => None,
        };
        let Some(ip) = ip else {
            return answer(&mut client, 502, &format!("lookup {host}: no such host")).await;
        };
        let to = SocketAddrV4::new(ip, port);
        let mut server = match self.connect(&from, to, PATIENCE).await {
            Ok(connection) => connection.stream,
            Err(error) => {
                let status = match error {
                    ConnectError::Refused | ConnectError::Reset => 502,
                    ConnectError::NoRoute => 503,
                    ConnectError::TimedOut => 504,
                };
                return answer(&mut client, status, &format!("dial tcp {to}: connect: {error}")).await;
            }
        };
        if tunnel {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        }
        server.write_all(&first_bytes).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await.map(|_| ())
    }
}

/// Ends a connection with a status, whose reason a client can print.
async fn answer(client: &mut (impl AsyncWrite + Unpin), status: u16, reason: &str) -> std::io::Result<()> {
    let length = reason.len();
    let head = format!("HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{reason}");
    client.write_all(head.as_bytes()).await?;
    client.shutdown().await
}

/// Out of file descriptors, most likely: do not spin until others are closed.
pub(super) async fn pause(what: &str, error: &std::io::Error, cancel: &CancellationToken) {
    tracing::warn!(%error, "the {what} accepted no connection");
    let _ = tokio::time::timeout(BREATH, cancel.cancelled()).await;
}
