//! What several rounds and attempts come to together.

use super::{Rate, Try};
use crate::{
    event::{Evidence, Finished, Observation, Phase},
    verdict::{Verdict, VerdictKind},
};

/// What a check came to, each time that it was asked.
pub(super) struct Asked {
    pub(super) verdict: Verdict,
    pub(super) flaky: bool,
    pub(super) attempts: u32,
    pub(super) tries: Vec<Try>,
    pub(super) rate: Option<Rate>,
    pub(super) ms: u64,
    pub(super) phases: Vec<Phase>,
    pub(super) observations: Vec<Observation>,
    pub(super) evidence: Vec<Evidence>,
}

impl Asked {
    /// A check that was not asked at all.
    pub(super) fn never(verdict: Verdict) -> Self {
        Self {
            verdict,
            flaky: false,
            attempts: 0,
            tries: Vec::new(),
            rate: None,
            ms: 0,
            phases: Vec::new(),
            observations: Vec::new(),
            evidence: Vec::new(),
        }
    }
}

/// Sums up one check's rounds. What is shown of it (reason, evidence) is that of the
/// round that decided: the first with the verdict that outweighs all others.
pub(super) fn together(rounds: &[&Finished]) -> Asked {
    let Some(first) = rounds.first() else {
        return Asked::never(Verdict::Undetermined("it was not asked".to_owned()));
    };
    let decisive = rounds
        .iter()
        .fold(first, |worst, round| if round.verdict.kind().outweighs(worst.verdict.kind()) { round } else { worst });
    let tries: Vec<Try> = rounds.iter().flat_map(|round| tries(round)).collect();
    let rate = (rounds.len() > 1).then(|| rate(rounds));
    let flaky = rounds.iter().any(|round| round.flaky)
        || (kinds(rounds).any(|kind| kind == VerdictKind::Failed)
            && kinds(rounds).any(|kind| kind == VerdictKind::Passed));
    Asked {
        verdict: with_first_failure(with_rate(&decisive.verdict, rate), rounds),
        flaky,
        attempts: rounds.iter().map(|round| round.attempts).sum(),
        tries: if tries.len() > 1 { tries } else { Vec::new() },
        rate,
        ms: decisive.ms,
        phases: decisive.phases.clone(),
        observations: observations(decisive, rounds),
        evidence: decisive.evidence.clone(),
    }
}

fn kinds<'a>(rounds: &'a [&Finished]) -> impl Iterator<Item = VerdictKind> + 'a {
    rounds.iter().map(|round| round.verdict.kind())
}

fn tries(round: &Finished) -> Vec<Try> {
    let one = |attempt: usize, verdict: &Verdict, ms: u64| Try {
        round: round.round,
        attempt: u32::try_from(attempt + 1).unwrap_or(u32::MAX),
        verdict: verdict.kind(),
        reason: verdict.reason().to_owned(),
        seconds: std::time::Duration::from_millis(ms).as_secs_f64(),
    };
    let earlier = round.earlier.iter().enumerate().map(|(place, attempt)| one(place, &attempt.verdict, attempt.ms));
    earlier.chain([one(round.earlier.len(), &round.verdict, round.ms)]).collect()
}

fn rate(rounds: &[&Finished]) -> Rate {
    let mut rate = Rate::default();
    for kind in kinds(rounds) {
        match kind {
            VerdictKind::Passed | VerdictKind::LimitationPresent | VerdictKind::LimitationLifted => rate.passed += 1,
            VerdictKind::Failed => rate.failed += 1,
            VerdictKind::Undetermined | VerdictKind::NotApplicable => rate.untold += 1,
        }
    }
    rate
}

/// The verdict; where not all rounds agree the reason begins with how many do not.
fn with_rate(verdict: &Verdict, rate: Option<Rate>) -> Verdict {
    let Some(Rate { passed, failed, untold }) = rate else { return verdict.clone() };
    let all = passed + failed + untold;
    let say = |count: u32, did: &str, reason: &str| format!("{did} in {count} of {all} rounds: {reason}");
    match verdict {
        Verdict::Failed(reason) if failed < all => Verdict::Failed(say(failed, "failed", reason)),
        Verdict::Passed(reason) if passed < all => {
            Verdict::Passed(say(untold, "passed wherever it could be told; could not be told", reason))
        }
        other => other.clone(),
    }
}

/// A verdict that a retry brought about says what the retry was for.
fn with_first_failure(verdict: Verdict, rounds: &[&Finished]) -> Verdict {
    let failed = |earlier: &&crate::event::Attempt| earlier.verdict.kind() == VerdictKind::Failed;
    let first = rounds.iter().flat_map(|round| &round.earlier).find(failed);
    match (first, verdict) {
        (Some(first), Verdict::Passed(_)) => {
            Verdict::Passed(format!("passed only when asked again; before: {}", first.verdict.reason()))
        }
        (_, verdict) => verdict,
    }
}

/// The facts that the shown verdict rests on; of a flaky answer those of its first failure.
fn observations(decisive: &Finished, rounds: &[&Finished]) -> Vec<Observation> {
    if !decisive.observations.is_empty() {
        return decisive.observations.clone();
    }
    let failed = |verdict: &Verdict| verdict.kind() == VerdictKind::Failed;
    let attempts = rounds.iter().flat_map(|round| &round.earlier).filter(|attempt| failed(&attempt.verdict));
    attempts.map(|attempt| attempt.observations.clone()).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Attempt, tests::id};

    fn round(round: u32, verdict: Verdict) -> Finished {
        Finished {
            id: id("nodes/ready"),
            verdict,
            attempts: 1,
            flaky: false,
            earlier: Vec::new(),
            round,
            ms: 100,
            phases: Vec::new(),
            observations: Vec::new(),
            evidence: Vec::new(),
        }
    }

    fn sum(rounds: &[Finished]) -> Asked {
        together(&rounds.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_promise_broken_in_one_round_is_broken_and_flaky() {
        let passed = || Verdict::Passed("ok".into());
        let asked = sum(&[round(1, passed()), round(2, Verdict::Failed("no answer".into())), round(3, passed())]);
        assert_eq!(asked.verdict, Verdict::Failed("failed in 1 of 3 rounds: no answer".into()));
        assert!(asked.flaky);
        assert_eq!(asked.rate, Some(Rate { passed: 2, failed: 1, untold: 0 }));
        assert_eq!(asked.tries.len(), 3);
    }

    #[test]
    fn a_round_that_cannot_tell_says_nothing_beside_one_that_can() {
        let asked = sum(&[round(1, Verdict::Undetermined("lost".into())), round(2, Verdict::Passed("ok".into()))]);
        assert_eq!(asked.verdict.kind(), VerdictKind::Passed);
        assert!(asked.verdict.reason().contains("could not be told in 1 of 2 rounds"), "{}", asked.verdict.reason());
        assert!(!asked.flaky, "undetermined blames us, so nothing of the cluster was flaky");
    }

    #[test]
    fn what_failed_every_time_is_not_flaky_and_says_it_once() {
        let failed = || Verdict::Failed("no answer".into());
        let asked = sum(&[round(1, failed()), round(2, failed())]);
        assert_eq!(asked.verdict, failed());
        assert!(!asked.flaky);
    }

    #[test]
    fn a_retry_that_passed_keeps_the_first_failure() {
        let failed = Attempt { verdict: Verdict::Failed("no answer".into()), ms: 40, observations: Vec::new() };
        let retried =
            Finished { attempts: 2, flaky: true, earlier: vec![failed], ..round(1, Verdict::Passed("ok".into())) };
        let asked = sum(&[retried]);
        assert!(asked.flaky && asked.rate.is_none());
        assert_eq!(asked.verdict.reason(), "passed only when asked again; before: no answer");
        let seen: Vec<_> = asked.tries.iter().map(|one| (one.attempt, one.verdict, one.reason.as_str())).collect();
        assert_eq!(seen, [(1, VerdictKind::Failed, "no answer"), (2, VerdictKind::Passed, "ok")]);
    }
}
