//! The objects that faults bring along: somebody else's DaemonSets, quotas, policies.
//!
//! They are applied when their effect begins and deleted when it ends. Whoever
//! injects a fault finds them there, and their pods where a kubelet has looked at
//! them: on a real cluster they would have been there for long.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams},
    core::TypeMeta,
    discovery::{self, Scope},
    runtime::{conditions::is_deleted, wait::await_condition},
};
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::{
    fault::{FaultBoard, Mark, ObjectEffect},
    progress::chain,
};

/// What this part of the testbed goes by among those who take up faults, and who owns the objects' fields.
const NAME: &str = "winconform-testbed-objects";

/// How long objects and their pods are waited for, to come or to go.
const PATIENCE: Duration = Duration::from_secs(4);

/// How often pods are looked at. There is no event for those that controllers are about to make.
const LOOK_EVERY: Duration = Duration::from_millis(40);

/// Keeps the objects in the cluster that the faults in force want there, until `cancel`.
pub(crate) fn serve(client: Client, faults: FaultBoard, cancel: CancellationToken) {
    faults.taken_up(NAME, *faults.changed().borrow());
    tokio::spawn(cancel.run_until_cancelled_owned(Keeper { client, faults, there: Vec::new() }.keep()));
}

struct Keeper {
    client: Client,
    faults: FaultBoard,
    there: Vec<Brought>,
}

/// An object of a fault that is in the cluster.
struct Brought {
    mark: Mark,
    effect: ObjectEffect,
    api: Api<DynamicObject>,
    name: String,
    uid: String,
}

impl Keeper {
    async fn keep(mut self) {
        let mut changed = self.faults.changed();
        loop {
            let version = *changed.borrow_and_update();
            self.follow().await;
            self.faults.taken_up(NAME, version);
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Brings what is wanted and not there, and takes away what is there and not wanted any more.
    async fn follow(&mut self) {
        let wanted = self.faults.objects();
        let mut kept = Vec::new();
        for brought in std::mem::take(&mut self.there) {
            match wanted.iter().any(|(effect, mark)| (effect, mark) == (&brought.effect, &brought.mark)) {
                true => kept.push(brought),
                false => remove(&brought).await,
            }
        }
        self.there = kept;
        for (effect, mark) in wanted {
            if self.there.iter().any(|brought| brought.mark == mark) {
                continue;
            }
            self.faults.considered(mark);
            match self.bring(effect, mark).await {
                Ok(brought) => {
                    self.faults.applied(mark);
                    let settled = settled(&self.client, &brought);
                    if timeout(PATIENCE, settled).await.is_err() {
                        tracing::warn!(object = brought.name, "the pods of a fault's object are not there yet");
                    }
                    self.there.push(brought);
                }
                Err(error) => tracing::warn!(error = chain(&error), "an object of a fault could not be made"),
            }
        }
    }

    async fn bring(&self, effect: ObjectEffect, mark: Mark) -> kube::Result<Brought> {
        let types =
            TypeMeta { api_version: effect.text("/apiVersion").to_owned(), kind: effect.text("/kind").to_owned() };
        let kind = GroupVersionKind::try_from(&types).map_err(|error| kube::Error::Service(error.into()))?;
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &kind).await?;
        let namespace = Some(effect.text("/metadata/namespace")).filter(|name| !name.is_empty()).unwrap_or("default");
        let api = of_scope(&self.client, &resource, &capabilities.scope, namespace);
        let name = effect.text("/metadata/name").to_owned();
        let applied: DynamicObject = {
            let params = PatchParams::apply(NAME).force();
            api.patch(&name, &params, &Patch::Apply(&effect.manifest)).await?
        };
        let uid = applied.metadata.uid.unwrap_or_default();
        Ok(Brought { mark, effect, api, name, uid })
    }
}

fn of_scope(client: &Client, resource: &ApiResource, scope: &Scope, namespace: &str) -> Api<DynamicObject> {
    match scope {
        Scope::Cluster => Api::all_with(client.clone(), resource),
        Scope::Namespaced => Api::namespaced_with(client.clone(), namespace, resource),
    }
}

/// Takes an object away, with what it has made, and returns when it is gone.
async fn remove(brought: &Brought) {
    let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::foreground() };
    match brought.api.delete(&brought.name, &at_once).await {
        Err(kube::Error::Api(status)) if status.code == 404 => return,
        Err(error) => tracing::warn!(error = chain(&error), "an object of a fault stays behind"),
        Ok(_) => {}
    }
    let gone = await_condition(brought.api.clone(), &brought.name, is_deleted(&brought.uid));
    if timeout(PATIENCE, gone).await.is_err() {
        tracing::warn!(object = brought.name, "an object of a fault does not go");
    }
}

/// Returns when every pod that a DaemonSet makes was looked at by its kubelet; for other objects at once.
async fn settled(client: &Client, brought: &Brought) {
    if brought.effect.text("/kind") != "DaemonSet" {
        return;
    }
    let pods: Api<Pod> = Api::all(client.clone());
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        let wanted = match brought.api.get(&brought.name).await {
            Ok(set) => set.data.pointer("/status/desiredNumberScheduled").and_then(Value::as_u64).unwrap_or(0),
            Err(_) => continue,
        };
        let Ok(all) = pods.list(&ListParams::default()).await else { continue };
        let own = all.items.iter().filter(|pod| is_of(pod, &brought.uid) && was_tried(pod)).count();
        if wanted > 0 && u64::try_from(own).is_ok_and(|own| own >= wanted) {
            return;
        }
    }
}

fn is_of(pod: &Pod, uid: &str) -> bool {
    pod.metadata.owner_references.iter().flatten().any(|owner| owner.uid == uid)
}

/// Whether a kubelet has come as far with a pod as it comes: it runs, is over, or waits for something else than its turn.
fn was_tried(pod: &Pod) -> bool {
    let status = pod.status.clone().unwrap_or_default();
    let phase = status.phase.as_deref().unwrap_or_default();
    let waits = status.container_statuses.iter().flatten().any(|container| {
        let waiting = container.state.as_ref().and_then(|state| state.waiting.as_ref());
        let reason = waiting.and_then(|waiting| waiting.reason.as_deref());
        reason.is_some_and(|reason| !matches!(reason, "ContainerCreating" | "PodInitializing"))
    });
    phase != "Pending" || waits
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_was_tried_when_it_waits_for_more_than_its_turn() {
        let pod = |phase: &str, reason: &str| -> Pod {
            serde_json::from_value(json!({"status": {
                "phase": phase,
                "containerStatuses": [{"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"waiting": {"reason": reason}}}],
            }}))
            .unwrap()
        };
        assert!(!was_tried(&pod("Pending", "ContainerCreating")));
        assert!(was_tried(&pod("Pending", "ErrImagePull")));
        assert!(was_tried(&pod("Failed", "ContainerCreating")));
    }
}
