//! Pods of the system on Windows nodes that restarted while the run was under way.
//!
//! A network plug-in or kube-proxy that restarts is the commonest hidden cause of whatever
//! else was seen, and nobody looks for it. Asked last; what restarted since the run's
//! namespace was made counts, by the API server's own clock.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Namespace, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use winconform_harness::{
    Answer, Check, Claims, Context, Explain, Failure, Scope, Trouble, cluster::Os, placement::RUN_LABEL, wait::pod_key,
};
use winconform_reports::{Level, Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/system-pods-stable",
    title: "No system pod on a Windows node restarted during the run",
    statement: "N7",
    passing: "The note names the DaemonSet pods on Windows nodes that restarted while other checks were asked, or says that none did.",
    silent_on: "Restarts before the run, and services of Windows that are no pods.",
    level: Level::Info,
    scope: Scope::Cluster,
    needs: &[],
    claims: Claims { pods: 0, exclusive: true },
    budget: Duration::from_secs(120),
    explain: Explain {
        sources: &["https://github.com/Azure/AKS/issues/4679", "https://github.com/Azure/AKS/issues/5187"],
        failures: &[Failure {
            seen: "A pod of the network plug-in, kube-proxy or a CSI driver restarted.",
            advice: "Read its previous log: `kubectl logs POD --previous`. What failed on its node meanwhile may have this cause.",
        }],
        by_hand: &[
            "kubectl get pods --all-namespaces --field-selector spec.nodeName=NODE --output custom-columns=NAME:.metadata.name,RESTARTS:.status.containerStatuses[*].restartCount",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// Lists under way at once.
const AT_ONCE: usize = 8;

async fn run(cx: Context) -> Answer {
    let namespaces: Api<Namespace> = Api::all(cx.client());
    let called = ListParams::default().fields(&format!("metadata.name={}", cx.namespace()));
    let own = namespaces.list_metadata(&called).await;
    let own = own.map_err(|error| Trouble::api("look at the run's namespace", error))?;
    let Some(since) = own.items.first().and_then(|own| own.metadata.creation_timestamp.clone()).map(|time| time.0)
    else {
        return Err(Trouble::Unexpected("the run's namespace does not say when it was made".to_owned()));
    };
    let nodes: Vec<String> =
        cx.facts().nodes.iter().filter(|node| node.os == Os::Windows).map(|node| node.name.clone()).collect();
    let pods: Api<Pod> = Api::all(cx.client());
    let of_node = |node: String| {
        let pods = pods.clone();
        async move { pods.list(&ListParams::default().fields(&format!("spec.nodeName={node}"))).await }
    };
    let listed: Result<Vec<Vec<Pod>>, kube::Error> =
        stream::iter(nodes).map(of_node).buffered(AT_ONCE).map_ok(|listed| listed.items).try_collect().await;
    let listed = cx.seen("the pods of the nodes", listed);
    let listed = listed.map_err(|error| Trouble::api("list the pods of a node", error))?;
    let system: Vec<Pod> = listed.into_iter().flatten().filter(is_systems).collect();
    let mut told = Vec::new();
    for pod in &system {
        let Some((container, times)) = restarted(pod, since) else { continue };
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
        told.push(format!("{} on {node} ({container} restarted, {times} times in all)", pod_key(pod)));
        cx.observe(Observation::Node {
            node,
            what: format!("system pod {}", pod_key(pod)),
            expected: "running on".to_owned(),
            found: "restarted".to_owned(),
        });
    }
    Ok(Verdict::Passed(match (told.is_empty(), system.len()) {
        (true, 0) => "there are no system pods on Windows nodes".to_owned(),
        (true, count) => format!("none of {count} system pods on Windows nodes restarted"),
        (false, count) => format!("of {count} system pods on Windows nodes restarted: {}", told.join("; ")),
    }))
}

/// Whether a pod keeps its node running rather than somebody's application: a DaemonSet's, or the kubelet's own.
fn is_systems(pod: &Pod) -> bool {
    let by = |kind: &str| pod.owner_references().iter().any(|owner| owner.kind == kind);
    !pod.labels().contains_key(RUN_LABEL)
        && (by("DaemonSet") || by("Node") || pod.namespace().as_deref() == Some("kube-system"))
}

/// The container that ended last since then and was started again, and how often it ever was.
fn restarted(pod: &Pod, since: Timestamp) -> Option<(String, i32)> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let ended = |container: &ContainerStatus| {
        let last = container.last_state.as_ref()?.terminated.as_ref()?;
        Some(last.finished_at.as_ref()?.0)
    };
    statuses
        .filter(|container| container.restart_count > 0 && ended(container).is_some_and(|ended| ended >= since))
        .map(|container| (container.name.clone(), container.restart_count))
        .next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(owner: &str, restarts: i32, finished: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "kube-proxy-x", "namespace": "net",
                "ownerReferences": [{ "apiVersion": "apps/v1", "kind": owner, "name": "o", "uid": "u" }]
            },
            "status": { "containerStatuses": [{
                "name": "kube-proxy", "image": "", "imageID": "", "ready": true, "restartCount": restarts,
                "lastState": { "terminated": { "exitCode": 1, "finishedAt": finished } }
            }] }
        }))
        .unwrap()
    }

    #[test]
    fn only_a_restart_since_the_run_began_counts() {
        let since: Timestamp = "2026-11-24T09:00:00Z".parse().unwrap();
        let during = pod("DaemonSet", 3, "2026-11-24T09:01:00Z");
        assert_eq!(restarted(&during, since), Some(("kube-proxy".to_owned(), 3)));
        assert_eq!(restarted(&pod("DaemonSet", 3, "2026-11-24T08:59:59Z"), since), None);
        assert!(is_systems(&during));
        assert!(!is_systems(&pod("ReplicaSet", 3, "2026-11-24T09:01:00Z")));
    }
}
