//! Node ports.
//!
//! From: nodes without a backend that stop forwarding; firewalls between the runner
//! and the nodes, or around one of them; nodes whose pods reach no port of another.

use std::collections::BTreeSet;

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, proof},
    grouped,
    pattern::{Pattern, patterns},
};
use crate::event::{Destination, Vantage};

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| cell.destination.is_node_port() && cell.destination_node.is_some());
    let (outside, inside): (Vec<Probe<'_>>, Vec<Probe<'_>>) =
        probes.iter().partition(|probe| probe.cell.source == Vantage::Outside);
    // A firewall cuts off the runner from every node alike; the ports themselves are fine then.
    if !outside.is_empty() && outside.iter().all(is_dead) && !inside.iter().all(is_dead) {
        let mut findings = vec![cut_off_outside(facts, &outside)];
        findings.extend(troubled(facts, &inside));
        return findings;
    }
    let nodes: BTreeSet<&str> = probes.iter().filter_map(|probe| probe.cell.destination_node.as_deref()).collect();
    if nodes.len() > 1 && probes.iter().all(is_dead) {
        return vec![no_node(facts, nodes, &probes)];
    }
    let mut findings = without_backend(facts, &probes);
    if findings.is_empty() {
        findings = troubled(facts, &inside);
    }
    findings.extend(from_outside_only(facts, &outside, &findings));
    findings
}

fn is_dead(probe: &Probe<'_>) -> bool {
    matches!(probe.answer, Answer::Dead | Answer::Refused)
}

/// Ports that are dead just where the node runs no backend of the Service.
fn without_backend(facts: &Facts<'_>, probes: &[Probe<'_>]) -> Vec<Finding> {
    let (bare, backed): (Vec<Probe<'_>>, Vec<Probe<'_>>) =
        probes.iter().partition(|probe| probe.cell.destination == Destination::NodePortNoBackend);
    let dead: Vec<Probe<'_>> = bare.into_iter().filter(is_dead).collect();
    let nodes: BTreeSet<&str> = dead.iter().filter_map(|probe| probe.cell.destination_node.as_deref()).collect();
    let there = |probe: &&Probe<'_>| probe.cell.destination_node.as_deref().is_some_and(|node| nodes.contains(node));
    let work: Vec<&Probe<'_>> = backed.iter().filter(there).collect();
    // The same nodes forward where a backend is beside the port, or nothing is said about backends.
    if dead.is_empty() || work.is_empty() || work.iter().any(|probe| probe.answer != Answer::Open) {
        return Vec::new();
    }
    let group = |group: super::facts::Group| {
        let of_group =
            |probe: &&Probe<'_>| probe.cell.destination_node.as_ref().is_some_and(|node| group.nodes.contains(node));
        let ways: Vec<Probe<'_>> = dead.iter().filter(of_group).copied().collect();
        let subject = group.words.as_str();
        Finding::new(
            Layer::NodePort,
            &group.subject,
            Confidence::Likely,
            format!(
                "{subject} does not forward the node port of a Service that has no backend there; where one is, it does"
            ),
        )
        .on(group.nodes.iter().cloned())
        .advise(format!(
            "on {subject}: Get-HnsPolicyList for the port; kube-proxy's log, and the Service's external traffic policy"
        ))
        .proven_by(proof(&ways))
        .accounts_for(facts.checks_of(&ways))
    };
    facts.groups(&nodes).into_iter().map(group).collect()
}

/// Ports that are dead, or lose connections, between nodes that have something in common.
///
/// From: Windows nodes that forward for strangers and not for their own pods (projectcalico/calico#7305).
fn troubled(facts: &Facts<'_>, probes: &[Probe<'_>]) -> Vec<Finding> {
    let sources: BTreeSet<&str> = probes.iter().filter_map(|probe| probe.cell.source_node.as_deref()).collect();
    let dead = patterns(facts, probes, is_dead).into_iter().map(|pattern| (pattern, true));
    let losing = patterns(facts, probes, |probe| probe.answer == Answer::Partial).into_iter();
    dead.chain(losing.map(|pattern| (pattern, false)))
        .map(|(Pattern { from, to, ways }, dead)| {
            // Where everybody who tried fails, it is the port's node; else whose end fewer nodes share.
            let port = from.nodes.len() >= sources.len() || to.nodes.len() <= from.nodes.len();
            let subject = if port { &to } else { &from };
            let words = subject.words.as_str();
            let summary = match (port, dead) {
                (true, true) => format!("{words} does not answer on its node port, other nodes do"),
                (true, false) => format!("a part of the connections to the node port of {words} is lost"),
                (false, true) => format!("pods on {words} reach no node port of {}; others do", to.words),
                (false, false) => format!("a part of the connections from {words} to node ports is lost"),
            };
            Finding::new(Layer::NodePort, &subject.subject, Confidence::Likely, summary)
                .on(subject.nodes.iter().cloned())
                .advise(format!(
                    "on {words}: Get-HnsPolicyList for the port, the firewall, and whether any pod runs there"
                ))
                .proven_by(proof(&ways))
                .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}

/// Nodes whose ports are closed to the outside, while they answer inside.
fn from_outside_only(facts: &Facts<'_>, outside: &[Probe<'_>], known: &[Finding]) -> Vec<Finding> {
    let by_node = grouped(outside.iter().filter_map(|probe| Some((probe.cell.destination_node.as_deref()?, *probe))));
    let is_known = |node: &str| known.iter().any(|finding| finding.nodes.iter().any(|name| name == node));
    let troubled: BTreeSet<&str> = (by_node.iter())
        .filter(|(node, ways)| ways.iter().any(|probe| probe.answer != Answer::Open) && !is_known(node))
        .map(|(node, _)| *node)
        .collect();
    let group = |group: super::facts::Group| {
        let of_group = group.nodes.iter().filter_map(|node| by_node.get(node.as_str())).flatten();
        let ways: Vec<Probe<'_>> = of_group.copied().collect();
        let subject = group.words.as_str();
        let what = if ways.iter().all(is_dead) { "is not reached" } else { "loses a part of its connections" };
        Finding::new(
            Layer::NodePort,
            &group.subject,
            Confidence::Possible,
            format!("the node port of {subject} {what} from where winconform runs; other nodes' are"),
        )
        .or(Layer::Environment, "firewall", format!("a firewall or security group in front of {subject}"))
        .on(group.nodes.iter().cloned())
        .advise(format!(
            "what is in front of {subject} and not in front of the others: security groups, its public address"
        ))
        .proven_by(proof(&ways))
        .accounts_for(facts.checks_of(&ways))
    };
    facts.groups(&troubled).into_iter().map(group).collect()
}

fn no_node(facts: &Facts<'_>, nodes: BTreeSet<&str>, probes: &[Probe<'_>]) -> Finding {
    Finding::new(Layer::NodePort, "cluster", Confidence::Possible, "no node answers on its node port")
        .or(Layer::ServiceIp, "cluster", "the Service behind the port answers nowhere")
        .advise("kubectl get service and its endpointslices; kube-proxy's --nodeport-addresses")
        .on(nodes)
        .proven_by(proof(probes))
        .accounts_for(facts.checks_of(probes))
}

fn cut_off_outside(facts: &Facts<'_>, ways: &[Probe<'_>]) -> Finding {
    Finding::new(
        Layer::Environment,
        "firewall",
        Confidence::Likely,
        "no node port is reached from where winconform runs, though they answer inside the cluster",
    )
    .advise("a firewall or security group between this machine and the nodes; --outside-proxy names another way")
    .proven_by(proof(ways))
    .accounts_for(facts.checks_of(ways))
}
