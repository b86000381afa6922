//! The pod network of a node.
//!
//! From: updates after which pods of one patch level reach nobody
//! (microsoft/Windows-Containers#516, projectcalico/calico#9019); address spoofing
//! switched off on one hypervisor; overlay rules lost after a reboot.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Answer, Confidence, Facts, Finding, Layer, backend,
    facts::{Group, Probe, is_pod, proof},
    grouped,
    pattern::{End, Pattern, patterns},
};
use crate::event::{Destination, Vantage};

/// Which way the traffic of a node's pods is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cut {
    To,
    From,
    Both,
    Within,
}

/// A node that explains dead ways, and the ways.
struct Culprit<'a> {
    node: &'a str,
    cut: Cut,
    ways: Vec<Probe<'a>>,
    /// Nodes that explain the same ways as well.
    or: Vec<&'a str>,
}

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let single = backend::addresses(facts);
    let counts = |probe: &Probe<'_>| !single.iter().any(|(address, _)| *address == probe.cell.address);
    let mut pods = facts.probes_where(|cell| is_pod(cell.destination) && cell.destination_node.is_some());
    pods.retain(counts);
    let (within, across): (Vec<Probe<'_>>, Vec<Probe<'_>>) = pods.into_iter().partition(is_within);
    if across.len() > 1 && across.iter().all(|probe| probe.answer == Answer::Dead) && nodes_of(&across).len() > 2 {
        return vec![everywhere(facts, &across)];
    }
    let culprits = culprits(&across);
    let mut findings = Vec::new();
    for cut in [Cut::Both, Cut::To, Cut::From] {
        let alike: Vec<&Culprit<'_>> = culprits.iter().filter(|culprit| culprit.cut == cut).collect();
        for group in facts.groups(&alike.iter().map(|culprit| culprit.node).collect()) {
            let members: Vec<_> =
                alike.iter().filter(|culprit| group.nodes.iter().any(|node| node == culprit.node)).collect();
            let ways: Vec<Probe<'_>> = members.iter().flat_map(|culprit| culprit.ways.iter().copied()).collect();
            let or: BTreeSet<&str> = members.iter().flat_map(|culprit| culprit.or.iter().copied()).collect();
            findings.push(finding(facts, &group, cut, &ways, &or));
        }
    }
    findings.extend(between_kinds(facts, &across, &culprits));
    findings.extend(hosts(facts, &within));
    for node in nodes_of(&within) {
        // Ways within a node are of several kinds: a host reaches its pods another way than pods do,
        // and a pod reaches itself without any network. Those of one check are alike.
        let here =
            within.iter().filter(|probe| probe.cell.destination_node.as_deref() == Some(node) && is_from_pod(probe));
        let by_check = grouped(here.map(|probe| (probe.id.check.to_string(), *probe)));
        let dead = by_check.into_values().filter(|ways| ways.iter().all(|probe| probe.answer == Answer::Dead));
        let ways: Vec<Probe<'_>> = dead.flatten().collect();
        if !ways.is_empty() {
            let group = Group { subject: node.to_owned(), words: node.to_owned(), nodes: vec![node.to_owned()] };
            findings.push(finding(facts, &group, Cut::Within, &ways, &BTreeSet::new()));
        }
    }
    findings
}

/// Windows hosts that do not reach the pods which run on them.
///
/// From: kubelets whose probes all fail while the pods serve others (kubernetes/kubernetes#81938).
fn hosts(facts: &Facts<'_>, within: &[Probe<'_>]) -> Vec<Finding> {
    let from_hosts = within.iter().filter(|probe| probe.cell.source == Vantage::WindowsHost);
    let by_node = grouped(from_hosts.filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
    let dead: BTreeSet<&str> = (by_node.iter())
        .filter(|(_, ways)| ways.iter().all(|probe| probe.answer == Answer::Dead))
        .map(|(node, _)| *node)
        .collect();
    let group = |group: Group| {
        let of_group = group.nodes.iter().filter_map(|node| by_node.get(node.as_str())).flatten();
        let ways: Vec<Probe<'_>> = of_group.copied().collect();
        let subject = group.words.as_str();
        let summary = format!("the host of {subject} does not reach the pods that run there");
        Finding::new(Layer::PodNetwork, &group.subject, Confidence::Likely, summary)
            .on(group.nodes.iter().cloned())
            .advise(format!("on {subject}: the host's route to its pods (`route print`), and its firewall"))
            .proven_by(proof(&ways))
            .accounts_for(facts.checks_of(&ways))
    };
    facts.groups(&dead).into_iter().map(group).collect()
}

/// Dead ways that no single node explains: between nodes of one kind and nodes of another.
fn between_kinds(facts: &Facts<'_>, across: &[Probe<'_>], culprits: &[Culprit<'_>]) -> Vec<Finding> {
    let explained = |way: &Probe<'_>| {
        culprits.iter().any(|culprit| culprit.ways.iter().any(|known| std::ptr::eq(known.cell, way.cell)))
    };
    let left: Vec<Probe<'_>> = across.iter().filter(|way| !explained(way)).copied().collect();
    patterns(facts, &left, |way| way.answer == Answer::Dead)
        .into_iter()
        .map(|pattern| {
            let Pattern { from, to, ways } = pattern;
            let works = |probe: &&Probe<'_>| probe.answer == Answer::Open;
            let reached = across.iter().filter(works).any(|way| has(&to, way.cell.destination_node.as_deref()));
            let reaching = across.iter().filter(works).any(|way| has(&from, way.cell.source_node.as_deref()));
            let mut summary = format!("no way leads from pods on {} to pods on {}", from.words, to.words);
            if reached {
                summary = format!("{summary}; others reach {}", to.words);
            }
            if reaching {
                summary = format!("{summary}; {} reach others", from.words);
            }
            Finding::new(Layer::PodNetwork, &to.subject, Confidence::Likely, summary)
                .or(Layer::PodNetwork, &from.subject, format!("what {} send is what gets lost", from.words))
                .on(to.nodes.iter().cloned())
                .advise(format!(
                    "the routes or the encapsulation between {} and {}: on VXLAN both systems need a VNI of 4096 or \
                     more and port 4789",
                    from.words, to.words
                ))
                .proven_by(proof(&ways))
                .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}

/// Ways between pods on which connections open and answers do not arrive whole, or on which a part is lost.
pub(super) fn impaired(facts: &Facts<'_>) -> Vec<Finding> {
    let single = backend::addresses(facts);
    let mut pods = facts.probes_where(|cell| is_pod(cell.destination) && cell.destination_node.is_some());
    pods.retain(|probe| is_from_pod(probe) || probe.cell.source == Vantage::LinuxNode);
    pods.retain(|probe| !single.iter().any(|(address, _)| *address == probe.cell.address));
    let stalls = patterns(facts, &pods, |way| way.answer == Answer::Wrong).into_iter().map(|pattern| (pattern, true));
    let losses =
        patterns(facts, &pods, |way| way.answer == Answer::Partial).into_iter().map(|pattern| (pattern, false));
    stalls
        .chain(losses)
        .map(|(Pattern { from, to, ways }, stalls)| {
            // The end that fewer nodes share is the odd one.
            let odd = if to.nodes.len() <= from.nodes.len() { &to } else { &from };
            let other = if to.nodes.len() <= from.nodes.len() { &from } else { &to };
            let between = match from.nodes == to.nodes {
                true => format!("between pods on {}", to.words),
                false => format!("from pods on {} to pods on {}", from.words, to.words),
            };
            let (summary, advice) = match stalls {
                true => (
                    format!("connections open {between}, but no whole answer comes back"),
                    format!("the MTU of the pod network on {}: packets larger than the path takes are lost without a word", odd.words),
                ),
                false => (
                    format!("a part of the connections {between} is lost"),
                    format!("on {}: how many endpoints HNS holds beside the pods that run there; an address may be given twice", odd.words),
                ),
            };
            Finding::new(Layer::PodNetwork, &odd.subject, Confidence::Likely, summary)
                .or(Layer::PodNetwork, &other.subject, format!("the other end, {}", other.words))
                .on(odd.nodes.iter().cloned())
                .advise(advice)
                .proven_by(proof(&ways))
                .accounts_for(facts.checks_of(&ways))
        })
        .collect()
}

fn has(end: &End, node: Option<&str>) -> bool {
    node.is_some_and(|node| end.nodes.contains(node))
}

fn is_from_pod(probe: &Probe<'_>) -> bool {
    matches!(probe.cell.source, Vantage::LinuxPod | Vantage::WindowsPod)
}

fn is_within(probe: &Probe<'_>) -> bool {
    probe.cell.destination == Destination::WindowsPodSameNode || probe.cell.source_node == probe.cell.destination_node
}

fn nodes_of<'a>(probes: &[Probe<'a>]) -> BTreeSet<&'a str> {
    probes
        .iter()
        .flat_map(|probe| [probe.cell.source_node.as_deref(), probe.cell.destination_node.as_deref()])
        .flatten()
        .collect()
}

/// The fewest nodes that explain the dead ways: the node that explains most comes
/// first, and what it explains is taken off before the next is looked for.
fn culprits<'a>(across: &[Probe<'a>]) -> Vec<Culprit<'a>> {
    let to = dead_ends(across, |probe| probe.cell.destination_node.as_deref());
    let from = dead_ends(across, |probe| probe.cell.source_node.as_deref());
    let mut left: BTreeSet<usize> = to.values().chain(from.values()).flatten().copied().collect();
    let nodes: BTreeSet<&str> = to.keys().chain(from.keys()).copied().collect();
    let explained_by = |node: &str, left: &BTreeSet<usize>| -> BTreeSet<usize> {
        let ways = [&to, &from].into_iter().filter_map(|ends| ends.get(node)).flatten();
        ways.filter(|way| left.contains(way)).copied().collect()
    };
    let mut culprits = Vec::new();
    while !left.is_empty() {
        let candidates: Vec<(&'a str, BTreeSet<usize>)> =
            nodes.iter().map(|node| (*node, explained_by(node, &left))).collect();
        let most = candidates.iter().map(|(_, ways)| ways.len()).max().unwrap_or_default();
        let mut best = candidates.into_iter().filter(|(_, ways)| ways.len() == most);
        let Some((node, ways)) = best.next() else { break };
        let or = best.filter(|(_, others)| *others == ways).map(|(node, _)| node).collect();
        left.retain(|way| !ways.contains(way));
        let cut = match (to.contains_key(node), from.contains_key(node)) {
            (true, true) => Cut::Both,
            (true, false) => Cut::To,
            _ => Cut::From,
        };
        let ways = ways.into_iter().filter_map(|way| across.get(way).copied()).collect();
        culprits.push(Culprit { node, cut, ways, or });
    }
    culprits
}

/// The nodes at one end of ways of which every one is dead, with those ways.
fn dead_ends<'a>(across: &[Probe<'a>], end: impl Fn(&Probe<'a>) -> Option<&'a str>) -> BTreeMap<&'a str, Vec<usize>> {
    let mut ends = grouped(across.iter().enumerate().filter_map(|(way, probe)| Some((end(probe)?, way))));
    ends.retain(|_, ways| ways.iter().all(|way| across.get(*way).is_some_and(|probe| probe.answer == Answer::Dead)));
    ends
}

fn finding(facts: &Facts<'_>, group: &Group, cut: Cut, ways: &[Probe<'_>], or: &BTreeSet<&str>) -> Finding {
    let subject = group.words.as_str();
    let build = facts.build_of(group);
    let trouble = match cut {
        Cut::Both => "reach no pod on another node, and none reaches them",
        Cut::To => "are reached from no other node, though they reach others or were not asked to",
        Cut::From => "reach no pod on another node, though they are reached or nobody tried",
        Cut::Within => "do not reach the pods beside them on the same node",
    };
    let confidence = if or.is_empty() { Confidence::Likely } else { Confidence::Possible };
    let mut finding =
        Finding::new(Layer::PodNetwork, &group.subject, confidence, format!("pods on {subject}{build} {trouble}"))
            .on(group.nodes.iter().cloned())
            .advise(format!(
                "on {subject}: Get-HnsNetwork and Get-HnsEndpoint, the routes, and the log of the CNI's pod"
            ))
            .advise("the updates last installed there, beside a node whose pods work");
    for other in or {
        finding = finding.or(
            Layer::PodNetwork,
            *other,
            format!("the pod network of {other}: nothing was measured that tells the two ends apart"),
        );
    }
    let to_backends = matches!(cut, Cut::To | Cut::Both);
    let services = facts.probes_where(|cell| super::service_ip::is_any(cell.destination) && to_backends);
    let losing: Vec<Probe<'_>> = services.into_iter().filter(|probe| probe.answer == Answer::Partial).collect();
    finding.proven_by(proof(ways)).accounts_for(facts.checks_of(ways)).accounts_for(facts.checks_of(&losing))
}

/// No way between nodes works at all.
fn everywhere(facts: &Facts<'_>, ways: &[Probe<'_>]) -> Finding {
    Finding::new(
        Layer::PodNetwork,
        "cluster",
        Confidence::Likely,
        "no pod reaches a pod on another node, whatever the nodes",
    )
    .advise("the CNI's pods on every node, and whether the network between the nodes lets its encapsulation through")
    .on(nodes_of(ways))
    .proven_by(proof(ways))
    .accounts_for(facts.checks_of(ways))
}
