//! What a history says. Its JSON is published in `docs/history.schema.json`.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    compare::{Difference, Snapshot},
    disposition::RunResult,
    id::CheckId,
    statistics::wilson,
};

/// The version of the JSON of a history, in its first field.
pub(super) const HISTORY_SCHEMA: &str = "winconform.history/1";

/// What many runs say together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Always `winconform.history/1`.
    pub schema: String,
    /// The runs, oldest first.
    pub runs: Vec<HistoryRun>,
    /// How each check went on each line of builds, in report order.
    pub series: Vec<Series>,
    /// How long pods took to start on each line of builds.
    pub times: Vec<TimeSeries>,
    /// What could not be read, in words.
    pub notes: Vec<String>,
}

/// A run of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRun {
    /// Its id.
    pub run: String,
    /// When it started.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// What it said of its cluster.
    pub result: RunResult,
    /// How often it asked everything.
    pub rounds: u32,
    /// Its targets, with their patch levels.
    pub targets: Vec<String>,
}

impl HistoryRun {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self {
            run: snapshot.run.clone(),
            started: snapshot.started,
            result: snapshot.result,
            rounds: snapshot.rounds,
            targets: snapshot.targets.iter().map(|target| target.name.clone()).collect(),
        }
    }
}

/// One check on one line of builds, over all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The check.
    pub check: CheckId,
    /// The line of builds, `10.0.20348`; none for the whole cluster and for Linux nodes.
    pub build: Option<String>,
    /// How it stood in each run, in their order.
    pub states: Vec<State>,
    /// In how many runs it held, of those that could tell.
    pub passed: Rates,
    /// In how many runs it was flaky, of those that could tell: it failed at one time and passed at
    /// another, or failed between two runs of the same environment that passed.
    pub flaky: Rates,
    /// Since when it is broken, where it was in the last run that could tell.
    pub first_bad: Option<FirstBad>,
}

/// How a series stood in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It was not asked.
    NotAsked,
    /// It could not be told, or does not apply.
    Untold,
    /// It held.
    Passed,
    /// It failed at one time and passed at another.
    Flaky,
    /// It was broken.
    Failed,
}

/// A share, and between which shares the true one lies with 95 % confidence (Wilson).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Rates {
    /// How many.
    pub count: u32,
    /// Of how many.
    pub of: u32,
    /// At least this share.
    pub low: f64,
    /// At most this share.
    pub high: f64,
}

impl Rates {
    pub(super) fn of(count: u32, of: u32) -> Self {
        let (low, high) = wilson(count, of);
        let rounded = |share: f64| (share * 10_000.0).round() / 10_000.0;
        Self { count, of, low: rounded(low), high: rounded(high) }
    }
}

/// The run in which something broke and stayed so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FirstBad {
    /// The first run of those that are bad up to now.
    pub run: String,
    /// When it started.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// The last run before it in which it held.
    pub last_good: Option<String>,
    /// What broke, in that first bad run.
    pub reason: String,
    /// What changed in the environment between the two.
    pub environment: Vec<Difference>,
}

/// How long something took on a line of builds, over all runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimeSeries {
    /// What: `pod start`, or a phase of it.
    pub what: String,
    /// The line of builds; none for Linux nodes.
    pub build: Option<String>,
    /// The median of each run, in seconds; none where a run has no such time.
    pub medians: Vec<Option<f64>>,
    /// How many seconds it grows from run to run (Theil-Sen); none for fewer than eight runs.
    pub slope: Option<f64>,
    /// The probability that times without a trend look like this (Mann-Kendall).
    pub p: Option<f64>,
}

impl TimeSeries {
    /// Whether there is a trend worth telling: not by chance, and by a tenth in all.
    #[must_use]
    pub fn has_trend(&self) -> bool {
        let known: Vec<f64> = self.medians.iter().copied().flatten().collect();
        let (Some(slope), Some(p), Some(middle)) = (self.slope, self.p, crate::statistics::median(&known)) else {
            return false;
        };
        #[expect(clippy::cast_precision_loss, reason = "a number of runs")]
        let grown = slope * known.len() as f64;
        p < 0.01 && grown.abs() > middle / 10.0
    }
}

impl Series {
    /// Whether it held in every run that could tell, and one could.
    #[must_use]
    pub fn always_passed(&self) -> bool {
        self.passed.of > 0 && self.passed.count == self.passed.of && self.flaky.count == 0
    }
}

impl History {
    /// The history as JSON, as published in `docs/history.schema.json`.
    ///
    /// # Errors
    ///
    /// When a value cannot be written as JSON, which no history has.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}
