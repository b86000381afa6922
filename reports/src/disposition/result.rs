//! What a run as a whole says, and its exit code.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Disposition;
use crate::verdict::Level;

/// What the run as a whole says about the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunResult {
    /// Every core check was asked, and everything asked holds.
    Conformant,
    /// Whatever could be told holds, but a core check was left out, or something could not be told.
    Partial,
    /// Something is broken, whether the user knew of it or not.
    NotConformant,
    /// Nothing was verified.
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

/// One answer, as far as the outcome of the run depends on it.
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
/// when nothing was verified; else 0. What is excused is no reason to stop a release,
/// so it does not change the code; but it is broken, so the cluster is not conformant.
/// `core_left_out` says that the user's filters, or an abort, kept a core check from being asked at all.
#[must_use]
pub fn sum_up(results: impl IntoIterator<Item = Weighed>, core_left_out: bool) -> (RunResult, u8) {
    let (mut red, mut unknown, mut green, mut excused) = (0_usize, 0_usize, 0_usize, 0_usize);
    for result in results {
        match result.disposition {
            Disposition::Red => red += 1,
            Disposition::Unknown => unknown += 1,
            Disposition::Green => green += 1,
            Disposition::Excused => excused += 1,
            Disposition::Skipped => {}
        }
    }
    let verified = green + excused > 0;
    let code = match (red, unknown) {
        (1.., _) => 1,
        (0, 1..) => 2,
        (0, 0) if !verified => 3,
        (0, 0) => 0,
    };
    let result = if red + excused > 0 {
        RunResult::NotConformant
    } else if !verified {
        RunResult::Unknown
    } else if unknown > 0 || core_left_out {
        RunResult::Partial
    } else {
        RunResult::Conformant
    };
    (result, code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(dispositions: &[Disposition], left_out: bool) -> (RunResult, u8) {
        sum_up(dispositions.iter().map(|&disposition| Weighed { disposition, level: Level::Core }), left_out)
    }

    #[test]
    fn red_outranks_unknown_and_unknown_outranks_nothing_verified() {
        use Disposition::{Green, Red, Skipped, Unknown};
        assert_eq!(of(&[Green, Unknown, Red], false), (RunResult::NotConformant, 1));
        assert_eq!(of(&[Green, Unknown], false), (RunResult::Partial, 2));
        assert_eq!(of(&[Unknown], false), (RunResult::Unknown, 2));
        assert_eq!(of(&[Skipped], false), (RunResult::Unknown, 3));
        assert_eq!(of(&[], false), (RunResult::Unknown, 3), "zero checks run is not green");
        assert_eq!(of(&[Green, Skipped], false), (RunResult::Conformant, 0));
        assert_eq!(of(&[Green], true), (RunResult::Partial, 0));
    }

    #[test]
    fn what_is_excused_stops_nobody_and_is_not_conformant() {
        use Disposition::{Excused, Green, Unknown};
        assert_eq!(of(&[Green, Excused], false), (RunResult::NotConformant, 0));
        assert_eq!(of(&[Green, Excused, Unknown], false), (RunResult::NotConformant, 2));
    }
}
