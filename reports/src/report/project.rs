//! From records to a report.

use std::collections::{HashMap, HashSet};

use super::{
    CheckResult, Counts, Fixture, REPORT_SCHEMA, Report, Run, baseline,
    matrix::{Probes, crossings},
    rounds::{Asked, together},
};
use crate::{
    compare::{self, Snapshot},
    disposition::{Answer, Disposition, Policy, RunResult, Weighed, sum_up},
    event::{
        Cell, Event, Finished, FixtureState, NodeTold, Observed, Plan, PlannedResult, PodTimeline, Record, RunFinished,
        RunStarted,
    },
    explain,
    id::ResultId,
    known_failures,
    verdict::{Level, Verdict, VerdictKind},
};

impl Report {
    /// Makes a report of a run's records; they may be cut anywhere.
    ///
    /// Every planned answer is in it. One without a verdict is undetermined, with a
    /// reason that begins with `aborted:`.
    #[must_use]
    pub fn from_records(records: &[Record]) -> Self {
        let story = Story::of(records);
        let policy = story.started.map(|started| started.policy.clone()).unwrap_or_default();
        let aborted = story.aborted();
        let mut results = story.results(&policy, aborted.as_deref());
        let findings = explain::explain(records);
        let mut causes: HashMap<&str, Vec<&str>> = HashMap::new();
        for finding in &findings {
            finding.checks.iter().for_each(|check| causes.entry(check).or_default().push(&finding.id));
        }
        for result in &mut results {
            let causes = causes.get(result.id.as_str()).into_iter().flatten();
            result.findings = causes.map(|cause| (*cause).to_owned()).collect();
        }
        let plan = story.plan.cloned().unwrap_or_default();
        let (cluster, nodes, targets) = match story.told() {
            Some(Observed { cluster, nodes, targets }) => (Some(cluster), nodes, targets),
            None => (None, Vec::new(), Vec::new()),
        };
        let today = story.started.map(|started| started.started.to_zoned(jiff::tz::TimeZone::UTC).date());
        let known_failures = known_failures::apply(&policy.known_failures, &mut results, &findings, &nodes, today);
        let mut report = Self {
            schema: REPORT_SCHEMA.to_owned(),
            run: story.run(policy, aborted, &results, &plan),
            cluster,
            nodes,
            targets,
            findings,
            matrix: story.matrix(&results),
            fixtures: story.fixtures(&plan),
            pods: story.pods.iter().map(|pod| (*pod).clone()).collect(),
            left_out: plan.left_out,
            leftovers: story.leftovers.clone(),
            known_failures,
            changes: None,
            comparison: None,
            results,
        };
        if let Some(baseline) = story.baseline {
            report.comparison = baseline::judge(&mut report, baseline);
            report.changes = report.comparison.as_deref().map(compare::changes);
            let Run { policy, aborted, .. } = report.run.clone();
            report.run = story.run(policy, aborted, &report.results, &story.plan.cloned().unwrap_or_default());
        }
        report
    }
}

/// The records, sorted by what they are about.
#[derive(Default)]
struct Story<'a> {
    started: Option<&'a RunStarted>,
    observed: Option<&'a Observed>,
    plan: Option<&'a Plan>,
    fixtures: Vec<(u64, u32, &'a str, &'a FixtureState)>,
    pods: Vec<&'a PodTimeline>,
    asked_at: HashMap<&'a ResultId, u64>,
    probed: Vec<(&'a ResultId, &'a [Cell])>,
    finished: HashMap<&'a ResultId, Vec<&'a Finished>>,
    /// Results in the order of their verdicts, for those that no plan lists.
    order: Vec<&'a ResultId>,
    leftovers: Vec<String>,
    end: Option<&'a RunFinished>,
    told: Vec<&'a NodeTold>,
    baseline: Option<&'a Snapshot>,
    last_ms: u64,
}

impl<'a> Story<'a> {
    fn of(records: &'a [Record]) -> Self {
        let mut story = Self::default();
        let mut round = 1;
        for Record { ms, event } in records {
            story.last_ms = story.last_ms.max(*ms);
            match event {
                Event::RunStarted(started) => story.started = Some(started),
                Event::ClusterObserved(observed) => story.observed = Some(observed),
                Event::Planned(plan) => story.plan = Some(plan),
                Event::FixtureChanged { fixture, state } => story.fixtures.push((*ms, round, fixture, state)),
                // The timeline that follows says the same with its durations; findings call Services by name.
                Event::PodProgress(_) | Event::ServiceMade(_) => {}
                Event::PodTimeline(pod) => story.pods.push(pod),
                Event::CheckStarted { id } => {
                    story.asked_at.entry(id).or_insert(*ms);
                }
                Event::Probed { id, cells } => story.probed.push((id, cells)),
                Event::CheckFinished(finished) => {
                    let of_rounds = story.finished.entry(&finished.id).or_default();
                    if of_rounds.is_empty() {
                        story.order.push(&finished.id);
                    }
                    of_rounds.push(finished);
                }
                Event::CleanedUp { left } => story.leftovers.extend(left.iter().cloned()),
                Event::RunFinished(end) => story.end = Some(end),
                Event::BaselineGiven(baseline) => story.baseline = Some(baseline),
                Event::RoundStarted { round: next } => round = *next,
                Event::NodeTold(told) => story.told.push(told),
            }
        }
        story
    }

    /// The cluster as it was found, with what its nodes told later.
    fn told(&self) -> Option<Observed> {
        let mut observed = self.observed.cloned()?;
        for told in &self.told {
            for node in observed.nodes.iter_mut().filter(|node| node.name == told.node) {
                let mut updates = told.updates.clone();
                updates.sort();
                updates.dedup();
                node.updates = Some(updates);
            }
        }
        Some(observed)
    }

    /// Why not everything was asked, where the log says so or ends without saying.
    fn aborted(&self) -> Option<String> {
        match self.end {
            Some(end) => end.aborted.clone(),
            None => Some("the log ends before the run does (killed, or its disk full)".to_owned()),
        }
    }

    fn results(&self, policy: &Policy, aborted: Option<&str>) -> Vec<CheckResult> {
        let planned = self.plan.map(|plan| plan.results.as_slice()).unwrap_or_default();
        let listed: HashSet<&ResultId> = planned.iter().map(|planned| &planned.id).collect();
        let unlisted = self.order.iter().filter(|id| !listed.contains(**id)).map(|id| PlannedResult {
            id: (*id).clone(),
            title: id.check.to_string(),
            statement: String::new(),
            level: Level::Core,
        });
        let mut seen = HashSet::new();
        planned
            .iter()
            .cloned()
            .chain(unlisted)
            .filter(|planned| seen.insert(planned.id.clone()))
            .map(|planned| self.result(planned, policy, aborted))
            .collect()
    }

    fn result(&self, planned: PlannedResult, policy: &Policy, aborted: Option<&str>) -> CheckResult {
        let PlannedResult { id, title, statement, level } = planned;
        let never_asked = || {
            let why = aborted.unwrap_or("the run ended without a verdict on it");
            Asked::never(Verdict::Undetermined(format!("aborted: {why}")))
        };
        let asked = self.finished.get(&id).map_or_else(never_asked, |rounds| together(rounds));
        let verdict = asked.verdict.kind();
        let answer = Answer { check: &id.check, level, verdict, flaky: asked.flaky };
        CheckResult {
            id: id.to_string(),
            suite: id.check.suite().to_owned(),
            target: id.place.target().map(str::to_owned),
            node: id.place.node().map(str::to_owned),
            title,
            statement,
            level,
            verdict,
            disposition: policy.disposition(&answer),
            reason: asked.verdict.reason().to_owned(),
            excuse: None,
            flaky: asked.flaky,
            attempts: asked.attempts,
            tries: asked.tries,
            rate: asked.rate,
            seconds: seconds(asked.ms),
            started_s: self.asked_at.get(&id).copied().map(seconds),
            phases: asked.phases,
            evidence: asked.evidence,
            findings: Vec::new(),
            observations: asked.observations,
            check: id.check,
        }
    }

    fn matrix(&self, results: &[CheckResult]) -> Vec<super::Crossing> {
        let documented: HashMap<&str, bool> = results
            .iter()
            .map(|result| (result.id.as_str(), result.verdict == VerdictKind::LimitationPresent))
            .collect();
        crossings(self.probed.iter().map(|(id, cells)| {
            let result = id.to_string();
            let as_documented = documented.get(result.as_str()).copied().unwrap_or_default();
            Probes { result, as_documented, cells }
        }))
    }

    fn fixtures(&self, plan: &Plan) -> Vec<Fixture> {
        let blank = |name: &str, round: u32| Fixture {
            name: name.to_owned(),
            started_s: None,
            ready_s: None,
            removed_s: None,
            failed: None,
            round,
        };
        let mut fixtures: Vec<Fixture> = plan.fixtures.iter().map(|name| blank(name, 1)).collect();
        let mut places: HashMap<(String, u32), usize> =
            fixtures.iter().enumerate().map(|(place, fixture)| ((fixture.name.clone(), 1), place)).collect();
        for &(ms, round, name, state) in &self.fixtures {
            let place = *places.entry((name.to_owned(), round)).or_insert_with(|| {
                fixtures.push(blank(name, round));
                fixtures.len() - 1
            });
            let Some(fixture) = fixtures.get_mut(place) else { continue };
            match state {
                // One that is started again after it failed took all that time.
                FixtureState::Starting => fixture.started_s = fixture.started_s.or(Some(seconds(ms))),
                FixtureState::Ready => (fixture.ready_s, fixture.failed) = (Some(seconds(ms)), None),
                FixtureState::Failed(why) => fixture.failed = Some(why.clone()),
                FixtureState::Removed => fixture.removed_s = Some(seconds(ms)),
            }
        }
        fixtures
    }

    fn run(&self, policy: Policy, aborted: Option<String>, results: &[CheckResult], plan: &Plan) -> Run {
        let core_left_out = plan.left_out.iter().any(|left_out| left_out.level == Level::Core);
        let weighed = results.iter().map(|result| Weighed { disposition: result.disposition, level: result.level });
        let (result, exit_code) = match sum_up(weighed, core_left_out || aborted.is_some()) {
            // What ended before it verified anything is not "nothing to verify".
            (RunResult::Unknown, 3) if aborted.is_some() => (RunResult::Unknown, 2),
            summed => summed,
        };
        let of_core = results.iter().filter(|result| result.level == Level::Core);
        let core_weighed = of_core.map(|result| Weighed { disposition: result.disposition, level: result.level });
        let (core, _) = sum_up(core_weighed, core_left_out || aborted.is_some());
        let started = self.started;
        let testbed = started.and_then(|started| started.testbed.clone());
        // Logs that were merged have none in common.
        let with_path = self.end.filter(|end| end.critical_path_ms > 0);
        let critical_path_s = with_path.map(|end| seconds(end.critical_path_ms));
        let wall_s = seconds(self.end.map_or(self.last_ms, |end| end.wall_ms));
        Run {
            id: started.map(|started| started.run.clone()).unwrap_or_default(),
            result,
            core,
            exit_code,
            counts: Counts::of(results),
            started: started.map(|started| started.started),
            version: started.map(|started| started.version.clone()).unwrap_or_default(),
            boot_s: testbed.as_ref().map(|testbed| seconds(testbed.boot_ms)),
            wall_s,
            critical_path_s,
            critical_path: self.end.map(|end| end.critical_path.clone()).unwrap_or_default(),
            overhead: critical_path_s.filter(|path| *path > 0.0).map(|path| rounded((wall_s - path) / path)),
            api_requests: self.end.map(|end| end.api_requests),
            aborted,
            timeout_scale: started.map_or(1.0, |started| started.timeout_scale),
            policy,
            testbed,
            rounds: started.map_or(1, |started| started.rounds),
            retries: started.map_or(0, |started| started.retries),
        }
    }
}

impl Counts {
    fn of(results: &[CheckResult]) -> Self {
        let mut counts = Self { total: results.len(), ..Self::default() };
        for result in results {
            match result.disposition {
                Disposition::Green => counts.green += 1,
                Disposition::Red => counts.red += 1,
                Disposition::Unknown => counts.unknown += 1,
                Disposition::Skipped => counts.skipped += 1,
                Disposition::Excused => counts.excused += 1,
            }
            counts.flaky += usize::from(result.flaky);
        }
        counts
    }
}

#[expect(clippy::cast_precision_loss, reason = "a run of 300,000 years would lose a millisecond")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// To a thousandth, so that a ratio reads the same everywhere.
fn rounded(ratio: f64) -> f64 {
    (ratio * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::LeftOut,
        tests::{finished, planned, started},
    };

    fn record(event: Event) -> Record {
        Record { ms: 5, event }
    }

    fn end(aborted: Option<&str>) -> Record {
        record(Event::RunFinished(RunFinished {
            wall_ms: 1100,
            critical_path_ms: 1000,
            critical_path: Vec::new(),
            api_requests: 4,
            aborted: aborted.map(str::to_owned),
        }))
    }

    fn run_of(plan: Plan, verdicts: &[(&str, Verdict)], last: Option<Record>) -> Report {
        let mut records = vec![started(), record(Event::Planned(plan))];
        records.extend(verdicts.iter().map(|(id, verdict)| record(finished(id, verdict.clone()))));
        records.extend(last);
        Report::from_records(&records)
    }

    fn plan(ids: &[&str]) -> Plan {
        Plan { results: ids.iter().map(|id| planned(id)).collect(), ..Plan::default() }
    }

    #[test]
    fn what_a_killed_run_did_not_answer_is_undetermined_aborted() {
        let report =
            run_of(plan(&["nodes/ready", "nodes/answers"]), &[("nodes/ready", Verdict::Passed("ok".into()))], None);
        assert_eq!(report.results[1].verdict, VerdictKind::Undetermined);
        assert!(report.results[1].reason.starts_with("aborted: "), "{}", report.results[1].reason);
        assert!(report.results[1].is_aborted());
        assert_eq!((report.run.result, report.run.exit_code), (RunResult::Partial, 2));
    }

    #[test]
    fn a_core_check_left_out_makes_the_result_partial() {
        let mut plan = plan(&["nodes/ready"]);
        let left_out = |level| LeftOut { check: "nodes/answers".parse().unwrap(), level, reason: "--skip".into() };
        plan.left_out.push(left_out(Level::Extended));
        let passed = [("nodes/ready", Verdict::Passed("ok".into()))];
        assert_eq!(run_of(plan.clone(), &passed, Some(end(None))).run.result, RunResult::Conformant);
        plan.left_out.push(left_out(Level::Core));
        assert_eq!(run_of(plan, &passed, Some(end(None))).run.result, RunResult::Partial);
    }

    #[test]
    fn a_run_that_ended_before_its_plan_is_unknown_not_empty() {
        let report = Report::from_records(&[started(), end(Some("interrupted"))]);
        assert_eq!((report.run.result, report.run.exit_code), (RunResult::Unknown, 2));
        assert_eq!(Report::from_records(&[]).run.exit_code, 2);
    }

    #[test]
    fn a_verdict_that_no_plan_lists_is_shown_all_the_same() {
        let report = run_of(plan(&[]), &[("nodes/ready", Verdict::Passed("ok".into()))], Some(end(None)));
        assert_eq!(report.results[0].id, "nodes/ready");
    }

    #[test]
    fn overhead_is_what_goes_beyond_the_critical_path() {
        let report = run_of(plan(&[]), &[], Some(end(None)));
        assert_eq!(report.run.overhead, Some(0.1));
    }
}
