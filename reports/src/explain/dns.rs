//! Names of Services.
//!
//! From: policies missing for the DNS Service, so that names time out while the DNS
//! pods answer (kubernetes/kubernetes#110674); CoreDNS down for the whole cluster.

use std::collections::BTreeSet;

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, is_service, proof},
    grouped,
};
use crate::event::Destination;

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| cell.destination == Destination::ServiceName);
    let by_node = grouped(probes.iter().filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
    let dead = |probes: &[Probe<'_>]| probes.iter().all(|probe| probe.answer == Answer::Dead);
    let silent: BTreeSet<&str> = by_node.iter().filter(|(_, probes)| dead(probes)).map(|(node, _)| *node).collect();
    if silent.len() == by_node.len() && by_node.len() > 1 {
        let finding =
            Finding::new(Layer::Dns, "cluster", Confidence::Likely, "no name of a Service is found from any node")
                .advise("kubectl -n kube-system get pods -l k8s-app=kube-dns, and their logs")
                .on(silent)
                .proven_by(proof(&probes))
                .accounts_for(facts.checks_of(&probes));
        return vec![finding];
    }
    let by_group = facts.groups(&silent).into_iter().map(|group| {
        let here = |probe: &Probe<'_>| probe.cell.source_node.as_ref().is_some_and(|node| group.nodes.contains(node));
        let ways: Vec<Probe<'_>> = probes.iter().filter(|probe| here(probe)).copied().collect();
        let services_work = facts
            .probes
            .iter()
            .any(|probe| here(probe) && is_service(probe.cell.destination) && probe.answer == Answer::Open);
        let subject = group.words.as_str();
        let summary = format!("names of Services are not found from {subject}");
        let finding = if services_work {
            Finding::new(
                Layer::Dns,
                &group.subject,
                Confidence::Likely,
                format!("{summary}, though Service IPs answer"),
            )
        } else {
            Finding::new(Layer::Dns, &group.subject, Confidence::Possible, summary).or(
                Layer::ServiceIp,
                &group.subject,
                "the rules for the DNS Service's own address",
            )
        };
        finding
            .on(group.nodes.iter().cloned())
            .advise(format!("from a pod on {subject}: Resolve-DnsName with -Server set to a DNS pod's address"))
            .proven_by(proof(&ways))
            .accounts_for(facts.checks_of(&ways))
    });
    by_group.collect()
}
