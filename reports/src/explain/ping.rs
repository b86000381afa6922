//! Pings that nobody answers.
//!
//! From: security groups, firewalls and policies that let TCP through and drop ICMP
//! (the guide tests its pods by ping, so people take this for a dead network).

use std::collections::BTreeSet;

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, is_pod, proof},
    grouped,
};
use crate::event::Destination;

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let pings =
        facts.probes_where(|cell| matches!(cell.destination, Destination::PingSameNode | Destination::PingOtherNode));
    let lost: Vec<Probe<'_>> = pings.into_iter().filter(|probe| probe.answer != Answer::Open).collect();
    let by_end = grouped(lost.iter().filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
    let nodes: BTreeSet<&str> = by_end.keys().copied().collect();
    let groups = facts.groups(&nodes).into_iter();
    groups
        .map(|group| {
            let here =
                |probe: &&Probe<'_>| probe.cell.source_node.as_ref().is_some_and(|node| group.nodes.contains(node));
            let ways: Vec<Probe<'_>> = lost.iter().filter(here).copied().collect();
            let tcp_works = facts
                .probes
                .iter()
                .any(|probe| here(&probe) && is_pod(probe.cell.destination) && probe.answer == Answer::Open);
            let subject = group.words.as_str();
            let (confidence, though) = match tcp_works {
                true => (Confidence::Likely, ", though TCP gets through: something on the way drops ICMP"),
                false => (Confidence::Possible, ""),
            };
            Finding::new(
                Layer::PodNetwork,
                &group.subject,
                confidence,
                format!("pings from pods on {subject} are not answered{though}"),
            )
            .on(group.nodes.iter().cloned())
            .advise("the policies of the CNI and the firewall between the nodes: what they do with ICMP")
            .proven_by(proof(&ways))
            .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}
