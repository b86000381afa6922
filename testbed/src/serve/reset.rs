//! Making a used testbed as good as new, faster than a new one starts.
//!
//! Faults are healed, what came since is removed, and all nodes are registered
//! anew. Then the inventory of the whole cluster must be what it was: a testbed
//! that kept something is of no more use to whoever wants to compare.

use std::{collections::BTreeSet, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams},
    discovery::{Discovery, Scope, verbs},
    runtime::{conditions::is_deleted, wait::await_condition},
};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How often the inventory is looked at while controllers still work. There is no event for a whole cluster.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Kinds that come and go by themselves.
const RESTLESS: [&str; 9] = [
    "Event",
    "Lease",
    "Endpoints",
    "EndpointSlice",
    "Pod",
    "ReplicaSet",
    "ControllerRevision",
    "ComponentStatus",
    "CSINode",
];

/// The testbed could not be made new.
#[derive(Debug, Error)]
pub enum ResetError {
    /// The API server did not do what it was asked.
    #[error("the API server did not {action}")]
    Api {
        /// What it was asked to do.
        action: &'static str,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// Something did not go.
    #[error("the namespace `{name}` did not go")]
    Stays {
        /// Its name.
        name: String,
    },
    /// The cluster is another one than before.
    #[error("the cluster is not what it was: {difference}")]
    Differs {
        /// What is there, or missing.
        difference: String,
    },
}

fn failed(action: &'static str) -> impl Fn(kube::Error) -> ResetError {
    move |source| ResetError::Api { action, source: Box::new(source) }
}

/// What a cluster holds: every object that stays by itself, and how its nodes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inventory {
    kinds: Vec<ApiResource>,
    objects: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Inventory {
    /// Takes it, of whatever kinds the API server has.
    pub(super) async fn take(client: &Client) -> Result<Self, ResetError> {
        let discovery = Discovery::new(client.clone()).run().await.map_err(failed("say what kinds it has"))?;
        let mut kinds: Vec<ApiResource> = Vec::new();
        for (resource, capabilities) in discovery.groups().flat_map(kube::discovery::ApiGroup::recommended_resources) {
            let listable = capabilities.supports_operation(verbs::LIST);
            if listable && !RESTLESS.contains(&resource.kind.as_str()) {
                debug_assert!(matches!(capabilities.scope, Scope::Cluster | Scope::Namespaced));
                kinds.push(resource);
            }
        }
        Self::of_kinds(client, kinds).await
    }

    async fn of_kinds(client: &Client, kinds: Vec<ApiResource>) -> Result<Self, ResetError> {
        let lists = stream::iter(kinds.clone()).map(|kind| {
            let client = client.clone();
            async move {
                let api: Api<DynamicObject> = Api::all_with(client, &kind);
                let list = api.list_metadata(&ListParams::default()).await?;
                let named = |object: &kube::core::PartialObjectMeta<DynamicObject>| {
                    let meta = &object.metadata;
                    let name = meta.name.as_deref().unwrap_or_default();
                    let deleted = if meta.deletion_timestamp.is_some() { " (going)" } else { "" };
                    format!("{} {}/{name}{deleted}", kind.kind, meta.namespace.as_deref().unwrap_or_default())
                };
                Ok::<_, kube::Error>(list.items.iter().map(named).collect::<Vec<_>>())
            }
        });
        let objects: Vec<Vec<String>> =
            lists.buffer_unordered(8).try_collect().await.map_err(failed("list its objects"))?;
        let mut objects: BTreeSet<String> = objects.into_iter().flatten().collect();
        let nodes: Api<Node> = Api::all(client.clone());
        let nodes = nodes.list(&ListParams::default()).await.map_err(failed("list its nodes"))?;
        objects.extend(nodes.items.iter().map(as_it_is));
        let pods: Api<Pod> = Api::all(client.clone());
        let pods = pods.list(&ListParams::default()).await.map_err(failed("list its pods"))?;
        objects.extend(ready_pods(&pods.items));
        let namespaces =
            objects.iter().filter_map(|name| name.strip_prefix("Namespace /")).map(str::to_owned).collect();
        Ok(Self { kinds, objects, namespaces })
    }

    /// What the other one has more or less.
    fn difference(&self, other: &Self) -> Option<String> {
        let more = other.objects.difference(&self.objects).map(|name| format!("there is {name}"));
        let less = self.objects.difference(&other.objects).map(|name| format!("there is no {name}"));
        let all: Vec<String> = more.chain(less).take(5).collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

/// A node by what faults may change about it.
fn as_it_is(node: &Node) -> String {
    let spec = node.spec.clone().unwrap_or_default();
    let status = node.status.clone().unwrap_or_default();
    let conditions: Vec<String> =
        status.conditions.iter().flatten().map(|known| format!("{}={}", known.type_, known.status)).collect();
    let taints: Vec<String> = (spec.taints.iter().flatten())
        .map(|taint| format!("{}={}:{}", taint.key, taint.value.as_deref().unwrap_or_default(), taint.effect))
        .collect();
    let info = status.node_info.unwrap_or_default();
    format!(
        "the node {} with labels {:?}, taints {taints:?}, conditions {conditions:?}, {} {} {}, handlers {:?}, cordoned {}",
        node.metadata.name.as_deref().unwrap_or_default(),
        node.metadata.labels.clone().unwrap_or_default(),
        info.kernel_version,
        info.container_runtime_version,
        info.kubelet_version,
        status.runtime_handlers.iter().flatten().map(|handler| &handler.name).collect::<Vec<_>>(),
        spec.unschedulable.unwrap_or_default(),
    )
}

/// How many pods of each owner are Ready: their names differ from time to time.
fn ready_pods(pods: &[Pod]) -> BTreeSet<String> {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for pod in pods {
        let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
        let ready = conditions.is_some_and(|all| all.iter().any(|own| own.type_ == "Ready" && own.status == "True"));
        let owner = pod.metadata.owner_references.as_ref().and_then(|owners| owners.first());
        // A ReplicaSet's own name ends with a hash that does not change while its template does not.
        let owner = owner.map_or_else(|| pod.metadata.name.clone().unwrap_or_default(), |owner| owner.name.clone());
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let state = if ready { "Ready" } else { "not Ready" };
        *counts.entry(format!("{state} pods of {namespace}/{owner}")).or_default() += 1;
    }
    counts.into_iter().map(|(what, count)| format!("{count} {what}")).collect()
}

/// Removes everything that came since `baseline`, and every node and its pods.
///
/// Nothing may keep nodes and pods alive meanwhile: their kubelets have ended.
pub(super) async fn clear(client: &Client, baseline: &Inventory) -> Result<(), ResetError> {
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() };
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let all = namespaces.list_metadata(&ListParams::default()).await.map_err(failed("list its namespaces"))?;
    let all: Vec<String> = all.items.into_iter().filter_map(|namespace| namespace.metadata.name).collect();
    let new: Vec<&String> = all.iter().filter(|name| !baseline.namespaces.contains(*name)).collect();
    for name in &new {
        ignore_missing(namespaces.delete(name, &at_once).await).map_err(failed("delete a namespace"))?;
    }
    for name in &all {
        let pods: Api<Pod> = Api::namespaced(client.clone(), name);
        pods.delete_collection(&at_once, &ListParams::default()).await.map_err(failed("delete pods"))?;
    }
    let nodes: Api<Node> = Api::all(client.clone());
    nodes.delete_collection(&at_once, &ListParams::default()).await.map_err(failed("delete the nodes"))?;
    for name in new {
        let gone = async {
            let namespace = namespaces.get_opt(name).await.map_err(failed("read a namespace"))?;
            let Some(uid) = namespace.and_then(|namespace| namespace.metadata.uid) else { return Ok(()) };
            // A watch that breaks off says nothing; the inventory will.
            let _ = await_condition(namespaces.clone(), name, is_deleted(&uid)).await;
            Ok(())
        };
        match timeout(PATIENCE, gone).await {
            Ok(gone) => gone?,
            Err(_elapsed) => return Err(ResetError::Stays { name: name.clone() }),
        }
    }
    Ok(())
}

/// Returns when the cluster holds what it held before.
pub(super) async fn until_as(client: &Client, baseline: &Inventory) -> Result<(), ResetError> {
    let deadline = Instant::now() + PATIENCE;
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let now = Inventory::of_kinds(client, baseline.kinds.clone()).await?;
        match baseline.difference(&now) {
            None => return Ok(()),
            Some(difference) if Instant::now() >= deadline => return Err(ResetError::Differs { difference }),
            Some(_) => {}
        }
    }
}

fn ignore_missing<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other.map(drop),
    }
}
