//! Which target, and which node, stands for which.
//!
//! Targets: as the user says; else those of one name; else those of one build, where one
//! is left on each side; else the last one left on each side. Nodes within a pair: those
//! of one name, then by their place. Whatever is left has nothing to be compared with.

use std::{collections::HashMap, str::FromStr};

use thiserror::Error;

use super::{
    Snapshot,
    model::{Pair, PairedBy, Unpaired},
};

/// A pair of targets that the user names: `BASE=CANDIDATE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedPair {
    /// The base's target, or the beginning of its name.
    pub base: String,
    /// The candidate's.
    pub candidate: String,
}

/// The text names no pair.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no pair of targets: write BASE=CANDIDATE, for example 10.0.20348=10.0.26100")]
pub struct AskedPairError(String);

impl FromStr for AskedPair {
    type Err = AskedPairError;

    fn from_str(text: &str) -> Result<Self, AskedPairError> {
        match text.split_once('=') {
            Some((base, candidate)) if !base.is_empty() && !candidate.is_empty() => {
                Ok(Self { base: base.to_owned(), candidate: candidate.to_owned() })
            }
            _ => Err(AskedPairError(text.to_owned())),
        }
    }
}

/// The user's pairs cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PairingError {
    /// A side has no such target.
    #[error("the {side} has no target `{name}`; it has {known}")]
    NoTarget {
        /// `base` or `candidate`.
        side: &'static str,
        /// The name given.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The beginning of a name fits several targets.
    #[error("`{name}` could be several targets of the {side}: {fitting}")]
    Ambiguous {
        /// `base` or `candidate`.
        side: &'static str,
        /// The name given.
        name: String,
        /// Those that it could be.
        fitting: String,
    },
    /// A target was paired twice.
    #[error("the target `{name}` of the {side} is in two pairs")]
    Twice {
        /// `base` or `candidate`.
        side: &'static str,
        /// The target.
        name: String,
    },
}

/// Which target and node of the candidate stands for each of the base, by their places in the snapshots.
pub(super) struct Pairing {
    pub(super) targets: Vec<Option<(u32, PairedBy)>>,
    pub(super) nodes: Vec<Option<(u32, PairedBy)>>,
}

impl Pairing {
    pub(super) fn of(base: &Snapshot, candidate: &Snapshot, asked: &[AskedPair]) -> Result<Self, PairingError> {
        let targets = targets(base, candidate, asked)?;
        let nodes = nodes(base, candidate, &targets);
        Ok(Self { targets, nodes })
    }

    pub(super) fn target(&self, base: u32) -> Option<u32> {
        Some((*self.targets.get(base as usize)?)?.0)
    }

    pub(super) fn node(&self, base: u32) -> Option<u32> {
        Some((*self.nodes.get(base as usize)?)?.0)
    }

    /// The pairs of targets, in the order of the base.
    pub(super) fn target_pairs(&self, base: &Snapshot, candidate: &Snapshot) -> Vec<Pair> {
        let pairs = self.targets.iter().zip(&base.targets);
        pairs
            .filter_map(|(pair, target)| {
                let (other, by) = (*pair)?;
                let candidate = candidate.targets.get(other as usize)?.name.clone();
                Some(Pair { base: target.name.clone(), candidate, by })
            })
            .collect()
    }

    /// The pairs of nodes whose names differ.
    pub(super) fn node_pairs_by_place(&self, base: &Snapshot, candidate: &Snapshot) -> Vec<Pair> {
        let pairs = self.nodes.iter().zip(&base.nodes);
        pairs
            .filter_map(|(pair, node)| {
                let (other, by) = (*pair).filter(|(_, by)| *by == PairedBy::Place)?;
                let candidate = candidate.nodes.get(other as usize)?.name.clone();
                Some(Pair { base: node.name.clone(), candidate, by })
            })
            .collect()
    }

    pub(super) fn unpaired(&self, base: &Snapshot, candidate: &Snapshot) -> Unpaired {
        let (targets, nodes) =
            (taken(&self.targets, candidate.targets.len()), taken(&self.nodes, candidate.nodes.len()));
        let lone_base = |target: Option<u32>, node: Option<u32>| {
            target.is_some_and(|target| self.target(target).is_none())
                || node.is_some_and(|node| self.node(node).is_none())
        };
        let free =
            |taken: &[bool], place: Option<u32>| place.is_some_and(|place| taken.get(place as usize) == Some(&false));
        let of_base = base.answers.iter().filter(|answer| lone_base(answer.target, answer.node)).count();
        let of_candidate = (candidate.answers.iter())
            .filter(|answer| free(&targets, answer.target) || free(&nodes, answer.node))
            .count();
        Unpaired {
            base_targets: left(&self.targets, base.targets.iter().map(|target| target.name.as_str())),
            candidate_targets: untaken(&targets, candidate.targets.iter().map(|target| target.name.as_str())),
            base_nodes: left(&self.nodes, base.nodes.iter().map(|node| node.name.as_str())),
            candidate_nodes: untaken(&nodes, candidate.nodes.iter().map(|node| node.name.as_str())),
            answers: of_base + of_candidate,
        }
    }
}

fn left<'a>(pairs: &[Option<(u32, PairedBy)>], names: impl Iterator<Item = &'a str>) -> Vec<String> {
    pairs.iter().zip(names).filter(|(pair, _)| pair.is_none()).map(|(_, name)| name.to_owned()).collect()
}

fn untaken<'a>(taken: &[bool], names: impl Iterator<Item = &'a str>) -> Vec<String> {
    taken.iter().zip(names).filter(|(taken, _)| !**taken).map(|(_, name)| name.to_owned()).collect()
}

fn taken(pairs: &[Option<(u32, PairedBy)>], count: usize) -> Vec<bool> {
    let mut taken = vec![false; count];
    for (place, _) in pairs.iter().flatten() {
        if let Some(taken) = taken.get_mut(*place as usize) {
            *taken = true;
        }
    }
    taken
}

/// One side's targets that have no pair yet.
struct Free<'a> {
    snapshot: &'a Snapshot,
    side: &'static str,
    free: Vec<usize>,
}

impl Free<'_> {
    fn name(&self, place: usize) -> &str {
        self.snapshot.targets.get(place).map(|target| target.name.as_str()).unwrap_or_default()
    }

    /// The first three numbers of the kernel version: `10.0.20348`.
    fn build(&self, place: usize) -> String {
        let name = self.name(place);
        let version = self.snapshot.kernel_of(name).unwrap_or(name);
        version.splitn(4, '.').take(3).collect::<Vec<_>>().join(".")
    }

    /// Takes the target that the user calls `name`, which may be the beginning of its name.
    fn take_called(&mut self, name: &str) -> Result<usize, PairingError> {
        let all = 0..self.snapshot.targets.len();
        let exact: Vec<usize> = all.clone().filter(|&place| self.name(place) == name).collect();
        let fitting =
            if exact.is_empty() { all.filter(|&place| self.name(place).starts_with(name)).collect() } else { exact };
        let list = |places: &[usize]| places.iter().map(|&place| self.name(place)).collect::<Vec<_>>().join(", ");
        match fitting.as_slice() {
            [] => {
                let known: Vec<usize> = (0..self.snapshot.targets.len()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { list(&known) };
                Err(PairingError::NoTarget { side: self.side, name: name.to_owned(), known })
            }
            [place] if !self.free.contains(place) => {
                Err(PairingError::Twice { side: self.side, name: self.name(*place).to_owned() })
            }
            [place] => {
                let place = *place;
                self.free.retain(|&free| free != place);
                Ok(place)
            }
            several => Err(PairingError::Ambiguous { side: self.side, name: name.to_owned(), fitting: list(several) }),
        }
    }
}

fn targets(
    base: &Snapshot,
    candidate: &Snapshot,
    asked: &[AskedPair],
) -> Result<Vec<Option<(u32, PairedBy)>>, PairingError> {
    let mut pairs = vec![None; base.targets.len()];
    let mut ours = Free { snapshot: base, side: "base", free: (0..base.targets.len()).collect() };
    let mut theirs = Free { snapshot: candidate, side: "candidate", free: (0..candidate.targets.len()).collect() };
    let mut pair = |ours: &mut Free<'_>, theirs: &mut Free<'_>, one: usize, other: usize, by: PairedBy| {
        ours.free.retain(|&free| free != one);
        theirs.free.retain(|&free| free != other);
        if let (Some(slot), Ok(other)) = (pairs.get_mut(one), u32::try_from(other)) {
            *slot = Some((other, by));
        }
    };
    for AskedPair { base, candidate } in asked {
        let (one, other) = (ours.take_called(base)?, theirs.take_called(candidate)?);
        pair(&mut ours, &mut theirs, one, other, PairedBy::User);
    }
    for one in ours.free.clone() {
        let same = theirs.free.iter().copied().find(|&other| theirs.name(other) == ours.name(one));
        if let Some(other) = same {
            pair(&mut ours, &mut theirs, one, other, PairedBy::Name);
        }
    }
    for one in ours.free.clone() {
        let build = ours.build(one);
        let alike =
            |side: &Free<'_>| side.free.iter().copied().filter(|&place| side.build(place) == build).collect::<Vec<_>>();
        // Of several nothing says which stands for which: the user must.
        if let ([_], [other]) = (alike(&ours).as_slice(), alike(&theirs).as_slice()) {
            pair(&mut ours, &mut theirs, one, *other, PairedBy::Build);
        }
    }
    if let ([one], [other]) = (ours.free.clone().as_slice(), theirs.free.clone().as_slice()) {
        pair(&mut ours, &mut theirs, *one, *other, PairedBy::LastLeft);
    }
    Ok(pairs)
}

/// Pairs nodes within their targets, and those without one within their operating system.
fn nodes(base: &Snapshot, candidate: &Snapshot, targets: &[Option<(u32, PairedBy)>]) -> Vec<Option<(u32, PairedBy)>> {
    let ours = by_group(base);
    let theirs = by_group(candidate);
    let mut pairs = vec![None; base.nodes.len()];
    for (group, members) in &ours {
        let other_group = match group {
            Group::Target(place) => match targets.get(*place).copied().flatten() {
                Some((other, _)) => Group::Target(other as usize),
                None => continue,
            },
            Group::Os(os) => Group::Os(os),
        };
        let Some(others) = theirs.get(&other_group) else { continue };
        let names: HashMap<&str, u32> =
            others.iter().map(|&place| (candidate.nodes[place as usize].name.as_str(), place)).collect();
        let known: HashMap<&str, u32> =
            members.iter().map(|&place| (base.nodes[place as usize].name.as_str(), place)).collect();
        let mut left: Vec<u32> = Vec::new();
        for &place in members {
            match names.get(base.nodes[place as usize].name.as_str()) {
                Some(&other) => pairs[place as usize] = Some((other, PairedBy::Name)),
                None => left.push(place),
            }
        }
        let others = others.iter().filter(|&&other| !known.contains_key(candidate.nodes[other as usize].name.as_str()));
        for (place, &other) in left.into_iter().zip(others) {
            pairs[place as usize] = Some((other, PairedBy::Place));
        }
    }
    pairs
}

#[derive(PartialEq, Eq, Hash)]
enum Group<'a> {
    Target(usize),
    Os(&'a str),
}

/// The nodes of each group, in the order of their names.
fn by_group(snapshot: &Snapshot) -> HashMap<Group<'_>, Vec<u32>> {
    let targets: HashMap<&str, usize> =
        snapshot.targets.iter().enumerate().map(|(place, target)| (target.name.as_str(), place)).collect();
    let mut groups: HashMap<Group<'_>, Vec<u32>> = HashMap::new();
    for (node, place) in snapshot.nodes.iter().zip(0..) {
        let group = match node.target.as_deref().and_then(|target| targets.get(target)) {
            Some(&target) => Group::Target(target),
            None => Group::Os(&node.os),
        };
        groups.entry(group).or_default().push(place);
    }
    groups
}
