//! What stands in front of the API server when a fault may change its answers.
//!
//! An authenticating proxy, as Kubernetes knows them: it asks for the client's
//! certificate, and tells the API server in headers whose it is. Every request of
//! kubeconfigs, of the controller manager and of the scheduler comes through
//! here; the virtual nodes have a way of their own. Only testbeds that are asked
//! for it have one (`--api-front`): healthy runs go straight to the API server.

mod body;
mod request;

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use bytes::Bytes;
use futures::future::Either;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Either as Or, Full, Limited};
use hyper::{body::Incoming, service::service_fn, upgrade::OnUpgrade};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use self::body::{Body, BodyError, Watched};
use crate::{
    clock::Clock,
    control_plane::Identity,
    fault::{ApiEffect, ApiRequest, FaultBoard, Loss, Mark},
    kubelet_api::{self, TlsError},
    world::KubeletTls,
};

/// The common name by which the API server knows the front.
pub(crate) const NAME: &str = "winconform-testbed-front";

/// The headers in which it is told who asks.
pub(crate) const USER_HEADER: &str = "x-remote-user";
/// And with which groups.
pub(crate) const GROUP_HEADER: &str = "x-remote-group";

/// The front could not be opened.
#[derive(Debug, Error)]
pub enum FrontError {
    /// There is no port.
    #[error("there is no free port on 127.0.0.1")]
    Listen(#[source] io::Error),
    /// Its own certificates are no good.
    #[error("its certificates cannot be used")]
    Tls(#[from] TlsError),
    /// Its client cannot be set up.
    #[error("its way to the API server cannot be set up")]
    Client(#[source] rustls::Error),
    /// A certificate is no PEM.
    #[error("a certificate is not valid PEM")]
    Pem(#[source] rustls::pki_types::pem::Error),
}

/// What the front is made of.
pub(crate) struct FrontParts<'a> {
    /// Where the API server really listens.
    pub(crate) api: SocketAddrV4,
    /// Serves the API.
    pub(crate) serving: &'a Identity,
    /// The authority that signed everything.
    pub(crate) authority: &'a str,
    /// What it shows to the API server.
    pub(crate) own: &'a Identity,
    /// The clients that it knows, with the groups of each.
    pub(crate) clients: Vec<(&'a Identity, &'static str, Option<&'static str>)>,
    /// What changes answers.
    pub(crate) faults: FaultBoard,
    /// How long delays are.
    pub(crate) clock: Clock,
}

/// What a client sends: on its way, or read because a fault wants to know it.
type Sent = Or<Incoming, Full<Bytes>>;

type Upstream = Client<HttpsConnector<HttpConnector>, Sent>;

/// The most that is read of a request.
const LONGEST_REQUEST: usize = 8 << 20;

struct Front {
    api: SocketAddrV4,
    /// For clients whose certificate is known: the front speaks for them.
    trusted: Upstream,
    /// For all others: they speak for themselves, by a token or not at all.
    plain: Upstream,
    clients: Vec<Known>,
    faults: FaultBoard,
    clock: Clock,
}

/// A client by its certificate.
struct Known {
    certificate: CertificateDer<'static>,
    user: &'static str,
    group: Option<&'static str>,
}

/// The connection is to be cut.
#[derive(Debug, Error)]
enum Cut {
    #[error("a fault cuts the connection")]
    ByFault,
    #[error("the API server did not answer")]
    Upstream(#[source] hyper_util::client::legacy::Error),
    #[error("the request makes no sense")]
    Request(#[source] http::Error),
    #[error("the client did not send all of its request")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Opens the front on a free port and answers there until `cancel`; the address is open on return.
///
/// # Errors
///
/// When there is no port, or a certificate is no good.
pub(crate) async fn serve(parts: FrontParts<'_>, cancel: CancellationToken) -> Result<SocketAddrV4, FrontError> {
    let tls = KubeletTls {
        certificate: parts.serving.certificate.as_str().into(),
        key: parts.serving.key.as_str().into(),
        client_ca: parts.authority.into(),
    };
    let acceptor = TlsAcceptor::from(kubelet_api::server_config(&tls)?);
    let known = |(identity, user, group): &(&Identity, &'static str, Option<&'static str>)| {
        let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).map_err(FrontError::Pem)?;
        Ok(Known { certificate, user, group: *group })
    };
    let front = Arc::new(Front {
        api: parts.api,
        trusted: upstream(parts.authority, Some(parts.own))?,
        plain: upstream(parts.authority, None)?,
        clients: parts.clients.iter().map(known).collect::<Result<_, FrontError>>()?,
        faults: parts.faults,
        clock: parts.clock,
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(FrontError::Listen)?;
    let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().map_err(FrontError::Listen)?.port());
    tokio::spawn(cancel.clone().run_until_cancelled_owned(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let taking = front.clone().take(stream, acceptor.clone());
                    tokio::spawn(cancel.clone().run_until_cancelled_owned(taking));
                }
                Err(error) => {
                    tracing::warn!(%error, "the API server's front accepted no connection");
                    tokio::task::yield_now().await;
                }
            }
        }
    }));
    Ok(address)
}

/// A client of the API server, which shows a certificate or none.
fn upstream(authority: &str, own: Option<&Identity>) -> Result<Upstream, FrontError> {
    let mut roots = RootCertStore::empty();
    let authorities =
        CertificateDer::pem_slice_iter(authority.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(FrontError::Pem)?;
    roots.add_parsable_certificates(authorities);
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(FrontError::Client)?
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes())
                .collect::<Result<Vec<_>, _>>()
                .map_err(FrontError::Pem)?;
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(FrontError::Pem)?;
            builder.with_client_auth_cert(chain, key).map_err(FrontError::Client)?
        }
    };
    let connector = HttpsConnectorBuilder::new().with_tls_config(config).https_only().enable_http1().build();
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}

impl Front {
    /// Serves one connection.
    async fn take(self: Arc<Self>, stream: TcpStream, acceptor: TlsAcceptor) {
        // Small answers are not held back for more.
        let _ = stream.set_nodelay(true);
        let stream = match acceptor.accept(stream).await {
            Ok(stream) => stream,
            Err(error) => {
                tracing::debug!(%error, "TLS handshake with the API server's front");
                return;
            }
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned();
        let known = shown.and_then(|shown| self.clients.iter().position(|known| known.certificate == shown));
        let service = service_fn(|request| {
            let front = self.clone();
            async move { front.answer(request, known).await }
        });
        let served = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "connection to the API server's front");
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>, client: Option<usize>) -> Result<Response<Body>, Cut> {
        let known = client.and_then(|index| self.clients.get(index));
        let mut asked = request::read(&request, known.map_or("", |known| known.user));
        let mut request = match self.faults.reads_requests() && request::sends_json(&request) {
            true => look_into(request, &mut asked).await?,
            false => request.map(Or::Left),
        };
        let ruling = self.faults.api(&asked, false);
        if let Some((effect, mark)) = &ruling {
            if let Some(delay) = effect.delay {
                self.faults.applied(*mark);
                self.clock.pass(delay.0).await;
            }
            if let Some(code) = effect.status {
                self.faults.applied(*mark);
                return Ok(status(code, effect));
            }
            match effect.connection {
                Some(Loss::Cut) => {
                    self.faults.applied(*mark);
                    return Err(Cut::ByFault);
                }
                Some(Loss::Hangs) => {
                    self.faults.applied(*mark);
                    self.until_healed(&asked, Loss::Hangs).await;
                    return Err(Cut::ByFault);
                }
                Some(Loss::CutAfterwards) | None => {}
            }
            if let Some(changed) = effect.patch.as_deref().and_then(|patch| patched(asked.body.as_ref()?, patch)) {
                self.faults.applied(*mark);
                request = with_body(request, changed.to_string());
            }
        }
        let response = self.forward(request, known, asked).await?;
        if let Some((ApiEffect { connection: Some(Loss::CutAfterwards), .. }, mark)) = ruling {
            self.faults.applied(mark);
            return Err(Cut::ByFault);
        }
        Ok(response)
    }

    /// Returns when no effect loses the request in this way any more.
    async fn until_healed(&self, asked: &ApiRequest, loss: Loss) {
        let mut changed = self.faults.changed();
        loop {
            changed.borrow_and_update();
            let still = self.faults.api(asked, true).is_some_and(|(effect, _)| effect.connection == Some(loss));
            if !still || changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Asks the API server, in the name of the client whose certificate is known.
    async fn forward(
        self: &Arc<Self>,
        mut request: Request<Sent>,
        known: Option<&Known>,
        asked: ApiRequest,
    ) -> Result<Response<Body>, Cut> {
        let ours = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let target = Uri::builder().scheme("https").authority(self.api.to_string()).path_and_query(path);
        *request.uri_mut() = target.build().map_err(Cut::Request)?;
        speak_for(request.headers_mut(), known);
        let upstream = if known.is_some() { &self.trusted } else { &self.plain };
        let mut response = upstream.request(request).await.map_err(Cut::Upstream)?;
        if let Some(ours) = ours.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
            let theirs = hyper::upgrade::on(&mut response);
            tokio::spawn(self.clone().join(ours, theirs, asked));
            return Ok(response.map(|_| body::empty()));
        }
        let watched = asked.verb == "watch" && response.status().is_success();
        Ok(response.map(|body| {
            if watched {
                Watched::new(body, self.faults.clone(), asked).boxed_unsync()
            } else {
                body.map_err(BodyError::from).boxed_unsync()
            }
        }))
    }

    /// Joins both ends of an upgraded connection, until either is gone or a fault cuts it.
    async fn join(self: Arc<Self>, ours: OnUpgrade, theirs: OnUpgrade, asked: ApiRequest) {
        let (Ok(ours), Ok(theirs)) = futures::future::join(ours, theirs).await else { return };
        let (mut ours, mut theirs) = (TokioIo::new(ours), TokioIo::new(theirs));
        let copying = std::pin::pin!(tokio::io::copy_bidirectional(&mut ours, &mut theirs));
        let cut = std::pin::pin!(self.cut(&asked));
        if let Either::Right((mark, _)) = futures::future::select(copying, cut).await {
            self.faults.applied(mark);
        }
    }

    /// Returns when a fault cuts what is under way.
    async fn cut(&self, asked: &ApiRequest) -> Mark {
        let mut changed = self.faults.changed();
        loop {
            // What there was at the start has been asked already.
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if let Some((ApiEffect { connection: Some(Loss::Cut), .. }, mark)) = self.faults.api(asked, true) {
                return mark;
            }
        }
    }
}

/// Reads what a request sends, and lets it go on as it was.
async fn look_into(request: Request<Incoming>, asked: &mut ApiRequest) -> Result<Request<Sent>, Cut> {
    let (parts, body) = request.into_parts();
    let bytes = Limited::new(body, LONGEST_REQUEST).collect().await.map_err(Cut::Body)?.to_bytes();
    asked.body = serde_json::from_slice(&bytes).ok();
    Ok(Request::from_parts(parts, Or::Right(Full::new(bytes))))
}

/// What a JSON Patch makes of what is sent; none where it does not fit or changes nothing.
fn patched(sent: &Value, steps: &[Value]) -> Option<Value> {
    let patch: json_patch::Patch = serde_json::from_value(Value::Array(steps.to_vec())).ok()?;
    let mut changed = sent.clone();
    json_patch::patch(&mut changed, &patch).ok()?;
    (changed != *sent).then_some(changed)
}

/// The same request with something else in it.
fn with_body(mut request: Request<Sent>, body: String) -> Request<Sent> {
    request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    request.map(|_| Or::Right(Full::new(Bytes::from(body))))
}

/// Says whose certificate it was, and lets nobody else say so.
fn speak_for(headers: &mut HeaderMap, known: Option<&Known>) {
    let foreign: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("x-remote-")).cloned().collect();
    for name in foreign {
        headers.remove(name);
    }
    if let Some(known) = known {
        headers.insert(USER_HEADER, HeaderValue::from_static(known.user));
        if let Some(group) = known.group {
            headers.insert(GROUP_HEADER, HeaderValue::from_static(group));
        }
    }
}

/// The answer of a fault, in the API server's form.
fn status(code: u16, effect: &ApiEffect) -> Response<Body> {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let reason = match code.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        500 => "InternalError",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "",
    };
    let message = effect.message.clone().unwrap_or_else(|| match code.as_u16() {
        429 => "the server has received too many requests and has asked us to try again later".to_owned(),
        503 => "the server is currently unable to handle the request".to_owned(),
        _ => "Internal error occurred: etcdserver: request timed out".to_owned(),
    });
    let mut said = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16(),
    });
    if let (Some(after), Some(said)) = (effect.retry_after, said.as_object_mut()) {
        said.insert("details".to_owned(), json!({"retryAfterSeconds": after}));
    }
    let full = Full::new(Bytes::from(said.to_string())).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(full);
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(after) = effect.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_what_is_sent_where_it_fits() {
        let pod = json!({"spec": {"runtimeClassName": "none", "containers": []}});
        let remove = |path: &str| [json!({"op": "remove", "path": path})];
        assert_eq!(patched(&pod, &remove("/spec/runtimeClassName")), Some(json!({"spec": {"containers": []}})));
        assert_eq!(patched(&pod, &remove("/spec/nodeName")), None);
        let same = [json!({"op": "replace", "path": "/spec/runtimeClassName", "value": "none"})];
        assert_eq!(patched(&pod, &same), None, "nothing is another");
    }
}
