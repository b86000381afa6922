//! What the parts of one virtual node share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use k8s_openapi::{
    api::core::v1::{DaemonEndpoint, NodeDaemonEndpoints, NodeStatus},
    apimachinery::pkg::api::resource::Quantity,
};
use tokio::sync::watch;

use super::{
    address::{Addresses, Block},
    object,
    power::Power,
    recorder::Recorder,
};
use crate::{
    fault::{NodeEffect, NodeEffects},
    image::{self, HostPlatform, Image},
    kubelet_api::OwnPort,
    network::NodeFacts,
    pod::{Cell, thousandths},
    shape::NodeShape,
    world::World,
};

/// One virtual node.
pub(crate) struct Host {
    pub(crate) world: World,
    pub(crate) shape: NodeShape,
    pub(crate) facts: Arc<NodeFacts>,
    pub(crate) recorder: Recorder,
    pub(crate) images: Images,
    pub(crate) addresses: Addresses,
    /// The pods that run here, for the kubelet API.
    pub(crate) pods: Pods,
    /// The real port of its kubelet API, where the control plane is somebody else's.
    pub(crate) own_port: Option<OwnPort>,
    pub(super) power: watch::Sender<Power>,
    /// Whether it is on its way down or up.
    pub(super) rebooting: AtomicBool,
    block: watch::Sender<Option<Block>>,
    started_pods: AtomicU64,
}

impl Host {
    pub(super) fn new(world: World, shape: NodeShape, facts: Arc<NodeFacts>) -> Self {
        let recorder = Recorder::start(world.client.clone(), shape.name.clone());
        let images = Images::baked(&platform(&shape));
        Self {
            world,
            facts,
            recorder,
            images,
            addresses: Addresses::default(),
            pods: Pods::default(),
            own_port: None,
            power: Power::up(),
            rebooting: AtomicBool::new(false),
            block: watch::Sender::new(None),
            started_pods: AtomicU64::new(0),
            shape,
        }
    }

    /// The same node with a real port, and with addresses for pods that nobody assigns.
    pub(super) fn at(mut self, port: OwnPort, block: Option<Block>) -> Self {
        self.own_port = Some(port);
        self.block.send_replace(block);
        self
    }

    /// Says in a node's status where its kubelet really listens, where that is not in the virtual network.
    pub(super) fn publish(&self, status: &mut NodeStatus) {
        let Some(own) = self.own_port.as_ref().map(OwnPort::address) else { return };
        for address in status.addresses.iter_mut().flatten().filter(|address| address.type_ == "InternalIP") {
            address.address = own.ip().to_string();
        }
        status.daemon_endpoints =
            Some(NodeDaemonEndpoints { kubelet_endpoint: Some(DaemonEndpoint { port: own.port().into() }) });
    }

    /// The node's name.
    pub(crate) fn name(&self) -> &str {
        &self.shape.name
    }

    /// What is wrong with the node now.
    pub(crate) fn effects(&self) -> NodeEffects {
        self.world.faults.node(&self.facts)
    }

    /// The labels that it has in the API, faults included: a kubelet looks at its own object there.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.facts.labels.clone();
        for (key, value) in self.effects().labels {
            match value {
                Some(value) => drop(labels.insert(key, value)),
                None => drop(labels.remove(&key)),
            }
        }
        labels
    }

    /// Notes that those of the effects on the node that `showed` picks changed an outcome.
    pub(crate) fn effects_showed(&self, showed: impl FnMut(&NodeEffect) -> bool) {
        self.world.faults.node_changed(&self.facts, showed);
    }

    /// What decides which images the node takes.
    pub(crate) fn platform(&self) -> HostPlatform<'_> {
        platform(&self.shape)
    }

    pub(super) fn set_block(&self, block: Block) {
        self.block.send_if_modified(|known| (*known != Some(block)).then(|| *known = Some(block)).is_some());
    }

    /// All of its memory.
    pub(crate) fn memory_bytes(&self) -> u64 {
        thousandths(&self.shape.memory).unwrap_or_default() / 1000
    }

    /// What it leaves for pods.
    pub(crate) fn allocatable(&self) -> BTreeMap<String, Quantity> {
        object::allocatable(&self.shape, &self.effects())
    }

    /// The range of its pods' addresses, where it has one yet.
    pub(crate) fn pod_range(&self) -> Option<String> {
        self.block.borrow().map(Block::range)
    }

    /// The node's pod addresses, as soon as the controller manager has assigned them.
    pub(crate) async fn block(&self) -> Option<Block> {
        let mut block = self.block.subscribe();
        block.wait_for(Option::is_some).await.ok().and_then(|block| *block)
    }

    /// The number of the next pod that starts here, from 1.
    pub(crate) fn next_ordinal(&self) -> u64 {
        self.started_pods.fetch_add(1, Ordering::Relaxed) + 1
    }
}

fn platform(shape: &NodeShape) -> HostPlatform<'_> {
    HostPlatform { os: shape.os, arch: &shape.arch, version: shape.build.as_deref(), runtime: &shape.runtime }
}

/// The images on a node.
pub(crate) struct Images {
    present: watch::Sender<Vec<Image>>,
    /// Kubelets pull one image at a time (`serializeImagePulls`).
    pub(crate) pulling: tokio::sync::Mutex<()>,
}

impl Images {
    fn baked(host: &HostPlatform<'_>) -> Self {
        Self { present: watch::Sender::new(image::baked(host)), pulling: tokio::sync::Mutex::default() }
    }

    /// All of them, biggest first.
    pub(super) fn list(&self) -> Vec<Image> {
        self.present.borrow().clone()
    }

    /// Tells when an image arrives.
    pub(super) fn subscribe(&self) -> watch::Receiver<Vec<Image>> {
        self.present.subscribe()
    }

    /// Whether an image is here.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.present.borrow().iter().any(|image| image.name == name)
    }

    /// Keeps an image that was pulled.
    pub(crate) fn add(&self, image: Image) {
        self.present.send_if_modified(|present| {
            let new = !present.iter().any(|known| known.name == image.name);
            if new {
                present.push(image);
                present.sort_by_key(|image| std::cmp::Reverse(image.size));
            }
            new
        });
    }
}

/// The pods of a node, by uid.
#[derive(Default)]
pub(crate) struct Pods {
    cells: Mutex<HashMap<String, Arc<Cell>>>,
}

impl Pods {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Cell>>> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert(&self, uid: &str, cell: Arc<Cell>) {
        self.lock().insert(uid.to_owned(), cell);
    }

    pub(crate) fn remove(&self, uid: &str) {
        self.lock().remove(uid);
    }

    /// A pod by namespace and name.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<Arc<Cell>> {
        self.lock().values().find(|cell| cell.is_named(namespace, name)).cloned()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Arc<Cell>> {
        self.lock().values().cloned().collect()
    }
}
