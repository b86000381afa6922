//! What ways that do not work have in common, and working ones have not.
//!
//! Ways lead from a source to a destination, and each end has properties: its node,
//! its build, its operating system. A [`Pattern`] is a pair of properties such that
//! every way between them is broken. The fewest patterns that cover all broken ways
//! tell what to look at: `from Linux to 10.0.26100.33296` is neither the trouble of a
//! Linux node nor of the whole pod network.

use std::collections::BTreeSet;

use super::facts::{Facts, Probe};

/// A property of one end of a way: the nodes that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    /// Short, for machines: `win-2`, `10.0.20348.5499`, `windows`.
    pub(super) subject: String,
    /// The same in a sentence: `win-2`, `Linux nodes`, `nodes of 10.0.20348.5499`.
    pub(super) words: String,
    /// The nodes that have it.
    pub(super) nodes: BTreeSet<String>,
    /// Whether it is but one node.
    pub(super) single: bool,
}

/// Two properties between which every way is broken.
pub(super) struct Pattern<'a> {
    /// Where the broken ways start.
    pub(super) from: End,
    /// Where they end.
    pub(super) to: End,
    /// The broken ways.
    pub(super) ways: Vec<Probe<'a>>,
}

/// The fewest patterns that cover the broken ones among `ways`, the largest first.
pub(super) fn patterns<'a>(
    facts: &Facts<'a>,
    ways: &[Probe<'a>],
    broken: impl Fn(&Probe<'a>) -> bool,
) -> Vec<Pattern<'a>> {
    let sources = ends(facts, ways.iter().filter_map(|way| way.cell.source_node.as_deref()).collect());
    let destinations = ends(facts, ways.iter().filter_map(|way| way.cell.destination_node.as_deref()).collect());
    let has = |end: &End, node: Option<&str>| node.is_some_and(|node| end.nodes.contains(node));
    let mut candidates: Vec<(&End, &End, BTreeSet<usize>)> = Vec::new();
    for from in &sources {
        for to in &destinations {
            let between: Vec<usize> = (ways.iter().enumerate())
                .filter(|(_, way)| {
                    has(from, way.cell.source_node.as_deref()) && has(to, way.cell.destination_node.as_deref())
                })
                .map(|(index, _)| index)
                .collect();
            if !between.is_empty() && between.iter().all(|index| broken(&ways[*index])) {
                candidates.push((from, to, between.into_iter().collect()));
            }
        }
    }
    let mut left: BTreeSet<usize> = (0..ways.len()).filter(|index| broken(&ways[*index])).collect();
    let mut found = Vec::new();
    while !left.is_empty() {
        // Of those that cover as much, the one with the simpler words: a node before a build, a build before a system.
        let best = candidates
            .iter()
            .map(|(from, to, covered)| (covered.intersection(&left).count(), from, to, covered))
            .filter(|(count, ..)| *count > 0)
            .max_by_key(|(count, from, to, _)| (*count, std::cmp::Reverse(from.nodes.len() + to.nodes.len())));
        let Some((_, from, to, covered)) = best else { break };
        let of_pattern: Vec<Probe<'a>> = covered.intersection(&left).map(|index| ways[*index]).collect();
        left = left.difference(covered).copied().collect();
        found.push(Pattern { from: (*from).clone(), to: (*to).clone(), ways: of_pattern });
    }
    found
}

/// The properties of the nodes at one end of the ways.
fn ends(facts: &Facts<'_>, nodes: BTreeSet<&str>) -> Vec<End> {
    let mut ends: Vec<End> = nodes
        .iter()
        .map(|node| End {
            subject: (*node).to_owned(),
            words: (*node).to_owned(),
            nodes: BTreeSet::from([(*node).to_owned()]),
            single: true,
        })
        .collect();
    let mut add = |subject: &str, words: String, members: BTreeSet<String>| {
        if members.len() > 1 && !ends.iter().any(|end| end.nodes == members) {
            ends.push(End { subject: subject.to_owned(), words, nodes: members, single: false });
        }
    };
    let there = |name: &String| nodes.contains(name.as_str());
    for target in facts.targets {
        let members = target.nodes.iter().filter(|name| there(name)).cloned().collect();
        add(&target.name, format!("nodes of {}", target.name), members);
    }
    for (os, words) in [("windows", "Windows nodes"), ("linux", "Linux nodes")] {
        let of_os = facts.nodes.iter().filter(|node| node.os == os).map(|node| node.name.clone());
        add(os, words.to_owned(), of_os.filter(there).collect());
    }
    add("cluster", "any node".to_owned(), nodes.iter().map(|node| (*node).to_owned()).collect());
    ends
}
