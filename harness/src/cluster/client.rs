//! The way to the API server: found as kubectl finds it, and counted.

use std::{
    path::PathBuf,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper_util::client::proxy::matcher::Matcher;
use kube::{
    Client, Config,
    client::{Body, ClientBuilder, retry::RetryPolicy},
    config::{KubeConfigOptions, Kubeconfig},
};
use thiserror::Error;
use tower::{BoxError, Layer, Service, buffer::BufferLayer, retry::RetryLayer};

use super::{
    credentials::{self, CredentialError},
    proxy,
    requests::Requests,
};

/// Where to find the cluster.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// `--kubeconfig`; otherwise `$KUBECONFIG`, then `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`; otherwise the current one.
    pub context: Option<String>,
}

/// The cluster of a kubeconfig context.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    requests: Requests,
    context: String,
    server: String,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("context", &self.context).field("server", &self.server).finish_non_exhaustive()
    }
}

/// The way to the cluster could not be found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The kubeconfig is missing, unreadable or not what it should be.
    #[error("the kubeconfig {named} cannot be used")]
    Kubeconfig {
        /// Which one, in words.
        named: String,
        /// What is wrong.
        #[source]
        error: Box<kube::config::KubeconfigError>,
    },
    /// The context is not in the kubeconfig.
    #[error("the kubeconfig has no context `{context}` (it has: {known})")]
    NoContext {
        /// The name asked for.
        context: String,
        /// The names there are.
        known: String,
    },
    /// There is no current context, and none was named.
    #[error("the kubeconfig names no current context; choose one with --context ({known})")]
    NoCurrentContext {
        /// The names there are.
        known: String,
    },
    /// The credentials could not be had from where the kubeconfig says.
    #[error("there are no credentials for context `{context}`")]
    Credentials {
        /// The context.
        context: String,
        /// What is wrong.
        #[source]
        error: CredentialError,
    },
    /// The way to the server cannot be taken.
    #[error("context `{context}` cannot be used: {reason}")]
    Proxy {
        /// The context.
        context: String,
        /// What is wrong.
        reason: String,
    },
    /// A client could not be made of it: a certificate or key is broken.
    #[error("the kubeconfig's credentials for context `{context}` cannot be used")]
    Client {
        /// The context.
        context: String,
        /// What is wrong.
        #[source]
        error: Box<kube::Error>,
    },
}

impl Cluster {
    /// Finds the cluster and makes a client; sends no request.
    ///
    /// Without any kubeconfig, inside a pod, the pod's service account is used.
    ///
    /// # Errors
    ///
    /// When the kubeconfig cannot be read, has no such context, or its credentials cannot be loaded.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let named = match &options.kubeconfig {
            Some(path) => format!("`{}`", path.display()),
            None => "of this user ($KUBECONFIG, else ~/.kube/config)".to_owned(),
        };
        let read = match &options.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        };
        let kubeconfig = match read {
            Ok(kubeconfig) => kubeconfig,
            Err(error) => match (options.kubeconfig.is_none() && options.context.is_none()).then(Config::incluster) {
                Some(Ok(config)) => return Self::from_config(config, "in-cluster".to_owned()).await,
                _ => return Err(ConnectError::Kubeconfig { named, error: Box::new(error) }),
            },
        };
        let known = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect::<Vec<_>>().join(", ");
        let context = match options.context.clone().or_else(|| kubeconfig.current_context.clone()) {
            Some(context) if !context.is_empty() => context,
            _ => return Err(ConnectError::NoCurrentContext { known }),
        };
        if !kubeconfig.contexts.iter().any(|known| known.name == context) {
            return Err(ConnectError::NoContext { context, known });
        }
        let wanted = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let written = proxy::written(&kubeconfig, &context);
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &wanted)
            .await
            .map_err(|error| ConnectError::Kubeconfig { named, error: Box::new(error) })?;
        credentials::prepare(&mut config.auth_info)
            .map_err(|error| ConnectError::Credentials { context: context.clone(), error })?;
        config.proxy_url = proxy::to(&config.cluster_url, written.as_deref(), &Matcher::from_env())
            .map_err(|reason| ConnectError::Proxy { context: context.clone(), reason })?;
        Self::from_config(config, context).await
    }

    async fn from_config(mut config: Config, context: String) -> Result<Self, ConnectError> {
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        config.headers.push((
            http::header::USER_AGENT,
            http::HeaderValue::from_static(concat!("winconform/", env!("CARGO_PKG_VERSION"))),
        ));
        // kube tries a refused request again for nearly three minutes, longer than any budget of ours.
        config.default_retry = false;
        let exec = config.auth_info.exec.clone();
        // A credential plugin is a program that is run and waited for, perhaps for a login in a browser.
        let built = tokio::task::spawn_blocking(move || ClientBuilder::try_from(config)).await;
        let builder = match built {
            Ok(Ok(builder)) => builder,
            Ok(Err(kube::Error::Auth(error))) => {
                let error = credentials::explain(&error, exec.as_ref());
                return Err(ConnectError::Credentials { context, error });
            }
            Ok(Err(error)) => return Err(ConnectError::Client { context, error: Box::new(error) }),
            Err(lost) => {
                let error = CredentialError::Other(format!("reading them ended in a panic: {lost}"));
                return Err(ConnectError::Credentials { context, error });
            }
        };
        let requests = Requests::default();
        let client = builder
            .with_layer(&CountLayer(requests.clone()))
            .with_layer(&BufferLayer::<Request<Body>>::new(IN_FLIGHT)) // a request that is tried again needs a second hand
            .with_layer(&RetryLayer::new(retries()))
            .build();
        Ok(Self { client, requests, context, server })
    }

    /// A client of this cluster; all clones count into [`Cluster::requests`].
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The requests sent so far, by all clones.
    #[must_use]
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The kubeconfig context, or `in-cluster`.
    #[must_use]
    pub fn context(&self) -> &str {
        &self.context
    }

    /// The API server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    pub(super) async fn version(&self) -> Result<String, kube::Error> {
        Ok(self.client.apiserver_version().await?.git_version)
    }
}

/// How many requests may wait for the connection.
const IN_FLIGHT: usize = 1024;

/// How an API server is asked again that is too busy (429, 503, 504): some 16 s in all, or as it says itself.
fn retries() -> RetryPolicy {
    let (first, longest, tries) = (Duration::from_millis(100), Duration::from_secs(5), 8);
    RetryPolicy::new(first, longest, tries, true).unwrap_or_default()
}

/// Counts every request that passes.
#[derive(Debug, Clone)]
struct CountLayer(Requests);

#[derive(Debug, Clone)]
struct Counted<S> {
    inner: S,
    count: Requests,
}

impl<S> Layer<S> for CountLayer {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, count: self.0.clone() }
    }
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> S::Future {
        self.count.note(&request);
        self.inner.call(request)
    }
}
