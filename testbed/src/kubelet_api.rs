//! The API that a kubelet serves on port 10250: exec, logs, port-forward.
//!
//! Connections arrive through the virtual network, from the API server's egress
//! proxy. Only the API server's client certificate opens anything.

mod error;
mod exec;
mod logs;
mod port_forward;
mod stats;
mod tls;

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::{BoxFuture, FutureExt};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use serde_json::{Value, json};
use tokio::{io::DuplexStream, sync::watch};
use tokio_rustls::TlsAcceptor;

use self::error::Refusal;
pub use self::tls::TlsError;
pub(crate) use self::tls::{open_server_config, server_config};
use crate::{
    fault::KubeletApi,
    network::{Connection, Handler},
    node::{Host, KUBELET_PORT},
    pod::Cell,
};

/// Whether the caller showed the API server's client certificate.
#[derive(Debug, Clone, Copy)]
struct Caller {
    is_api_server: bool,
}

/// Serves the kubelet API of one node until the testbed ends, except while a fault keeps the port closed.
pub(crate) async fn serve(host: Arc<Host>, tls: Arc<rustls::ServerConfig>) -> Infallible {
    let mut faults = host.world.faults.changed();
    let mut power = host.power_changes();
    let router = router(host.clone());
    let acceptor = TlsAcceptor::from(tls);
    loop {
        faults.borrow_and_update();
        let on = power.borrow_and_update().is_on();
        let listening = match host.effects().kubelet {
            _ if !on => None,
            KubeletApi::Refuses => {
                host.effects_showed(|effect| effect.kubelet == Some(KubeletApi::Refuses));
                None
            }
            KubeletApi::Silent => Some(silence(host.clone())),
            KubeletApi::Answers | KubeletApi::LosesPods => Some(answer(host.clone(), router.clone(), acceptor.clone())),
        };
        if let Some(own) = &host.own_port {
            own.serve(listening, &mut faults).await;
            continue;
        }
        let _port = listening.map(|handler| host.world.network.listen_on_node(&host.facts, KUBELET_PORT, handler));
        tokio::select! {
            Ok(()) = faults.changed() => {}
            Ok(()) = power.changed() => {}
            else => std::future::pending::<()>().await,
        }
    }
}

/// A real port that a joined node serves the kubelet API on.
#[derive(Debug)]
pub(crate) struct OwnPort {
    listener: tokio::net::TcpListener,
    address: SocketAddrV4,
}

impl OwnPort {
    /// Opens a free port of a real address.
    pub(crate) async fn open(address: Ipv4Addr) -> io::Result<Self> {
        let listener = tokio::net::TcpListener::bind((address, 0)).await?;
        let address = SocketAddrV4::new(address, listener.local_addr()?.port());
        Ok(Self { listener, address })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> SocketAddrV4 {
        self.address
    }

    /// Hands connections to `handler`, or refuses them where there is none, until a fault changes.
    async fn serve(&self, handler: Option<Handler>, faults: &mut watch::Receiver<u64>) {
        loop {
            let accepted = tokio::select! {
                changed = faults.changed() => match changed {
                    Ok(()) => return,
                    Err(_the_end) => std::future::pending().await,
                },
                accepted = self.listener.accept() => accepted,
            };
            let (Ok((mut stream, peer)), Some(handler)) = (accepted, &handler) else { continue };
            let (near, far) = tokio::io::duplex(64 * 1024);
            let SocketAddr::V4(peer) = peer else { continue };
            let connection = Connection { stream: far, peer, local: self.address, took: Duration::ZERO };
            tokio::spawn(handler(connection));
            tokio::spawn(async move {
                let mut near = near;
                // Either side may cut the connection whenever it likes.
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut near).await;
            });
        }
    }
}

/// Accepts and says nothing, until the other side gives up.
fn silence(host: Arc<Host>) -> Handler {
    Arc::new(move |mut connection: Connection| -> BoxFuture<'static, ()> {
        host.effects_showed(|effect| effect.kubelet == Some(KubeletApi::Silent));
        async move {
            let mut nowhere = tokio::io::sink();
            let _the_other_side_gave_up = tokio::io::copy(&mut connection.stream, &mut nowhere).await;
        }
        .boxed()
    })
}

fn answer(host: Arc<Host>, router: Router, acceptor: TlsAcceptor) -> Handler {
    Arc::new(move |connection: Connection| -> BoxFuture<'static, ()> {
        // The API server keeps connections; none outlives the kubelet that it was made to.
        let cancel = host.world.cancel.clone();
        let speaking = speak(router.clone(), acceptor.clone(), connection.stream);
        async move { cancel.run_until_cancelled_owned(speaking).await.unwrap_or_default() }.boxed()
    })
}

async fn speak(router: Router, acceptor: TlsAcceptor, stream: DuplexStream) {
    let stream = match acceptor.accept(stream).await {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "TLS handshake with the kubelet API");
            return;
        }
    };
    let caller = Caller { is_api_server: is_api_server(&stream) };
    let service = TowerToHyperService::new(router.layer(Extension(caller)));
    let served = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection to the kubelet API");
    }
}

/// Whether the other side of a TLS connection showed the API server's certificate.
pub(crate) fn is_api_server<S>(stream: &tokio_rustls::server::TlsStream<S>) -> bool {
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    certificates.first().is_some_and(tls::is_api_server)
}

fn router(host: Arc<Host>) -> Router {
    Router::new()
        .route("/exec/{namespace}/{pod}/{container}", get(exec::exec).post(exec::spdy))
        .route("/exec/{namespace}/{pod}/{uid}/{container}", get(exec::exec_by_uid).post(exec::spdy))
        .route("/containerLogs/{namespace}/{pod}/{container}", get(logs::logs))
        .route("/portForward/{namespace}/{pod}", get(port_forward::port_forward).post(exec::spdy))
        .route("/portForward/{namespace}/{pod}/{uid}", get(port_forward::port_forward_by_uid).post(exec::spdy))
        .route("/healthz", get(|| async { "ok" }))
        .route("/pods", get(pods))
        .route("/stats/summary", get(stats::summary))
        .layer(middleware::from_fn(authenticate))
        .with_state(host)
}

/// Lets only the API server through, as a kubelet without anonymous access does.
async fn authenticate(caller: Option<Extension<Caller>>, request: Request, next: Next) -> Response {
    match caller {
        Some(Extension(Caller { is_api_server: true })) => next.run(request).await,
        _ => Refusal::Unauthorized.into_response(),
    }
}

/// The pods of the node, as `/pods` lists them.
async fn pods(State(host): State<Arc<Host>>) -> Json<Value> {
    let pods: Vec<_> = host.pods.all().iter().map(|cell| json!(*cell.pod())).collect();
    Json(json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods}))
}

/// The pod that a path names.
fn find(host: &Host, namespace: &str, pod: &str) -> Option<Arc<Cell>> {
    if host.effects().kubelet == KubeletApi::LosesPods {
        host.effects_showed(|effect| effect.kubelet == Some(KubeletApi::LosesPods));
        return None;
    }
    host.pods.find(namespace, pod)
}
