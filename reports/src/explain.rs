//! Finds causes: what accounts for results that are not as they should be.
//!
//! A rule is a pure function of the facts of a run. It looks for a *pattern* of
//! evidence (who reaches what and who does not, what a runtime said, which node is
//! silent while others answer), never for a fault by its name, and it names every
//! cause that the evidence fits. Where the evidence cannot decide, the finding is
//! [`Confidence::Possible`] and carries its alternatives.
//!
//! Several red checks with one cause read as one finding: trouble in a deeper layer
//! takes in what it brings about above it on the same nodes.

mod admission;
mod backend;
mod dns;
mod facts;
mod finding;
mod identity;
mod image;
mod load_balancer;
mod node;
mod node_port;
mod outbound;
mod pattern;
mod ping;
mod pod_network;
mod runtime;
mod scheduling;
mod service_ip;

use std::collections::BTreeMap;

use self::facts::{Answer, Facts};
pub use self::finding::{Alternative, Confidence, Finding, Layer};
use crate::event::Record;

/// One pattern and where it was first met.
struct Rule {
    /// What it recognises, for the log of a person who wonders.
    what: &'static str,
    /// Whether what it finds brings about trouble in the layers above it.
    spreads: bool,
    find: fn(&Facts<'_>) -> Vec<Finding>,
}

/// All rules, deepest cause first. Each rule's module names the incidents it comes from.
const RULES: &[Rule] = &[
    Rule { what: "exec is lost whatever the node", spreads: false, find: node::exec_lost },
    Rule { what: "the API server refuses", spreads: false, find: admission::refusals },
    Rule { what: "a node is not ready", spreads: true, find: node::not_ready },
    Rule { what: "a node is silent", spreads: true, find: node::silent },
    Rule { what: "a node is not as it should be", spreads: false, find: node::not_as_it_should_be },
    Rule { what: "a part of the control plane does nothing", spreads: false, find: scheduling::idle },
    Rule { what: "no node takes a pod", spreads: false, find: scheduling::unschedulable },
    Rule { what: "an image is not for this build, or cannot be had", spreads: false, find: image::refused },
    Rule { what: "sandboxes or containers fail", spreads: false, find: runtime::failures },
    Rule { what: "containers do not last", spreads: true, find: runtime::ended },
    Rule { what: "one backend is dead", spreads: false, find: backend::dead },
    Rule { what: "the pod network of a node is dead", spreads: true, find: pod_network::dead },
    Rule { what: "the pod network of a node loses connections or answers", spreads: true, find: pod_network::impaired },
    Rule { what: "pings are lost", spreads: false, find: ping::dead },
    Rule { what: "service rules are dead or stale", spreads: true, find: service_ip::dead },
    Rule { what: "names are not found", spreads: true, find: dns::dead },
    Rule { what: "a node port is dead", spreads: false, find: node_port::dead },
    Rule { what: "a load balancer leads nowhere", spreads: false, find: load_balancer::dead },
    Rule { what: "pods do not get out of the cluster", spreads: true, find: outbound::dead },
    Rule { what: "containers are somebody else", spreads: false, find: identity::wrong },
];

/// The findings of a run, deepest first, each with the results it accounts for.
#[must_use]
pub fn explain(records: &[Record]) -> Vec<Finding> {
    let facts = Facts::of(records);
    if facts.wrong.is_empty() {
        return Vec::new();
    }
    let mut found: Vec<(&Rule, Finding)> = Vec::new();
    for rule in RULES {
        for finding in (rule.find)(&facts) {
            take_in(&mut found, rule, finding);
        }
    }
    let mut findings: Vec<Finding> = found.into_iter().map(|(_, finding)| finding).collect();
    for finding in &mut findings {
        facts.add_dependents(finding);
        facts.admit_what_was_not_asked(finding);
    }
    findings.retain(|finding| !finding.checks.is_empty());
    findings.sort_by(|a, b| (a.layer, &a.subject).cmp(&(b.layer, &b.subject)));
    findings
}

/// Adds a finding to those of deeper layers, or to the one of which it says more.
fn take_in<'r>(found: &mut Vec<(&'r Rule, Finding)>, rule: &'r Rule, finding: Finding) {
    let underlies = |(earlier, known): &(&Rule, Finding)| earlier.spreads && known.layer.underlies(finding.layer);
    let within =
        |deeper: &Finding| !finding.nodes.is_empty() && finding.nodes.iter().all(|node| deeper.nodes.contains(node));
    let same = found.iter().position(|(_, known)| known.id == finding.id);
    let deeper = || found.iter().position(|entry| underlies(entry) && within(&entry.1));
    if let Some(at) = same.or_else(deeper) {
        if let Some((_, known)) = found.get_mut(at) {
            add(known, &finding);
        }
        return;
    }
    // Trouble on several nodes may have a deeper cause on each of them.
    let together: Vec<usize> = (0..found.len()).filter(|at| found.get(*at).is_some_and(underlies)).collect();
    let shared =
        |node: &String| together.iter().any(|at| found.get(*at).is_some_and(|(_, deeper)| deeper.nodes.contains(node)));
    if finding.nodes.len() > 1 && finding.nodes.iter().all(shared) {
        for at in together {
            if let Some((_, deeper)) = found.get_mut(at)
                && deeper.nodes.iter().any(|node| finding.nodes.contains(node))
            {
                add(deeper, &finding);
            }
        }
        return;
    }
    found.push((rule, finding));
}

/// Adds what a finding accounts for and rests on to another one.
fn add(known: &mut Finding, finding: &Finding) {
    for (list, more) in [(&mut known.checks, &finding.checks), (&mut known.proof, &finding.proof)] {
        for line in more {
            if !list.contains(line) {
                list.push(line.clone());
            }
        }
    }
    if known.id == finding.id && known.summary != finding.summary {
        known.proof.push(finding.summary.clone());
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

/// Groups by a key, in the key's order.
fn grouped<K: Ord, V>(pairs: impl IntoIterator<Item = (K, V)>) -> BTreeMap<K, Vec<V>> {
    let mut groups: BTreeMap<K, Vec<V>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups
}

#[cfg(test)]
mod tests;
