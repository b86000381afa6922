//! The way to the API server: found as kubectl finds it, and counted.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use http::{Request, Response};
use kube::{
    Client, Config,
    client::{Body, ClientBuilder},
    config::{KubeConfigOptions, Kubeconfig},
};
use thiserror::Error;
use tower::{BoxError, Layer, Service};

/// How many requests were sent to the API server.
#[derive(Debug, Clone, Default)]
pub struct RequestCount(Arc<AtomicU64>);

impl RequestCount {
    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

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
    requests: RequestCount,
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
                Some(Ok(config)) => return Self::from_config(config, "in-cluster".to_owned()),
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
        let config = Config::from_custom_kubeconfig(kubeconfig, &wanted)
            .await
            .map_err(|error| ConnectError::Kubeconfig { named, error: Box::new(error) })?;
        Self::from_config(config, context)
    }

    fn from_config(mut config: Config, context: String) -> Result<Self, ConnectError> {
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        // As kubectl does: a server on this machine is never asked through a proxy.
        if config.cluster_url.host().is_some_and(is_this_machine) {
            config.proxy_url = None;
        }
        config.headers.push((
            http::header::USER_AGENT,
            http::HeaderValue::from_static(concat!("winconform/", env!("CARGO_PKG_VERSION"))),
        ));
        let requests = RequestCount::default();
        let builder = ClientBuilder::try_from(config)
            .map_err(|error| ConnectError::Client { context: context.clone(), error: Box::new(error) })?;
        let client = builder.with_layer(&CountLayer(requests.clone())).build();
        Ok(Self { client, requests, context, server })
    }

    /// A client of this cluster; all clones count into [`Cluster::requests`].
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The requests sent so far, by all clones.
    #[must_use]
    pub fn requests(&self) -> &RequestCount {
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

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Counts every request that passes.
#[derive(Debug, Clone)]
struct CountLayer(RequestCount);

#[derive(Debug, Clone)]
struct Counted<S> {
    inner: S,
    count: RequestCount,
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
        self.count.0.fetch_add(1, Ordering::Relaxed);
        self.inner.call(request)
    }
}
