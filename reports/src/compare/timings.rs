//! What became slower or faster, beyond chance.
//!
//! A sample is what one node took in one round (the median of its pods there), or what
//! one asking of a check took. Pods that start on one node at one time are not
//! independent of each other, rounds and nodes nearly are. So two single runs of a small
//! cluster have too few samples, and the comparison says so instead of comparing one
//! number against one; `--repeat` gives them.

use std::collections::BTreeMap;

use super::{
    Snapshot,
    model::{TimingChange, Timings},
    pairing::Pairing,
};
use crate::statistics::{FEWEST, holm, mann_whitney, median, samples_needed};

/// How often, of a hundred comparisons of equal runs, one may tell any difference at all.
const ALPHA: f64 = 0.01;
/// A difference that chance does not account for is told only where it is this large…
const RATIO: f64 = 1.25;
/// … and this long.
const SHORTEST_MS: f64 = 250.0;
/// The phase before a pod is first seen: our request and our watch, not the cluster's nodes.
const OURS: &str = "pending";

/// What is timed, and on which of the candidate's targets.
type Metric = (String, Option<u32>);

pub(super) fn compare(base: &Snapshot, candidate: &Snapshot, pairing: &Pairing) -> Timings {
    let ours = samples(base, |target| pairing.target(target));
    let theirs = samples(candidate, Some);
    let mut too_few = 0;
    let mut timed = Vec::new();
    for (metric, before) in &ours {
        let Some(after) = theirs.get(metric) else { continue };
        match before.len().min(after.len()) {
            0 => {}
            1..FEWEST => too_few += 1,
            // Too short to matter, whatever it grew by.
            _ if [before, after].into_iter().filter_map(|times| median(times)).all(|ms| ms < SHORTEST_MS) => {}
            _ => timed.push((metric, before, after, mann_whitney(before, after))),
        }
    }
    let needs = samples_needed(timed.len(), ALPHA);
    let probabilities: Vec<f64> = timed.iter().map(|(.., p)| *p).collect();
    let short = |samples: &[f64]| samples.len() < needs;
    too_few += timed.iter().filter(|(_, before, after, _)| short(before) && short(after)).count();
    let mut changed: Vec<TimingChange> = timed
        .iter()
        .zip(holm(&probabilities, ALPHA))
        .filter(|(_, told)| *told)
        .filter_map(|((metric, before, after, p), _)| difference(candidate, metric, before, after, *p))
        .collect();
    changed.sort_by(|one, other| {
        let grown = |change: &TimingChange| change.candidate_s / change.base_s.max(f64::MIN_POSITIVE);
        grown(other).total_cmp(&grown(one))
    });
    Timings {
        test: format!(
            "Mann-Whitney U, two-sided, at {ALPHA} for all comparisons together (Holm); a sample is what one node took \
             in one round; told where the medians also differ by a quarter and by {SHORTEST_MS:.0} ms"
        ),
        needs,
        compared: timed.len(),
        too_few,
        changed,
    }
}

fn difference(candidate: &Snapshot, metric: &Metric, before: &[f64], after: &[f64], p: f64) -> Option<TimingChange> {
    let (was, is) = (median(before)?, median(after)?);
    let (less, more) = (was.min(is), was.max(is));
    let large = more - less >= SHORTEST_MS && more >= less * RATIO;
    let seconds = |ms: f64| (ms / 1000.0 * 1000.0).round() / 1000.0;
    large.then(|| TimingChange {
        what: metric.0.clone(),
        target: metric.1.and_then(|target| Some(candidate.targets.get(target as usize)?.name.clone())),
        base_samples: before.len(),
        base_s: seconds(was),
        candidate_samples: after.len(),
        candidate_s: seconds(is),
        p,
    })
}

/// All samples of a run, targets by the candidate's places.
fn samples(snapshot: &Snapshot, translate: impl Fn(u32) -> Option<u32>) -> BTreeMap<Metric, Vec<f64>> {
    let mut samples: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
    // What one node took in one round, by phase.
    let mut of_node: BTreeMap<(String, Option<u32>, u32, &str), Vec<f64>> = BTreeMap::new();
    for start in &snapshot.starts {
        let Some(target) = place_of(snapshot, start.target.as_deref(), &translate) else { continue };
        let theirs = start.phases.iter().filter(|(name, _)| name != OURS);
        let phases = theirs.clone().map(|(name, ms)| (format!("pod start: {name}"), f64::from(*ms)));
        let whole = theirs.map(|(_, ms)| f64::from(*ms)).sum();
        for (what, ms) in phases.chain([("pod start".to_owned(), whole)]) {
            of_node.entry((what, target, start.round, &start.node)).or_default().push(ms);
        }
    }
    for ((what, target, ..), times) in of_node {
        samples.entry((what, target)).or_default().extend(median(&times));
    }
    for answer in &snapshot.answers {
        let Some(asked) = snapshot.check_of(answer) else { continue };
        let target = match answer.target.map(&translate) {
            Some(None) => continue,
            Some(target) => target,
            None => None,
        };
        let times = answer.ms.iter().map(|ms| f64::from(*ms));
        samples.entry((asked.check.to_string(), target)).or_default().extend(times);
    }
    samples
}

/// The place of a pod's target; the outer `None` where the target has no counterpart.
fn place_of(snapshot: &Snapshot, target: Option<&str>, translate: &impl Fn(u32) -> Option<u32>) -> Option<Option<u32>> {
    let Some(name) = target else { return Some(None) };
    let place = snapshot.targets.iter().position(|target| target.name == name)?;
    translate(u32::try_from(place).ok()?).map(Some)
}
