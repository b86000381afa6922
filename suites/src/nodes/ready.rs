//! A node is Ready, without pressure, and alive now.
//!
//! Ready=True alone proves little: it stays so for 50 s after a node froze, and an
//! unchanged status is posted only every 5 minutes. So the node's Lease must be
//! renewed while we look (Azure/AKS#3181: Ready, yet answering nothing).

use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, NodeCondition};
use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Scope,
    wait::{Look, WaitError},
};
use winconform_reports::{Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/ready",
    title: "The node is Ready, without pressure, and renews its Lease",
    statement: "N1",
    passing: "The node reports Ready and no pressure, and its Lease was renewed while we looked.",
    silent_on: "Whether pods can start there: `nodes/answers` asks that.",
    scope: Scope::EveryNode,
    needs: &[],
    budget: Duration::from_secs(120),
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/architecture/leases/",
        ],
        failures: &[
            Failure {
                seen: "Ready is not True, or the Lease is not renewed.",
                advice: "The kubelet does not report: look at its log and at the node's machine.",
            },
            Failure {
                seen: "DiskPressure, MemoryPressure or PIDPressure is True.",
                advice: "Free what is short; on Windows unremovable image layers are a common cause.",
            },
            Failure {
                seen: "NetworkUnavailable is True.",
                advice: "The network plugin has not set the node up: look at its pods on that node.",
            },
        ],
        by_hand: &[
            "kubectl get nodes",
            "kubectl describe node NODE",
            "kubectl get lease NODE --namespace kube-node-lease --output yaml",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let name = cx.node()?.name.clone();
    let node = cx
        .wait(&format!("node {name}"), || match cx.nodes().peek(|nodes| nodes.get("", &name).cloned()) {
            Some(node) => Look::Ready(node),
            None => Look::NotYet(Budget::Api, "the node is not in the list".to_owned()),
        })
        .await?;
    let wrong = unhealthy(&node);
    if !wrong.is_empty() {
        for (what, found) in &wrong {
            cx.observe(Observation::Node {
                node: name.clone(),
                what: format!("condition {what}"),
                expected: if what == "Ready" { "True" } else { "False" }.to_owned(),
                found: found.clone(),
            });
        }
        let list: Vec<String> = wrong.iter().map(|(what, found)| format!("{what} is {found}")).collect();
        return Ok(Verdict::Failed(list.join("; ")));
    }
    renewed(&cx, &name).await.inspect_err(|error| {
        if matches!(error, WaitError::TimedOut { .. }) {
            cx.observe(Observation::Node {
                node: name.clone(),
                what: "lease".to_owned(),
                expected: "renewed every 10 s".to_owned(),
                found: error.to_string(),
            });
        }
    })?;
    let cordoned = node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false);
    let note = if cordoned { "; it is cordoned" } else { "" };
    Ok(Verdict::Passed(format!("Ready, no pressure, Lease renewed{note}")))
}

/// Waits until the node's Lease is renewed once more.
async fn renewed(cx: &Context, name: &str) -> Result<(), WaitError> {
    let leases = cx.leases().await.clone();
    let mut first = None;
    cx.wait(&format!("the Lease of node {name}"), || {
        let lease = leases.peek(|leases| leases.get("kube-node-lease", name).cloned());
        let renewed = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.clone());
        match (&first, renewed) {
            (_, None) => Look::NotYet(Budget::Heartbeat, "it has none".to_owned()),
            (Some(before), Some(now)) if *before != now => Look::Ready(()),
            (_, Some(now)) => {
                let seen = format!("last renewed at {}", now.0);
                first = Some(now);
                Look::NotYet(Budget::Heartbeat, seen)
            }
        }
    })
    .await
}

/// The conditions that are not as they should be, with what they are.
///
/// NetworkUnavailable counts only where it is True: most CNIs never set it.
fn unhealthy(node: &Node) -> Vec<(String, String)> {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let told = |condition: &NodeCondition| {
        let detail: Vec<&str> =
            [condition.reason.as_deref(), condition.message.as_deref()].into_iter().flatten().collect();
        (condition.type_.clone(), format!("{} ({})", condition.status, detail.join(": ")))
    };
    let mut wrong: Vec<(String, String)> = conditions
        .iter()
        .filter(|condition| match condition.type_.as_str() {
            "Ready" => condition.status != "True",
            "MemoryPressure" | "DiskPressure" | "PIDPressure" | "NetworkUnavailable" => condition.status == "True",
            _ => false,
        })
        .map(told)
        .collect();
    if !conditions.iter().any(|condition| condition.type_ == "Ready") {
        wrong.push(("Ready".to_owned(), "not reported".to_owned()));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(conditions: serde_json::Value) -> Node {
        serde_json::from_value(json!({ "status": { "conditions": conditions } })).unwrap()
    }

    #[test]
    fn an_unknown_ready_and_a_true_pressure_are_unhealthy() {
        let frozen = node(json!([
            { "type": "DiskPressure", "status": "True", "reason": "KubeletHasDiskPressure" },
            { "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" }
        ]));
        assert_eq!(unhealthy(&frozen).len(), 2);
    }

    #[test]
    fn a_network_condition_that_nobody_filled_is_healthy() {
        let fine = node(json!([
            { "type": "NetworkUnavailable", "status": "Unknown" },
            { "type": "Ready", "status": "True" }
        ]));
        assert!(unhealthy(&fine).is_empty());
    }

    #[test]
    fn a_node_without_conditions_is_not_ready() {
        assert_eq!(unhealthy(&Node::default()).len(), 1);
    }
}
