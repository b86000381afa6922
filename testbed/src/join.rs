//! Joining a control plane of somebody else's (kind, minikube, kubeadm): virtual Windows
//! nodes for a cluster that has none.
//!
//! Its API server has no egress socket of ours, so it dials the kubelets themselves: each
//! virtual node serves the kubelet API on a real port of this machine, at an address that
//! the API server can reach. Pod addresses stay virtual. Nothing but our nodes can reach
//! them, which every node says in a label ([`DATAPATH`]), so that nobody takes it for a
//! defect of the cluster.
//!
//! Everything that joining leaves in the cluster carries or belongs to a node with the
//! label [`JOINED`]; [`remove`] takes it all away.

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket},
    path::PathBuf,
    time::Duration,
};

use futures::future::join_all;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Event, Node, Pod},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use thiserror::Error;
use tokio::time::timeout;

use crate::{
    clock::Clock,
    control_plane::{PkiError, install_tls_provider, kubelet_alone},
    network::Network,
    shape::{Os, Shape},
    world::KubeletTls,
};

/// The label with which joined nodes say who they belong to.
pub const JOINED: &str = "winconform.io/joined";

/// The label with which they say (`none`) that no other node's pods can reach theirs.
pub const DATAPATH: &str = "winconform.io/datapath";

/// Where an API server keeps the authority of its own client certificate.
const AUTHENTICATION: (&str, &str, &str) = ("kube-system", "extension-apiserver-authentication", "client-ca-file");

/// How long an API server may take to reach a kubelet that has just begun to listen.
const REACH_PATIENCE: Duration = Duration::from_secs(20);

/// How long between two tries. There is no event to wait for.
const REACH_PAUSE: Duration = Duration::from_millis(500);

/// How long one request of the removal may take.
const REMOVE_PATIENCE: Duration = Duration::from_secs(10);

/// Which control plane to join, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JoinOptions {
    /// The kubeconfig; otherwise the user's.
    pub kubeconfig: Option<PathBuf>,
    /// Its context; otherwise the current one.
    pub context: Option<String>,
    /// The address at which its API server reaches this machine; otherwise it is guessed.
    pub address: Option<Ipv4Addr>,
}

/// What is different for nodes that have joined.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The value of their label [`JOINED`].
    pub name: String,
    /// The real address that they serve the kubelet API on.
    pub address: Ipv4Addr,
}

impl Joined {
    /// The labels of its nodes.
    pub(crate) fn labels(&self) -> [(String, String); 2] {
        [(JOINED.to_owned(), self.name.clone()), (DATAPATH.to_owned(), "none".to_owned())]
    }
}

/// A control plane could not be joined, or left.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The kubeconfig leads nowhere.
    #[error("the kubeconfig cannot be used")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// Its credentials cannot be used.
    #[error("no client for context `{context}` could be made")]
    Client {
        /// The context.
        context: String,
        /// What is wrong.
        source: Box<kube::Error>,
    },
    /// The shape has no node that could join.
    #[error("the shape `{shape}` has no Windows node, and only those join")]
    NoWindowsNodes {
        /// The shape's name.
        shape: String,
    },
    /// This machine has no address that others could reach.
    #[error("this machine has no address that an API server could reach (--address names one)")]
    NoAddress(#[source] io::Error),
    /// The address is of this machine alone, and API servers refuse it.
    #[error("{0} cannot be reached from anywhere else, and API servers refuse it; name another address with --address")]
    Loopback(Ipv4Addr),
    /// The API server does not say who signs its client certificate.
    #[error("the API server's client authority cannot be read from ConfigMap {namespace}/{name}", namespace = AUTHENTICATION.0, name = AUTHENTICATION.1)]
    Authority(#[source] Box<kube::Error>),
    /// It has no client authority at all.
    #[error("the API server has no client authority (ConfigMap {}/{} has no `{}`), so virtual kubelets could not tell it from others; kubeadm, kind and minikube have one", AUTHENTICATION.0, AUTHENTICATION.1, AUTHENTICATION.2)]
    NoAuthority,
    /// The kubelets' certificate could not be made.
    #[error("the kubelets' certificate could not be made")]
    Pki(#[from] PkiError),
    /// The API server does not reach the virtual kubelets.
    #[error(
        "the API server does not reach the virtual kubelet of `{node}` at {address}: {answer}; name an address of this machine that it reaches with --address"
    )]
    Unreachable {
        /// The node.
        node: String,
        /// Where its kubelet listens.
        address: SocketAddrV4,
        /// What the API server said.
        answer: String,
    },
    /// The cluster could not be searched for what is to be removed.
    #[error("the joined nodes could not be listed")]
    List(#[source] Box<kube::Error>),
    /// Something could not be removed.
    #[error("{} could not be removed", left.join(", "))]
    Left {
        /// What, with the reason.
        left: Vec<String>,
    },
}

/// A control plane to join.
pub struct Reached {
    /// A client of it.
    pub client: Client,
    /// The kubeconfig's context.
    pub context: String,
    /// Where its API server is.
    pub server: http::Uri,
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reached").field("context", &self.context).finish_non_exhaustive()
    }
}

/// Finds the control plane to join.
///
/// # Errors
///
/// When there is no such context, or its credentials cannot be used.
pub async fn connect(options: &JoinOptions) -> Result<Reached, JoinError> {
    install_tls_provider();
    let unusable = |error| JoinError::Kubeconfig(Box::new(error));
    let kubeconfig = match &options.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = kubeconfig.map_err(unusable)?;
    let context = options.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    let wanted = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &wanted).await.map_err(unusable)?;
    let server = config.cluster_url.clone();
    // A credential plugin is a program that is waited for.
    let built = tokio::task::spawn_blocking(move || Client::try_from(config)).await;
    match built {
        Ok(Ok(client)) => Ok(Reached { client, context, server }),
        Ok(Err(error)) => Err(JoinError::Client { context, source: Box::new(error) }),
        Err(lost) => Err(JoinError::Client { context, source: Box::new(kube::Error::Service(lost.into())) }),
    }
}

/// The name of the nodes that join a context's control plane, and of the process that is them.
#[must_use]
pub fn name_of(context: &str) -> String {
    let plain: String =
        context.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain: String = plain.trim_matches('-').chars().take(30).collect();
    format!("joined-{}", plain.trim_end_matches('-'))
}

/// The Windows nodes of a shape, in a cluster whose load balancers are not ours to fill in.
///
/// # Errors
///
/// When there is none.
pub(crate) fn windows_only(mut shape: Shape) -> Result<Shape, JoinError> {
    shape.nodes.retain(|node| node.os == Os::Windows);
    shape.features.load_balancer = false;
    if shape.nodes.is_empty() { Err(JoinError::NoWindowsNodes { shape: shape.name }) } else { Ok(shape) }
}

/// The address that the user names, or that this machine sends from to far places.
///
/// # Errors
///
/// When it is one that no API server would dial.
pub(crate) fn address(options: &JoinOptions) -> Result<Ipv4Addr, JoinError> {
    let address = match options.address {
        Some(address) => address,
        None => own_address().map_err(JoinError::NoAddress)?,
    };
    if address.is_loopback() || address.is_link_local() || address.is_unspecified() {
        return Err(JoinError::Loopback(address));
    }
    Ok(address)
}

/// Nothing is sent: connecting a UDP socket only asks for the route (192.0.2.1 is nobody's, RFC 5737).
fn own_address() -> io::Result<Ipv4Addr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    match socket.local_addr()? {
        SocketAddr::V4(address) => Ok(*address.ip()),
        SocketAddr::V6(_) => Err(io::ErrorKind::AddrNotAvailable.into()),
    }
}

/// What the kubelet API of the joined nodes serves with, and whom it believes.
///
/// # Errors
///
/// When the API server does not say who signs its client certificate.
pub(crate) async fn tls(client: &Client, shape: &Shape, address: Ipv4Addr) -> Result<KubeletTls, JoinError> {
    let (namespace, name, key) = AUTHENTICATION;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let map = maps.get(name).await.map_err(|error| JoinError::Authority(Box::new(error)))?;
    let authority = map.data.and_then(|mut data| data.remove(key)).ok_or(JoinError::NoAuthority)?;
    let names: Vec<String> = shape.nodes.iter().map(|node| node.name.clone()).collect();
    Ok(kubelet_alone(&names, address, authority)?)
}

/// Lets virtual pods reach the real API server by its Service, as pods do.
pub(crate) async fn lead_to_api_server(client: &Client, network: &Network, server: &http::Uri) {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let own = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    let Ok(found) = slices.list(&own).await else { return };
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let port = server.port_u16().unwrap_or(443);
    let Ok(mut real) = tokio::net::lookup_host((host, port)).await else { return };
    let Some(real) = real.next() else { return };
    for slice in found.items {
        let ports: Vec<u16> = slice.ports.iter().flatten().filter_map(|port| u16::try_from(port.port?).ok()).collect();
        let addresses = slice.endpoints.iter().flatten().flat_map(|endpoint| &endpoint.addresses);
        for address in addresses.filter_map(|text| text.parse::<Ipv4Addr>().ok()) {
            for port in &ports {
                network.forward(SocketAddrV4::new(address, *port), real);
            }
        }
    }
}

/// Returns when the API server has spoken with the kubelet of a node.
///
/// # Errors
///
/// When it does not reach it.
pub(crate) async fn reached(client: &Client, node: &str, at: SocketAddrV4) -> Result<(), JoinError> {
    let mut last = "no answer".to_owned();
    let asking = async {
        loop {
            match ask(client, node).await {
                Ok(()) => return,
                Err(error) => last = error.to_string(),
            }
            Clock::new(1.0).pass(REACH_PAUSE).await; // the API server's time
        }
    };
    match timeout(REACH_PATIENCE, asking).await {
        Ok(()) => Ok(()),
        Err(_elapsed) => Err(JoinError::Unreachable { node: node.to_owned(), address: at, answer: last }),
    }
}

async fn ask(client: &Client, node: &str) -> Result<(), kube::Error> {
    let path = format!("/api/v1/nodes/{node}/proxy/healthz");
    let request = http::Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
    client.request_text(request).await.map(drop)
}

/// Removes every trace of the nodes that joined a control plane; says how many there were.
///
/// # Errors
///
/// As [`connect`] and [`remove`].
pub async fn leave(options: &JoinOptions) -> Result<usize, JoinError> {
    let reached = connect(options).await?;
    remove(&reached.client, &name_of(&reached.context)).await
}

/// Removes every trace of joined nodes: their pods, the nodes, their leases, and the events about them.
///
/// Says how many nodes there were.
///
/// # Errors
///
/// When the cluster cannot be searched, or something could not be removed.
pub async fn remove(client: &Client, name: &str) -> Result<usize, JoinError> {
    let names = nodes_of(client, name).await?;
    let nodes: Api<Node> = Api::all(client.clone());
    let mut left = Vec::new();
    for node in &names {
        left.extend(remove_pods(client, node).await);
        left.extend(gone(format!("node/{node}"), nodes.delete(node, &DeleteParams::default())).await);
        let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
        left.extend(gone(format!("lease/{node}"), leases.delete(node, &DeleteParams::default())).await);
    }
    left.extend(remove_events(client, &names).await);
    if left.is_empty() { Ok(names.len()) } else { Err(JoinError::Left { left }) }
}

/// The nodes that joined under a name.
///
/// # Errors
///
/// When they cannot be listed.
pub async fn nodes_of(client: &Client, name: &str) -> Result<Vec<String>, JoinError> {
    let nodes: Api<Node> = Api::all(client.clone());
    let ours = ListParams::default().labels(&format!("{JOINED}={name}"));
    let found = nodes.list(&ours).await.map_err(|error| JoinError::List(Box::new(error)))?;
    Ok(found.items.iter().map(ResourceExt::name_any).collect())
}

/// Nobody ends these pods any more, so they are not waited for.
async fn remove_pods(client: &Client, node: &str) -> Vec<String> {
    let everywhere: Api<Pod> = Api::all(client.clone());
    let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
    let found = match everywhere.list(&here).await {
        Ok(found) => found,
        Err(error) => return vec![format!("the pods of {node} ({error})")],
    };
    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    let removals = found.items.iter().map(|pod| {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let now = now.clone();
        async move { gone(format!("pod/{namespace}/{name}"), pods.delete(&name, &now)).await }
    });
    join_all(removals).await.into_iter().flatten().collect()
}

/// Events about the nodes, and those that their kubelets wrote about pods.
async fn remove_events(client: &Client, nodes: &[String]) -> Vec<String> {
    if nodes.is_empty() {
        return Vec::new();
    }
    let everywhere: Api<Event> = Api::all(client.clone());
    let found = match everywhere.list(&ListParams::default()).await {
        Ok(found) => found,
        Err(error) => return vec![format!("the events of the nodes ({error})")],
    };
    let is_of_node = |name: Option<&String>| name.is_some_and(|name| nodes.contains(name));
    let ours = found.items.iter().filter(|event| {
        let about_node = event.involved_object.kind.as_deref() == Some("Node");
        (about_node && is_of_node(event.involved_object.name.as_ref()))
            || is_of_node(event.source.as_ref().and_then(|source| source.host.as_ref()))
    });
    let removals = ours.map(|event| {
        let (namespace, name) = (event.namespace().unwrap_or_default(), event.name_any());
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        async move { gone(format!("event/{namespace}/{name}"), events.delete(&name, &DeleteParams::default())).await }
    });
    join_all(removals).await.into_iter().flatten().collect()
}

/// What is left after a deletion, with the reason; what was gone before is gone.
async fn gone<T>(what: String, deletion: impl Future<Output = kube::Result<T>>) -> Option<String> {
    match timeout(REMOVE_PATIENCE, deletion).await {
        Ok(Ok(_)) => None,
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => None,
        Ok(Err(kube::Error::Api(status))) => Some(format!("{what} ({})", status.message)),
        Ok(Err(error)) => Some(format!("{what} ({error})")),
        Err(_elapsed) => Some(format!("{what} (no answer)")),
    }
}

/// Whether an object's labels say that it belongs to `name`.
pub(crate) fn belongs_to(labels: Option<&BTreeMap<String, String>>, name: &str) -> bool {
    labels.and_then(|labels| labels.get(JOINED)).is_some_and(|owner| owner == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_gives_a_name_that_files_and_labels_take() {
        assert_eq!(name_of("kind-x"), "joined-kind-x");
        assert_eq!(name_of("arn:aws:eks:eu-west-1:123456789012:cluster/Blue"), "joined-arn-aws-eks-eu-west-1-12345678");
        assert_eq!(name_of("me@cluster_"), "joined-me-cluster");
    }

    #[test]
    fn an_address_that_only_this_machine_reaches_is_refused() {
        for text in ["127.0.0.1", "169.254.1.1", "0.0.0.0"] {
            let options = JoinOptions { address: text.parse().ok(), ..JoinOptions::default() };
            assert!(matches!(address(&options), Err(JoinError::Loopback(_))), "{text}");
        }
        let options = JoinOptions { address: "172.18.0.1".parse().ok(), ..JoinOptions::default() };
        assert_eq!(address(&options).unwrap(), Ipv4Addr::new(172, 18, 0, 1));
    }

    #[test]
    fn only_windows_nodes_join_and_load_balancers_are_left_to_the_cluster() {
        let shape = windows_only(Shape::find("default").unwrap()).unwrap();
        assert!(shape.nodes.iter().all(|node| node.os == Os::Windows) && !shape.features.load_balancer);
        assert!(matches!(windows_only(Shape::find("no-windows").unwrap()), Err(JoinError::NoWindowsNodes { .. })));
    }
}
