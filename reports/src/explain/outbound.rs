//! The way out of the cluster.
//!
//! From: outbound rules that some pods never got, while their neighbours have them
//! (projectcalico/calico#12862); source ports that run out under load
//! (projectcalico/calico#6324); firewalls around the whole cluster.

use std::collections::BTreeSet;

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, is_pod, proof},
    grouped,
};
use crate::event::{Destination, Vantage};

/// One finding for each set of nodes whose pods do not get out, or lose connections on the way.
pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| cell.destination == Destination::Internet);
    let troubled: Vec<Probe<'_>> = probes.iter().filter(|probe| probe.answer != Answer::Open).copied().collect();
    if troubled.is_empty() {
        return Vec::new();
    }
    let by_node = grouped(probes.iter().filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
    let cut_off = |probes: &Vec<Probe<'_>>| probes.iter().all(|probe| is_cut_off(probe));
    let dead: BTreeSet<&str> = by_node.iter().filter(|(_, probes)| cut_off(probes)).map(|(node, _)| *node).collect();
    if dead.len() == by_node.len() && dead.len() > 1 {
        return vec![nobody_gets_out(facts, &troubled, dead)];
    }
    let losing: BTreeSet<&str> = by_node
        .iter()
        .filter(|(node, probes)| !dead.contains(*node) && probes.iter().any(|probe| probe.answer != Answer::Open))
        .map(|(node, _)| *node)
        .collect();
    let whole = facts.groups(&dead).into_iter().map(|group| (group, true));
    let some = facts.groups(&losing).into_iter().map(|group| (group, false));
    whole
        .chain(some)
        .map(|(group, whole)| {
            let here =
                |probe: &&Probe<'_>| probe.cell.source_node.as_ref().is_some_and(|node| group.nodes.contains(node));
            let ways: Vec<Probe<'_>> = troubled.iter().filter(here).copied().collect();
            let subject = group.words.as_str();
            let build = facts.build_of(&group);
            let pods_work = facts
                .probes
                .iter()
                .any(|probe| here(&probe) && is_pod(probe.cell.destination) && probe.answer == Answer::Open);
            let inside = if pods_work { ", though they reach pods inside it" } else { "" };
            let some_pods = ways.iter().any(|probe| is_cut_off(probe));
            let summary = match (whole, some_pods) {
                (true, _) => {
                    format!("pods on {subject}{build} do not get out of the cluster{inside}; on other nodes they do")
                }
                (false, true) => {
                    format!("some pods on {subject}{build} do not get out of the cluster, their neighbours do")
                }
                (false, false) => format!("a part of the connections out of the cluster is lost from {subject}{build}"),
            };
            let advice = match (whole, some_pods) {
                (false, true) => {
                    "make the pod anew: one that started beside its image's pull can lack its outbound rule".to_owned()
                }
                (false, false) => {
                    format!("on {subject}: source ports in use (`netstat -an`), and the load balancer's outbound ports")
                }
                _ => {
                    format!("on {subject}: the OutBoundNAT policy of the endpoints in HNS, and the node's own way out")
                }
            };
            Finding::new(Layer::Outbound, &group.subject, Confidence::Likely, summary)
                .on(group.nodes.iter().cloned())
                .advise(advice)
                .proven_by(proof(&ways))
                .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}

fn is_cut_off(probe: &Probe<'_>) -> bool {
    matches!(probe.answer, Answer::Dead | Answer::Refused)
}

/// No pod anywhere gets out, Windows or Linux.
fn nobody_gets_out(facts: &Facts<'_>, ways: &[Probe<'_>], nodes: BTreeSet<&str>) -> Finding {
    let linux_too = ways.iter().any(|probe| probe.cell.source == Vantage::LinuxPod);
    let summary = match linux_too {
        true => "no pod of the cluster gets out of it, on Linux neither",
        false => "no Windows pod gets out of the cluster",
    };
    Finding::new(Layer::Outbound, if linux_too { "cluster" } else { "windows" }, Confidence::Possible, summary)
        .or(Layer::Environment, "firewall", "the address that was asked is not reachable from this cluster at all")
        .advise("ask the same address from a node itself; `--outbound HOST:PORT` names one that must be reachable")
        .on(nodes)
        .proven_by(proof(ways))
        .accounts_for(facts.checks_of(ways))
}
