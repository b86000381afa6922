//! The API as the webhook's own service account sees it, from inside its pod.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::{BoxFuture, FutureExt};
use http::{HeaderValue, Request, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::authorization::v1::{LocalSubjectAccessReview, ResourceAttributes, SubjectAccessReviewSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
    client::Body,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use thiserror::Error;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::review::{Cluster, Denial, Permission};
use crate::{command::Session, network::ConnectError};

/// Where every pod finds its credentials.
const CREDENTIALS: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How long a token is used before it is read again, as client-go does it.
const TOKEN_LASTS: Duration = Duration::from_secs(60);

/// How long connecting to the API server may take, in real time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pod cannot reach the API.
#[derive(Debug, Error)]
pub(super) enum ClusterError {
    /// Its environment does not say where the API is.
    #[error(
        "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be defined"
    )]
    NoAddress,
    /// It has no credentials.
    #[error("open {CREDENTIALS}/{0}: no such file or directory")]
    NoFile(&'static str),
    /// The API server's authority is no certificate.
    #[error("the cluster's authority cannot be used")]
    Authority(#[source] rustls::pki_types::pem::Error),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The API server cannot be reached.
    #[error("dial tcp")]
    Connect(#[source] ConnectError),
    /// The handshake failed.
    #[error("tls: handshake failure")]
    Handshake(#[source] std::io::Error),
    /// The request failed.
    #[error("the request to the API server failed")]
    Http(#[source] hyper::Error),
    /// The token is none.
    #[error("the service account's token is not usable")]
    Token,
}

/// The API through a pod's network, with its service account's token.
#[derive(Clone)]
pub(super) struct InCluster {
    session: Session,
    address: SocketAddrV4,
    tls: TlsConnector,
    token: Arc<Mutex<Option<(Instant, HeaderValue)>>>,
}

impl InCluster {
    /// Takes address and credentials from where every pod has them.
    ///
    /// # Errors
    ///
    /// When they are not there, or are no good.
    pub(super) async fn new(session: &Session) -> Result<Self, ClusterError> {
        let variable = |name| session.env.get(name).ok_or(ClusterError::NoAddress);
        let host: Ipv4Addr =
            variable("KUBERNETES_SERVICE_HOST")?.parse().map_err(|_no_address| ClusterError::NoAddress)?;
        let port = variable("KUBERNETES_SERVICE_PORT")?.parse().map_err(|_no_port| ClusterError::NoAddress)?;
        let pem = file(session, "ca.crt").await?;
        let mut roots = RootCertStore::empty();
        let authorities = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
        roots.add_parsable_certificates(authorities.map_err(ClusterError::Authority)?);
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(ClusterError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            session: session.clone(),
            address: SocketAddrV4::new(host, port),
            tls: TlsConnector::from(Arc::new(config)),
            token: Arc::default(),
        })
    }

    /// A client of it. Each request has a connection of its own, so every one takes its chances on the network.
    fn client(&self) -> Client {
        let own = self.clone();
        let service = tower::service_fn(move |request| {
            let own = own.clone();
            async move { own.send(request).await }
        });
        Client::new(service, super::NAME)
    }

    async fn send(&self, mut request: Request<Body>) -> Result<http::Response<Incoming>, ClusterError> {
        let connection = self.session.link.connect(self.address, PATIENCE).await.map_err(ClusterError::Connect)?;
        let name = ServerName::from(std::net::IpAddr::V4(*self.address.ip()));
        let stream = self.tls.connect(name, connection.stream).await.map_err(ClusterError::Handshake)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(ClusterError::Http)?;
        tokio::spawn(connection); // ends with the answer, or with the program's interest in it
        let host = HeaderValue::from_str(&self.address.to_string()).map_err(|_not_possible| ClusterError::NoAddress)?;
        let token = self.bearer().await?;
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::AUTHORIZATION, token);
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("k8s-gmsa-webhook/v0.13.0"));
        sender.send_request(request).await.map_err(ClusterError::Http)
    }

    async fn bearer(&self) -> Result<HeaderValue, ClusterError> {
        let mut known = self.token.lock().await;
        if let Some((since, token)) = known.as_ref()
            && since.elapsed() < TOKEN_LASTS
        {
            return Ok(token.clone());
        }
        let mut value = b"Bearer ".to_vec();
        value.extend(file(&self.session, "token").await?);
        let mut token = HeaderValue::from_bytes(&value).map_err(|_no_token| ClusterError::Token)?;
        token.set_sensitive(true);
        *known = Some((Instant::now(), token.clone()));
        Ok(token)
    }
}

async fn file(session: &Session, name: &'static str) -> Result<Vec<u8>, ClusterError> {
    session.files.read(&format!("{CREDENTIALS}/{name}")).await.ok_or(ClusterError::NoFile(name))
}

/// The custom resource of credential specs.
pub(super) fn credential_specs() -> ApiResource {
    let kind = GroupVersionKind::gvk("windows.k8s.io", "v1", "GMSACredentialSpec");
    ApiResource::from_gvk_with_plural(&kind, "gmsacredentialspecs")
}

impl Cluster for InCluster {
    fn contents<'a>(&'a self, spec: &'a str) -> BoxFuture<'a, Result<String, Denial>> {
        async move {
            let specs: Api<DynamicObject> = Api::all_with(self.client(), &credential_specs());
            let failed = |error: &kube::Error| {
                Denial::new(
                    500,
                    format!("unable to retrieve the contents of cred spec {spec}: {}", crate::progress::chain(error)),
                )
            };
            match specs.get_opt(spec).await {
                Ok(Some(object)) => match object.data.get("credspec") {
                    Some(contents) => Ok(contents.to_string()),
                    None => Err(Denial::new(417, format!("cred spec {spec} does not have a credspec key"))),
                },
                Ok(None) => Err(Denial::new(404, format!("cred spec {spec} does not exist"))),
                Err(error) => Err(failed(&error)),
            }
        }
        .boxed()
    }

    fn may_use<'a>(&'a self, namespace: &'a str, account: &'a str, spec: &'a str) -> BoxFuture<'a, Permission> {
        async move {
            let review = LocalSubjectAccessReview {
                metadata: ObjectMeta { namespace: Some(namespace.to_owned()), ..ObjectMeta::default() },
                spec: SubjectAccessReviewSpec {
                    user: Some(format!("system:serviceaccount:{namespace}:{account}")),
                    groups: Some(vec![
                        "system:serviceaccounts".to_owned(),
                        format!("system:serviceaccounts:{namespace}"),
                    ]),
                    resource_attributes: Some(ResourceAttributes {
                        namespace: Some(namespace.to_owned()),
                        verb: Some("use".to_owned()),
                        group: Some("windows.k8s.io".to_owned()),
                        version: Some("v1".to_owned()),
                        resource: Some("gmsacredentialspecs".to_owned()),
                        name: Some(spec.to_owned()),
                        ..ResourceAttributes::default()
                    }),
                    ..SubjectAccessReviewSpec::default()
                },
                ..LocalSubjectAccessReview::default()
            };
            let reviews: Api<LocalSubjectAccessReview> = Api::namespaced(self.client(), namespace);
            match reviews.create(&PostParams::default(), &review).await {
                Ok(answer) => {
                    let status = answer.status.unwrap_or_default();
                    let allowed = status.allowed && status.denied != Some(true);
                    Permission { allowed, reason: status.reason.unwrap_or_default() }
                }
                Err(error) => Permission {
                    allowed: false,
                    reason: format!("error when checking authz access: {}", crate::progress::chain(&error)),
                },
            }
        }
        .boxed()
    }
}
