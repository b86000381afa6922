//! Nodes: not ready, silent, or not as they should be.
//!
//! From: a node frozen until it is rebooted (Azure/AKS#2491); a node that stays
//! Ready while exec and logs are dead (Azure/AKS#3181); build labels that an OS
//! upgrade left stale; disks full of images that cannot be removed
//! (kubernetes/kubernetes#116020).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Confidence, Facts, Finding, Layer,
    facts::{Group, is_on_node},
    grouped,
    runtime::container_is_gone,
};
use crate::event::Observation;

/// An exec that was lost, and the result that lost it.
struct Lost<'a> {
    check: String,
    node: &'a str,
    message: &'a str,
    /// Somebody made sure that exec worked on another node then.
    elsewhere: bool,
}

fn lost<'a>(facts: &Facts<'a>) -> Vec<Lost<'a>> {
    let seen = facts.observations().filter_map(|(wrong, seen)| match seen {
        // Where the kubelet says that the container is gone, it answers.
        Observation::NoExec { node, message, elsewhere_works } if !container_is_gone(message) => {
            Some(Lost { check: wrong.name.clone(), node, message, elsewhere: *elsewhere_works })
        }
        _ => None,
    });
    seen.collect()
}

/// Nodes on which an exec of ours came back: what was probed from there is known.
fn answering<'a>(facts: &Facts<'a>) -> BTreeSet<&'a str> {
    let known = facts.probes_where(|cell| is_on_node(cell.source));
    known.iter().filter_map(|probe| probe.cell.source_node.as_deref()).collect()
}

impl Lost<'_> {
    /// This node is silent while others answer.
    fn blames_node(&self, answering: &BTreeSet<&str>) -> bool {
        self.elsewhere || (!answering.contains(self.node) && !answering.is_empty())
    }
}

/// Exec is lost, and no node is to blame: the way to the kubelets is broken, or
/// loses some.
pub(super) fn exec_lost(facts: &Facts<'_>) -> Vec<Finding> {
    let answering = answering(facts);
    let lost: Vec<Lost<'_>> = lost(facts).into_iter().filter(|lost| !lost.blames_node(&answering)).collect();
    if lost.is_empty() {
        return Vec::new();
    }
    let summary = if answering.is_empty() {
        "no exec works on any node that was tried: the API server does not get through to the kubelets"
    } else {
        "some execs are lost on nodes where others work: the API server's way to the kubelets loses connections"
    };
    let finding = Finding::new(Layer::ControlPlane, "exec", Confidence::Possible, summary)
        .on(lost.iter().map(|lost| lost.node).collect::<BTreeSet<_>>())
        .or(
            Layer::Environment,
            "connection",
            "our own connection to the API server does not carry exec (a proxy that cuts WebSockets)",
        )
        .advise("kubectl exec on any pod; then the API server's log, and the proxy or tunnel between it and the nodes")
        .proven_by(dedup(lost.iter().map(|lost| format!("exec on {}: {}", lost.node, lost.message))))
        .accounts_for(dedup(lost.iter().map(|lost| lost.check.clone())));
    vec![finding]
}

/// Nodes whose kubelet says, or whose silence shows, that they are not ready.
pub(super) fn not_ready(facts: &Facts<'_>) -> Vec<Finding> {
    let about = facts.observations().filter_map(|(wrong, seen)| match seen {
        Observation::Node { node, what, expected, found } if is_readiness(what) => {
            Some((node.as_str(), (&wrong.name, format!("{what} is {found}, it should be {expected}"))))
        }
        _ => None,
    });
    grouped(about)
        .into_iter()
        .map(|(node, seen)| {
            Finding::new(Layer::Node, node, Confidence::Certain, format!("{node} is not ready"))
                .on([node])
                .advise(format!("kubectl describe node {node}"))
                .advise(format!(
                    "the kubelet's log on {node} (on Windows C:\\var\\log\\kubelet or the service's event log)"
                ))
                .proven_by(dedup(seen.iter().map(|(_, words)| words.clone())))
                .accounts_for(dedup(seen.iter().map(|(check, _)| (*check).clone()).chain(facts.touching_only(node))))
        })
        .collect()
}

/// Nodes on which exec is lost while it works elsewhere.
pub(super) fn silent(facts: &Facts<'_>) -> Vec<Finding> {
    let answering = answering(facts);
    let lost = lost(facts).into_iter().filter(|lost| lost.blames_node(&answering));
    grouped(lost.map(|lost| (lost.node, lost)))
        .into_iter()
        .map(|(node, lost)| {
            let ready = facts.nodes.iter().any(|known| known.name == node && known.ready);
            let though = if ready { ", though it is Ready" } else { "" };
            let sure = if lost.iter().any(|lost| lost.elsewhere) { Confidence::Certain } else { Confidence::Likely };
            Finding::new(Layer::Node, node, sure, format!("{node} answers no exec{though}; other nodes do"))
                .on([node])
                .advise(format!("kubectl get --raw /api/v1/nodes/{node}/proxy/healthz"))
                .advise(format!("on {node}: is the kubelet's port 10250 open, do containerd and the kubelet run"))
                .proven_by(dedup(lost.iter().map(|lost| format!("exec on {node}: {}", lost.message))))
                .accounts_for(dedup(lost.iter().map(|lost| lost.check.clone()).chain(facts.touching_only(node))))
        })
        .collect()
}

/// Other conditions, labels and fields that are wrong, one finding for each and the
/// nodes that share it.
pub(super) fn not_as_it_should_be(facts: &Facts<'_>) -> Vec<Finding> {
    let mut by_what: BTreeMap<&str, Vec<(&str, &str, String)>> = BTreeMap::new();
    for (wrong, seen) in facts.observations() {
        if let Observation::Node { node, what, expected, found } = seen
            && !is_readiness(what)
        {
            let words = format!("{node}: {what} is {found}, it should be {expected}");
            by_what.entry(what).or_default().push((node, &wrong.name, words));
        }
    }
    let mut findings = Vec::new();
    for (what, seen) in by_what {
        let nodes = seen.iter().map(|(node, ..)| *node).collect();
        for Group { subject, nodes, .. } in facts.groups(&nodes) {
            let of_group: Vec<_> = seen.iter().filter(|(node, ..)| nodes.iter().any(|n| n == node)).collect();
            let first = of_group.first().map(|(_, _, words)| words.as_str()).unwrap_or_default();
            let summary = match nodes.len() {
                1 => first.to_owned(),
                count => format!("{what} is wrong on {count} nodes, for example {first}"),
            };
            findings.push(
                Finding::new(layer_of(what), subject, Confidence::Certain, summary)
                    .on(nodes.iter().cloned())
                    .advise(format!("kubectl describe node {}", nodes.join(" ")))
                    .proven_by(dedup(of_group.iter().map(|(_, _, words)| words.clone())))
                    .accounts_for(dedup(of_group.iter().map(|(_, check, _)| (*check).to_owned()))),
            );
        }
    }
    findings
}

/// Taints are about what may be placed on a node, and not about the node itself.
fn layer_of(what: &str) -> Layer {
    if what == "taint" { Layer::Scheduling } else { Layer::Node }
}

/// Whether an observation says that the node as a whole does not work.
fn is_readiness(what: &str) -> bool {
    let what = what.to_ascii_lowercase();
    what == "condition ready" || what.contains("lease")
}

/// The same items, each once, in order.
pub(super) fn dedup(items: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    items.into_iter().filter(|item| seen.insert(item.clone())).collect()
}
