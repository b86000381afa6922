//! A single backend that is dead.
//!
//! From: pods that started before the network of their node and never got one
//! (tigera/operator#3193), while their neighbours work.

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, is_pod, proof},
    grouped,
};

/// Addresses that answer nobody while others on the same node do, or where nothing
/// listens although the network delivers.
pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    addresses(facts)
        .into_iter()
        .map(|(address, probes)| {
            let node = probes.first().and_then(|probe| probe.cell.destination_node.clone());
            let on = node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
            let refused = probes.iter().all(|probe| probe.answer == Answer::Refused);
            let finding = if refused {
                Finding::new(
                    Layer::Runtime,
                    address,
                    Confidence::Likely,
                    format!("nothing listens at {address}{on}: connections arrive and are refused"),
                )
                .advise("kubectl logs of the pod with that address")
            } else {
                Finding::new(
                    Layer::PodNetwork,
                    address,
                    Confidence::Likely,
                    format!("the pod at {address}{on} is cut off; other pods of the node are reached"),
                )
                .advise("delete the pod: a new sandbox gets a new network endpoint; if that helps, it started before its network")
            };
            let services = facts.probes_where(|cell| super::service_ip::is_any(cell.destination));
            let losing: Vec<Probe<'_>> = services.into_iter().filter(|probe| probe.answer == Answer::Partial).collect();
            finding
                .on(node)
                .proven_by(proof(&probes))
                .accounts_for(facts.checks_of(&probes))
                .accounts_for(facts.checks_of(&losing))
        })
        .collect()
}

/// The dead addresses and their probes.
pub(super) fn addresses<'a>(facts: &Facts<'a>) -> Vec<(&'a str, Vec<Probe<'a>>)> {
    let to_pods = facts.probes_where(|cell| is_pod(cell.destination));
    let by_address = grouped(to_pods.iter().map(|probe| (probe.cell.address.as_str(), *probe)));
    let reached = |node: Option<&str>, but: &str| {
        to_pods.iter().any(|probe| {
            probe.answer == Answer::Open
                && probe.cell.address != but
                && node.is_some()
                && probe.cell.destination_node.as_deref() == node
        })
    };
    by_address
        .into_iter()
        .filter(|(address, probes)| {
            let node = probes.first().and_then(|probe| probe.cell.destination_node.as_deref());
            let all = |answers: &[Answer]| probes.iter().all(|probe| answers.contains(&probe.answer));
            all(&[Answer::Refused]) || (all(&[Answer::Dead, Answer::Refused]) && reached(node, address))
        })
        .collect()
}
