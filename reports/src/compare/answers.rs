//! What became of each answer.

use std::collections::{BTreeSet, HashMap};

use super::{
    Answered, AskedCheck, Cause, Snapshot,
    model::{Change, ChangeKind, Seen},
    pairing::Pairing,
};
use crate::{
    id::CheckId,
    report::Rate,
    statistics,
    verdict::{Level, VerdictKind},
};

/// A rate that fell counts as a regression only where chance does not account for it.
const RATE_ALPHA: f64 = 0.01;

/// What became of all answers that have a counterpart.
pub(super) struct Told {
    pub(super) compared: usize,
    pub(super) same: usize,
    pub(super) changes: Vec<Change>,
}

/// An answer by the places of its check, target and node in the candidate.
type Key = (u32, Option<u32>, Option<u32>);

pub(super) fn compare(base: &Snapshot, candidate: &Snapshot, pairing: &Pairing) -> Told {
    let mut checks: HashMap<&CheckId, u32> = candidate.checks.iter().map(|asked| &asked.check).zip(0..).collect();
    // Checks that only the base asked get places behind those of the candidate.
    for asked in &base.checks {
        let next = u32::try_from(checks.len()).unwrap_or(u32::MAX);
        checks.entry(&asked.check).or_insert(next);
    }
    let place = |answer: &Answered| -> Option<Key> {
        let check = *checks.get(&base.check_of(answer)?.check)?;
        // A target or node without a counterpart: nothing to compare with.
        let target = answer.target.map(|target| pairing.target(target).ok_or(())).transpose().ok()?;
        let node = answer.node.map(|node| pairing.node(node).ok_or(())).transpose().ok()?;
        Some((check, target, node))
    };
    let mut ours: HashMap<Key, &Answered> = HashMap::with_capacity(base.answers.len());
    for answer in &base.answers {
        if let Some(key) = place(answer) {
            ours.insert(key, answer);
        }
    }
    let paired = Paired::of(candidate, pairing);
    let mut told = Told { compared: 0, same: 0, changes: Vec::new() };
    for answer in candidate.answers.iter().filter(|answer| paired.has(answer)) {
        let known = ours.remove(&(answer.check, answer.target, answer.node));
        told.take(base, candidate, known, Some(answer));
    }
    for answer in base.answers.iter().filter(|answer| place(answer).is_some_and(|key| ours.contains_key(&key))) {
        told.take(base, candidate, Some(answer), None);
    }
    // Stable: within a kind the answers stay in report order.
    told.changes.sort_by_key(|change| change.kind);
    told
}

/// Which of the candidate's targets and nodes have a counterpart.
struct Paired {
    targets: Vec<bool>,
    nodes: Vec<bool>,
}

impl Paired {
    fn of(candidate: &Snapshot, pairing: &Pairing) -> Self {
        let mut paired =
            Self { targets: vec![false; candidate.targets.len()], nodes: vec![false; candidate.nodes.len()] };
        for (list, pairs) in [(&mut paired.targets, &pairing.targets), (&mut paired.nodes, &pairing.nodes)] {
            for (place, _) in pairs.iter().flatten() {
                if let Some(slot) = list.get_mut(*place as usize) {
                    *slot = true;
                }
            }
        }
        paired
    }

    fn has(&self, answer: &Answered) -> bool {
        let in_list = |list: &[bool], place: Option<u32>| {
            place.is_none_or(|place| list.get(place as usize).copied().unwrap_or_default())
        };
        in_list(&self.targets, answer.target) && in_list(&self.nodes, answer.node)
    }
}

impl Told {
    fn take(&mut self, base: &Snapshot, candidate: &Snapshot, known: Option<&Answered>, now: Option<&Answered>) {
        let asked =
            now.and_then(|now| candidate.check_of(now)).or_else(|| known.and_then(|known| base.check_of(known)));
        let Some(AskedCheck { check, title, level }) = asked else { return };
        let before = Standing::of(known, *level);
        let after = Standing::of(now, *level);
        if before != Standing::Untold || after != Standing::Untold {
            self.compared += usize::from(before != Standing::Untold && after != Standing::Untold);
        }
        let Some(kind) = change(before, after, known, now) else {
            self.same += usize::from(after != Standing::Untold);
            return;
        };
        self.same += usize::from(kind == ChangeKind::StillFails);
        let base_id = known.map(|known| base.id_of(known));
        let id = now.map(|now| candidate.id_of(now)).or_else(|| base_id.clone()).unwrap_or_default();
        self.changes.push(Change {
            kind,
            base_id: base_id.filter(|base_id| *base_id != id),
            id,
            check: check.clone(),
            title: title.clone(),
            level: *level,
            base: known.map(seen),
            candidate: now.map(seen),
        });
    }
}

fn seen(answer: &Answered) -> Seen {
    Seen {
        verdict: answer.verdict,
        flaky: answer.flaky,
        rate: answer.rate,
        reason: answer.trouble.as_ref().map(|trouble| trouble.reason.clone()).unwrap_or_default(),
    }
}

/// How a promise stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Kept; an info check always is.
    Kept,
    /// Limited, as documented.
    Limited,
    /// A documented limitation is not there.
    Lifted,
    /// Kept at one time, broken at another.
    Flaky,
    /// Broken.
    Broken,
    /// Not asked, or not told.
    Untold,
}

impl Standing {
    fn of(answer: Option<&Answered>, level: Level) -> Self {
        let Some(answer) = answer else { return Self::Untold };
        match answer.verdict {
            VerdictKind::Undetermined | VerdictKind::NotApplicable => Self::Untold,
            VerdictKind::Passed | VerdictKind::Failed if level == Level::Info => Self::Kept,
            _ if answer.flaky => Self::Flaky,
            VerdictKind::Passed => Self::Kept,
            VerdictKind::Failed => Self::Broken,
            VerdictKind::LimitationPresent => Self::Limited,
            VerdictKind::LimitationLifted => Self::Lifted,
        }
    }
}

/// The one table of what counts as which change.
///
/// What was broken and is no longer asked is coverage lost, not fixed.
fn change(before: Standing, after: Standing, known: Option<&Answered>, now: Option<&Answered>) -> Option<ChangeKind> {
    use Standing::{Broken, Flaky, Kept, Lifted, Limited, Untold};
    Some(match (before, after) {
        (Untold, Untold) | (Kept, Kept) | (Limited, Limited) | (Lifted, Lifted) => return None,
        (Untold, Broken | Flaky) => ChangeKind::NewFailure,
        (Untold, _) => ChangeKind::CoverageGained,
        (_, Untold) => ChangeKind::CoverageLost,
        (Broken, Broken) if signature(known) != signature(now) => ChangeKind::OtherReason,
        (Broken, Broken) => ChangeKind::StillFails,
        (Flaky, Flaky) => rates(known, now),
        (Broken, Flaky) => ChangeKind::NewlyFlaky,
        (_, Broken) => ChangeKind::Regressed,
        (_, Flaky) => ChangeKind::NewlyFlaky,
        (Broken, _) => ChangeKind::Fixed,
        (Flaky, _) => ChangeKind::NoLongerFlaky,
        (Kept | Limited, Lifted) => ChangeKind::LimitationLifted,
        (Kept | Lifted, Limited) => ChangeKind::LimitationAppeared,
        (Limited | Lifted, Kept) => return None,
    })
}

fn signature(answer: Option<&Answered>) -> Option<&BTreeSet<String>> {
    answer?.trouble.as_ref().map(|trouble| &trouble.signature)
}

/// What is flaky in both runs: worse or better only where chance does not account for it.
fn rates(known: Option<&Answered>, now: Option<&Answered>) -> ChangeKind {
    let rate = |answer: Option<&Answered>| answer.and_then(|answer| answer.rate);
    let (Some(before), Some(after)) = (rate(known), rate(now)) else { return ChangeKind::StillFails };
    let told = |rate: Rate| rate.passed + rate.failed;
    let p = statistics::fisher(before.failed, told(before), after.failed, told(after));
    let (was, is) = (before.failed * told(after), after.failed * told(before));
    match p < RATE_ALPHA {
        true if is > was => ChangeKind::Regressed,
        true if is < was => ChangeKind::Fixed,
        _ => ChangeKind::StillFails,
    }
}

/// Causes that only one side has. A cause is the same where it lies in the same thing,
/// by the names that the candidate has for it.
pub(super) fn causes(base: &Snapshot, candidate: &Snapshot, pairing: &Pairing) -> (Vec<Cause>, Vec<Cause>) {
    let mut names: HashMap<&str, &str> = HashMap::new();
    for (node, pair) in base.nodes.iter().zip(&pairing.nodes) {
        let other = (*pair).and_then(|(other, _)| candidate.nodes.get(other as usize));
        names.extend(other.map(|other| (node.name.as_str(), other.name.as_str())));
    }
    for (target, pair) in base.targets.iter().zip(&pairing.targets) {
        let other = (*pair).and_then(|(other, _)| candidate.targets.get(other as usize));
        names.extend(other.map(|other| (target.name.as_str(), other.name.as_str())));
    }
    let translated = |cause: &Cause| (cause.layer, translate(&cause.subject, &names));
    let known: BTreeSet<_> = base.findings.iter().map(translated).collect();
    let now: BTreeSet<_> = candidate.findings.iter().map(|cause| (cause.layer, cause.subject.clone())).collect();
    let new = candidate.findings.iter().filter(|cause| !known.contains(&(cause.layer, cause.subject.clone())));
    let gone = base.findings.iter().filter(|cause| !now.contains(&translated(cause)));
    (new.cloned().collect(), gone.cloned().collect())
}

/// A subject by the candidate's names: a node, a target, or what is of one (`win-webserver@10.0.…`).
fn translate(subject: &str, names: &HashMap<&str, &str>) -> String {
    if let Some(name) = names.get(subject) {
        return (*name).to_owned();
    }
    match subject.split_once('@') {
        Some((thing, place)) => format!("{thing}@{}", names.get(place).copied().unwrap_or(place)),
        None => subject.to_owned(),
    }
}
