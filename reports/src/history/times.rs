//! How long pods took to start, run by run.

use std::collections::BTreeMap;

use super::{build_of, model::TimeSeries};
use crate::{
    compare::Snapshot,
    statistics::{median, trend},
};

pub(super) fn all(runs: &[Snapshot]) -> Vec<TimeSeries> {
    type Key = (Option<String>, String);
    let mut medians: BTreeMap<Key, Vec<Option<f64>>> = BTreeMap::new();
    for (place, run) in runs.iter().enumerate() {
        let mut times: BTreeMap<Key, Vec<f64>> = BTreeMap::new();
        for start in &run.starts {
            let build = start.target.as_deref().map(|target| build_of(run, target));
            let seconds = |ms: u32| f64::from(ms) / 1000.0;
            let whole = start.phases.iter().map(|(_, ms)| seconds(*ms)).sum();
            times.entry((build.clone(), "pod start".to_owned())).or_default().push(whole);
            for (name, ms) in &start.phases {
                times.entry((build.clone(), format!("pod start: {name}"))).or_default().push(seconds(*ms));
            }
        }
        for (key, times) in times {
            let of_runs = medians.entry(key).or_insert_with(|| vec![None; runs.len()]);
            if let Some(slot) = of_runs.get_mut(place) {
                *slot = median(&times).map(|seconds| (seconds * 1000.0).round() / 1000.0);
            }
        }
    }
    medians
        .into_iter()
        .map(|((build, what), medians)| {
            let known: Vec<f64> = medians.iter().copied().flatten().collect();
            let found = trend(&known);
            TimeSeries { what, build, medians, slope: found.map(|found| found.slope), p: found.map(|found| found.p) }
        })
        .collect()
}
