//! Nodes that a disruptive check keeps pods off for a while, and the certainty that it ends.
//!
//! A cordon is the one thing that a run changes on an object which is not its own.
//! Whatever becomes of the check (its verdict, a panic, its budget, Ctrl-C), the
//! runner lifts its cordons. A label with the run's id goes with each, so that
//! `winconform cleanup` lifts those of a run that died.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, Patch, PatchParams},
};
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    blame::Trouble,
    cluster::{ApiError, Permission, may},
    wait::pause,
};

/// Says which run has cordoned a node.
pub(crate) const CORDON_LABEL: &str = "winconform.io/cordoned-by";
/// What cordoning and uncordoning asks for.
pub(crate) const ASKS: &[Permission] = &[may("get", "", "nodes"), may("patch", "", "nodes")];
/// How often a change that lost a race, or whose answer was lost, is made again.
const TRIES: u32 = 6;

/// The cordons of a run.
#[derive(Clone)]
pub(crate) struct Cordons {
    client: Client,
    run: String,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Cordoned nodes, and the check that wanted it.
    held: BTreeMap<String, String>,
    /// Checks that are done: a task of theirs that lives on can cordon nothing any more.
    done: BTreeSet<String>,
}

impl Cordons {
    pub(crate) fn new(client: &Client, run: &str) -> Self {
        Self { client: client.clone(), run: run.to_owned(), state: Arc::default() }
    }

    /// Cordons a node for a check.
    ///
    /// The request is a task of its own, which ends whatever becomes of the check:
    /// whoever lifts the cordon waits for it, and never comes too early.
    pub(crate) async fn put(&self, owner: &str, node: &str) -> Result<(), Trouble> {
        let (cordons, owner, name) = (self.clone(), owner.to_owned(), node.to_owned());
        let task = tokio::spawn(async move {
            let mut state = cordons.state.lock().await;
            if state.done.contains(&owner) {
                return Err(Trouble::Aborted("the check is over".to_owned()));
            }
            // Noted before it is sent: an answer that is lost leaves a cordon all the same.
            state.held.insert(name.clone(), owner);
            let cordoned = cordon(&cordons.client, &name, &cordons.run).await;
            if let Err(Trouble::Unexpected(_)) = &cordoned {
                state.held.remove(&name);
            }
            cordoned
        });
        task.await.unwrap_or_else(|_| Err(Trouble::Aborted("the cordon's task ended".to_owned())))
    }

    /// Lifts the cordons of a check, which can put none any more; returns what is left, with the reason.
    pub(crate) async fn lift(&self, owner: &str) -> Vec<String> {
        let mut state = self.state.lock().await;
        state.done.insert(owner.to_owned());
        let own: Vec<String> =
            state.held.iter().filter(|(_, held_by)| *held_by == owner).map(|(node, _)| node.clone()).collect();
        self.lift_all(&mut state, own).await
    }

    /// Lifts whatever is still held.
    pub(crate) async fn lift_rest(&self) -> Vec<String> {
        let mut state = self.state.lock().await;
        let rest = state.held.keys().cloned().collect();
        self.lift_all(&mut state, rest).await
    }

    async fn lift_all(&self, state: &mut State, nodes: Vec<String>) -> Vec<String> {
        let lifted = join_all(nodes.iter().map(|node| uncordon(&self.client, node, &self.run))).await;
        let mut left = Vec::new();
        for (node, lifted) in nodes.into_iter().zip(lifted) {
            match lifted {
                Ok(()) => drop(state.held.remove(&node)),
                Err(error) => left.push(still_cordoned(&node, error)),
            }
        }
        left
    }
}

/// Lifts what a dead run left cordoned; returns what is left, with the reason.
pub(super) async fn lift_of_dead_run(client: &Client, run: &str) -> Vec<String> {
    let nodes: Api<Node> = Api::all(client.clone());
    let own = ListParams::default().labels(&format!("{CORDON_LABEL}={run}"));
    // Who may not list nodes has cordoned none.
    let Ok(found) = nodes.list_metadata(&own).await else { return Vec::new() };
    let names: Vec<String> = found.items.iter().map(ResourceExt::name_any).collect();
    let lifted = join_all(names.iter().map(|node| uncordon(client, node, run))).await;
    names.iter().zip(lifted).filter_map(|(node, lifted)| Some(still_cordoned(node, lifted.err()?))).collect()
}

fn still_cordoned(node: &str, error: kube::Error) -> String {
    format!("node/{node}: still cordoned, `kubectl uncordon {node}` lifts it: {}", ApiError::from(error))
}

async fn cordon(client: &Client, node: &str, run: &str) -> Result<(), Trouble> {
    let nodes: Api<Node> = Api::all(client.clone());
    let action = || format!("cordon node {node}");
    for attempt in 1.. {
        let now = nodes.get(node).await.map_err(|error| Trouble::api(action(), error))?;
        if now.labels().get(CORDON_LABEL).is_some_and(|own| own == run) {
            return Ok(());
        }
        if is_cordoned(&now) {
            return Err(Trouble::Unexpected(format!("node {node} was cordoned by somebody else meanwhile")));
        }
        let change = json!({
            "metadata": { "resourceVersion": now.resource_version(), "labels": { CORDON_LABEL: run } },
            "spec": { "unschedulable": true },
        });
        match nodes.patch(node, &PatchParams::default(), &Patch::Merge(change)).await {
            Ok(_) => return Ok(()),
            Err(error) if again(&error, attempt) => pause(Duration::from_millis(200) * attempt).await,
            Err(error) => return Err(Trouble::api(action(), error)),
        }
    }
    Ok(())
}

/// Lifts a cordon of ours. One that is not marked as ours any more is somebody else's business.
async fn uncordon(client: &Client, node: &str, run: &str) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    for attempt in 1.. {
        let lifted = async {
            let Some(now) = nodes.get_opt(node).await? else { return Ok(()) };
            if now.labels().get(CORDON_LABEL).is_none_or(|own| own != run) {
                return Ok(());
            }
            let change = json!({
                "metadata": { "resourceVersion": now.resource_version(), "labels": { CORDON_LABEL: null } },
                "spec": { "unschedulable": null },
            });
            nodes.patch(node, &PatchParams::default(), &Patch::Merge(change)).await.map(drop)
        };
        match lifted.await {
            Ok(()) => return Ok(()),
            Err(error) if again(&error, attempt) => pause(Duration::from_millis(200) * attempt).await,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
}

/// Whether a change may work the next time: it lost a race, or its answer was lost. A refusal stays one.
fn again(error: &kube::Error, attempt: u32) -> bool {
    let refused = matches!(error, kube::Error::Api(status) if status.code != 409 && status.code < 429);
    attempt < TRIES && !refused
}
