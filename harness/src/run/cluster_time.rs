//! How long the cluster itself took: the critical path.
//!
//! Stretches of time in which something of ours waited for the cluster (a
//! fixture from created to ready, a remote command from accepted to its status)
//! are noted by owner. A check's chain is the union of its fixtures' stretches
//! and its own, so that nothing counts twice and our own spans not at all.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::blame::seconds;

/// Stretches of cluster time, by owner.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClusterTime(Arc<Mutex<BTreeMap<String, Vec<Stretch>>>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    from: Instant,
    to: Instant,
}

/// The longest chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CriticalPath {
    /// How long it is.
    pub(crate) length: Duration,
    /// In words, in the order of the chain.
    pub(crate) words: Vec<String>,
}

impl ClusterTime {
    /// Notes that `owner` waited for the cluster from `from` until now.
    pub(crate) fn note(&self, owner: &str, from: Instant) {
        self.note_between(owner, from, Instant::now());
    }

    /// Notes that `owner` waited for the cluster between two moments.
    pub(crate) fn note_between(&self, owner: &str, from: Instant, to: Instant) {
        let mut stretches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stretches.entry(owner.to_owned()).or_default().push(Stretch { from, to });
    }

    /// The longest of the chains, each given as its owners.
    #[must_use]
    pub(crate) fn longest(&self, chains: &[Vec<String>]) -> CriticalPath {
        let stretches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |owner: &String| stretches.get(owner).cloned().unwrap_or_default();
        let longest = chains
            .iter()
            .map(|chain| (union(chain.iter().flat_map(of).collect()), chain))
            .max_by_key(|(length, _)| *length);
        let Some((length, chain)) = longest else { return CriticalPath::default() };
        let mut seen: Vec<Stretch> = Vec::new();
        let mut words = Vec::new();
        for owner in chain {
            // What an owner adds to the chain before it, so that the words add up.
            let before = union(seen.clone());
            seen.extend(of(owner));
            let added = union(seen.clone()).saturating_sub(before);
            if added >= Duration::from_millis(50) {
                words.push(format!("{owner} {}", seconds(added)));
            }
        }
        CriticalPath { length, words }
    }
}

/// How much time the stretches cover together.
fn union(mut stretches: Vec<Stretch>) -> Duration {
    stretches.sort_by_key(|stretch| stretch.from);
    let mut covered = Duration::ZERO;
    let mut end: Option<Instant> = None;
    for stretch in stretches {
        let from = end.map_or(stretch.from, |end| end.max(stretch.from));
        covered += stretch.to.saturating_duration_since(from);
        end = Some(end.map_or(stretch.to, |end| end.max(stretch.to)));
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlapping_stretches_count_once_and_gaps_not_at_all() {
        let start = Instant::now();
        let at = |secs: u64| start + Duration::from_secs(secs);
        let time = ClusterTime::default();
        time.note_between("pod a", at(0), at(5));
        time.note_between("pod b", at(1), at(7));
        time.note_between("check", at(10), at(12));
        time.note_between("other", at(0), at(3));
        let chain = |owners: &[&str]| owners.iter().map(|owner| (*owner).to_owned()).collect::<Vec<_>>();
        let path = time.longest(&[chain(&["other"]), chain(&["pod a", "pod b", "check"])]);
        assert_eq!(path.length, Duration::from_secs(9));
        assert_eq!(path.words, ["pod a 5.0 s", "pod b 2.0 s", "check 2.0 s"]);
    }
}
