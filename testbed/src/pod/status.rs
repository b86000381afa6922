//! From what the kubelet knows to the status it posts.
//!
//! The rules are those of `pkg/kubelet/status/generate.go` and
//! `pkg/kubelet/kubelet_pods.go` (Kubernetes 1.37).

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{
        Container, ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting,
        ContainerStatus, HostIP, Pod, PodCondition, PodIP, PodSpec, PodStatus,
    },
    apimachinery::pkg::apis::meta::v1::Time,
};

use super::state::{Doing, Ended, Record, State, is_sidecar};

/// The status of `pod`. Conditions that changed get `now` as their time, which `state` remembers.
pub(crate) fn build(pod: &Pod, state: &mut State, host_ip: &str, now: Timestamp) -> PodStatus {
    let empty = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&empty);
    let phase = phase(spec, state);
    let conditions = conditions(pod, spec, state, phase, now);
    let ip = state.ip.map(|ip| ip.to_string());
    PodStatus {
        phase: Some(phase.to_owned()),
        reason: state.failed.as_ref().map(|(reason, _)| reason.clone()),
        message: state.failed.as_ref().map(|(_, message)| message.clone()),
        conditions: Some(conditions),
        host_ip: Some(host_ip.to_owned()),
        host_ips: Some(vec![HostIP { ip: host_ip.to_owned() }]),
        pod_ips: ip.clone().map(|ip| vec![PodIP { ip }]),
        pod_ip: ip,
        start_time: Some(Time(state.start_time)),
        observed_generation: pod.metadata.generation,
        init_container_statuses: Some(statuses(spec.init_containers.as_deref().unwrap_or_default(), &state.init, true))
            .filter(|list| !list.is_empty()),
        container_statuses: Some(statuses(&spec.containers, &state.app, false)).filter(|list| !list.is_empty()),
        qos_class: pod.status.as_ref().and_then(|status| status.qos_class.clone()),
        ..PodStatus::default()
    }
}

/// The phase, from the containers alone.
fn phase(spec: &PodSpec, state: &State) -> &'static str {
    if state.failed.is_some() {
        return "Failed";
    }
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let policy = spec.restart_policy.as_deref().unwrap_or("Always");
    for (container, record) in init.iter().zip(&state.init) {
        match &record.doing {
            _ if is_sidecar(container) && (record.started || record.restarts > 0) => {}
            Doing::Terminated(ended) if ended.exit_code == 0 => {}
            Doing::Terminated(_) if policy == "Never" => return "Failed",
            _ => return "Pending",
        }
    }
    let mut running = 0;
    let mut waiting = 0;
    let mut failed = 0;
    for record in &state.app {
        match &record.doing {
            Doing::Running { .. } => running += 1,
            Doing::Waiting { .. } if record.last.is_some() => running += 1, // between two runs
            Doing::Waiting { .. } => waiting += 1,
            Doing::Terminated(ended) if ended.exit_code != 0 => failed += 1,
            Doing::Terminated(_) => {}
        }
    }
    match (waiting, running, failed) {
        (1.., ..) => "Pending",
        (0, 1.., _) => "Running",
        _ if policy == "Always" => "Running",
        (0, 0, 1..) if policy == "Never" => "Failed",
        (0, 0, 1..) => "Running", // restarted on failure
        _ => "Succeeded",
    }
}

/// A condition's type, whether it holds, and why not.
type Told = (&'static str, bool, Option<(&'static str, String)>);

fn conditions(pod: &Pod, spec: &PodSpec, state: &mut State, phase: &str, now: Timestamp) -> Vec<PodCondition> {
    let init = spec.init_containers.as_deref().unwrap_or_default();
    let over = matches!(phase, "Succeeded" | "Failed");
    let uninitialized: Vec<_> = init
        .iter()
        .zip(&state.init)
        .filter(|(container, record)| {
            let done = matches!(&record.doing, Doing::Terminated(ended) if ended.exit_code == 0);
            let runs_along = is_sidecar(container) && record.started;
            !done && !runs_along
        })
        .map(|(container, _)| container.name.as_str())
        .collect();
    let sidecars = init.iter().zip(&state.init).filter(|(container, _)| is_sidecar(container));
    let unready: Vec<_> = sidecars
        .chain(spec.containers.iter().zip(&state.app))
        .filter(|(_, record)| !record.ready)
        .map(|(container, _)| container.name.as_str())
        .collect();
    let done = match phase {
        "Succeeded" => Some(("PodCompleted", String::new())),
        "Failed" => Some(("PodFailed", String::new())),
        _ => None,
    };
    let containers_ready: Told = match &done {
        Some(why) => ("ContainersReady", false, Some(why.clone())),
        None if unready.is_empty() => ("ContainersReady", true, None),
        None => {
            let why = ("ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" ")));
            ("ContainersReady", false, Some(why))
        }
    };
    let gates_closed = closed_gates(pod, spec);
    let ready: Told = match &containers_ready {
        (_, true, _) if gates_closed > 0 => {
            let message = format!("the status of {gates_closed} readiness gates is not \"True\"");
            ("Ready", false, Some(("ReadinessGatesNotReady", message)))
        }
        (_, holds, why) => ("Ready", *holds, why.clone()),
    };
    let initialized: Told = if uninitialized.is_empty() || phase == "Succeeded" {
        ("Initialized", true, None)
    } else {
        let why =
            ("ContainersNotInitialized", format!("containers with incomplete status: [{}]", uninitialized.join(" ")));
        ("Initialized", false, Some(why))
    };
    let told = [("PodReadyToStartContainers", state.sandbox && !over, None), initialized, ready, containers_ready];
    told.into_iter()
        .map(|(kind, holds, why)| {
            let since = state.transitions.entry(kind).or_insert((holds, now));
            if since.0 != holds {
                *since = (holds, now);
            }
            let (reason, message) = why.unzip();
            PodCondition {
                type_: kind.to_owned(),
                status: if holds { "True" } else { "False" }.to_owned(),
                reason: Some(reason.unwrap_or_default().to_owned()),
                message: Some(message.unwrap_or_default()),
                last_transition_time: Some(Time(since.1)),
                observed_generation: pod.metadata.generation,
                ..PodCondition::default()
            }
        })
        .collect()
}

fn closed_gates(pod: &Pod, spec: &PodSpec) -> usize {
    let known = pod.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    spec.readiness_gates
        .as_deref()
        .unwrap_or_default()
        .iter()
        .filter(|gate| !known.iter().any(|c| c.type_ == gate.condition_type && c.status == "True"))
        .count()
}

fn statuses(containers: &[Container], records: &[Record], init: bool) -> Vec<ContainerStatus> {
    containers.iter().zip(records).map(|(container, record)| container_status(container, record, init)).collect()
}

fn container_status(container: &Container, record: &Record, init: bool) -> ContainerStatus {
    let done = matches!(&record.doing, Doing::Terminated(ended) if ended.exit_code == 0);
    ContainerStatus {
        name: container.name.clone(),
        image: record.image.clone().unwrap_or_else(|| container.image.clone().unwrap_or_default()),
        image_id: record.image_id.clone().unwrap_or_default(),
        container_id: record.id.clone(),
        ready: if init && !is_sidecar(container) { done } else { record.ready },
        started: Some(record.started),
        restart_count: record.restarts,
        state: Some(doing(&record.doing)),
        last_state: Some(record.last.as_ref().map_or_else(ContainerState::default, terminated)),
        allocated_resources: container.resources.as_ref().and_then(|resources| resources.requests.clone()),
        resources: container.resources.clone(),
        ..ContainerStatus::default()
    }
}

fn doing(doing: &Doing) -> ContainerState {
    match doing {
        Doing::Waiting { reason, message } => ContainerState {
            waiting: Some(ContainerStateWaiting { reason: Some(reason.clone()), message: message.clone() }),
            ..ContainerState::default()
        },
        Doing::Running { since } => ContainerState {
            running: Some(ContainerStateRunning { started_at: Some(Time(*since)) }),
            ..ContainerState::default()
        },
        Doing::Terminated(ended) => terminated(ended),
    }
}

fn terminated(ended: &Ended) -> ContainerState {
    ContainerState {
        terminated: Some(ContainerStateTerminated {
            exit_code: ended.exit_code,
            reason: Some(ended.reason.clone()),
            message: ended.message.clone(),
            started_at: Some(Time(ended.started.unwrap_or(Timestamp::UNIX_EPOCH))),
            finished_at: Some(Time(ended.finished)),
            container_id: ended.id.clone(),
            ..ContainerStateTerminated::default()
        }),
        ..ContainerState::default()
    }
}

#[cfg(test)]
mod tests;
