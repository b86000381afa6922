//! What a comparison says. Its JSON is published in `docs/compare.schema.json`.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Cause, Snapshot};
use crate::{
    disposition::RunResult,
    id::CheckId,
    report::Rate,
    verdict::{Level, VerdictKind},
};

/// The version of the JSON of a comparison, in its first field.
pub(super) const COMPARE_SCHEMA: &str = "winconform.compare/1";

/// What changed between two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Always `winconform.compare/1`.
    pub schema: String,
    /// The run that is known to be good.
    pub base: Side,
    /// The run in question.
    pub candidate: Side,
    /// Which target stands for which.
    pub pairs: Vec<Pair>,
    /// Nodes that were paired by their place among the nodes of their target, since their names differ.
    pub node_pairs: Vec<Pair>,
    /// What has nothing to be compared with.
    pub unpaired: Unpaired,
    /// What differs in the environment; the causes of what follows are often here.
    pub environment: Vec<Difference>,
    /// How many answers were compared.
    pub compared: usize,
    /// How many of them are the same.
    pub same: usize,
    /// The answers that are not, worst first.
    pub changes: Vec<Change>,
    /// Causes that only the candidate has.
    pub findings_new: Vec<Cause>,
    /// Causes that only the base has.
    pub findings_gone: Vec<Cause>,
    /// What became slower or faster.
    pub timings: Timings,
}

/// One of the two runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// The run's id.
    pub run: String,
    /// When it started.
    #[schemars(with = "Option<String>")]
    pub started: Option<Timestamp>,
    /// What it said of its cluster.
    pub result: RunResult,
    /// Why it ended before all was asked, where it did.
    pub aborted: Option<String>,
    /// How often everything was asked.
    pub rounds: u32,
    /// How many answers it has.
    pub answers: usize,
    /// How many nodes its cluster has.
    pub nodes: usize,
}

impl Side {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        Self {
            run: snapshot.run.clone(),
            started: snapshot.started,
            result: snapshot.result,
            aborted: snapshot.aborted.clone(),
            rounds: snapshot.rounds,
            answers: snapshot.answers.len(),
            nodes: snapshot.nodes.len(),
        }
    }
}

/// A target or node of the base, and the one that stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// The one of the base.
    pub base: String,
    /// The one of the candidate.
    pub candidate: String,
    /// How the two were paired.
    pub by: PairedBy,
}

/// How two were paired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PairedBy {
    /// The user said so (`--pair`).
    User,
    /// They have one name.
    Name,
    /// They are the only ones of their build that were left on either side.
    Build,
    /// They were the last ones left on either side.
    LastLeft,
    /// They have the same place among the nodes of their target.
    Place,
}

impl PairedBy {
    /// In words.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::User => "as asked",
            Self::Name => "by name",
            Self::Build => "by build",
            Self::LastLeft => "the only ones left",
            Self::Place => "by place",
        }
    }
}

/// What has nothing to be compared with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unpaired {
    /// Targets that only the base has.
    pub base_targets: Vec<String>,
    /// Targets that only the candidate has.
    pub candidate_targets: Vec<String>,
    /// Nodes that only the base has.
    pub base_nodes: Vec<String>,
    /// Nodes that only the candidate has.
    pub candidate_nodes: Vec<String>,
    /// How many answers of either side were not compared for that reason.
    pub answers: usize,
}

/// Something that differs in the environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// What, for example `containerd` or `image servercore`.
    pub what: String,
    /// What it was; none where it was not there.
    pub base: Option<String>,
    /// What it is; none where it is not there.
    pub candidate: Option<String>,
    /// The nodes or targets of the candidate it is so on; empty for the whole cluster.
    pub on: Vec<String>,
}

/// An answer that is not the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What kind of change it is.
    pub kind: ChangeKind,
    /// The answer's id in the candidate; in the base where the candidate has none.
    pub id: String,
    /// Its id in the base, where that is another.
    pub base_id: Option<String>,
    /// The check.
    pub check: CheckId,
    /// The check in a sentence.
    pub title: String,
    /// How much hangs on it.
    pub level: Level,
    /// What it was; none where it was not asked at all.
    pub base: Option<Seen>,
    /// What it is; none where it was not asked at all.
    pub candidate: Option<Seen>,
}

/// What an answer was in one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Seen {
    /// The verdict.
    pub verdict: VerdictKind,
    /// It failed at one time and passed at another.
    pub flaky: bool,
    /// How many rounds passed, where there were several.
    pub rate: Option<Rate>,
    /// What broke, or why it could not be asked; empty for what passed.
    pub reason: String,
}

/// What kind of change it is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// It held and is broken.
    Regressed,
    /// It is broken, and the base does not say whether it held.
    NewFailure,
    /// It was broken and is, but for another reason.
    OtherReason,
    /// It now fails at one time and passes at another.
    NewlyFlaky,
    /// A limitation that the base did not have.
    LimitationAppeared,
    /// It was answered and no longer is.
    CoverageLost,
    /// A limitation that the candidate no longer has.
    LimitationLifted,
    /// It was broken and holds.
    Fixed,
    /// It was flaky and holds.
    NoLongerFlaky,
    /// It was not answered and is.
    CoverageGained,
    /// It is broken, or flaky, as it was.
    StillFails,
}

impl ChangeKind {
    /// All of them, worst first.
    pub const ALL: [Self; 11] = [
        Self::Regressed,
        Self::NewFailure,
        Self::OtherReason,
        Self::NewlyFlaky,
        Self::LimitationAppeared,
        Self::CoverageLost,
        Self::LimitationLifted,
        Self::Fixed,
        Self::NoLongerFlaky,
        Self::CoverageGained,
        Self::StillFails,
    ];

    /// In words, as a heading.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::NewFailure => "failing, never compared",
            Self::OtherReason => "failing for another reason",
            Self::NewlyFlaky => "newly flaky",
            Self::LimitationAppeared => "limitation appeared",
            Self::CoverageLost => "coverage lost",
            Self::LimitationLifted => "limitation lifted",
            Self::Fixed => "fixed",
            Self::NoLongerFlaky => "no longer flaky",
            Self::CoverageGained => "coverage gained",
            Self::StillFails => "failing as before",
        }
    }

    /// As typed: `coverage-lost`.
    #[must_use]
    pub fn as_option(self) -> &'static str {
        match self {
            Self::Regressed => "regressed",
            Self::NewFailure => "new-failure",
            Self::OtherReason => "other-reason",
            Self::NewlyFlaky => "newly-flaky",
            Self::LimitationAppeared => "limitation-appeared",
            Self::CoverageLost => "coverage-lost",
            Self::LimitationLifted => "limitation-lifted",
            Self::Fixed => "fixed",
            Self::NoLongerFlaky => "no-longer-flaky",
            Self::CoverageGained => "coverage-gained",
            Self::StillFails => "still-fails",
        }
    }
}

/// What became slower or faster, and how that was told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// The test, and what it takes for a difference.
    pub test: String,
    /// How many samples each side needs.
    pub needs: usize,
    /// How many times were compared.
    pub compared: usize,
    /// How many could not be, for lack of samples.
    pub too_few: usize,
    /// Those that differ, slower ones first.
    pub changed: Vec<TimingChange>,
}

/// A time that is not the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TimingChange {
    /// What takes that time: `pod start`, `pod start: sandbox`, `nodes/answers`.
    pub what: String,
    /// The target of the candidate; none on Linux, or for the whole cluster.
    pub target: Option<String>,
    /// How many samples the base has.
    pub base_samples: usize,
    /// Their median, in seconds.
    pub base_s: f64,
    /// How many samples the candidate has.
    pub candidate_samples: usize,
    /// Their median, in seconds.
    pub candidate_s: f64,
    /// The probability that times without a difference look like this.
    pub p: f64,
}

impl TimingChange {
    /// Whether the candidate takes longer.
    #[must_use]
    pub fn is_slower(&self) -> bool {
        self.candidate_s > self.base_s
    }
}

/// What makes a comparison exit with 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailOn(Vec<Occasion>);

/// One thing that makes a comparison exit with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// An answer changed so.
    Change(ChangeKind),
    /// The candidate has a cause that the base has not.
    FindingNew,
    /// Something became slower.
    Slower,
}

/// The text names no occasions.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{word}` is nothing to fail on; there are {}, or `none`", FailOn::names().join(", "))]
pub struct FailOnError {
    word: String,
}

impl Default for FailOn {
    fn default() -> Self {
        Self(vec![Occasion::Change(ChangeKind::Regressed)])
    }
}

impl FailOn {
    fn occasions() -> impl Iterator<Item = (&'static str, Occasion)> {
        let changes = ChangeKind::ALL.into_iter().map(|kind| (kind.as_option(), Occasion::Change(kind)));
        changes.chain([("finding-new", Occasion::FindingNew), ("slower", Occasion::Slower)])
    }

    /// The words users type.
    #[must_use]
    pub fn names() -> Vec<&'static str> {
        Self::occasions().map(|(name, _)| name).collect()
    }

    /// Whether a comparison gives an occasion.
    #[must_use]
    pub fn is_met(&self, comparison: &Comparison) -> bool {
        self.0.iter().any(|occasion| match occasion {
            Occasion::Change(kind) => comparison.changes.iter().any(|change| change.kind == *kind),
            Occasion::FindingNew => !comparison.findings_new.is_empty(),
            Occasion::Slower => comparison.timings.changed.iter().any(TimingChange::is_slower),
        })
    }
}

impl FromStr for FailOn {
    type Err = FailOnError;

    fn from_str(text: &str) -> Result<Self, FailOnError> {
        if text == "none" {
            return Ok(Self(Vec::new()));
        }
        let one = |word: &str| {
            let found = Self::occasions().find(|(name, _)| *name == word);
            found.map(|(_, occasion)| occasion).ok_or_else(|| FailOnError { word: word.to_owned() })
        };
        text.split(',').map(|word| one(word.trim())).collect::<Result<_, _>>().map(Self)
    }
}

impl fmt::Display for FailOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            Self::occasions().filter(|(_, occasion)| self.0.contains(occasion)).map(|(name, _)| name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

impl Comparison {
    /// The changes of one kind.
    pub fn of_kind(&self, kind: ChangeKind) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(move |change| change.kind == kind)
    }

    /// Whether nothing that was compared changed; what failed before and still does is no change.
    #[must_use]
    pub fn is_equal(&self) -> bool {
        self.changes.iter().all(|change| change.kind == ChangeKind::StillFails)
            && self.findings_new.is_empty()
            && self.findings_gone.is_empty()
            && self.timings.changed.is_empty()
    }

    /// The exit code: 1 on an occasion, 3 when nothing could be compared, else 0.
    #[must_use]
    pub fn exit_code(&self, fail_on: &FailOn) -> u8 {
        match (fail_on.is_met(self), self.compared) {
            (true, _) => 1,
            (false, 0) => 3,
            (false, _) => 0,
        }
    }

    /// The comparison as JSON, as published in `docs/compare.schema.json`.
    ///
    /// # Errors
    ///
    /// When a value cannot be written as JSON, which no comparison has.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}
