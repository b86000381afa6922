//! Node ports.
//!
//! From: nodes without a backend that stop forwarding; firewalls between the runner
//! and the nodes.

use std::collections::BTreeSet;

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, proof},
    grouped,
};
use crate::event::Vantage;

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| cell.destination.is_node_port());
    let is_dead = |probe: &Probe<'_>| matches!(probe.answer, Answer::Dead | Answer::Refused);
    let (outside, inside): (Vec<Probe<'_>>, Vec<Probe<'_>>) =
        probes.iter().partition(|probe| probe.cell.source == Vantage::Outside);
    // A firewall cuts off the runner from every node alike; the ports themselves are fine then.
    if !outside.is_empty() && outside.iter().all(is_dead) && !inside.iter().all(is_dead) {
        let mut findings = vec![cut_off_outside(facts, &outside)];
        findings.extend(by_node(facts, &inside, is_dead));
        return findings;
    }
    by_node(facts, &probes, is_dead)
}

fn by_node(facts: &Facts<'_>, probes: &[Probe<'_>], is_dead: impl Fn(&Probe<'_>) -> bool) -> Vec<Finding> {
    let by_node = grouped(probes.iter().filter_map(|probe| Some((probe.cell.destination_node.as_deref()?, *probe))));
    let dead: BTreeSet<&str> =
        by_node.iter().filter(|(_, probes)| probes.iter().all(&is_dead)).map(|(node, _)| *node).collect();
    if dead.len() == by_node.len() && dead.len() > 1 {
        let finding =
            Finding::new(Layer::NodePort, "cluster", Confidence::Possible, "no node answers on its node port")
                .or(Layer::ServiceIp, "cluster", "the Service behind the port answers nowhere")
                .advise("kubectl get service and its endpointslices; kube-proxy's --nodeport-addresses")
                .on(dead)
                .proven_by(proof(probes))
                .accounts_for(facts.checks_of(probes));
        return vec![finding];
    }
    facts
        .groups(&dead)
        .into_iter()
        .map(|group| {
            let there = |probe: &&Probe<'_>| {
                probe.cell.destination_node.as_ref().is_some_and(|node| group.nodes.contains(node))
            };
            let ways: Vec<Probe<'_>> = probes.iter().filter(there).copied().collect();
            let subject = group.words.as_str();
            Finding::new(
                Layer::NodePort,
                &group.subject,
                Confidence::Likely,
                format!("{subject} does not answer on its node port, other nodes do"),
            )
            .on(group.nodes.iter().cloned())
            .advise(format!(
                "on {subject}: Get-HnsPolicyList for the port, the firewall, and whether any pod runs there"
            ))
            .proven_by(proof(&ways))
            .accounts_for(facts.checks_of(&ways))
        })
        .collect()
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
