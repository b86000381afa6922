//! Virtual nodes: they register, keep their leases, run pods and serve the kubelet API.

mod address;
mod heartbeat;
mod host;
mod lease;
mod machine;
mod object;
mod power;
mod recorder;

use std::{
    collections::{BTreeMap, HashMap},
    future::pending,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api,
    api::PostParams,
    runtime::{WatchStreamExt, watcher},
};
use thiserror::Error;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

pub(crate) use self::{
    address::{Block, Exhausted},
    host::Host,
    machine::NodeMachine,
    object::{KUBELET_PORT, handlers},
    recorder::Kind,
};
pub use crate::kubelet_api::TlsError;
use crate::{
    clock::Clock,
    join::{self, Joined},
    kubelet_api,
    network::NodeFacts,
    pod,
    shape::Shape,
    world::World,
};

/// How often registering is tried again while the API server answers with errors.
const REGISTER_ATTEMPTS: u32 = 20;
/// How long between two attempts.
const REGISTER_PAUSE: Duration = Duration::from_millis(250);

/// A virtual node could not do its work.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The API server did not accept the Node object.
    #[error("node `{node}` could not be registered")]
    Register {
        /// The node's name.
        node: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// A node of that name is there, and is not ours.
    #[error(
        "the cluster has a node `{node}` already, which is not one of these virtual nodes; another --shape has other names"
    )]
    Taken {
        /// The name.
        node: String,
    },
    /// No port could be opened for the kubelet API of a node that joins.
    #[error("the kubelet API of node `{node}` cannot be served on {address}")]
    Listen {
        /// The node's name.
        node: String,
        /// The address.
        address: Ipv4Addr,
        /// Why not.
        source: io::Error,
    },
    /// The kubelet API has no usable certificates.
    #[error("the kubelet API of node `{node}` cannot be served")]
    KubeletApi {
        /// The node's name.
        node: String,
        /// What is wrong.
        source: TlsError,
    },
    /// A task of the nodes ended, which happens only when it panicked.
    #[error("a task of the virtual nodes ended")]
    Ended,
}

/// The virtual nodes of a testbed, running. Dropping this stops them.
#[derive(Debug)]
pub struct Nodes {
    expected: usize,
    ready: watch::Receiver<usize>,
    tasks: JoinSet<Result<(), NodeError>>,
    ports: BTreeMap<String, SocketAddrV4>,
    cancel: CancellationToken,
}

/// The Node objects of a shape as they are once registered, without starting anything:
/// what would be asked of a testbed can be planned before there is one.
#[must_use]
pub fn objects(shape: &Shape) -> Vec<Node> {
    let effects = crate::fault::NodeEffects::default();
    let one = |(index, node): (usize, &crate::shape::NodeShape)| {
        let facts = NodeFacts {
            name: node.name.clone(),
            os: node.os,
            arch: node.arch.clone(),
            build: node.build.clone(),
            runtime: node.runtime.clone(),
            labels: object::labels(node, &shape.features),
            internal_ip: Shape::internal_ip(index),
            external_ip: None,
        };
        let conditions = object::conditions(&effects, &[], Timestamp::UNIX_EPOCH);
        object::node(node, &facts, object::status(node, &facts, &[], &effects, power::FIRST_BOOT, conditions))
    };
    shape.nodes.iter().enumerate().map(one).collect()
}

/// Starts all nodes of the world's shape, and what they share.
///
/// # Errors
///
/// When a node that joins a control plane of somebody else's gets no port.
pub async fn start(world: &World) -> Result<Nodes, NodeError> {
    // A world of their own: what belongs to these nodes ends with them.
    let cancel = world.cancel.child_token();
    let world = &World { cancel: cancel.clone(), ..world.clone() };
    let mut hosts = Vec::new();
    for (index, node) in world.shape.nodes.iter().enumerate() {
        let host = host(world, node.clone(), index);
        hosts.push(Arc::new(match &world.joined {
            Some(joined) => at_real_port(host, joined.address, index).await?,
            None => host,
        }));
    }
    let mut observers = HashMap::new();
    let mut tasks = JoinSet::new();
    for host in &hosts {
        let (sender, observed) = watch::channel(None);
        observers.insert(host.name().to_owned(), sender);
        tasks.spawn(until_end(world, run(host.clone(), observed)));
    }
    let (count, ready) = watch::channel(0);
    let expected = hosts.len();
    let by_name: HashMap<_, _> = hosts.into_iter().map(|host| (host.name().to_owned(), host)).collect();
    tasks.spawn(until_end(world, observe(world.clone(), by_name.clone(), observers, count)));
    let ports = by_name.iter().filter_map(|(name, host)| Some((name.clone(), host.own_port.as_ref()?.address())));
    let ports = ports.collect();
    tasks.spawn(until_end(world, pod::dispatch(world.clone(), by_name)));
    Ok(Nodes { expected, ready, tasks, ports, cancel })
}

/// A joined node: its kubelet listens for real, and its pods' addresses are its own, since clusters differ in who
/// assigns them and nobody else routes to them anyway.
async fn at_real_port(host: Host, address: Ipv4Addr, index: usize) -> Result<Host, NodeError> {
    let name = host.name().to_owned();
    let port = kubelet_api::OwnPort::open(address);
    let port = port.await.map_err(|source| NodeError::Listen { node: name, address, source })?;
    Ok(host.at(port, Block::parse(&format!("10.213.{}.0/24", index % 256))))
}

impl Nodes {
    /// Where joined nodes serve their kubelet API for real.
    #[must_use]
    pub fn ports(&self) -> &BTreeMap<String, SocketAddrV4> {
        &self.ports
    }

    /// Returns when every node is Ready, has pod addresses, and carries none of the control plane's own taints.
    ///
    /// # Errors
    ///
    /// When a node cannot be registered or a task of the nodes ends.
    pub async fn ready(&mut self) -> Result<(), NodeError> {
        let expected = self.expected;
        tokio::select! {
            all = self.ready.wait_for(|&count| count >= expected) => all.map(|_| ()).map_err(|_closed| NodeError::Ended),
            ended = ended(&mut self.tasks) => Err(ended),
        }
    }

    /// Ends them all, and returns when nothing of them runs any more.
    pub async fn end(&mut self) {
        self.cancel.cancel();
        self.tasks.shutdown().await;
    }

    /// Returns the first failure of the running nodes; nothing while the testbed runs well, and `Ok` once it ends.
    ///
    /// # Errors
    ///
    /// When a task of the nodes ends before the testbed does.
    pub async fn stopped(&mut self) -> Result<(), NodeError> {
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|_panicked| NodeError::Ended)??;
        }
        Ok(())
    }
}

async fn ended(tasks: &mut JoinSet<Result<(), NodeError>>) -> NodeError {
    loop {
        match tasks.join_next().await {
            Some(Ok(Err(error))) => return error,
            Some(Ok(Ok(()))) => {}
            Some(Err(_)) | None => return NodeError::Ended,
        }
    }
}

/// Runs `work` until the testbed ends.
fn until_end<F>(world: &World, work: F) -> impl Future<Output = Result<(), NodeError>> + Send + 'static
where
    F: Future<Output = Result<(), NodeError>> + Send + 'static,
{
    let cancel = world.cancel.clone();
    async move {
        tokio::select! {
            result = work => result,
            () = cancel.cancelled() => Ok(()),
        }
    }
}

fn host(world: &World, shape: crate::shape::NodeShape, index: usize) -> Host {
    let mut labels = object::labels(&shape, &world.shape.features);
    labels.extend(world.joined.iter().flat_map(Joined::labels));
    let facts = Arc::new(NodeFacts {
        name: shape.name.clone(),
        os: shape.os,
        arch: shape.arch.clone(),
        build: shape.build.clone(),
        runtime: shape.runtime.clone(),
        labels,
        internal_ip: Shape::internal_ip(index),
        external_ip: world.network.external_ip(index),
    });
    world.network.add_node(facts.clone());
    Host::new(world.clone(), shape, facts)
}

/// One node: registers, then keeps itself alive and answers the API server.
async fn run(host: Arc<Host>, observed: watch::Receiver<Option<Arc<Node>>>) -> Result<(), NodeError> {
    let tls = kubelet_api::server_config(&host.world.kubelet_tls)
        .map_err(|source| NodeError::KubeletApi { node: host.name().to_owned(), source })?;
    let uid = register(&host).await?;
    tokio::join!(
        lease::keep(host.clone(), uid),
        heartbeat::keep(host.clone(), observed),
        kubelet_api::serve(host.clone(), tls),
    );
    Ok(())
}

/// Creates the Node, ready from the start, and returns its uid.
async fn register(host: &Host) -> Result<String, NodeError> {
    let nodes: Api<Node> = Api::all(host.world.client.clone());
    let effects = crate::fault::NodeEffects::default(); // faults are applied to a registered node
    let conditions = object::conditions(&effects, &[], Timestamp::now());
    let mut status =
        object::status(&host.shape, &host.facts, &host.images.list(), &effects, host.power().boots, conditions);
    host.publish(&mut status);
    let node = object::node(&host.shape, &host.facts, status);
    let mut attempt = 0;
    let registered = loop {
        attempt += 1;
        let created = match nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => nodes.get(host.name()).await,
            other => other,
        };
        match created {
            Ok(node) if !is_ours(&node, &host.world) => {
                return Err(NodeError::Taken { node: host.name().to_owned() });
            }
            Ok(node) => break node,
            Err(source) if attempt >= REGISTER_ATTEMPTS => {
                return Err(NodeError::Register { node: host.name().to_owned(), source: Box::new(source) });
            }
            Err(error) => tracing::debug!(node = host.name(), %error, "not registered yet"),
        }
        Clock::new(1.0).pass(REGISTER_PAUSE).await; // the API server's time, not the simulation's
    };
    introduce(host);
    Ok(registered.metadata.uid.unwrap_or_default())
}

/// In a control plane of our own every node is; elsewhere those with our label.
fn is_ours(node: &Node, world: &World) -> bool {
    world.joined.as_ref().is_none_or(|joined| join::belongs_to(node.metadata.labels.as_ref(), &joined.name))
}

/// The events of a kubelet that starts.
fn introduce(host: &Host) {
    let name = host.name();
    host.recorder.node(name, "Normal", "Starting", "Starting kubelet.");
    for condition in ["NodeHasSufficientMemory", "NodeHasNoDiskPressure", "NodeHasSufficientPID"] {
        host.recorder.node(name, "Normal", condition, format!("Node {name} status is now: {condition}"));
    }
    host.recorder.node(name, "Normal", "NodeAllocatableEnforced", "Updated Node Allocatable limit across pods");
    host.recorder.node(name, "Normal", "NodeReady", format!("Node {name} status is now: NodeReady"));
}

/// Watches all Node objects once, tells each host its own, and counts those that can take pods.
async fn observe(
    world: World,
    hosts: HashMap<String, Arc<Host>>,
    observers: HashMap<String, watch::Sender<Option<Arc<Node>>>>,
    ready: watch::Sender<usize>,
) -> Result<(), NodeError> {
    let nodes: Api<Node> = Api::all(world.client.clone());
    let mut events = watcher(nodes, watcher::Config::default()).default_backoff().applied_objects().boxed();
    loop {
        match events.try_next().await {
            Ok(Some(node)) => {
                let Some((host, observer)) =
                    node.metadata.name.as_ref().and_then(|name| Some((hosts.get(name)?, observers.get(name)?)))
                else {
                    continue; // a node that somebody else brought
                };
                if !is_ours(&node, &world) {
                    continue; // of a name of ours, but somebody else's: whoever registers says so
                }
                if let Some(block) = block_of(&node).filter(|_| host.own_port.is_none()) {
                    host.set_block(block);
                }
                observer.send_replace(Some(Arc::new(node)));
                let takes = |(name, node): &(&String, &watch::Sender<Option<Arc<Node>>>)| {
                    let host = hosts.get(*name);
                    host.zip(node.borrow().as_deref()).is_some_and(|(host, node)| takes_pods(node, host))
                };
                ready.send_replace(observers.iter().filter(takes).count());
            }
            Ok(None) => pending().await,
            Err(error) => tracing::debug!(%error, "watching nodes"),
        }
    }
}

fn block_of(node: &Node) -> Option<Block> {
    Block::parse(node.spec.as_ref()?.pod_cidr.as_deref()?)
}

/// Whether pods can be scheduled to a node as far as the control plane is concerned.
///
/// A taint of the node's own shape may be in the control plane's domain: `node.kubernetes.io/os=windows` is in the wild.
fn takes_pods(node: &Node, host: &Host) -> bool {
    let shape = &host.shape;
    let ready = node.status.as_ref().and_then(|status| status.conditions.as_ref()).is_some_and(|conditions| {
        conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
    });
    let held_back = node.spec.as_ref().and_then(|spec| spec.taints.as_ref()).is_some_and(|taints| {
        taints.iter().any(|taint| {
            let own = shape.taints.iter().any(|own| own.key == taint.key);
            taint.key.starts_with("node.kubernetes.io/") && !own
        })
    });
    ready && !held_back && (host.own_port.is_some() || block_of(node).is_some())
}
