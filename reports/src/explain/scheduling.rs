//! Pods that no node takes.
//!
//! From: taints tolerated in the wrong case, which look tolerated and are not
//! (microsoft/Windows-Containers#103); selectors that match no node; pools that are
//! cordoned or full.

use std::collections::BTreeSet;

use super::{Confidence, Facts, Finding, Layer, grouped, node::dedup};
use crate::event::Observation;

/// Taints that Kubernetes itself sets; they are the sign of another trouble.
const SIGNS: &str = "node.kubernetes.io/";

/// One finding for each reason and set of nodes.
pub(super) fn unschedulable(facts: &Facts<'_>) -> Vec<Finding> {
    let seen = facts.observations().filter_map(|(wrong, seen)| match seen {
        Observation::Unschedulable { pod, nodes, untolerated } => {
            Some(((nodes.clone(), untolerated.clone()), (&wrong.name, pod)))
        }
        _ => None,
    });
    grouped(seen)
        .into_iter()
        .flat_map(|((nodes, untolerated), seen)| {
            let set: BTreeSet<&str> = nodes.iter().map(String::as_str).collect();
            let groups = if set.is_empty() { vec![nowhere()] } else { facts.groups(&set) };
            groups.into_iter().map(move |group| {
                finding(facts, &group, &untolerated)
                    .proven_by(dedup(seen.iter().map(|(_, pod)| format!("pod {pod} was not scheduled"))))
                    .accounts_for(dedup(seen.iter().map(|(check, _)| (*check).clone())))
            })
        })
        .collect()
}

/// Parts of the control plane that leave objects lying.
///
/// From: schedulers and controller managers that lost their lease or their way to the
/// API server, so that pods stay Pending without a word.
pub(super) fn idle(facts: &Facts<'_>) -> Vec<Finding> {
    let seen = facts.observations().filter_map(|(wrong, seen)| match seen {
        Observation::Idle { part, object } => Some((part.as_str(), (&wrong.name, object))),
        _ => None,
    });
    grouped(seen)
        .into_iter()
        .map(|(part, seen)| {
            let does = if part == "kube-scheduler" {
                "gives no node to pods that wait for one"
            } else {
                "leaves work lying: pods that are not made, or not counted, or no endpoints of their Service"
            };
            Finding::new(Layer::ControlPlane, part, Confidence::Likely, format!("the {part} {does}"))
                .advise(format!(
                    "the log of the {part}, and who holds its lease: kubectl -n kube-system get lease {part}"
                ))
                .proven_by(
                    dedup(seen.iter().map(|(_, object)| format!("nothing happened to {object}"))).into_iter().take(4),
                )
                .accounts_for(dedup(seen.iter().map(|(check, _)| (*check).clone())))
        })
        .collect()
}

fn nowhere() -> super::facts::Group {
    super::facts::Group { subject: "cluster".to_owned(), words: "cluster".to_owned(), nodes: Vec::new() }
}

fn finding(facts: &Facts<'_>, group: &super::facts::Group, untolerated: &[String]) -> Finding {
    let subject = group.words.as_str();
    let (signs, own): (Vec<&String>, Vec<&String>) = untolerated.iter().partition(|taint| taint.starts_with(SIGNS));
    let listed = |taints: &[&String]| taints.iter().map(|taint| taint.as_str()).collect::<Vec<_>>().join(", ");
    let cordoned = |name: &String| facts.nodes.iter().any(|node| node.name == *name && node.unschedulable);
    let found = |layer, confidence, summary: String| {
        Finding::new(layer, &group.subject, confidence, summary).on(group.nodes.iter().cloned())
    };
    let described = format!("kubectl describe node {}", group.nodes.join(" "));
    if !own.is_empty() {
        return found(
            Layer::Scheduling,
            Confidence::Certain,
            format!("no pod of ours tolerates the taints of {subject}: {}", listed(&own)),
        )
        .advise("compare taint and toleration letter by letter: key, value and effect are case-sensitive")
        .advise(described);
    }
    if !signs.is_empty() {
        return found(
            Layer::Node,
            Confidence::Likely,
            format!("Kubernetes keeps pods off {subject}: {}", listed(&signs)),
        )
        .advise(described);
    }
    if group.nodes.is_empty() {
        return found(Layer::Scheduling, Confidence::Certain, "no node matches what the pod asks for".to_owned())
            .advise("kubectl get nodes --show-labels");
    }
    if group.nodes.iter().all(cordoned) {
        return found(Layer::Scheduling, Confidence::Certain, format!("{subject} is cordoned"))
            .advise(format!("kubectl uncordon {}", group.nodes.join(" ")));
    }
    found(Layer::Scheduling, Confidence::Possible, format!("{subject} has no room for another pod"))
        .or(Layer::ControlPlane, "kube-scheduler", "the scheduler does not work through its queue")
        .advise(described)
}
