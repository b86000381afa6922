//! Pods of others that stand on a Windows node and cannot run there.
//!
//! An untainted pool takes Linux pods without a node selector, and a DaemonSet that
//! tolerates everything goes past every taint; what is left of them is an image that
//! never comes, or a stream of refused pods.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use winconform_harness::{
    Answer, Check, Context, Explain, Facts, Failure, Scope, Trouble,
    cluster::Os,
    placement::RUN_LABEL,
    wait::{Cause, ContainerTrouble, pod_key},
};
use winconform_reports::{Level, Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/stray-linux-pods",
    title: "No Linux pod is stuck on a Windows node",
    statement: "P2",
    passing: "The pods that are bound to Windows nodes and do not run were looked through; the note names those that cannot run there, with their owners.",
    silent_on: "Pods that run on Windows nodes although they should not.",
    level: Level::Info,
    scope: Scope::Cluster,
    needs: &[],
    explain: Explain {
        sources: &[
            "https://github.com/OneUptime/oneuptime/pull/3041",
            "https://github.com/kubernetes/kubernetes/issues/94366",
        ],
        failures: &[Failure {
            seen: "A DaemonSet has pods on Windows nodes that wait for an image for ever.",
            advice: "Give it the node selector `kubernetes.io/os: linux`, and tolerations for those taints only that it needs.",
        }],
        by_hand: &[
            "kubectl get pods --all-namespaces --field-selector status.phase!=Running,status.phase!=Succeeded --output wide",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// Pods that are asked for at once, and how often at most: a ReplicaSet whose pods are refused makes thousands.
const PAGE: u32 = 500;
const PAGES: usize = 10;
/// Pods that are named.
const SHOWN: usize = 5;

async fn run(cx: Context) -> Answer {
    let pods: Api<Pod> = Api::all(cx.client());
    let mut params = ListParams::default().fields("status.phase!=Running,status.phase!=Succeeded").limit(PAGE);
    let mut stray = Vec::new();
    let mut whole = false;
    for _ in 0..PAGES {
        let listed = cx.seen("the pods that do not run", pods.list(&params).await);
        let listed = listed.map_err(|error| Trouble::api("list the pods that do not run", error))?;
        stray.extend(listed.items.iter().filter_map(|pod| Stray::find(pod, cx.facts())));
        match listed.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => {
                whole = true;
                break;
            }
        }
    }
    stray.iter().take(SHOWN).for_each(|stray| cx.observe(stray.seen.clone()));
    Ok(Verdict::Passed(told(&stray, whole)))
}

fn told(stray: &[Stray], whole: bool) -> String {
    let rest = if whole { "" } else { " (there are more pods that do not run than were looked at)" };
    if stray.is_empty() {
        return format!("no pod is stuck on a Windows node over its image or its operating system{rest}");
    }
    let named: Vec<&str> = stray.iter().take(SHOWN).map(|stray| stray.words.as_str()).collect();
    let more = stray.len().saturating_sub(SHOWN);
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    let pods = if stray.len() == 1 { "1 pod is".to_owned() } else { format!("{} pods are", stray.len()) };
    format!("{pods} on a Windows node and cannot run there: {}{more}{rest}", named.join("; "))
}

/// A pod that cannot run where it is.
struct Stray {
    words: String,
    seen: Observation,
}

impl Stray {
    fn find(pod: &Pod, facts: &Facts) -> Option<Self> {
        let node = pod.spec.as_ref()?.node_name.as_deref()?;
        if facts.node(node)?.os != Os::Windows || pod.labels().contains_key(RUN_LABEL) {
            return None;
        }
        let (reason, seen) = refused(pod, node).or_else(|| no_image(pod, node))?;
        let owner = pod.owner_references().first().map(|owner| format!(" of {} {}", owner.kind, owner.name));
        let words = format!("{}{} on {node}: {reason}", pod_key(pod), owner.unwrap_or_default());
        Some(Self { words, seen })
    }
}

/// The kubelet refused it for its operating system.
fn refused(pod: &Pod, node: &str) -> Option<(String, Observation)> {
    let status = pod.status.as_ref()?;
    let reason = status
        .reason
        .as_deref()
        .filter(|reason| matches!(*reason, "PodOSNotSupported" | "PodOSSelectorNodeLabelDoesNotMatch"))?;
    let seen = Observation::Event {
        object: format!("pod/{}", pod_key(pod)),
        node: Some(node.to_owned()),
        reason: reason.to_owned(),
        message: status.message.clone().unwrap_or_default(),
    };
    Some((reason.to_owned(), seen))
}

/// It waits for an image that there is none of for Windows.
fn no_image(pod: &Pod, node: &str) -> Option<(String, Observation)> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    containers.into_iter().find_map(|container: &ContainerStatus| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.clone()?;
        let message = waiting.message.clone().unwrap_or_default();
        let known = Cause::container(&pod_key(pod), Some(node), &container.image, &reason, &message);
        let for_another = match known {
            Some(Cause::Container { trouble, .. }) => trouble == ContainerTrouble::Platform,
            // Older kubelets say of a back-off only that it is one.
            _ => reason == "ImagePullBackOff" && !is_for_windows(pod),
        };
        let seen = Observation::Container {
            pod: pod_key(pod),
            node: Some(node.to_owned()),
            image: container.image.clone(),
            reason: reason.clone(),
            message,
        };
        for_another.then(|| (format!("{reason} of {}", container.image), seen))
    })
}

fn is_for_windows(pod: &Pod) -> bool {
    let Some(spec) = &pod.spec else { return false };
    let selected = spec.node_selector.as_ref().and_then(|selector| selector.get("kubernetes.io/os"));
    spec.os.as_ref().is_some_and(|os| os.name == "windows") || selected.is_some_and(|os| os == "windows")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::{Value, json};

    use super::*;

    fn facts() -> Facts {
        let node = |name: &str, os: &str| -> Node {
            serde_json::from_value(json!({ "metadata": { "name": name, "labels": { "kubernetes.io/os": os } } }))
                .unwrap()
        };
        Facts::from_nodes(&[node("win-0", "windows"), node("linux-0", "linux")])
    }

    fn words(node: &str, labels: Value, status: Value) -> Option<String> {
        let pod = serde_json::from_value(json!({
            "metadata": {
                "name": "log-agent-x", "namespace": "tools", "labels": labels,
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": "DaemonSet", "name": "log-agent", "uid": "u" }]
            },
            "spec": { "nodeName": node, "containers": [] },
            "status": status
        }))
        .unwrap();
        Some(Stray::find(&pod, &facts())?.words)
    }

    fn waiting(reason: &str, message: &str) -> Value {
        json!({ "phase": "Pending", "containerStatuses": [{
            "name": "c", "image": "alpine", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": reason, "message": message } }
        }] })
    }

    #[test]
    fn a_pod_without_a_windows_image_is_named_with_its_owner() {
        let status = waiting("ErrImagePull", "no match for platform in manifest: not found");
        assert_eq!(
            words("win-0", json!({}), status.clone()).unwrap(),
            "tools/log-agent-x of DaemonSet log-agent on win-0: ErrImagePull of alpine"
        );
        assert_eq!(words("linux-0", json!({}), status.clone()), None, "on Linux it is no stray");
        assert_eq!(words("win-0", json!({ (RUN_LABEL): "r" }), status), None, "it is one of ours");
        let refused = json!({ "phase": "Failed", "reason": "PodOSNotSupported" });
        assert!(words("win-0", json!({}), refused).unwrap().ends_with("on win-0: PodOSNotSupported"));
    }

    #[test]
    fn trouble_of_another_kind_is_no_stray_pod() {
        assert_eq!(words("win-0", json!({}), waiting("ContainerCreating", "")), None);
        assert_eq!(words("win-0", json!({}), waiting("ErrImagePull", "401 Unauthorized")), None);
        assert!(words("win-0", json!({}), waiting("ImagePullBackOff", "Back-off pulling image \"alpine\"")).is_some());
    }
}
