//! What many runs say together: how often a promise held, how sure that is, since when it does not.
//!
//! A series is one check on one line of builds (`10.0.20348`): patch levels come and go in
//! a nightly job, and are what changed between a good run and a bad one. In one run a series
//! is broken where one of its answers is.

mod model;
pub mod page;
mod read;
mod schema;
mod series;
pub mod text;
mod times;

pub use self::{
    model::{FirstBad, History, HistoryRun, Rates, Series, State, TimeSeries},
    read::{HistoryError, read_runs},
    schema::json_schema,
};
use crate::compare::Snapshot;

/// Sums runs up, in the order of their starts.
#[must_use]
pub fn history(mut runs: Vec<Snapshot>, notes: Vec<String>) -> History {
    runs.sort_by(|a, b| (a.started, &a.run).cmp(&(b.started, &b.run)));
    History {
        schema: model::HISTORY_SCHEMA.to_owned(),
        series: series::all(&runs),
        times: times::all(&runs),
        runs: runs.iter().map(HistoryRun::of).collect(),
        notes,
    }
}

/// The line of builds that a target belongs to: `10.0.20348`.
fn build_of(snapshot: &Snapshot, target: &str) -> String {
    let version = snapshot.kernel_of(target).unwrap_or(target);
    version.splitn(4, '.').take(3).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests;
