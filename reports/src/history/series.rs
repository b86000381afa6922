//! How each check went on each line of builds.

use std::collections::{BTreeSet, HashMap};

use super::{
    build_of,
    model::{FirstBad, Rates, Series, State},
};
use crate::{
    compare::{Answered, Snapshot, compare},
    id::CheckId,
    verdict::{Level, VerdictKind},
};

type Key<'a> = (&'a CheckId, Option<String>);

pub(super) fn all(runs: &[Snapshot]) -> Vec<Series> {
    // In the order of the newest run; what only older ones asked comes behind.
    let mut order: Vec<Key<'_>> = Vec::new();
    let mut states: HashMap<Key<'_>, Vec<State>> = HashMap::new();
    for (place, run) in runs.iter().enumerate().rev() {
        let builds: Vec<String> = run.targets.iter().map(|target| build_of(run, &target.name)).collect();
        for answer in &run.answers {
            let Some(asked) = run.check_of(answer) else { continue };
            let build = answer.target.and_then(|target| builds.get(target as usize).cloned());
            let key = (&asked.check, build);
            let of_runs = states.entry(key.clone()).or_insert_with(|| {
                order.push(key);
                vec![State::NotAsked; runs.len()]
            });
            if let Some(state) = of_runs.get_mut(place) {
                *state = worse(*state, state_of(answer, asked.level));
            }
        }
    }
    let fingerprints: Vec<String> = runs.iter().map(fingerprint).collect();
    order
        .into_iter()
        .filter_map(|key| {
            let of_runs = states.remove(&key)?;
            Some(series(runs, &fingerprints, key, of_runs))
        })
        .collect()
}

fn state_of(answer: &Answered, level: Level) -> State {
    match answer.verdict {
        VerdictKind::NotApplicable | VerdictKind::Undetermined => State::Untold,
        VerdictKind::Failed if level == Level::Info => State::Passed,
        VerdictKind::Passed | VerdictKind::Failed if answer.flaky => State::Flaky,
        VerdictKind::Failed => State::Failed,
        VerdictKind::Passed | VerdictKind::LimitationPresent | VerdictKind::LimitationLifted => State::Passed,
    }
}

/// In one run the worst answer of a series counts.
fn worse(one: State, other: State) -> State {
    let weight = |state| match state {
        State::NotAsked => 0,
        State::Untold => 1,
        State::Passed => 2,
        State::Flaky => 3,
        State::Failed => 4,
    };
    if weight(other) > weight(one) { other } else { one }
}

/// What must be equal for a failure between two passes to be a flake: everything we know of the environment.
fn fingerprint(run: &Snapshot) -> String {
    let nodes: BTreeSet<String> = run
        .nodes
        .iter()
        .map(|node| format!("{} {} {}", node.kernel_version, node.container_runtime, node.kubelet))
        .collect();
    let version = run.cluster.as_ref().map(|cluster| cluster.version.as_str()).unwrap_or_default();
    format!("{version} {nodes:?}")
}

fn series(runs: &[Snapshot], fingerprints: &[String], (check, build): Key<'_>, states: Vec<State>) -> Series {
    let told: Vec<(usize, State)> = states
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, state)| !matches!(state, State::NotAsked | State::Untold))
        .collect();
    let count = |wanted: State| told.iter().filter(|(_, state)| *state == wanted).count();
    let isolated = told.windows(3).filter(|window| {
        let [(before, was), (at, is), (after, will)] = window else { return false };
        let same = |place: &usize| fingerprints.get(*place);
        (*was, *is, *will) == (State::Passed, State::Failed, State::Passed)
            && same(before) == same(at)
            && same(at) == same(after)
    });
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let all = number(told.len());
    Series {
        passed: Rates::of(number(count(State::Passed)), all),
        flaky: Rates::of(number(count(State::Flaky) + isolated.count()), all),
        first_bad: first_bad(runs, check, build.as_deref(), &told),
        check: check.clone(),
        build,
        states,
    }
}

/// The first of the bad runs that the last one that could tell ends.
fn first_bad(runs: &[Snapshot], check: &CheckId, build: Option<&str>, told: &[(usize, State)]) -> Option<FirstBad> {
    let bad = told.iter().rev().take_while(|(_, state)| *state == State::Failed).count();
    let first = told.len().checked_sub(bad).filter(|_| bad > 0)?;
    let run = runs.get(told.get(first)?.0)?;
    let good = first.checked_sub(1).and_then(|place| runs.get(told.get(place)?.0));
    // Without pairs that a user names nothing can be wrong with them.
    let compared = good.and_then(|good| compare(good, run, &[]).ok());
    let of_build = |snapshot: &Snapshot, answer: &Answered| {
        snapshot.target_of(answer).map(|target| build_of(snapshot, target)).as_deref() == build
    };
    let broken = run.answers.iter().find(|answer| {
        answer.verdict == VerdictKind::Failed
            && of_build(run, answer)
            && run.check_of(answer).is_some_and(|asked| asked.check == *check)
    });
    Some(FirstBad {
        run: run.run.clone(),
        started: run.started,
        last_good: good.map(|good| good.run.clone()),
        reason: broken
            .and_then(|answer| answer.trouble.as_ref())
            .map(|trouble| trouble.reason.clone())
            .unwrap_or_default(),
        environment: compared.map(|comparison| comparison.environment).unwrap_or_default(),
    })
}
