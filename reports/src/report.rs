//! What a run came to, as one value: the projection of its log that every report shows.
//!
//! [`Report::from_records`] is a pure function: same records, same report, same
//! bytes. The JSON report is its serialization, and `docs/report.schema.json` is
//! made from these types, so a field here is public: it may be added, not renamed.

mod baseline;
pub mod grid;
mod matrix;
mod project;
mod repeat;
mod rounds;
mod schema;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    matrix::{Crossing, Path, Reach},
    repeat::repeat_command,
    schema::json_schema,
};
use crate::{
    changes::Changes,
    compare::Comparison,
    disposition::{Disposition, Policy, RunResult},
    event::{Cluster, Evidence, LeftOut, Node, Observation, Phase, PodTimeline, Target, TestbedFacts},
    explain::Finding,
    id::{CheckId, Place, ResultId},
    known_failures::{Excuse, KnownFailureUse},
    verdict::{Level, VerdictKind},
};

/// The version of the JSON report, in its first field.
pub const REPORT_SCHEMA: &str = "winconform.report/1";

/// Everything a report can show of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always `winconform.report/1`.
    pub schema: String,
    /// The run as a whole.
    pub run: Run,
    /// The cluster; none where the run ended before it was looked at.
    pub cluster: Option<Cluster>,
    /// Every node, in the order of their names.
    pub nodes: Vec<Node>,
    /// Windows nodes that are alike.
    pub targets: Vec<Target>,
    /// Every answer that was planned, in report order.
    pub results: Vec<CheckResult>,
    /// Causes, deepest first; each accounts for one or more results.
    pub findings: Vec<Finding>,
    /// Who reaches what: one entry for each kind of source and destination.
    pub matrix: Vec<Crossing>,
    /// Sets of objects that several checks shared.
    pub fixtures: Vec<Fixture>,
    /// How long each pod took to start.
    pub pods: Vec<PodTimeline>,
    /// Checks that were kept out of the run, and why.
    pub left_out: Vec<LeftOut>,
    /// Objects of ours that could not be removed, as `kind/name`, with the reason.
    pub leftovers: Vec<String>,
    /// What became of the failures that the user knows of.
    pub known_failures: Vec<KnownFailureUse>,
    /// What is different from a baseline, where the report was judged against one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
    /// The same for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Box<Comparison>>,
}

/// The run as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// The run's id, part of every name it created.
    pub id: String,
    /// What it says about the cluster.
    pub result: RunResult,
    /// The same by the core checks alone.
    pub core: RunResult,
    /// The exit code of the command that made the run: 1 something is red, else 2
    /// something is unknown, else 3 nothing was verified, else 0.
    pub exit_code: u8,
    /// How many answers there are of each disposition.
    pub counts: Counts,
    /// When it started.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// The version of winconform that made it.
    pub version: String,
    /// The testbed's boot, in seconds; none on a cluster of the user's.
    pub boot_s: Option<f64>,
    /// From the first request to the end of cleaning up, in seconds; for a run that
    /// was cut, to the last thing that is known of it.
    pub wall_s: f64,
    /// The longest chain of what the cluster took, in seconds.
    pub critical_path_s: Option<f64>,
    /// That chain in words.
    pub critical_path: Vec<String>,
    /// What the run took beyond the critical path, as a part of the critical path.
    pub overhead: Option<f64>,
    /// Requests to the API server.
    pub api_requests: Option<u64>,
    /// Why the run ended before all was asked, where it did.
    pub aborted: Option<String>,
    /// All budgets were multiplied by this.
    pub timeout_scale: f64,
    /// The user's policy, which decided the dispositions.
    pub policy: Policy,
    /// The testbed, where it was the cluster.
    pub testbed: Option<TestbedFacts>,
    /// How often everything was to be asked.
    pub rounds: u32,
    /// How often a check that did not pass was to be asked again.
    pub retries: u32,
}

/// How many answers there are of each disposition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// As it should be.
    pub green: usize,
    /// Must be looked at.
    pub red: usize,
    /// Could not be told.
    pub unknown: usize,
    /// Does not concern this cluster.
    pub skipped: usize,
    /// Broken, and the user knows.
    pub excused: usize,
    /// Of all, those that failed at one time and passed at another.
    pub flaky: usize,
}

/// The answer to one check at one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckResult {
    /// `reachability/node-port-outside@10.0.20348.5499`: unique within a report.
    pub id: String,
    /// `reachability/node-port-outside`.
    pub check: CheckId,
    /// `reachability`.
    pub suite: String,
    /// The target it was asked of; none for a check of the whole cluster.
    pub target: Option<String>,
    /// The node it was asked of, where it is one.
    pub node: Option<String>,
    /// The check in a sentence.
    pub title: String,
    /// The guide's statement, for example `R5`.
    pub statement: String,
    /// How much hangs on it.
    pub level: Level,
    /// The fact.
    pub verdict: VerdictKind,
    /// What the user's policy makes of it.
    pub disposition: Disposition,
    /// What was seen, what broke, or why it could not be asked.
    pub reason: String,
    /// Why it is not red, where it would be.
    pub excuse: Option<Excuse>,
    /// It failed at one time and passed at another.
    pub flaky: bool,
    /// How often it was asked; 0 when the run ended before.
    pub attempts: u32,
    /// Each time it was asked, in order; empty where that was once.
    pub tries: Vec<Try>,
    /// How many rounds passed, where there were several.
    pub rate: Option<Rate>,
    /// From its start to its verdict, waiting for fixtures not counted.
    pub seconds: f64,
    /// When it began to ask, in seconds since the run started.
    pub started_s: Option<f64>,
    /// Named stretches of that time.
    pub phases: Vec<Phase>,
    /// What was collected for people to look at.
    pub evidence: Vec<Evidence>,
    /// The ids of the findings that account for it.
    pub findings: Vec<String>,
    /// Machine-readable facts that the verdict rests on.
    pub observations: Vec<Observation>,
}

/// One time that a check was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Try {
    /// The round, counted from 1.
    pub round: u32,
    /// The attempt within its round, counted from 1.
    pub attempt: u32,
    /// What it came to.
    pub verdict: VerdictKind,
    /// What was seen, what broke, or why it could not be asked.
    pub reason: String,
    /// How long it took.
    pub seconds: f64,
}

/// What several rounds came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rate {
    /// Rounds in which the promise was kept, or the limitation was as documented or lifted.
    pub passed: u32,
    /// Rounds in which it was broken.
    pub failed: u32,
    /// Rounds that could not tell.
    pub untold: u32,
}

/// A set of objects that several checks shared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Fixture {
    /// For example `win-webserver@10.0.20348.5499`.
    pub name: String,
    /// When its objects began to be created, in seconds since the run started.
    pub started_s: Option<f64>,
    /// When it was ready.
    pub ready_s: Option<f64>,
    /// When it was removed.
    pub removed_s: Option<f64>,
    /// Why it could not become ready, where it could not.
    pub failed: Option<String>,
    /// The round it belongs to, counted from 1.
    pub round: u32,
}

impl CheckResult {
    /// The id as a value, from which every consumer's name is made.
    #[must_use]
    pub fn result_id(&self) -> ResultId {
        let place = match (&self.node, &self.target) {
            (Some(node), target) => Place::Node { node: node.clone(), target: target.clone() },
            (None, Some(target)) => Place::Target(target.clone()),
            (None, None) => Place::Cluster,
        };
        ResultId::new(self.check.clone(), place)
    }

    /// Whether the run ended before this was asked.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        self.attempts == 0 && self.verdict == VerdictKind::Undetermined
    }
}

impl Report {
    /// The findings that account for a result.
    pub fn findings_of<'a>(&'a self, result: &'a CheckResult) -> impl Iterator<Item = &'a Finding> + 'a {
        self.findings.iter().filter(|finding| result.findings.contains(&finding.id))
    }

    /// Whether a finding accounts for nothing that is wrong: a check that only reports has noted it.
    #[must_use]
    pub fn is_only_noted(&self, finding: &Finding) -> bool {
        let mut results = self.results.iter().filter(|result| finding.checks.contains(&result.id)).peekable();
        results.peek().is_some() && results.all(|result| result.disposition == Disposition::Green)
    }

    /// The report as JSON, as published in `docs/report.schema.json`.
    ///
    /// # Errors
    ///
    /// When a value cannot be written as JSON, which no report read from a log has.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Writes the report as JSON; see [`Report::to_json`].
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_json(&self, mut out: impl std::io::Write) -> Result<(), serde_json::Error> {
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n").map_err(serde_json::Error::io)
    }
}
