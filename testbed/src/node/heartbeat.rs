//! Keeps the Node object true: when something changes, and every five minutes.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Taint};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::{sync::watch, time::MissedTickBehavior};

use super::{host::Host, object};
use crate::fault::{Condition, EventText, NodeEffect, NodeEffects};

/// How often an unchanged status is posted, as kubelets with leases do.
const REPORT: Duration = Duration::from_secs(300);
/// How often a patch of the node itself is tried again when somebody else was faster.
const ATTEMPTS: usize = 5;

/// Posts the node's status until the testbed ends.
pub(super) async fn keep(host: Arc<Host>, mut observed: watch::Receiver<Option<Arc<Node>>>) {
    let mut faults = host.world.faults.changed();
    // From now on this node is waited for, also by a fault that came before it looked.
    host.world.faults.taken_up(host.name(), 0);
    faults.mark_changed();
    let mut ticks = tokio::time::interval(REPORT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await; // the first is immediate, and registration has just posted
    let mut conditions = observed.borrow().as_deref().map(conditions_of).unwrap_or_default();
    let mut applied = NodeEffects::default();
    let mut images = host.images.subscribe();
    let mut power = host.power_changes();
    loop {
        let due = tokio::select! {
            _ = ticks.tick() => true,
            Ok(()) = faults.changed() => false,
            Ok(()) = images.changed() => true,
            Ok(()) = power.changed() => true,
            Ok(()) = observed.changed() => contradicted(&observed.borrow_and_update(), &conditions),
        };
        let version = *faults.borrow();
        let effects = host.effects_now();
        let changed = effects != applied;
        if effects.lease_stopped || !host.power().is_on() || !(due || changed) {
            host.world.faults.taken_up(host.name(), version);
            continue; // a fault that stops the heartbeat is remembered only when it heals
        }
        conditions = object::conditions(&effects, &conditions, Timestamp::now());
        let posted = post(&host, &effects, &applied.conditions, &conditions).await;
        if changed && posted.is_ok() {
            report(&host, &applied, &effects);
            if let Err(error) = mark(&host, &effects, &applied).await {
                tracing::warn!(node = host.name(), %error, "labels and taints not changed");
                continue; // `applied` stays behind, so the next turn tries again
            }
        }
        match posted {
            Ok(()) => {
                if changed {
                    host.effects_showed(|effect| shows(&host, effect));
                }
                applied = effects;
                host.world.faults.taken_up(host.name(), version);
            }
            Err(error) => {
                tracing::debug!(node = host.name(), %error, "status not posted");
                ticks.reset_after(Duration::from_secs(1));
            }
        }
    }
}

/// Whether the Node object is another one because of an effect.
fn shows(host: &Host, effect: &NodeEffect) -> bool {
    let mut alone = NodeEffects::default();
    alone.merge(effect);
    let healthy = NodeEffects::default();
    let status = |effects: &NodeEffects| {
        let conditions = object::conditions(effects, &[], Timestamp::UNIX_EPOCH);
        object::status(&host.shape, &host.facts, &[], effects, host.power().boots, conditions)
    };
    let spec =
        |effects: &NodeEffects| taints(object::taints(&host.shape), object::taints(&host.shape), effects, &healthy);
    let relabels = effect.labels.iter().any(|(key, value)| host.facts.labels.get(key) != value.as_ref());
    relabels
        || effect.unschedulable == Some(true)
        || !effect.events.is_empty()
        || status(&alone) != status(&healthy)
        || spec(&alone) != spec(&healthy)
}

fn conditions_of(node: &Node) -> Vec<NodeCondition> {
    node.status.as_ref().and_then(|status| status.conditions.clone()).unwrap_or_default()
}

/// Whether somebody wrote conditions that this kubelet did not, as the node controller does when a node is silent.
fn contradicted(observed: &Option<Arc<Node>>, mine: &[NodeCondition]) -> bool {
    let Some(node) = observed else { return false };
    let theirs = conditions_of(node);
    mine.iter().any(|own| theirs.iter().any(|theirs| theirs.type_ == own.type_ && theirs.status != own.status))
}

async fn post(
    host: &Host,
    effects: &NodeEffects,
    before: &[Condition],
    conditions: &[NodeCondition],
) -> kube::Result<()> {
    let nodes: Api<Node> = Api::all(host.world.client.clone());
    let images = host.images.list();
    let mut status =
        object::status(&host.shape, &host.facts, &images, effects, host.power().boots, conditions.to_vec());
    host.publish(&mut status);
    status.addresses = None; // a strategic merge of addresses corrupts them (kubernetes 79391), and they never change
    let order = conditions.iter().map(|c| json!({"type": c.type_})).collect::<Vec<_>>();
    let gone = before.iter().filter(|old| !conditions.iter().any(|new| new.type_ == old.kind));
    let mut patch = json!({"status": status});
    if let Some(status) = patch.get_mut("status").and_then(Value::as_object_mut) {
        status.insert("$setElementOrder/conditions".to_owned(), Value::Array(order));
        if let Some(list) = status.get_mut("conditions").and_then(Value::as_array_mut) {
            list.extend(gone.map(|old| json!({"$patch": "delete", "type": old.kind})));
        }
    }
    nodes.patch_status(host.name(), &PatchParams::default(), &Patch::Strategic(patch)).await.map(|_| ())
}

/// Sets and removes labels and taints, and takes back what healed faults had set.
async fn mark(host: &Host, effects: &NodeEffects, before: &NodeEffects) -> kube::Result<()> {
    let marks = |effects: &NodeEffects| (effects.labels.clone(), effects.taints.clone(), effects.remove_taints.clone());
    if marks(effects) == marks(before) && effects.unschedulable == before.unschedulable {
        return Ok(());
    }
    let nodes: Api<Node> = Api::all(host.world.client.clone());
    let mut labels: serde_json::Map<String, Value> =
        before.labels.keys().map(|key| (key.clone(), json!(host.facts.labels.get(key)))).collect();
    labels.extend(effects.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        let node = nodes.get(host.name()).await?;
        let present = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        let mut patch = json!({
            "metadata": {"labels": labels, "resourceVersion": node.metadata.resource_version},
            "spec": {"taints": taints(present, object::taints(&host.shape), effects, before)},
        });
        if effects.unschedulable != before.unschedulable {
            patch["spec"]["unschedulable"] = json!(effects.unschedulable.unwrap_or(false));
        }
        last = nodes.patch(host.name(), &PatchParams::default(), &Patch::Merge(patch)).await.map(|_| ());
        match &last {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            _ => break,
        }
    }
    last
}

/// The taints the node should have: others' stay, ours follow the shape and the faults.
fn taints(present: Vec<Taint>, own: Vec<Taint>, effects: &NodeEffects, before: &NodeEffects) -> Vec<Taint> {
    let same = |a: &Taint, b: &Taint| a.key == b.key && a.effect == b.effect;
    let told = |effects: &NodeEffects| -> Vec<Taint> {
        let taint = effects.taints.iter().map(|told| Taint {
            key: told.key.clone(),
            value: Some(told.value.clone()).filter(|value| !value.is_empty()),
            effect: told.effect.to_string(),
            time_added: None,
        });
        taint.collect()
    };
    let (added, healed) = (told(effects), told(before));
    let foreign = present.into_iter().filter(|taint| {
        let ours = own.iter().chain(&added).chain(&healed).any(|known| same(known, taint));
        !ours && !effects.remove_taints.contains(&taint.key)
    });
    let kept =
        own.iter().filter(|taint| !effects.remove_taints.contains(&taint.key) && !added.iter().any(|a| same(a, taint)));
    foreign.chain(kept.cloned()).chain(added.iter().cloned()).collect()
}

/// Events about conditions that changed, and those that a fault brings along.
fn report(host: &Host, before: &NodeEffects, now: &NodeEffects) {
    let ready = |effects: &NodeEffects| {
        effects
            .conditions
            .iter()
            .find(|condition| condition.kind == "Ready")
            .is_none_or(|ready| ready.status.as_str() == "True")
    };
    let name = host.name();
    match (ready(before), ready(now)) {
        (true, false) => {
            host.recorder.node(name, "Normal", "NodeNotReady", format!("Node {name} status is now: NodeNotReady"))
        }
        (false, true) => {
            host.recorder.node(name, "Normal", "NodeReady", format!("Node {name} status is now: NodeReady"))
        }
        _ => {}
    }
    let new = |event: &&EventText| !before.events.contains(event);
    for event in now.events.iter().filter(new) {
        host.recorder.node(name, event.kind.as_str(), &event.reason, event.message.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, effect: &str) -> Taint {
        Taint { key: key.into(), effect: effect.into(), ..Taint::default() }
    }

    fn keys(taints: &[Taint]) -> Vec<&str> {
        taints.iter().map(|taint| taint.key.as_str()).collect()
    }

    #[test]
    fn a_removed_taint_comes_back_when_the_fault_heals_and_others_are_left_alone() {
        let own = vec![taint("os", "NoSchedule")];
        let present = vec![taint("node.kubernetes.io/unreachable", "NoExecute"), taint("os", "NoSchedule")];
        let fault = NodeEffects { remove_taints: vec!["os".into()], ..NodeEffects::default() };
        let healthy = NodeEffects::default();
        let during = taints(present, own.clone(), &fault, &healthy);
        assert_eq!(keys(&during), ["node.kubernetes.io/unreachable"]);
        assert_eq!(keys(&taints(during, own, &healthy, &fault)), ["node.kubernetes.io/unreachable", "os"]);
    }

    #[test]
    fn an_added_taint_goes_when_the_fault_heals() {
        let yaml = r#"{"taints": [{"key": "x", "effect": "NoSchedule"}]}"#;
        let told: crate::fault::NodeEffect = serde_json::from_str(yaml).unwrap();
        let fault = NodeEffects { taints: told.taints, ..NodeEffects::default() };
        let during = taints(Vec::new(), Vec::new(), &fault, &NodeEffects::default());
        assert_eq!(keys(&during), ["x"]);
        assert_eq!(taints(during, Vec::new(), &NodeEffects::default(), &fault), []);
    }
}
