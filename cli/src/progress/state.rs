//! What is known of a run under way: a small projection of its events, for people who wait.

use std::collections::{BTreeMap, BTreeSet};

use winconform_reports::{
    Event, Record, ResultId, Verdict,
    event::{FixtureState, PodProgress},
};

/// So many verdicts are told as they come; of more, one does not read each.
const TOLD: u64 = 10;

/// Something worth a line of its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notable {
    pub(super) text: String,
    /// It is about waiting, not about a verdict.
    pub(super) is_wait: bool,
}

/// What is known of a run under way.
#[derive(Debug, Default)]
pub(super) struct State {
    planned: Option<u64>,
    in_a_round: u64,
    /// Answers that the plan gave: they are not applicable in any round.
    never_asked: u64,
    passed: u64,
    failed: u64,
    undetermined: u64,
    not_applicable: u64,
    fixtures: BTreeMap<String, Fixture>,
    asking: BTreeSet<ResultId>,
    over: bool,
}

/// A fixture on its way.
#[derive(Debug, Default)]
struct Fixture {
    settled: bool,
    /// Where its last pod to be heard of is: `pulling on win-2022-0`.
    phase: String,
}

impl State {
    /// Takes an event, and gives a line where there is something to say.
    pub(super) fn take(&mut self, record: &Record) -> Option<Notable> {
        match &record.event {
            Event::RunStarted(_) => wait("looking at the cluster".to_owned()),
            Event::ClusterObserved(seen) => {
                let (nodes, targets) = (seen.nodes.len(), seen.targets.len());
                let version = &seen.cluster.version;
                wait(format!("Kubernetes {version}, {}, {}", count(nodes, "node"), count(targets, "target")))
            }
            Event::Planned(plan) => {
                self.in_a_round = plan.results.len() as u64;
                self.planned = Some(self.in_a_round);
                let starting = plan.fixtures.iter().map(|name| (name.clone(), Fixture::default()));
                self.fixtures = starting.collect();
                let (results, fixtures) = (plan.results.len(), plan.fixtures.len());
                wait(format!("asking for {}, from {}", count(results, "answer"), count(fixtures, "fixture")))
            }
            Event::FixtureChanged { fixture, state } => self.fixture(fixture, state),
            Event::PodProgress(progress) => {
                self.pod(progress);
                None
            }
            Event::CheckStarted { id } => {
                self.asking.insert(id.clone());
                None
            }
            Event::CheckFinished(finished) => self.finished(&finished.id, &finished.verdict),
            Event::CleanedUp { left } if !left.is_empty() => wait(format!("not cleaned up: {}", left.join(", "))),
            Event::RunFinished(_) => {
                self.over = true;
                None
            }
            Event::RoundStarted { round } => {
                // What does not apply is not asked again.
                let again = self.in_a_round.saturating_sub(self.never_asked);
                self.planned = self.planned.map(|planned| planned + again);
                self.fixtures.values_mut().for_each(|fixture| *fixture = Fixture::default());
                wait(format!("round {round}"))
            }
            Event::BaselineGiven(baseline) => wait(format!("judged against run {}", baseline.run)),
            // Their meaning comes with the verdict that rests on them.
            Event::PodTimeline(_)
            | Event::Probed { .. }
            | Event::CleanedUp { .. }
            | Event::NodeTold(_)
            | Event::ServiceMade(_) => None,
        }
    }

    fn fixture(&mut self, name: &str, state: &FixtureState) -> Option<Notable> {
        let fixture = self.fixtures.entry(name.to_owned()).or_default();
        fixture.settled = *state != FixtureState::Starting;
        match state {
            FixtureState::Failed(why) => wait(format!("{name} does not come up: {}", shortened(why))),
            FixtureState::Starting | FixtureState::Ready | FixtureState::Removed => None,
        }
    }

    fn pod(&mut self, progress: &PodProgress) {
        if let Some(fixture) = self.fixtures.get_mut(&progress.owner) {
            let node = progress.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
            fixture.phase = format!("{}{node}", progress.phase);
        }
    }

    fn finished(&mut self, id: &ResultId, verdict: &Verdict) -> Option<Notable> {
        let was_asked = self.asking.remove(id);
        if !was_asked && matches!(verdict, Verdict::NotApplicable(_)) {
            self.never_asked += 1;
        }
        let (count, word) = match verdict {
            Verdict::Passed(_) | Verdict::LimitationPresent(_) | Verdict::LimitationLifted(_) => (&mut self.passed, ""),
            Verdict::Failed(_) => (&mut self.failed, "failed"),
            Verdict::Undetermined(_) => (&mut self.undetermined, "undetermined"),
            Verdict::NotApplicable(_) => (&mut self.not_applicable, ""),
        };
        *count += 1;
        let text = match self.failed + self.undetermined {
            0..=TOLD => format!("{word}: {id}: {}", shortened(verdict.reason())),
            n if n == TOLD + 1 => "there is more that does not hold: see the summary at the end".to_owned(),
            _ => return None,
        };
        (!word.is_empty()).then_some(Notable { text, is_wait: false })
    }

    /// How many answers there are, and how many there will be.
    pub(super) fn done(&self) -> (u64, u64) {
        let done = self.passed + self.failed + self.undetermined + self.not_applicable;
        (done, self.planned.unwrap_or_default())
    }

    /// `12 of 57 answers, 1 failed`; nothing before there is a plan, and after the end.
    pub(super) fn counts(&self) -> Option<String> {
        if self.over {
            return None;
        }
        self.planned?;
        let (done, planned) = self.done();
        let mut text = format!("{done} of {}", count(usize::try_from(planned).unwrap_or(usize::MAX), "answer"));
        for (number, word) in [(self.failed, "failed"), (self.undetermined, "undetermined")] {
            if number > 0 {
                text = format!("{text}, {number} {word}");
            }
        }
        Some(text)
    }

    /// What is being waited for: fixtures first, since checks wait for them too.
    pub(super) fn waiting(&self) -> Option<String> {
        let starting: Vec<String> = (self.fixtures.iter())
            .filter(|(_, fixture)| !fixture.settled)
            .map(|(name, fixture)| match fixture.phase.is_empty() {
                true => name.clone(),
                false => format!("{name} ({})", fixture.phase),
            })
            .collect();
        let asking: Vec<String> = self.asking.iter().map(ToString::to_string).collect();
        let (done, planned) = self.done();
        match (starting.is_empty(), asking.is_empty()) {
            (false, _) => Some(format!("starting {}", some_of(&starting))),
            (true, false) => Some(format!("asking {}", some_of(&asking))),
            (true, true) if done == planned => Some("cleaning up".to_owned()),
            (true, true) => None,
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every arm of the match gives an option")]
fn wait(text: String) -> Option<Notable> {
    Some(Notable { text, is_wait: true })
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match names.len() {
        0..=3 => shown,
        more => format!("{shown} and {} more", more - 3),
    }
}

/// The first line, and of a long one the beginning.
fn shortened(text: &str) -> String {
    const LONG: usize = 160;
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONG) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use winconform_reports::{
        Level,
        event::{Finished, Plan, PlannedResult},
    };

    use super::*;

    fn id(name: &str) -> ResultId {
        ResultId::new(name.parse().unwrap(), winconform_reports::Place::Target("10.0.20348.5499".into()))
    }

    fn record(event: Event) -> Record {
        Record { ms: 0, event }
    }

    fn finished(name: &str, verdict: Verdict) -> Record {
        record(Event::CheckFinished(Box::new(Finished {
            id: id(name),
            verdict,
            attempts: 1,
            flaky: false,
            earlier: Vec::new(),
            round: 1,
            ms: 1,
            phases: Vec::new(),
            observations: Vec::new(),
            evidence: Vec::new(),
        })))
    }

    /// A run whose fixtures are starting, with one answer of two.
    pub(in crate::progress) fn records() -> Vec<Record> {
        let planned = |name: &str| PlannedResult {
            id: id(name),
            title: name.to_owned(),
            statement: "N1".into(),
            level: Level::Core,
        };
        vec![
            record(Event::Planned(Plan {
                results: vec![planned("nodes/ready"), planned("nodes/answers")],
                fixtures: vec!["windows-pod@win-2022-0".into(), "linux-client".into()],
                left_out: Vec::new(),
            })),
            record(Event::FixtureChanged { fixture: "linux-client".into(), state: FixtureState::Ready }),
            record(Event::PodProgress(PodProgress {
                owner: "windows-pod@win-2022-0".into(),
                pod: "windows-pod-win-2022-0".into(),
                node: Some("win-2022-0".into()),
                phase: "pulling".into(),
            })),
            finished("nodes/ready", Verdict::Failed("win-2022-0 is not ready\nfor 40 s".into())),
        ]
    }

    #[test]
    fn a_failure_is_told_at_once_and_in_one_line() {
        let mut state = State::default();
        let told: Vec<Notable> = records().iter().filter_map(|record| state.take(record)).collect();
        assert_eq!(told[0].text, "asking for 2 answers, from 2 fixtures");
        assert_eq!(told[1].text, "failed: nodes/ready@10.0.20348.5499: win-2022-0 is not ready");
        assert!(!told[1].is_wait);
    }

    #[test]
    fn of_many_failures_only_the_first_are_told_and_each_in_a_line() {
        let mut state = State::default();
        let fail = |n| finished("nodes/ready", Verdict::Failed(format!("{n} {}", "ü".repeat(400))));
        let told: Vec<Notable> = (0..40).filter_map(|n| state.take(&fail(n))).collect();
        assert_eq!(told.len(), 11);
        assert!(told[0].text.chars().count() < 220 && told[0].text.ends_with('…'), "{}", told[0].text);
        assert!(told[10].text.contains("summary"));
    }

    #[test]
    fn the_user_sees_what_is_waited_for() {
        let mut state = State::default();
        records().iter().for_each(|record| drop(state.take(record)));
        assert_eq!(state.counts().unwrap(), "1 of 2 answers, 1 failed");
        assert_eq!(state.waiting().unwrap(), "starting windows-pod@win-2022-0 (pulling on win-2022-0)");
        let ready = FixtureState::Ready;
        state.take(&record(Event::FixtureChanged { fixture: "windows-pod@win-2022-0".into(), state: ready }));
        state.take(&record(Event::CheckStarted { id: id("nodes/answers") }));
        assert_eq!(state.waiting().unwrap(), "asking nodes/answers@10.0.20348.5499");
        state.take(&finished("nodes/answers", Verdict::Passed("ok".into())));
        assert_eq!(state.waiting().unwrap(), "cleaning up");
    }
}
