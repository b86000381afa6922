//! Asking a pod whom it runs as, and what becomes of pods that must not run.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSpec};
use winconform_harness::{
    Budget, Context, Trouble,
    cluster::NodeFacts,
    probe::{PodRef, windows::Account},
    wait::Look,
};
use winconform_manifests::{Manifest, Object};
use winconform_reports::{Verdict, event::Observation};

use crate::trial::spec_of;

/// The user that Server Core images run as when nobody says otherwise.
pub(super) const ADMINISTRATOR: &str = "ContainerAdministrator";
/// The other user that every Windows base image has.
pub(super) const CONTAINER_USER: &str = "ContainerUser";

/// The portable question: `whoami.exe` is missing in some images.
pub(super) const ASK: &str = "echo %USERNAME%";

/// Starts the pod of a manifest on the check's nodes and waits until it is Ready.
pub(super) async fn start(cx: &Context, manifest: &Manifest) -> Result<PodRef, Trouble> {
    let pod = cx.draft_one(manifest, "", &cx.open_nodes_here()?)?;
    cx.create(&pod).await?;
    cx.pod_ready(&pod).await
}

/// Whom the pod's first process said it runs as: the first line of its log.
pub(super) async fn first_process(cx: &Context, pod: &PodRef) -> Result<Option<Account>, Trouble> {
    Ok(cx.log_line(pod, cx.budgets().of(Budget::Exec), Account::read).await?)
}

/// Runs a line in the pod that says whom it runs as.
pub(super) async fn of_command(cx: &Context, pod: &PodRef, line: &str) -> Result<Option<Account>, Trouble> {
    let output = cx.ask(pod, line, Duration::from_secs(10)).await?;
    Ok(Account::read(&output.stdout))
}

/// Judges whom a process of `pod` runs as.
pub(super) fn judge(cx: &Context, pod: &PodRef, asked: &str, found: Option<Account>, wanted: &str) -> Verdict {
    match found {
        Some(account) if account.is(wanted) => Verdict::Passed(format!("{asked} on {} is {account}", pod.node)),
        Some(account) => {
            cx.observe(Observation::Identity {
                node: Some(pod.node.clone()),
                who: wanted.to_owned(),
                of_domain: false,
                what: asked.to_owned(),
                expected: wanted.to_owned(),
                found: account.to_string(),
            });
            Verdict::Failed(format!("{asked} on {} is {account}, not {wanted}", pod.node))
        }
        None => Verdict::Undetermined(format!("{asked} on {} did not say whom it runs as", pod.node)),
    }
}

/// What became of a pod that must not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has no sandbox, and the pod is Pending.
    NoSandbox(String),
    /// Its container was not started.
    NotStarted(String),
    /// It runs.
    Runs,
}

/// Waits until the cluster has said what becomes of a pod, by its status and the reasons of events.
///
/// One failed sandbox may be the network's fault and pass; it counts when it carries the code of a
/// failed logon, or when it repeats itself.
pub(super) async fn fate(cx: &Context, object: &Object) -> Result<Fate, Trouble> {
    let what = format!("what becomes of pod {}", object.name());
    let found = cx.wait(&what, || {
        let Some(pod) = cx.own_pod(object) else {
            return Look::NotYet(Budget::Schedule, "the pod is not there".to_owned());
        };
        if let Some(fate) = of_status(&pod) {
            return Look::Ready(fate);
        }
        let events = cx.events_of(&pod);
        let failed = |event: &&std::sync::Arc<k8s_openapi::api::core::v1::Event>| {
            event.reason.as_deref() == Some("FailedCreatePodSandBox")
        };
        if let Some(event) = events.iter().filter(failed).find(|event| is_logon_failure(event.message.as_deref())) {
            return Look::Ready(Fate::NoSandbox(event.message.clone().unwrap_or_default()));
        }
        match cx.look_at(&pod) {
            Look::NotYet(budget, seen) => Look::NotYet(budget, seen),
            Look::Ready(_) => Look::Ready(Fate::Runs),
            Look::Hopeless(cause) => Look::Ready(Fate::NoSandbox(cause.to_string())),
        }
    });
    Ok(found.await?)
}

/// `ERROR_LOGON_FAILURE`, and what custom users of Nano Server 2025 end with (Windows-Containers 640).
fn is_logon_failure(message: Option<&str>) -> bool {
    message.is_some_and(|message| message.contains("0x52e") || message.contains("0x54b"))
}

/// What a pod's container statuses say, where they say it finally.
fn of_status(pod: &Pod) -> Option<Fate> {
    let statuses = pod.status.as_ref()?.container_statuses.as_deref().unwrap_or_default();
    statuses.iter().find_map(of_container)
}

fn of_container(status: &ContainerStatus) -> Option<Fate> {
    const REFUSED: &[&str] = &[
        "StartError",
        "ContainerCannotRun",
        "RunContainerError",
        "CreateContainerError",
        "CreateContainerConfigError",
    ];
    let state = status.state.as_ref()?;
    if state.running.is_some() {
        return Some(Fate::Runs);
    }
    let waiting = state.waiting.as_ref().map(|waiting| (waiting.reason.as_deref(), waiting.message.as_deref()));
    let ended = state.terminated.as_ref().map(|ended| (ended.reason.as_deref(), ended.message.as_deref()));
    let last = status.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let last = last.map(|ended| (ended.reason.as_deref(), ended.message.as_deref()));
    let (reason, message) = [waiting, ended, last]
        .into_iter()
        .flatten()
        .find_map(|(reason, message)| Some((reason.filter(|reason| REFUSED.contains(reason))?, message)))?;
    Some(Fate::NotStarted(format!("{reason}: {}", message.unwrap_or_default())))
}

/// A pod of `manifest` on one node, changed by the check.
pub(super) fn changed(
    cx: &Context,
    manifest: &Manifest,
    name: &str,
    node: &NodeFacts,
    change: impl FnOnce(&mut PodSpec),
) -> Result<Object, Trouble> {
    let mut object = cx.draft_one(manifest, name, &[node])?;
    change(spec_of(&mut object)?);
    Ok(object)
}

/// Names the user of the whole pod.
pub(super) fn name_user(spec: &mut PodSpec, user: &str) {
    let context = spec.security_context.get_or_insert_default();
    context.windows_options.get_or_insert_default().run_as_user_name = Some(user.to_owned());
}

/// Names the user of the pod's containers.
pub(super) fn name_container_user(spec: &mut PodSpec, user: &str) {
    for container in &mut spec.containers {
        let context = container.security_context.get_or_insert_default();
        context.windows_options.get_or_insert_default().run_as_user_name = Some(user.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fate_of(status: serde_json::Value) -> Option<Fate> {
        of_container(&serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_container_that_could_not_start_was_refused_whatever_it_waits_for_now() {
        let base = |state: serde_json::Value, last: serde_json::Value| json!({"name": "c", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state, "lastState": last});
        let refused = |found: Option<Fate>| matches!(found, Some(Fate::NotStarted(_)));
        let none = json!({});
        assert!(refused(fate_of(base(json!({"terminated": {"exitCode": 128, "reason": "StartError"}}), none.clone()))));
        assert!(refused(fate_of(base(json!({"waiting": {"reason": "RunContainerError"}}), none.clone()))));
        let crashes = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        assert!(refused(fate_of(base(
            crashes.clone(),
            json!({"terminated": {"exitCode": 128, "reason": "StartError"}})
        ))));
        assert_eq!(fate_of(base(crashes, json!({"terminated": {"exitCode": 1, "reason": "Error"}}))), None);
        assert_eq!(fate_of(base(json!({"running": {}}), none.clone())), Some(Fate::Runs));
        assert_eq!(fate_of(base(json!({"waiting": {"reason": "ContainerCreating"}}), none)), None);
    }
}
