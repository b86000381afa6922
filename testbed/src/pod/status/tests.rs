use std::net::Ipv4Addr;

use serde_json::json;

use super::*;
use crate::pod::state::Slot;

fn pod(spec: serde_json::Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p", "generation": 3}, "spec": spec})).unwrap()
}

fn state(pod: &Pod) -> State {
    let mut state = State::new(pod.spec.as_ref().unwrap());
    state.start_time = Timestamp::UNIX_EPOCH;
    state
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

fn run(state: &mut State, slot: Slot) {
    let record = state.record_mut(slot).unwrap();
    record.doing = Doing::Running { since: at(5) };
    record.started = true;
    record.ready = true;
}

fn end(state: &mut State, slot: Slot, exit_code: i32) {
    let record = state.record_mut(slot).unwrap();
    record.ready = false;
    record.doing = Doing::Terminated(Ended {
        exit_code,
        reason: if exit_code == 0 { "Completed" } else { "Error" }.into(),
        message: None,
        started: Some(at(5)),
        finished: at(6),
        id: None,
    });
}

fn told(pod: &Pod, state: &mut State) -> PodStatus {
    build(pod, state, "10.240.0.10", at(10))
}

fn phase_of(pod: &Pod, state: &mut State) -> String {
    told(pod, state).phase.unwrap()
}

/// Type, status and reason of each condition.
fn conditions_of(status: &PodStatus) -> Vec<(&str, &str, &str)> {
    let conditions = status.conditions.as_deref().unwrap_or_default();
    conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_deref().unwrap_or_default())).collect()
}

#[test]
fn a_running_pod_reads_as_a_kubelet_writes_it() {
    let pod = pod(json!({"containers": [{"name": "web", "image": "mcr.microsoft.com/windows/servercore:ltsc2022"}]}));
    let mut state = state(&pod);
    state.ip = Some(Ipv4Addr::new(10, 244, 1, 5));
    state.sandbox = true;
    run(&mut state, Slot::App(0));
    insta::assert_json_snapshot!(told(&pod, &mut state));
}

#[test]
fn a_pod_is_pending_until_all_its_containers_have_started() {
    let pod = pod(json!({"containers": [{"name": "a"}, {"name": "b"}]}));
    let mut state = state(&pod);
    run(&mut state, Slot::App(0));
    let status = told(&pod, &mut state);
    assert_eq!(status.phase.as_deref(), Some("Pending"));
    let ready = status.conditions.unwrap().into_iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!(ready.message.as_deref(), Some("containers with unready status: [b]"));
    run(&mut state, Slot::App(1));
    assert_eq!(phase_of(&pod, &mut state), "Running");
}

#[test]
fn what_an_end_means_for_the_phase_depends_on_the_restart_policy() {
    for (policy, exit_code, phase) in [
        ("Never", 0, "Succeeded"),
        ("Never", 1, "Failed"),
        ("OnFailure", 0, "Succeeded"),
        ("OnFailure", 1, "Running"),
        ("Always", 0, "Running"),
        ("Always", 1, "Running"),
    ] {
        let pod = pod(json!({"restartPolicy": policy, "containers": [{"name": "a"}]}));
        let mut state = state(&pod);
        end(&mut state, Slot::App(0), exit_code);
        assert_eq!(phase_of(&pod, &mut state), phase, "{policy} after {exit_code}");
    }
}

#[test]
fn a_container_between_two_runs_keeps_its_pod_running_and_unready() {
    let pod = pod(json!({"containers": [{"name": "a"}]}));
    let mut state = state(&pod);
    end(&mut state, Slot::App(0), 3);
    let record = state.record_mut(Slot::App(0)).unwrap();
    let Doing::Terminated(ended) = record.doing.clone() else { unreachable!() };
    record.last = Some(ended);
    record.wait("CrashLoopBackOff", None);
    let status = told(&pod, &mut state);
    assert_eq!(status.phase.as_deref(), Some("Running"));
    let container = &status.container_statuses.as_ref().unwrap()[0];
    assert_eq!(container.last_state.as_ref().unwrap().terminated.as_ref().unwrap().exit_code, 3);
    assert!(conditions_of(&status).contains(&("Ready", "False", "ContainersNotReady")));
}

#[test]
fn a_pod_with_a_failing_init_container_is_not_initialized() {
    let pod = pod(json!({
        "restartPolicy": "Never",
        "initContainers": [{"name": "first"}, {"name": "second"}],
        "containers": [{"name": "a"}],
    }));
    let mut state = state(&pod);
    end(&mut state, Slot::Init(0), 0);
    assert_eq!(phase_of(&pod, &mut state), "Pending");
    end(&mut state, Slot::Init(1), 1);
    let status = told(&pod, &mut state);
    assert_eq!(status.phase.as_deref(), Some("Failed"));
    let initialized = status.conditions.unwrap().into_iter().find(|c| c.type_ == "Initialized").unwrap();
    assert_eq!(initialized.message.as_deref(), Some("containers with incomplete status: [second]"));
}

#[test]
fn a_sidecar_counts_as_initialized_once_it_has_started() {
    let pod = pod(json!({
        "initContainers": [{"name": "proxy", "restartPolicy": "Always"}],
        "containers": [{"name": "a"}],
    }));
    let mut state = state(&pod);
    run(&mut state, Slot::Init(0));
    run(&mut state, Slot::App(0));
    let status = told(&pod, &mut state);
    assert_eq!(status.phase.as_deref(), Some("Running"));
    assert!(
        conditions_of(&status).iter().all(|(kind, holds, _)| *kind == "PodReadyToStartContainers" || *holds == "True")
    );
}

#[test]
fn a_readiness_gate_that_nobody_opened_keeps_the_pod_unready() {
    let mut pod =
        pod(json!({"readinessGates": [{"conditionType": "example.com/gate"}], "containers": [{"name": "a"}]}));
    let mut state = state(&pod);
    run(&mut state, Slot::App(0));
    let status = told(&pod, &mut state);
    assert!(conditions_of(&status).contains(&("Ready", "False", "ReadinessGatesNotReady")));
    assert!(conditions_of(&status).contains(&("ContainersReady", "True", "")));
    let open = json!({"conditions": [{"type": "example.com/gate", "status": "True"}]});
    pod.status = Some(serde_json::from_value(open).unwrap());
    assert!(conditions_of(&told(&pod, &mut state)).contains(&("Ready", "True", "")));
}

#[test]
fn a_condition_changes_its_time_only_with_its_status() {
    let pod = pod(json!({"containers": [{"name": "a"}]}));
    let mut state = state(&pod);
    let time = |status: PodStatus| {
        let ready = status.conditions.unwrap().into_iter().find(|c| c.type_ == "Ready").unwrap();
        ready.last_transition_time.unwrap().0
    };
    assert_eq!(time(build(&pod, &mut state, "", at(10))), at(10));
    assert_eq!(time(build(&pod, &mut state, "", at(20))), at(10));
    run(&mut state, Slot::App(0));
    assert_eq!(time(build(&pod, &mut state, "", at(30))), at(30));
}

#[test]
fn a_pod_that_the_kubelet_refused_has_its_reason() {
    let pod = pod(json!({"containers": [{"name": "a"}]}));
    let mut state = state(&pod);
    state.failed = Some(("PodOSNotSupported".into(), "no".into()));
    let status = told(&pod, &mut state);
    assert_eq!((status.phase.as_deref(), status.reason.as_deref()), (Some("Failed"), Some("PodOSNotSupported")));
}
