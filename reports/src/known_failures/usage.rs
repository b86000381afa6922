//! What became of the known failures in a run.

use std::collections::HashMap;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{BuildRange, Failure, KnownFailure};
use crate::{
    disposition::Disposition,
    event::Node,
    explain::{Finding, Layer},
    report::CheckResult,
    verdict::VerdictKind,
};

/// Why a failure is not red.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Excuse {
    /// Who excuses it.
    pub by: ExcusedBy,
    /// In a sentence.
    pub why: String,
    /// Where the failure is followed.
    pub issue: Option<String>,
    /// The last day on which it is excused.
    #[schemars(with = "Option<String>")]
    pub expires: Option<Date>,
}

/// Who excuses a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExcusedBy {
    /// An entry of `--known-failures`.
    KnownFailure,
    /// The run of `--baseline` has the same failure.
    Baseline,
}

/// A known failure, and what became of it in a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KnownFailureUse {
    /// The check or pattern.
    pub check: String,
    /// The builds.
    pub builds: Option<BuildRange>,
    /// Where it is followed.
    pub issue: String,
    /// The last day on which it is excused.
    #[schemars(with = "String")]
    pub expires: Date,
    /// What became of it.
    pub state: EntryState,
    /// The answers it is about, for an entry that excuses those it excused.
    pub results: Vec<String>,
}

/// What became of a known failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryState {
    /// It fails as known, and is excused.
    Excuses,
    /// It fails as known, but the entry has expired.
    Expired,
    /// It fails, but for another reason, which nothing excuses.
    OtherReason,
    /// It no longer fails: the entry can go.
    NoLongerFails,
    /// It could not be told, or was not asked.
    NotAsked,
}

impl EntryState {
    /// In words.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Excuses => "fails as known",
            Self::Expired => "fails as known, but the entry has expired",
            Self::OtherReason => "fails for another reason",
            Self::NoLongerFails => "no longer fails: the entry can go",
            Self::NotAsked => "was not asked, or could not be told",
        }
    }
}

/// Excuses the red answers that entries account for, and says what became of each entry.
///
/// `today` is the day of the run; without it (a log without a beginning) nothing expires.
pub(crate) fn apply(
    entries: &[KnownFailure],
    results: &mut [CheckResult],
    findings: &[Finding],
    nodes: &[Node],
    today: Option<Date>,
) -> Vec<KnownFailureUse> {
    if entries.is_empty() {
        return Vec::new();
    }
    let builds: HashMap<&str, &str> =
        nodes.iter().filter_map(|node| Some((node.target.as_deref()?, node.kernel_version.as_str()))).collect();
    let layers: HashMap<&str, Layer> = findings.iter().map(|finding| (finding.id.as_str(), finding.layer)).collect();
    let mut uses: Vec<KnownFailureUse> = entries.iter().map(unused).collect();
    for result in results {
        let build = result.target.as_deref().map(|target| builds.get(target).copied().unwrap_or(target));
        let of_result: Vec<Layer> = result.findings.iter().filter_map(|id| layers.get(id.as_str()).copied()).collect();
        for (entry, entry_use) in entries.iter().zip(&mut uses) {
            if !entry.concerns(&result.check, build) {
                continue;
            }
            let failure = Failure { text: &result.reason, layers: &of_result, observations: &result.observations };
            let state = state_of(entry, result, &failure, today);
            entry_use.note(state, &result.id);
            if state == EntryState::Excuses && result.disposition == Disposition::Red {
                result.disposition = Disposition::Excused;
                result.excuse = Some(Excuse {
                    by: ExcusedBy::KnownFailure,
                    why: format!("a known failure until {}", entry.expires),
                    issue: Some(entry.issue.clone()),
                    expires: Some(entry.expires),
                });
            }
        }
    }
    uses
}

fn state_of(entry: &KnownFailure, result: &CheckResult, failure: &Failure<'_>, today: Option<Date>) -> EntryState {
    let broken = matches!(result.disposition, Disposition::Red | Disposition::Excused)
        && (result.verdict == VerdictKind::Failed || result.flaky);
    if !broken {
        let told = !matches!(result.verdict, VerdictKind::NotApplicable | VerdictKind::Undetermined);
        return if told { EntryState::NoLongerFails } else { EntryState::NotAsked };
    }
    match entry.is_reason_of(failure) {
        false => EntryState::OtherReason,
        true if today.is_some_and(|today| today > entry.expires) => EntryState::Expired,
        true => EntryState::Excuses,
    }
}

fn unused(entry: &KnownFailure) -> KnownFailureUse {
    KnownFailureUse {
        check: entry.check.clone(),
        builds: entry.builds.clone(),
        issue: entry.issue.clone(),
        expires: entry.expires,
        state: EntryState::NotAsked,
        results: Vec::new(),
    }
}

impl KnownFailureUse {
    /// Takes what one answer says; an entry for many answers is what most concerns its reader.
    fn note(&mut self, state: EntryState, result: &str) {
        // In the order of the enum, but that one place where it still fails outweighs the others where it does not.
        if self.results.is_empty() || state < self.state {
            self.state = state;
            self.results.clear();
        }
        if state == self.state {
            self.results.push(result.to_owned());
        }
    }
}
