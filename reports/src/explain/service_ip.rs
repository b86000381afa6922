//! Service rules of a node, and Services.
//!
//! From: kube-proxy dead on Windows nodes while pod addresses work
//! (Azure/AgentBaker#6925); policies missing for one Service (microsoft/hcsshim#994);
//! rules that keep backends which are gone (kubernetes/kubernetes#112836,
//! kubernetes/kubernetes#137381); pods that do not reach themselves through their
//! Service (Azure/AKS#2608).

use std::collections::BTreeSet;

use super::{
    Answer, Confidence, Facts, Finding, Layer, backend,
    facts::{Group, Probe, is_on_node, is_pod, is_service, proof},
    grouped,
};
use crate::event::Destination;

/// Any virtual address of a Service, hairpins too.
pub(super) fn is_any(destination: Destination) -> bool {
    is_service(destination) || destination == Destination::OwnServiceIp
}

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| is_service(cell.destination) && is_on_node(cell.source));
    let by_node = grouped(probes.iter().filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
    let all = |probes: &[Probe<'_>], answer| probes.iter().all(|probe| probe.answer == answer);
    let some = |probes: &[Probe<'_>], answer| probes.iter().any(|probe| probe.answer == answer);
    let dead: BTreeSet<&str> =
        by_node.iter().filter(|(_, probes)| all(probes, Answer::Dead)).map(|(node, _)| *node).collect();
    let works_somewhere = by_node.values().any(|probes| some(probes, Answer::Open) || some(probes, Answer::Partial));

    let mut findings = Vec::new();
    if works_somewhere {
        for group in facts.groups(&dead) {
            let of_group = of_nodes(&probes, &group);
            findings.push(rules_dead(facts, &group, &of_group));
        }
        findings.extend(dead_services(facts, &probes, &dead));
    } else if !dead.is_empty() {
        findings.push(no_service_works(facts, &probes));
    }
    let partial: BTreeSet<&str> =
        by_node.iter().filter(|(_, probes)| some(probes, Answer::Partial)).map(|(node, _)| *node).collect();
    if !partial.is_empty() && backend::addresses(facts).is_empty() && !a_backend_node_is_cut_off(facts) {
        findings.extend(stale(facts, &probes, &partial, by_node.len()));
    }
    findings.extend(no_longer(facts, &probes, &dead));
    findings.extend(hairpins(facts, &dead));
    findings
}

/// Services that answered a check, and then did not any more: their backends had changed meanwhile.
///
/// From: rules that follow late, or reset what goes to the last backends (kubernetes/kubernetes#113841).
fn no_longer(facts: &Facts<'_>, probes: &[Probe<'_>], dead_nodes: &BTreeSet<&str>) -> Vec<Finding> {
    let of_service = |probe: &Probe<'_>| (probe.id.to_string(), probe.cell.address.clone());
    grouped(probes.iter().map(|probe| (of_service(probe), *probe)))
        .into_values()
        .filter_map(|ways| {
            let by_node = grouped(ways.iter().filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
            let changed = |ways: &[Probe<'_>]| {
                let first = ways.iter().position(|probe| probe.answer == Answer::Open);
                first.is_some_and(|first| ways.iter().skip(first).any(|probe| is_closed(probe.answer)))
            };
            let nodes: BTreeSet<&str> = (by_node.iter())
                .filter(|(node, ways)| changed(ways) && !dead_nodes.contains(*node))
                .map(|(node, _)| *node)
                .collect();
            let address = ways.first()?.cell.address.as_str();
            let lost: Vec<Probe<'_>> = (ways.iter())
                .filter(|probe| {
                    is_closed(probe.answer)
                        && probe.cell.source_node.as_deref().is_some_and(|node| nodes.contains(node))
                })
                .copied()
                .collect();
            (!nodes.is_empty()).then_some((address, by_node.len() > nodes.len(), nodes, lost))
        })
        .flat_map(|(address, elsewhere, nodes, lost)| {
            let service = facts.service(address);
            let groups = match elsewhere {
                true => facts.groups(&nodes),
                false => vec![Group {
                    subject: service.to_owned(),
                    words: "any node that was asked".to_owned(),
                    nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
                }],
            };
            groups.into_iter().map(move |group| (service, group, lost.clone())).collect::<Vec<_>>()
        })
        .map(|(service, group, lost)| {
            let ways = of_nodes(&lost, &group);
            let words = group.words.as_str();
            Finding::new(
                Layer::ServiceIp,
                &group.subject,
                Confidence::Likely,
                format!("{service} answered from {words}, and after its backends changed it does not"),
            )
            .on(group.nodes.iter().cloned())
            .advise(format!(
                "on {}: kube-proxy's log of that moment, and the backends in Get-HnsPolicyList",
                group.nodes.join(", ")
            ))
            .proven_by(proof(&ways))
            .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}

fn is_closed(answer: Answer) -> bool {
    matches!(answer, Answer::Dead | Answer::Refused | Answer::Wrong)
}

/// No Service answers from a node, while pods or other nodes' Services do.
fn rules_dead(facts: &Facts<'_>, group: &Group, ways: &[Probe<'_>]) -> Finding {
    let subject = group.words.as_str();
    let build = facts.build_of(group);
    let from_here = |probe: &&Probe<'_>| {
        is_pod(probe.cell.destination) && probe.cell.source_node.as_ref().is_some_and(|node| group.nodes.contains(node))
    };
    let pods_work = facts.probes.iter().filter(from_here).any(|probe| probe.answer == Answer::Open);
    let finding = if pods_work {
        Finding::new(
            Layer::ServiceIp,
            &group.subject,
            Confidence::Likely,
            format!("pods on {subject}{build} reach pod IPs but no Service IP; on other nodes Services work"),
        )
    } else {
        Finding::new(
            Layer::ServiceIp,
            &group.subject,
            Confidence::Possible,
            format!("no Service IP answers from {subject}{build}; on other nodes Services work"),
        )
        .or(
            Layer::PodNetwork,
            &group.subject,
            "the pod network there: no pod IP was seen to answer from it either",
        )
    };
    finding
        .on(group.nodes.iter().cloned())
        .advise(format!("on {subject}: does kube-proxy run, what does its log say; Get-HnsPolicyList"))
        .proven_by(proof(ways))
        .accounts_for(facts.checks_of(ways))
}

/// Services that answer from no node, while other Services do.
fn dead_services(facts: &Facts<'_>, probes: &[Probe<'_>], dead_nodes: &BTreeSet<&str>) -> Vec<Finding> {
    let elsewhere =
        probes.iter().filter(|probe| !probe.cell.source_node.as_deref().is_some_and(|node| dead_nodes.contains(node)));
    grouped(elsewhere.map(|probe| (probe.cell.address.as_str(), *probe)))
        .into_iter()
        .filter(|(_, ways)| ways.iter().all(|probe| matches!(probe.answer, Answer::Dead | Answer::Refused)))
        .map(|(address, ways)| {
            let service = facts.service(address);
            let sources: BTreeSet<&str> = ways.iter().filter_map(|probe| probe.cell.source_node.as_deref()).collect();
            let finding = Finding::new(
                Layer::ServiceIp,
                service,
                Confidence::Likely,
                format!("the Service {service} ({address}) answers from no node, other Services do"),
            )
            .or(Layer::Runtime, service, "none of its backends is ready or listens");
            let finding = match sources.iter().collect::<Vec<_>>().as_slice() {
                [node] => finding
                    .or(
                        Layer::ServiceIp,
                        **node,
                        format!("the rules for it on {node}: nobody else was asked to connect"),
                    )
                    .on([**node]),
                _ => finding,
            };
            finding
                .advise("kubectl get endpointslices of the Service")
                .proven_by(proof(&ways))
                .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}

/// No Service answers anywhere it was asked.
fn no_service_works(facts: &Facts<'_>, ways: &[Probe<'_>]) -> Finding {
    Finding::new(
        Layer::ServiceIp,
        "cluster",
        Confidence::Possible,
        "no Service IP answers from any node that was asked",
    )
    .or(
        Layer::ControlPlane,
        "endpoints",
        "the Services have no endpoints: the controller does not fill them, or no backend is ready",
    )
    .advise("kubectl get endpointslices -A; the log of kube-proxy on any node")
    .on(ways.iter().filter_map(|probe| probe.cell.source_node.clone()).collect::<BTreeSet<_>>())
    .proven_by(proof(ways))
    .accounts_for(facts.checks_of(ways))
}

/// A part of the connections is lost, and no backend is known to be dead.
fn stale(facts: &Facts<'_>, probes: &[Probe<'_>], partial: &BTreeSet<&str>, sources: usize) -> Vec<Finding> {
    let losing: Vec<Probe<'_>> = probes.iter().filter(|probe| probe.answer == Answer::Partial).copied().collect();
    if partial.len() == sources && sources > 1 {
        let finding = Finding::new(
            Layer::ServiceIp,
            losing.first().map(|probe| facts.service(&probe.cell.address)).unwrap_or_default(),
            Confidence::Possible,
            "a part of the connections to the Service is lost from every node, though each backend's own address answers",
        )
        .or(Layer::ControlPlane, "endpoints", "the endpoints still list a backend that is gone")
        .advise("kubectl get endpointslices of the Service beside its pods")
        .proven_by(proof(&losing))
        .accounts_for(facts.checks_of(&losing));
        return vec![finding];
    }
    let losing_at = facts.groups(partial).into_iter().map(|group| {
        let ways: Vec<Probe<'_>> = of_nodes(&losing, &group);
        let subject = group.words.as_str();
        Finding::new(
            Layer::ServiceIp,
            &group.subject,
            Confidence::Likely,
            format!("a part of the connections to Services is lost from {subject} only: its rules keep a backend that does not answer"),
        )
        .on(group.nodes.iter().cloned())
        .advise(format!("on {subject}: the backends in Get-HnsPolicyList beside those of the Service"))
        .proven_by(proof(&ways))
        .accounts_for(facts.checks_of(&ways))
    });
    losing_at.collect()
}

/// Pods that do not reach themselves through their own Service.
fn hairpins(facts: &Facts<'_>, dead: &BTreeSet<&str>) -> Vec<Finding> {
    let own = facts.probes_where(|cell| cell.destination == Destination::OwnServiceIp);
    let failing: Vec<Probe<'_>> = own.into_iter().filter(|probe| probe.answer != Answer::Open).collect();
    let nodes: BTreeSet<&str> = failing.iter().filter_map(|probe| probe.cell.source_node.as_deref()).collect();
    let (known, new): (BTreeSet<&str>, BTreeSet<&str>) = nodes.into_iter().partition(|node| dead.contains(node));
    let hairpin = |group: Group, known: bool| {
        let ways = of_nodes(&failing, &group);
        let subject = group.words.as_str();
        // Where no Service works the hairpin is part of that, under the same name.
        let summary = if known {
            format!("pods on {subject} do not reach their own Service either")
        } else {
            format!("pods on {subject} do not reach themselves through their own Service (hairpin)")
        };
        Finding::new(Layer::ServiceIp, &group.subject, Confidence::Likely, summary)
            .on(group.nodes.iter().cloned())
            .advise(format!("on {subject}: how the CNI treats hairpins (direct server return)"))
            .proven_by(proof(&ways))
            .accounts_for(facts.checks_of(&ways))
    };
    let known = facts.groups(&known).into_iter().map(|group| hairpin(group, true));
    known.chain(facts.groups(&new).into_iter().map(|group| hairpin(group, false))).collect()
}

/// Whether all pods of some node are unreached, which alone loses connections.
fn a_backend_node_is_cut_off(facts: &Facts<'_>) -> bool {
    let to_pods = facts.probes_where(|cell| is_pod(cell.destination) && cell.source_node != cell.destination_node);
    grouped(to_pods.into_iter().map(|probe| (probe.cell.destination_node.clone(), probe.answer)))
        .values()
        .any(|answers| answers.iter().all(|answer| *answer == Answer::Dead))
}

fn of_nodes<'a>(probes: &[Probe<'a>], group: &Group) -> Vec<Probe<'a>> {
    let here = |probe: &&Probe<'a>| probe.cell.source_node.as_ref().is_some_and(|node| group.nodes.contains(node));
    probes.iter().filter(here).copied().collect()
}
