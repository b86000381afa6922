//! The webhook's HTTPS: `/mutate`, `/validate`, `/info`, `/health`.

use std::{convert::Infallible, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures::future::FutureExt;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use super::{
    API_SERVER_PATIENCE, WEBHOOK,
    cluster::{ClusterError, InCluster},
    review::{self, Denial},
};
use crate::{
    clock::Clock,
    command::{Io, Session, Sink},
    fault::{Admission, FaultBoard, Review},
    kubelet_api::{self, TlsError},
    network::{Connection, Handler},
};

/// The longest review that is read.
const LONGEST_REVIEW: usize = 8 << 20;

/// The webhook cannot serve.
#[derive(Debug, Error)]
pub(super) enum ServeError {
    /// A variable that names a file is not set.
    #[error("{0} env variable not found")]
    NoVariable(&'static str),
    /// A file is not there.
    #[error("open {0}: no such file or directory")]
    NoFile(String),
    /// The port is none.
    #[error("HTTPS_PORT is not a port: {0}")]
    Port(String),
    /// The certificate is no good.
    #[error("tls")]
    Tls(#[from] TlsError),
    /// The API cannot be reached.
    #[error("error creating the client")]
    Cluster(#[from] ClusterError),
}

/// Serves until it is stopped.
///
/// # Errors
///
/// When what it needs is not there.
pub(super) async fn serve(session: &Session, io: &Io) -> Result<Infallible, ServeError> {
    let (certificate, key) = (text(session, "TLS_CRT").await?, text(session, "TLS_KEY").await?);
    let acceptor = TlsAcceptor::from(kubelet_api::open_server_config(&certificate, &key)?);
    let port = session.env.get("HTTPS_PORT").unwrap_or("443");
    let port: u16 = port.parse().map_err(|_no_port| ServeError::Port(port.to_owned()))?;
    let webhook = Arc::new(Webhook {
        cluster: InCluster::new(session).await?,
        random_hostname: session.env.get("RANDOM_HOSTNAME") == Some("true"),
        faults: session.faults.clone(),
        clock: session.clock.clone(),
        log: io.stderr.clone(),
    });
    let handler: Handler = Arc::new(move |connection: Connection| {
        let (acceptor, webhook) = (acceptor.clone(), webhook.clone());
        async move {
            let Ok(stream) = acceptor.accept(connection.stream).await else { return };
            let service = service_fn(|request| webhook.clone().answer(request));
            let served = hyper::server::conn::http1::Builder::new();
            if let Err(error) = served.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "connection to the credential spec webhook");
            }
        }
        .boxed()
    });
    let _open = session.link.listen(port, handler);
    io.stderr.text(format!("level=info msg=\"starting webhook server at port {port}\"\n"));
    std::future::pending().await
}

/// The text of the file that a variable names.
async fn text(session: &Session, variable: &'static str) -> Result<String, ServeError> {
    let path = session.env.get(variable).ok_or(ServeError::NoVariable(variable))?;
    let bytes = session.files.read(path).await.ok_or_else(|| ServeError::NoFile(path.to_owned()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

struct Webhook {
    cluster: InCluster,
    random_hostname: bool,
    faults: FaultBoard,
    clock: Clock,
    log: Sink,
}

/// The connection is cut.
#[derive(Debug, Error)]
#[error("no answer")]
struct Silence;

impl Webhook {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Silence> {
        let path = request.uri().path().to_owned();
        match path.as_str() {
            "/mutate" | "/validate" => {}
            "/info" => return Ok(json_answer(&json!({"version": "v0.13.0"}))),
            "/health" => return Ok(empty(StatusCode::NO_CONTENT)),
            _ => return Ok(empty(StatusCode::NOT_FOUND)),
        }
        if request.method() != http::Method::POST {
            return Ok(empty(StatusCode::METHOD_NOT_ALLOWED));
        }
        let body = Limited::new(request.into_body(), LONGEST_REVIEW).collect().await.map_err(|_cut| Silence)?;
        let Ok(review) = serde_json::from_slice::<Value>(&body.to_bytes()) else {
            return Ok(empty(StatusCode::BAD_REQUEST));
        };
        let mut response = self.respond(path == "/mutate", &review).await?;
        if let Some(response) = response.as_object_mut() {
            response.insert("uid".to_owned(), review.pointer("/request/uid").cloned().unwrap_or_default());
        }
        Ok(json_answer(&json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response})))
    }

    /// The response to a review, or what a fault in force makes of it.
    async fn respond(&self, mutates: bool, review: &Value) -> Result<Value, Silence> {
        let own = self.decide(mutates, review).await;
        let effect = Review::read(WEBHOOK, false, review).and_then(|review| self.faults.admission(&review));
        let Some((effect, mark)) = effect else { return Ok(own) };
        let instead = match effect.outcome {
            Admission::Down => {
                self.faults.applied(mark);
                return Err(Silence);
            }
            Admission::Answers => own.clone(),
            Admission::Denies => effect.denial(),
            Admission::Ignores => json!({"allowed": true}),
            Admission::Patches if mutates => patched(&serde_json::to_value(&effect.patch).unwrap_or_default()),
            Admission::Patches => own.clone(),
        };
        if instead != own || effect.delay.is_some() {
            self.faults.applied(mark);
        }
        if let Some(delay) = effect.delay {
            if delay.0 >= API_SERVER_PATIENCE {
                // Its limit is in real time, ours is not: whoever is too late for it says nothing any more.
                std::future::pending::<()>().await;
            }
            self.clock.pass(delay.0).await;
        }
        Ok(instead)
    }

    async fn decide(&self, mutates: bool, review: &Value) -> Value {
        let decided = self.judge(mutates, review).await;
        match decided {
            Ok(steps) if steps.is_empty() => json!({"allowed": true}),
            Ok(steps) => patched(&Value::Array(steps)),
            Err(Denial { code, message }) => {
                self.log
                    .text(format!("level=info msg={:?}\n", format!("refusing to admit with code {code}: {message}")));
                json!({"allowed": false, "status": {"code": code, "message": message, "metadata": {}}})
            }
        }
    }

    async fn judge(&self, mutates: bool, review: &Value) -> Result<Vec<Value>, Denial> {
        let text = |pointer: &str| review.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kind = text("/request/kind/kind");
        if kind != "Pod" {
            return Err(Denial::new(400, format!("expected a Pod object, got a {kind}")));
        }
        let pod = |pointer: &str| -> Result<Pod, Denial> {
            let object = review.pointer(pointer).cloned().unwrap_or_default();
            serde_json::from_value(object)
                .map_err(|error| Denial::new(400, format!("unable to unmarshall pod JSON object: {error}")))
        };
        let new = pod("/request/object")?;
        match text("/request/operation") {
            "CREATE" if mutates => {
                // The first fifteen characters of a UUID, as the original has it; this one is the request's own.
                let name = text("/request/uid").get(..15).filter(|_| self.random_hostname);
                review::mutate(&self.cluster, &new, name.map(str::to_owned)).await
            }
            "CREATE" => review::validate(&self.cluster, &new, text("/request/namespace")).await.map(|()| Vec::new()),
            "UPDATE" if mutates => Ok(Vec::new()),
            "UPDATE" => review::validate_update(&new, &pod("/request/oldObject")?).map(|()| Vec::new()),
            other => Err(Denial::new(400, format!("unexpected operation {other}"))),
        }
    }
}

fn patched(patch: &Value) -> Value {
    json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch.to_string())})
}

fn json_answer(value: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(value.to_string())));
    answer.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    answer
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
