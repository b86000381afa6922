//! How far a pod has come, and what keeps it.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Event, Pod, PodCondition, Toleration};

use winconform_reports::event::Observation;

use super::{Cause, Look, Snapshot};
use crate::{
    budgets::Budget,
    cluster::{Facts, Taint},
};

/// How far a pod has come, in the order in which a kubelet brings it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodProgress {
    /// Created, without a node.
    Pending,
    /// It has a node.
    Scheduled,
    /// Its sandbox is there: network and pause container.
    Sandboxed,
    /// Its images are being pulled.
    Pulling,
    /// Its images are there.
    Pulled,
    /// Its containers run.
    Running,
    /// It is Ready.
    Ready,
}

impl PodProgress {
    /// A word for progress and timelines.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Scheduled => "scheduled",
            Self::Sandboxed => "sandbox",
            Self::Pulling => "pulling",
            Self::Pulled => "pulled",
            Self::Running => "started",
            Self::Ready => "ready",
        }
    }

    /// How far `pod` has come, by its status and the kubelet's events.
    #[must_use]
    pub fn of(pod: &Pod, events: &Snapshot<Event>) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        if is_true(pod, "Ready") {
            return Self::Ready;
        }
        let statuses = status.container_statuses.unwrap_or_default();
        let running = |status: &ContainerStatus| status.state.as_ref().is_some_and(|state| state.running.is_some());
        if !statuses.is_empty() && statuses.iter().all(running) {
            return Self::Running;
        }
        let happened = |reason: &str| events_of(pod, events).any(|event| event.reason.as_deref() == Some(reason));
        if happened("Created") || happened("Pulled") {
            Self::Pulled
        } else if happened("Pulling") {
            Self::Pulling
        } else if is_true(pod, "PodReadyToStartContainers") {
            Self::Sandboxed
        } else if node_of(pod).is_some() {
            Self::Scheduled
        } else {
            Self::Pending
        }
    }

    /// The budget that counts while a pod is here.
    fn budget(self) -> Budget {
        match self {
            Self::Pending => Budget::Schedule,
            Self::Scheduled => Budget::Sandbox,
            Self::Sandboxed | Self::Pulling => Budget::Pull,
            Self::Pulled => Budget::Start,
            Self::Running | Self::Ready => Budget::Ready,
        }
    }
}

/// `namespace/name` of a pod.
#[must_use]
pub fn pod_key(pod: &Pod) -> String {
    format!(
        "{}/{}",
        pod.metadata.namespace.as_deref().unwrap_or_default(),
        pod.metadata.name.as_deref().unwrap_or_default()
    )
}

/// Looks whether a pod is Ready, or can still become it.
///
/// A pod that is not there yet is pending: whoever creates it may be slower than the watch.
pub fn look_at_pod(pod: Option<&Arc<Pod>>, events: &Snapshot<Event>, facts: &Facts) -> Look<Arc<Pod>> {
    let Some(pod) = pod else {
        return Look::NotYet(Budget::Schedule, "the pod is not there".to_owned());
    };
    let progress = PodProgress::of(pod, events);
    if progress == PodProgress::Ready {
        return Look::Ready(pod.clone());
    }
    match hopeless(pod, events, facts) {
        Some(cause) => Look::Hopeless(cause),
        None => Look::NotYet(progress.budget(), describe(pod, progress, events)),
    }
}

/// The cause that keeps a pod for good, where there is one.
fn hopeless(pod: &Pod, events: &Snapshot<Event>, facts: &Facts) -> Option<Cause> {
    let (key, node) = (pod_key(pod), node_of(pod).map(str::to_owned));
    let status = pod.status.as_ref()?;
    let is_failed = status.phase.as_deref() == Some("Failed");
    let refused = |reason: &str| Cause::Refused {
        pod: key.clone(),
        node: node.clone(),
        reason: reason.to_owned(),
        message: status.message.clone().unwrap_or_default(),
    };
    // A kubelet that gives a pod back, or evicts it, says so in the pod's own status; one whose containers
    // ended for good has no reason there, and the containers have.
    if let Some(reason) = status.reason.as_deref().filter(|_| is_failed) {
        return Some(refused(reason));
    }
    for container in status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten()) {
        if let Some(cause) = container_cause(&key, node.as_deref(), container) {
            return Some(cause);
        }
    }
    if is_failed {
        return Some(refused("Failed"));
    }
    if let Some(unscheduled) = condition(pod, "PodScheduled")
        && unscheduled.status == "False"
        && unscheduled.reason.as_deref() == Some("Unschedulable")
    {
        let nodes = wanted_nodes(pod);
        let untolerated = untolerated(pod, &nodes, facts);
        // Without an untolerated taint it may be waiting for room, which can come.
        if !untolerated.is_empty() {
            let message = unscheduled.message.clone().unwrap_or_default();
            return Some(Cause::Unschedulable { pod: key, nodes, untolerated, message });
        }
    }
    // One failed sandbox happens on healthy nodes (the CNI was restarting); three in a row do not pass.
    let sandbox = events_of(pod, events)
        .filter(|event| event.reason.as_deref() == Some("FailedCreatePodSandBox"))
        .max_by_key(|event| event.count.unwrap_or(1))?;
    let times: i32 = events_of(pod, events)
        .filter(|event| event.reason.as_deref() == Some("FailedCreatePodSandBox"))
        .map(|event| event.count.unwrap_or(1))
        .sum();
    let message = sandbox.message.clone().unwrap_or_default();
    (times >= 3 || message.contains("no runtime for")).then(|| Cause::Sandbox {
        pod: key,
        node,
        reason: "FailedCreatePodSandBox".to_owned(),
        message,
    })
}

fn container_cause(pod: &str, node: Option<&str>, container: &ContainerStatus) -> Option<Cause> {
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let mut message = waiting.message.clone().unwrap_or_default();
        if reason == "CrashLoopBackOff"
            && let Some(ended) = container.last_state.as_ref().and_then(|last| last.terminated.as_ref())
        {
            message = format!("{message}; last exit code {}", ended.exit_code);
        }
        return Cause::container(pod, node, &container.image, reason, &message);
    }
    let ended = state.terminated.as_ref()?;
    let reason = ended.reason.as_deref().unwrap_or_default();
    Cause::container(pod, node, &container.image, reason, ended.message.as_deref().unwrap_or_default())
}

/// How a pod's container ended, where it did, as a fact for findings.
pub(crate) fn ended(pod: &Pod, container: &str) -> Option<Observation> {
    let status = pod.status.as_ref()?;
    let mut statuses = status.container_statuses.iter().flatten();
    let status: &ContainerStatus = statuses.find(|status| status.name == container)?;
    let of = |state: Option<&ContainerState>| state.and_then(|state| state.terminated.clone());
    let ended = of(status.state.as_ref()).or_else(|| of(status.last_state.as_ref()))?;
    let waits = status.state.as_ref().and_then(|state| state.waiting.as_ref()?.reason.clone());
    let message = ended.message.map(|message| format!("{message}; ")).unwrap_or_default();
    Some(Observation::Container {
        pod: pod_key(pod),
        node: node_of(pod).map(str::to_owned),
        image: status.image.clone(),
        reason: waits.or(ended.reason).unwrap_or_else(|| "Error".to_owned()),
        message: format!("{message}exit code {}, after {} restarts", ended.exit_code, status.restart_count),
    })
}

/// What to say of a pod that is not Ready.
fn describe(pod: &Pod, progress: PodProgress, events: &Snapshot<Event>) -> String {
    let mut text = format!("pod {} is {}", pod.metadata.name.as_deref().unwrap_or_default(), progress.as_str());
    if let Some(node) = node_of(pod) {
        text = format!("{text} on {node}");
    }
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let waiting: Vec<String> =
        statuses.filter_map(|container| container.state.as_ref()?.waiting.as_ref()?.reason.clone()).collect();
    if !waiting.is_empty() {
        text = format!("{text} ({})", waiting.join(", "));
    }
    if progress == PodProgress::Pending
        && let Some(condition) = condition(pod, "PodScheduled")
        && let Some(message) = &condition.message
    {
        text = format!("{text}: {message}");
    }
    let warning = events_of(pod, events).filter(|event| event.type_.as_deref() == Some("Warning")).last();
    if let Some(warning) = warning {
        let (reason, message) = (warning.reason.as_deref(), warning.message.as_deref());
        text = format!("{text}; {}: {}", reason.unwrap_or("Warning"), message.unwrap_or_default());
    }
    text
}

/// The taints of `nodes` that the pod does not tolerate.
///
/// Computed, because since 1.34 the scheduler's message no longer names them (guide, P4).
#[must_use]
pub fn untolerated(pod: &Pod, nodes: &[String], facts: &Facts) -> Vec<String> {
    let tolerations: Vec<Toleration> = pod.spec.as_ref().and_then(|spec| spec.tolerations.clone()).unwrap_or_default();
    let mut taints: Vec<String> = nodes
        .iter()
        .filter_map(|name| facts.node(name))
        .flat_map(|node| &node.taints)
        .filter(|taint| taint.effect != "PreferNoSchedule")
        .filter(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
        .map(Taint::spelled)
        .collect();
    taints.sort();
    taints.dedup();
    taints
}

/// Kubernetes' own rule (`v1helper.ToleratesTaint`): values are case-sensitive.
fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_deref().unwrap_or_default();
    let key = toleration.key.as_deref().unwrap_or_default();
    let value = toleration.value.as_deref().unwrap_or_default();
    let exists = toleration.operator.as_deref() == Some("Exists");
    (effect.is_empty() || effect == taint.effect)
        && (key == taint.key || (key.is_empty() && exists))
        && (exists || value == taint.value)
}

/// The nodes that a pod's own affinity names.
fn wanted_nodes(pod: &Pod) -> Vec<String> {
    let affinity = pod.spec.as_ref().and_then(|spec| spec.affinity.as_ref()?.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    required
        .into_iter()
        .flat_map(|required| &required.node_selector_terms)
        .flat_map(|term| term.match_fields.iter().flatten())
        .filter(|field| field.key == "metadata.name")
        .flat_map(|field| field.values.iter().flatten().cloned())
        .collect()
}

fn events_of<'a>(pod: &Pod, events: &'a Snapshot<Event>) -> impl Iterator<Item = &'a Arc<Event>> {
    let uid = pod.metadata.uid.clone();
    events.all().filter(move |event| event.involved_object.uid == uid)
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

fn is_true(pod: &Pod, kind: &str) -> bool {
    condition(pod, kind).is_some_and(|condition| condition.status == "True")
}

fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec.as_ref()?.node_name.as_deref().filter(|node| !node.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, value: &str) -> Taint {
        Taint { key: key.into(), value: value.into(), effect: "NoSchedule".into() }
    }

    fn toleration(key: &str, operator: &str, value: &str) -> Toleration {
        Toleration {
            key: (!key.is_empty()).then(|| key.to_owned()),
            operator: Some(operator.into()),
            value: (!value.is_empty()).then(|| value.to_owned()),
            ..Toleration::default()
        }
    }

    #[test]
    fn a_failed_pod_is_given_back_where_it_says_so_and_else_its_containers_tell() {
        let cause = |reason: serde_json::Value, containers: serde_json::Value| {
            let pod: Pod = serde_json::from_value(serde_json::json!({
                "metadata": { "namespace": "ns", "name": "web", "uid": "u" },
                "spec": { "nodeName": "win-0", "containers": [] },
                "status": { "phase": "Failed", "reason": reason, "containerStatuses": containers }
            }))
            .unwrap();
            hopeless(&pod, &Snapshot::default(), &Facts::from_nodes(&[])).unwrap()
        };
        let ended = serde_json::json!({ "terminated": { "exitCode": 128, "reason": "StartError", "message": "no" } });
        let containers = serde_json::json!([{
            "name": "web", "image": "web:1", "imageID": "", "ready": false, "restartCount": 0, "state": ended
        }]);
        assert!(matches!(cause(serde_json::Value::Null, containers.clone()), Cause::Container { .. }));
        assert!(matches!(cause("Evicted".into(), containers), Cause::Refused { reason, .. } if reason == "Evicted"));
        assert!(matches!(cause(serde_json::Value::Null, serde_json::json!([])), Cause::Refused { .. }));
    }

    #[test]
    fn a_container_that_ended_is_told_with_its_exit_code_and_one_that_never_did_is_not() {
        let pod = |state: serde_json::Value, last: serde_json::Value| -> Pod {
            serde_json::from_value(serde_json::json!({
                "metadata": { "namespace": "ns", "name": "web" },
                "spec": { "nodeName": "win-0", "containers": [] },
                "status": { "containerStatuses": [{
                    "name": "web", "image": "web:1", "imageID": "", "ready": false, "restartCount": 2,
                    "state": state, "lastState": last
                }] }
            }))
            .unwrap()
        };
        let running = serde_json::json!({ "running": {} });
        assert_eq!(ended(&pod(running.clone(), serde_json::json!({})), "web"), None);
        let crashed = serde_json::json!({ "terminated": { "exitCode": -1_073_741_819, "reason": "Error" } });
        let waits = serde_json::json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        for (state, reason) in [(running, "Error"), (waits, "CrashLoopBackOff"), (crashed.clone(), "Error")] {
            let seen = ended(&pod(state, crashed.clone()), "web");
            let Some(Observation::Container { reason: said, message, node, .. }) = seen else { panic!("{seen:?}") };
            assert_eq!((said.as_str(), node.as_deref()), (reason, Some("win-0")));
            assert_eq!(message, "exit code -1073741819, after 2 restarts");
        }
    }

    #[test]
    fn a_toleration_is_case_sensitive_as_in_the_scheduler() {
        let windows = taint("os", "windows");
        assert!(tolerates(&toleration("os", "Equal", "windows"), &windows));
        assert!(!tolerates(&toleration("os", "Equal", "Windows"), &windows));
        assert!(tolerates(&toleration("os", "Exists", ""), &windows));
        assert!(tolerates(&toleration("", "Exists", ""), &windows));
        assert!(!tolerates(&toleration("node.kubernetes.io/os", "Equal", "windows"), &windows));
    }
}
