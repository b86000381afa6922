//! What the user's policy makes of a verdict, and of a whole run.
//!
//! A verdict is a fact; a disposition is a decision. The policy stands in the
//! log's first event, so that a report made later decides alike.

mod result;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::result::{RunResult, Weighed, sum_up};
use crate::{
    id::CheckId,
    known_failures::KnownFailure,
    verdict::{Level, VerdictKind},
};

/// The user's wishes that decide what is red.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Policy {
    /// A lifted limitation is red (`--expect-limitation`).
    pub expect_limitation: bool,
    /// Which levels are asked (`--profile`).
    pub profile: Profile,
    /// What must apply to this cluster (`--require`): suites, checks' names or checks' ids.
    pub require: Vec<String>,
    /// What becomes of an answer that was not the same each time (`--flaky`).
    pub flaky: FlakyRule,
    /// Failures that the user knows of (`--known-failures`).
    pub known_failures: Vec<KnownFailure>,
}

/// Which levels are asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// What every conformant cluster with Windows nodes keeps.
    Core,
    /// That, and what depends on a feature of the cluster.
    #[default]
    Extended,
}

impl Profile {
    /// Whether checks of this level are asked.
    #[must_use]
    pub fn includes(self, level: Level) -> bool {
        self == Self::Extended || level != Level::Extended
    }
}

/// What becomes of an answer that was not the same each time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FlakyRule {
    /// It is red: a promise that holds sometimes is not kept.
    #[default]
    Fail,
    /// It is green, and said to be flaky.
    Pass,
}

/// What the policy makes of one answer.
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
    /// Broken, and the user knows: a known failure, or one that the baseline has too.
    Excused,
}

/// One answer, as far as a policy looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The check.
    pub check: &'a CheckId,
    /// Its level.
    pub level: Level,
    /// What it came to.
    pub verdict: VerdictKind,
    /// Whether it failed at one time and passed at another.
    pub flaky: bool,
}

impl Policy {
    /// Decides about one answer, before anything is excused.
    ///
    /// An info check passes with notes and never turns red: a failed one is
    /// green, since its text is the note. A limitation that could not be looked at
    /// is inconclusive, which is one of its three documented outcomes.
    #[must_use]
    pub fn disposition(&self, answer: &Answer<'_>) -> Disposition {
        let Answer { check, level, verdict, flaky } = *answer;
        match verdict {
            VerdictKind::Failed if level == Level::Info => Disposition::Green,
            VerdictKind::Passed | VerdictKind::Failed if flaky => match self.flaky {
                FlakyRule::Fail if level != Level::Info => Disposition::Red,
                FlakyRule::Fail | FlakyRule::Pass => Disposition::Green,
            },
            VerdictKind::Passed | VerdictKind::LimitationPresent => Disposition::Green,
            VerdictKind::Failed => Disposition::Red,
            VerdictKind::LimitationLifted if self.expect_limitation => Disposition::Red,
            VerdictKind::LimitationLifted => Disposition::Green,
            VerdictKind::NotApplicable if self.requires(check) => Disposition::Red,
            VerdictKind::NotApplicable => Disposition::Skipped,
            VerdictKind::Undetermined if matches!(level, Level::Info | Level::Limitation) => Disposition::Skipped,
            VerdictKind::Undetermined => Disposition::Unknown,
        }
    }

    /// Whether the user said that this check must apply.
    #[must_use]
    pub fn requires(&self, check: &CheckId) -> bool {
        self.require.iter().any(|word| is_called(check, word))
    }
}

/// Whether a word names this check: its suite, its name, or both.
#[must_use]
pub fn is_called(check: &CheckId, word: &str) -> bool {
    word == check.suite() || word == check.name() || word.split_once('/') == Some((check.suite(), check.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(policy: &Policy, level: Level, verdict: VerdictKind, flaky: bool) -> Disposition {
        let check = "gmsa/secure-channel".parse().unwrap();
        policy.disposition(&Answer { check: &check, level, verdict, flaky })
    }

    #[test]
    fn an_info_check_never_turns_red() {
        for flaky in [false, true] {
            assert_eq!(of(&Policy::default(), Level::Info, VerdictKind::Failed, flaky), Disposition::Green);
        }
    }

    #[test]
    fn a_lifted_limitation_is_red_only_when_it_is_expected() {
        let expecting = Policy { expect_limitation: true, ..Policy::default() };
        let lifted = VerdictKind::LimitationLifted;
        assert_eq!(of(&Policy::default(), Level::Limitation, lifted, false), Disposition::Green);
        assert_eq!(of(&expecting, Level::Limitation, lifted, false), Disposition::Red);
    }

    #[test]
    fn what_does_not_apply_is_red_only_where_it_is_required() {
        let requiring = |word: &str| Policy { require: vec![word.to_owned()], ..Policy::default() };
        let skipped = VerdictKind::NotApplicable;
        for word in ["gmsa", "secure-channel", "gmsa/secure-channel"] {
            assert_eq!(of(&requiring(word), Level::Extended, skipped, false), Disposition::Red, "{word}");
            assert_eq!(of(&requiring(word), Level::Extended, VerdictKind::Undetermined, false), Disposition::Unknown);
        }
        for word in ["gms", "secure", "other/secure-channel", "gmsa/", ""] {
            assert_eq!(of(&requiring(word), Level::Extended, skipped, false), Disposition::Skipped, "{word}");
        }
    }

    #[test]
    fn a_promise_that_holds_sometimes_is_red_unless_the_user_takes_it() {
        let lenient = Policy { flaky: FlakyRule::Pass, ..Policy::default() };
        for verdict in [VerdictKind::Passed, VerdictKind::Failed] {
            assert_eq!(of(&Policy::default(), Level::Core, verdict, true), Disposition::Red);
            assert_eq!(of(&lenient, Level::Core, verdict, true), Disposition::Green);
        }
        assert_eq!(of(&lenient, Level::Core, VerdictKind::Failed, false), Disposition::Red);
    }
}
