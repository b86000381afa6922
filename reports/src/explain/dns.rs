//! Names of Services.
//!
//! From: policies missing for the DNS Service, so that names time out while the DNS
//! pods answer (kubernetes/kubernetes#110674); CoreDNS down for the whole cluster;
//! pods without their namespace's suffix (flannel-io/flannel#1091).

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Group, Probe, is_service, proof},
    grouped,
};
use crate::event::{Destination, NameOutcome, NameServer, Observation};

/// Why names fail on a node, as far as the answers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// The servers answer, the address of their Service does not.
    ServiceAddress,
    /// Whoever is asked, the answer is wrong or missing.
    Servers,
    /// The Service answers; the pod's own resolver does not find.
    Resolver,
    /// Nobody asked further.
    Unknown,
}

/// A question that was asked from a node, by a result that is wrong.
struct Asked<'a> {
    check: &'a str,
    server: Option<&'a str>,
    by: NameServer,
    outcome: &'a NameOutcome,
    words: String,
}

pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| cell.destination == Destination::ServiceName);
    let asked = grouped(facts.observations().filter_map(|(wrong, seen)| asked(&wrong.name, seen)));
    let by_node = grouped(probes.iter().filter_map(|probe| Some((probe.cell.source_node.as_deref()?, *probe))));
    let no_name = |asked: &Vec<Asked<'_>>| asked.iter().any(|one| *one.outcome != NameOutcome::Right);
    let mut troubled: BTreeSet<&str> =
        asked.iter().filter(|(_, asked)| no_name(asked)).map(|(node, _)| *node).collect();
    let is_troubled = |probes: &[Probe<'_>]| probes.iter().any(|probe| probe.answer != Answer::Open);
    troubled.extend(by_node.iter().filter(|(_, probes)| is_troubled(probes)).map(|(node, _)| *node));
    let everywhere = troubled.len() > 1 && by_node.keys().all(|node| troubled.contains(node));

    let mut by_cause: BTreeMap<Cause, BTreeSet<&str>> = BTreeMap::new();
    for node in troubled {
        let cause = asked.get(node).map_or(Cause::Unknown, |asked| cause(asked));
        by_cause.entry(cause).or_default().insert(node);
    }
    let mut findings = Vec::new();
    for (cause, nodes) in by_cause {
        let all = everywhere && by_node.keys().all(|node| nodes.contains(node));
        for group in groups(facts, cause, &nodes, all, &asked) {
            findings.push(finding(facts, cause, &group, &probes, &asked));
        }
    }
    findings
}

fn asked<'a>(check: &'a str, seen: &'a Observation) -> Option<(&'a str, Asked<'a>)> {
    let Observation::Name { node, asked, server, outcome, .. } = seen else { return None };
    Some((node, Asked { check, server: server.as_deref(), by: *asked, outcome, words: seen.words() }))
}

fn cause(asked: &[Asked<'_>]) -> Cause {
    let of = |by| asked.iter().filter(move |one| one.by == by).map(|one| one.outcome);
    let is_right = |outcome: &NameOutcome| *outcome == NameOutcome::Right;
    let mut service = of(NameServer::Service).peekable();
    if service.peek().is_none() {
        return Cause::Unknown;
    }
    if service.all(is_right) {
        return Cause::Resolver;
    }
    match of(NameServer::Server).any(is_right) {
        true => Cause::ServiceAddress,
        false => Cause::Servers,
    }
}

/// Who a cause is about: the cluster, the DNS Service, or nodes by what they share.
fn groups(
    facts: &Facts<'_>,
    cause: Cause,
    nodes: &BTreeSet<&str>,
    all: bool,
    asked: &BTreeMap<&str, Vec<Asked<'_>>>,
) -> Vec<Group> {
    let named = |subject: &str, words: String| Group {
        subject: subject.to_owned(),
        words,
        nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
    };
    if cause == Cause::ServiceAddress {
        let (cut_off, rest): (BTreeSet<&str>, BTreeSet<&str>) =
            nodes.iter().partition(|node| no_service_works_from(facts, node));
        let mut groups = facts.groups(&cut_off);
        let mut asked = rest.iter().filter_map(|node| asked.get(node)).flatten();
        if let Some(address) = asked.find(|one| one.by == NameServer::Service).and_then(|one| one.server) {
            let from: Vec<String> = facts.groups(&rest).into_iter().map(|group| group.words).collect();
            let nodes = rest.iter().map(|node| (*node).to_owned()).collect();
            groups.push(Group { subject: facts.service(address).to_owned(), words: from.join(", "), nodes });
        }
        return groups;
    }
    if all && cause != Cause::Resolver {
        return vec![named("cluster", "any node".to_owned())];
    }
    facts.groups(nodes)
}

/// Where no Service answers, that is what is wrong, and names are a part of it.
fn no_service_works_from(facts: &Facts<'_>, node: &str) -> bool {
    let services = facts.probes_where(|cell| is_service(cell.destination) && cell.source_node.as_deref() == Some(node));
    !services.is_empty() && services.iter().all(|probe| probe.answer == Answer::Dead)
}

fn finding(
    facts: &Facts<'_>,
    cause: Cause,
    group: &Group,
    probes: &[Probe<'_>],
    asked: &BTreeMap<&str, Vec<Asked<'_>>>,
) -> Finding {
    let here = |probe: &&Probe<'_>| probe.cell.source_node.as_ref().is_some_and(|node| group.nodes.contains(node));
    let ways: Vec<Probe<'_>> = probes.iter().filter(here).copied().collect();
    let told: Vec<&Asked<'_>> = group.nodes.iter().filter_map(|node| asked.get(node.as_str())).flatten().collect();
    let services_work = facts
        .probes
        .iter()
        .any(|probe| here(&probe) && is_service(probe.cell.destination) && probe.answer == Answer::Open);
    let (subject, words) = (group.subject.as_str(), group.words.as_str());
    let new = |layer, sure, summary: String| Finding::new(layer, subject, sure, summary);
    let finding = match cause {
        Cause::ServiceAddress if services_work => new(
            Layer::ServiceIp,
            Confidence::Likely,
            format!("from {words} the address of the DNS Service {subject} does not answer; its servers do"),
        )
        .advise(format!("on {words}: Get-HnsPolicyList for that address; restarting kube-proxy there writes it anew")),
        Cause::ServiceAddress => new(
            Layer::Dns,
            Confidence::Likely,
            format!("from {words} no name is found, because the DNS Service's address does not answer there"),
        ),
        Cause::Servers => new(
            Layer::Dns,
            Confidence::Likely,
            format!("from {words} no name of a Service is found, whichever server is asked"),
        )
        .advise("the pods behind the DNS Service (`kubectl -n kube-system get pods`), and their logs"),
        Cause::Resolver => new(
            Layer::Dns,
            Confidence::Likely,
            format!("the DNS Service answers pods on {words}, but their own resolver does not find names"),
        )
        .advise("in such a pod: `ipconfig /all`: its DNS servers, and the suffix NAMESPACE.svc.DOMAIN"),
        Cause::Unknown if subject == "cluster" => {
            new(Layer::Dns, Confidence::Likely, "no name of a Service is found from any node".to_owned())
                .advise("kubectl -n kube-system get pods -l k8s-app=kube-dns, and their logs")
        }
        Cause::Unknown if services_work => new(
            Layer::Dns,
            Confidence::Likely,
            format!("names of Services are not found from {words}, though Service IPs answer"),
        ),
        Cause::Unknown => new(
            Layer::Dns,
            Confidence::Possible,
            format!("names of Services are not found from {words}"),
        )
        .or(Layer::ServiceIp, subject, "the rules for the DNS Service's own address"),
    };
    let mut told_words: Vec<String> = told.iter().map(|one| one.words.clone()).take(6).collect();
    if told_words.is_empty() {
        told_words = proof(&ways);
    }
    let mut accounted: BTreeSet<String> = facts.checks_of(&ways).into_iter().collect();
    accounted.extend(told.iter().map(|one| one.check.to_owned()));
    finding
        .on(group.nodes.iter().cloned())
        .advise(format!("from a pod on {words}: Resolve-DnsName with -Server set to a DNS pod's address"))
        .proven_by(told_words)
        .accounts_for(accounted)
}
