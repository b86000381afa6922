//! Several logs as one: shards, processes, runs of the same thing.
//!
//! What was asked in several of them is asked in several *rounds*, exactly as
//! `--repeat` does it: a promise broken in one is broken and flaky, and a log that
//! could not tell says nothing beside one that can. What only one of them asked
//! stands as it is. The runs keep their place in time; time in which none of them
//! was under way is left out.

mod agreement;
mod order;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use thiserror::Error;

use self::{agreement::difference, order::in_common_order};
use super::Log;
use crate::{
    event::{Event, Finished, LeftOut, Observed, Plan, PlannedResult, Record, RunFinished, RunStarted},
    id::{CheckId, ResultId},
    words::{counted, first_few},
};

/// A log to merge with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What the user calls it, for sentences.
    pub name: String,
    /// Where the paths of its evidence begin, in the folder that all parts are in; empty for that folder.
    pub folder: String,
    /// What is in it.
    pub log: Log,
}

/// The logs are no parts of one whole.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MergeError {
    /// They are of different things.
    #[error("`{one}` and `{other}` cannot be merged: {what} is {here} in the first and {there} in the second")]
    Differ {
        /// A log.
        one: String,
        /// Another.
        other: String,
        /// What differs.
        what: String,
        /// What it is in the one.
        here: String,
        /// What it is in the other.
        there: String,
    },
    /// Two logs say that they are of one run, and neither is the beginning of the other.
    #[error("`{one}` and `{other}` are both of the run `{run}` and tell different stories; keep the one that is right")]
    SameRun {
        /// The run.
        run: String,
        /// A log.
        one: String,
        /// Another.
        other: String,
    },
}

/// Merges logs into one, whatever order they are given in.
///
/// They must agree in what makes an answer: version, policy, budgets, the cluster and
/// its nodes. A log of which another is the beginning counts once.
///
/// # Errors
///
/// When they do not agree; the error says in what.
pub fn merge(parts: Vec<Part>) -> Result<Log, MergeError> {
    let several = parts.len() > 1;
    let mut notes = Vec::new();
    let mut pieces: Vec<Piece> = Vec::new();
    let mut unknown = Vec::new();
    for Part { name, folder, log } in parts {
        notes.extend(log.notes.into_iter().map(|note| if several { format!("{name}: {note}") } else { note }));
        match log.records.first() {
            Some(Record { event: Event::RunStarted(started), .. }) => {
                pieces.push(Piece { name, folder, started: started.clone(), records: log.records, offset: 0 });
            }
            _ => unknown.push(name),
        }
    }
    pieces.sort_by(|a, b| a.key().cmp(&b.key()));
    let mut pieces = without_copies(pieces, &mut notes)?;
    // One that saw the cluster, where any did.
    if let Some(one) = pieces.iter().find(|piece| piece.observed().is_some()).or(pieces.first()) {
        pieces.iter().try_for_each(|other| agree(one, other))?;
    }
    lay_out(&mut pieces);
    let records = match pieces.len() {
        0 => Vec::new(),
        1 if unknown.is_empty() => pieces.into_iter().flat_map(Piece::alone).collect(),
        _ => Whole::of(&pieces, unknown, &mut notes).records(pieces),
    };
    notes.sort();
    Ok(Log { records, notes })
}

/// A log that has a beginning.
struct Piece {
    name: String,
    folder: String,
    started: RunStarted,
    records: Vec<Record>,
    /// Where its time begins in the whole, in milliseconds.
    offset: u64,
}

impl Piece {
    /// The order of the logs, which must not depend on how they were given. Of copies the longest is first.
    fn key(&self) -> (Timestamp, &str, std::cmp::Reverse<usize>, &str) {
        (self.started.started, &self.started.run, std::cmp::Reverse(self.records.len()), &self.name)
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().map(|record| &record.event)
    }

    fn observed(&self) -> Option<&Observed> {
        self.events().find_map(|event| if let Event::ClusterObserved(observed) = event { Some(observed) } else { None })
    }

    fn plan(&self) -> Option<&Plan> {
        self.events().find_map(|event| if let Event::Planned(plan) = event { Some(plan) } else { None })
    }

    fn end(&self) -> Option<&RunFinished> {
        self.events().find_map(|event| if let Event::RunFinished(end) = event { Some(end) } else { None })
    }

    /// How long it took, as far as its log goes.
    fn length(&self) -> u64 {
        let last = self.records.iter().map(|record| record.ms).max().unwrap_or_default();
        self.end().map_or(last, |end| end.wall_ms.max(last))
    }

    /// Why it did not ask all that it planned, where it did not.
    fn cut(&self) -> Option<&str> {
        match self.end() {
            Some(end) => end.aborted.as_deref(),
            None => Some("its log ends before the run does (killed, or its disk full)"),
        }
    }

    /// The only one: nothing changes but where its evidence is.
    fn alone(self) -> Vec<Record> {
        let Self { folder, mut records, .. } = self;
        records.iter_mut().for_each(|record| move_evidence(&folder, &mut record.event));
        records
    }
}

/// Evidence is in the folder of its own run.
fn move_evidence(folder: &str, event: &mut Event) {
    if let (Event::CheckFinished(finished), false) = (event, folder.is_empty()) {
        for path in finished.evidence.iter_mut().filter_map(|evidence| evidence.path.as_mut()) {
            *path = format!("{folder}/{path}");
        }
    }
}

/// A log given twice, or one copied while its run was under way, counts once.
fn without_copies(pieces: Vec<Piece>, notes: &mut Vec<String>) -> Result<Vec<Piece>, MergeError> {
    let mut kept: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match kept.iter().rev().find(|known| known.started.run == piece.started.run) {
            Some(known) if known.records.starts_with(&piece.records) => {
                notes.push(format!("{}: the same run as {}, counted once", piece.name, known.name));
            }
            Some(known) => {
                let (run, one, other) = (piece.started.run, known.name.clone(), piece.name);
                return Err(MergeError::SameRun { run, one, other });
            }
            None => kept.push(piece),
        }
    }
    Ok(kept)
}

fn agree(one: &Piece, other: &Piece) -> Result<(), MergeError> {
    let Some((what, here, there)) = difference(one, other) else { return Ok(()) };
    Err(MergeError::Differ { one: one.name.clone(), other: other.name.clone(), what, here, there })
}

/// Gives each its place in time, without the hours or days between runs.
fn lay_out(pieces: &mut [Piece]) {
    let Some(beginning) = pieces.first().map(|first| first.started.started) else { return };
    let (mut idle, mut busy_until) = (0, 0);
    for piece in pieces {
        let since = piece.started.started.duration_since(beginning).as_millis();
        let began = u64::try_from(since).unwrap_or_default() - idle;
        piece.offset = began.min(busy_until);
        idle += began - piece.offset;
        busy_until = busy_until.max(piece.offset + piece.length());
    }
}

/// What the parts come to together.
struct Whole {
    started: RunStarted,
    observed: Option<Observed>,
    baseline: Option<Event>,
    plan: Option<Plan>,
    end: RunFinished,
}

impl Whole {
    fn of(pieces: &[Piece], unknown: Vec<String>, notes: &mut Vec<String>) -> Self {
        let answers = answers(pieces);
        let end = pieces.iter().map(|piece| piece.offset + piece.length()).max().unwrap_or_default();
        Self {
            started: started(pieces),
            observed: observed(pieces),
            baseline: pieces
                .iter()
                .find_map(|piece| piece.events().find(|event| matches!(event, Event::BaselineGiven(_))).cloned()),
            plan: plan(pieces),
            end: RunFinished {
                wall_ms: end,
                // Runs side by side have no critical path in common.
                critical_path_ms: 0,
                critical_path: Vec::new(),
                api_requests: pieces.iter().filter_map(Piece::end).map(|end| end.api_requests).sum(),
                aborted: aborted(pieces, &answers, unknown, notes),
            },
        }
    }

    /// One log: the beginning, then each part's own records at their time, then the end.
    fn records(self, pieces: Vec<Piece>) -> Vec<Record> {
        let Self { started, observed, baseline, plan, end } = self;
        let mut whole = vec![Record { ms: 0, event: Event::RunStarted(started) }];
        whole.extend(baseline.map(|event| Record { ms: 0, event }));
        whole.extend(observed.map(|observed| Record { ms: 0, event: Event::ClusterObserved(observed) }));
        whole.extend(plan.map(|plan| Record { ms: 0, event: Event::Planned(plan) }));
        let mut rounds = Rounds::default();
        for piece in pieces {
            rounds.next_part();
            let mut own_round = 1;
            for Record { ms, mut event } in piece.records {
                let ms = ms.saturating_add(piece.offset);
                match &mut event {
                    Event::RunStarted(_)
                    | Event::ClusterObserved(_)
                    | Event::Planned(_)
                    | Event::BaselineGiven(_)
                    | Event::RunFinished(_) => continue,
                    Event::RoundStarted { round } => {
                        own_round = *round;
                        continue;
                    }
                    Event::CheckFinished(finished) => {
                        finished.round = rounds.of(&finished.id.to_string(), finished.round);
                    }
                    Event::PodTimeline(pod) => pod.round = rounds.of(&pod.owner, pod.round),
                    Event::FixtureChanged { fixture, .. } => {
                        let round = rounds.of(fixture, own_round);
                        if rounds.current != round {
                            rounds.current = round;
                            whole.push(Record { ms, event: Event::RoundStarted { round } });
                        }
                    }
                    _ => {}
                }
                move_evidence(&piece.folder, &mut event);
                whole.push(Record { ms, event });
            }
        }
        whole.push(Record { ms: end.wall_ms, event: Event::RunFinished(end) });
        whole
    }
}

/// Numbers what several parts did: the first that asked a thing has its first rounds, the next those after them.
struct Rounds {
    /// For each check and fixture the rounds before this part, and the last so far.
    of: HashMap<String, (u32, u32)>,
    /// The round that a fixture's event would be taken for.
    current: u32,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { of: HashMap::new(), current: 1 }
    }
}

impl Rounds {
    fn next_part(&mut self) {
        self.of.values_mut().for_each(|(before, last)| *before = *last);
    }

    fn of(&mut self, name: &str, own: u32) -> u32 {
        if !self.of.contains_key(name) {
            self.of.insert(name.to_owned(), (0, 0));
        }
        self.of.get_mut(name).map_or(own, |(before, last)| {
            let round = before.saturating_add(own);
            *last = round.max(*last);
            round
        })
    }
}

fn started(pieces: &[Piece]) -> RunStarted {
    let mut asked: BTreeMap<&ResultId, u32> = BTreeMap::new();
    for piece in pieces {
        for planned in piece.plan().into_iter().flat_map(|plan| &plan.results) {
            *asked.entry(&planned.id).or_default() += piece.started.rounds;
        }
    }
    let mut started = pieces.first().map_or_else(|| unreachable!("a whole has parts"), |first| first.started.clone());
    started.rounds = asked.into_values().min().unwrap_or(started.rounds);
    if pieces.len() > 1 {
        started.run = format!("{}+{}", started.run, pieces.len() - 1);
    }
    let boots = pieces.iter().filter_map(|piece| piece.started.testbed.as_ref()).map(|testbed| testbed.boot_ms);
    if let (Some(testbed), Some(longest)) = (&mut started.testbed, boots.max()) {
        testbed.boot_ms = longest;
    }
    started
}

/// The cluster, with the worst that any part saw of its nodes.
fn observed(pieces: &[Piece]) -> Option<Observed> {
    let mut seen = pieces.iter().filter_map(Piece::observed);
    let mut whole = seen.next()?.clone();
    for other in seen {
        for (node, also) in whole.nodes.iter_mut().zip(&other.nodes) {
            node.ready &= also.ready;
            node.unschedulable |= also.unschedulable;
            for taint in &also.taints {
                if !node.taints.contains(taint) {
                    node.taints.push(taint.clone());
                }
            }
        }
    }
    Some(whole)
}

/// Everything that any part planned; left out is what every part left out.
fn plan(pieces: &[Piece]) -> Option<Plan> {
    let plans: Vec<&Plan> = pieces.iter().filter_map(Piece::plan).collect();
    if plans.is_empty() {
        return None;
    }
    let mut results: BTreeMap<&ResultId, &PlannedResult> = BTreeMap::new();
    let mut left_out: BTreeMap<&CheckId, (LeftOut, usize)> = BTreeMap::new();
    for plan in &plans {
        for planned in &plan.results {
            results.entry(&planned.id).or_insert(planned);
        }
        for left in &plan.left_out {
            let (known, times) = left_out.entry(&left.check).or_insert_with(|| (left.clone(), 0));
            *times += 1;
            if !known.reason.split(", ").any(|reason| reason == left.reason) {
                known.reason = format!("{}, {}", known.reason, left.reason);
            }
        }
    }
    let checks = in_common_order(
        plans
            .iter()
            .map(|plan| {
                let mut checks: Vec<&CheckId> = plan.results.iter().map(|planned| &planned.id.check).collect();
                checks.dedup();
                checks
            })
            .chain(plans.iter().map(|plan| plan.left_out.iter().map(|left| &left.check).collect())),
    );
    let place: HashMap<&CheckId, usize> = checks.iter().enumerate().map(|(place, check)| (*check, place)).collect();
    let mut results: Vec<&PlannedResult> = results.into_values().collect();
    results.sort_by_key(|planned| (place.get(&planned.id.check), &planned.id));
    let fixtures = in_common_order(plans.iter().map(|plan| plan.fixtures.iter().collect()));
    let nobody = |(left, times): &(LeftOut, usize)| {
        *times == plans.len() && !results.iter().any(|planned| planned.id.check == left.check)
    };
    let mut left_out: Vec<LeftOut> = left_out.into_values().filter(nobody).map(|(left, _)| left).collect();
    left_out.sort_by_key(|left| place.get(&left.check).copied());
    Some(Plan {
        results: results.into_iter().cloned().collect(),
        fixtures: fixtures.into_iter().cloned().collect(),
        left_out,
    })
}

/// How often each question was answered.
fn answers(pieces: &[Piece]) -> HashMap<&ResultId, u32> {
    let mut answers = HashMap::new();
    for event in pieces.iter().flat_map(Piece::events) {
        if let Event::CheckFinished(finished) = event {
            let Finished { id, .. } = &**finished;
            *answers.entry(id).or_default() += 1;
        }
    }
    answers
}

/// Why not everything was asked. A part that ended early is no loss where others answered all it had planned.
fn aborted(
    pieces: &[Piece],
    answers: &HashMap<&ResultId, u32>,
    unknown: Vec<String>,
    notes: &mut Vec<String>,
) -> Option<String> {
    let mut why: Vec<String> = unknown.iter().map(|name| format!("{name}: the run ended before it began")).collect();
    why.sort();
    for piece in pieces {
        let Some(cut) = piece.cut() else { continue };
        let answered =
            |planned: &PlannedResult| answers.get(&planned.id).is_some_and(|answers| *answers >= piece.started.rounds);
        match piece.plan() {
            Some(plan) if plan.results.iter().all(answered) => {
                let planned = counted(plan.results.len(), "check");
                notes.push(format!("{}: {cut}; other logs answer what it does not of its {planned}", piece.name));
            }
            _ => why.push(format!("{}: {cut}", piece.name)),
        }
    }
    (!why.is_empty()).then(|| first_few(why.iter().map(String::as_str), 3))
}

#[cfg(test)]
mod tests;
