//! What the user's policy makes of a verdict, and of a whole run.
//!
//! A verdict is a fact; a disposition is a decision. The policy stands in the
//! log's first event, so that a report made later decides alike.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::{Level, VerdictKind};

/// The user's wishes that decide what is red.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Policy {
    /// A lifted limitation is red (`--expect-limitation`).
    pub expect_limitation: bool,
}

/// What the policy makes of one verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// As it should be.
    Green,
    /// Must be looked at: the run's exit code is 1.
    Red,
    /// We could not tell: the run's exit code is 2 unless something is red.
    Unknown,
    /// Does not concern this cluster.
    Skipped,
}

/// What the run as a whole says about the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Every core check was asked, and everything asked holds.
    Conformant,
    /// Everything asked holds, but a core check was not asked.
    Partial,
    /// Something asked is red.
    NotConformant,
    /// Nothing is red, but something could not be told, or nothing was verified.
    Unknown,
}

impl RunResult {
    /// The words people read: `not conformant`.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Conformant => "conformant",
            Self::Partial => "partially verified",
            Self::NotConformant => "not conformant",
            Self::Unknown => "unknown",
        }
    }
}

impl Policy {
    /// Decides about one verdict.
    ///
    /// An info check passes with notes and never turns red: a failed one is
    /// green, since its text is the note. A limitation that could not be looked at
    /// is inconclusive, which is one of its three documented outcomes.
    #[must_use]
    pub fn disposition(&self, verdict: VerdictKind, level: Level) -> Disposition {
        match verdict {
            VerdictKind::Passed | VerdictKind::LimitationPresent => Disposition::Green,
            VerdictKind::Failed if level == Level::Info => Disposition::Green,
            VerdictKind::Failed => Disposition::Red,
            VerdictKind::LimitationLifted if self.expect_limitation => Disposition::Red,
            VerdictKind::LimitationLifted => Disposition::Green,
            VerdictKind::NotApplicable => Disposition::Skipped,
            VerdictKind::Undetermined if matches!(level, Level::Info | Level::Limitation) => Disposition::Skipped,
            VerdictKind::Undetermined => Disposition::Unknown,
        }
    }
}

/// One result, as far as the outcome of the run depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Weighed {
    /// What the policy made of it.
    pub disposition: Disposition,
    /// The check's level.
    pub level: Level,
}

/// Sums a run up: its result and its exit code.
///
/// Exit codes: 1 when anything is red; else 2 when anything is unknown; else 3
/// when nothing was verified; else 0. `core_left_out` says that the user's
/// filters, or an abort, kept a core check from being asked at all.
#[must_use]
pub fn sum_up(results: impl IntoIterator<Item = Weighed>, core_left_out: bool) -> (RunResult, u8) {
    let (mut red, mut unknown, mut green) = (0_usize, 0_usize, 0_usize);
    for result in results {
        match result.disposition {
            Disposition::Red => red += 1,
            Disposition::Unknown => unknown += 1,
            Disposition::Green => green += 1,
            Disposition::Skipped => {}
        }
    }
    if red > 0 {
        (RunResult::NotConformant, 1)
    } else if unknown > 0 {
        (RunResult::Unknown, 2)
    } else if green == 0 {
        (RunResult::Unknown, 3)
    } else if core_left_out {
        (RunResult::Partial, 0)
    } else {
        (RunResult::Conformant, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(verdicts: &[(VerdictKind, Level)], left_out: bool) -> (RunResult, u8) {
        let policy = Policy::default();
        sum_up(
            verdicts.iter().map(|&(verdict, level)| Weighed { disposition: policy.disposition(verdict, level), level }),
            left_out,
        )
    }

    #[test]
    fn red_outranks_unknown_and_unknown_outranks_nothing_verified() {
        use Level::Core;
        use VerdictKind::{Failed, NotApplicable, Passed, Undetermined};
        assert_eq!(of(&[(Passed, Core), (Undetermined, Core), (Failed, Core)], false), (RunResult::NotConformant, 1));
        assert_eq!(of(&[(Passed, Core), (Undetermined, Core)], false), (RunResult::Unknown, 2));
        assert_eq!(of(&[(NotApplicable, Core)], false), (RunResult::Unknown, 3));
        assert_eq!(of(&[], false), (RunResult::Unknown, 3), "zero checks run is not green");
        assert_eq!(of(&[(Passed, Core), (NotApplicable, Core)], false), (RunResult::Conformant, 0));
        assert_eq!(of(&[(Passed, Core)], true), (RunResult::Partial, 0));
    }

    #[test]
    fn an_info_check_never_turns_red() {
        assert_eq!(of(&[(VerdictKind::Failed, Level::Info)], false).1, 0);
    }

    #[test]
    fn a_lifted_limitation_is_red_only_when_it_is_expected() {
        let expecting = Policy { expect_limitation: true };
        let lifted = VerdictKind::LimitationLifted;
        assert_eq!(Policy::default().disposition(lifted, Level::Limitation), Disposition::Green);
        assert_eq!(expecting.disposition(lifted, Level::Limitation), Disposition::Red);
    }
}
