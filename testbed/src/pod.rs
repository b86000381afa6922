//! Pods on virtual nodes.
//!
//! One watch follows all pods that are bound to a node; each pod of a virtual
//! node gets a task of its own ([`life`]), which ends, and takes everything the
//! pod had with it, when the object is gone.

mod admission;
mod cell;
mod container;
mod environment;
mod exec;
mod expand;
mod identity;
mod latency;
mod life;
mod log;
mod probe;
mod process;
mod pull;
mod resources;
mod sandbox;
mod state;
mod status;
mod user;
mod volume;

use std::{
    collections::{HashMap, HashSet},
    future::pending,
    sync::Arc,
};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub(crate) use self::{
    cell::Cell,
    exec::{Exec, ExecError},
    log::{Line, Log},
    resources::thousandths,
    state::{Doing, Record},
};
use crate::{
    node::{Host, NodeError},
    world::World,
};

/// A pod and the task that lives its life.
struct Living {
    updates: watch::Sender<Arc<Pod>>,
    _life: AbortOnDropHandle<()>,
}

/// Follows all bound pods and starts, updates and ends the lives of those on `hosts`.
pub(crate) async fn dispatch(world: World, hosts: HashMap<String, Arc<Host>>) -> Result<(), NodeError> {
    let config = watcher::Config::default().fields("spec.nodeName!=");
    let pods: Api<Pod> = Api::all(world.client.clone());
    let mut events = watcher::watcher(pods, config).default_backoff().boxed();
    let mut living: HashMap<String, Living> = HashMap::new();
    let mut listed: HashSet<String> = HashSet::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Init)) => listed.clear(),
            Ok(Some(Event::InitApply(pod))) => {
                listed.extend(pod.metadata.uid.clone());
                apply(&mut living, &hosts, pod);
            }
            Ok(Some(Event::InitDone)) => living.retain(|uid, _| listed.contains(uid)), // gone while nobody watched
            Ok(Some(Event::Apply(pod))) => apply(&mut living, &hosts, pod),
            Ok(Some(Event::Delete(pod))) => {
                pod.metadata.uid.and_then(|uid| living.remove(&uid));
            }
            Ok(None) => pending().await,
            Err(error) => tracing::debug!(%error, "watching pods"),
        }
    }
}

fn apply(living: &mut HashMap<String, Living>, hosts: &HashMap<String, Arc<Host>>, pod: Pod) {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
    let (Some(host), Some(uid)) = (node.and_then(|node| hosts.get(node)), pod.metadata.uid.clone()) else {
        return; // on a node that somebody else brought
    };
    let pod = Arc::new(pod);
    if let Some(known) = living.get(&uid) {
        known.updates.send_replace(pod);
        return;
    }
    let (updates, receiver) = watch::channel(pod);
    let cell = Arc::new(Cell::new(host.clone(), receiver));
    let life = AbortOnDropHandle::new(tokio::spawn(life::live(cell)));
    living.insert(uid, Living { updates, _life: life });
}
