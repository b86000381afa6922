//! Judging a run against an earlier one: what failed there for the same reason is excused here.

use std::collections::HashSet;

use super::Report;
use crate::{
    compare::{ChangeKind, Comparison, Snapshot, compare},
    disposition::Disposition,
    known_failures::{Excuse, ExcusedBy},
};

/// Says what changed, and excuses what did not.
///
/// Undetermined stays undetermined: that the base could not tell either is no excuse.
pub(super) fn judge(report: &mut Report, baseline: &Snapshot) -> Option<Box<Comparison>> {
    // Without pairs that a user names nothing can be wrong with them.
    let comparison = compare(baseline, &Snapshot::of(report), &[]).ok()?;
    let known: HashSet<&str> = comparison.of_kind(ChangeKind::StillFails).map(|change| change.id.as_str()).collect();
    let broken = |disposition: Disposition| disposition == Disposition::Red;
    for result in report.results.iter_mut().filter(|result| broken(result.disposition)) {
        if known.contains(result.id.as_str()) {
            result.disposition = Disposition::Excused;
            result.excuse = Some(Excuse {
                by: ExcusedBy::Baseline,
                why: format!("failed for the same reason in the baseline, run {}", comparison.base.run),
                issue: None,
                expires: None,
            });
        }
    }
    Some(Box::new(comparison))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Record, Verdict,
        disposition::RunResult,
        event::{Event, Plan, RunFinished},
        tests::{finished, planned, started},
    };

    fn run(baseline: Option<&Report>, answers: &[(&str, Verdict)]) -> Report {
        let results = answers.iter().map(|(id, _)| planned(id)).collect();
        let end =
            RunFinished { wall_ms: 1, critical_path_ms: 1, critical_path: Vec::new(), api_requests: 1, aborted: None };
        let mut events: Vec<Event> =
            baseline.map(|report| Event::BaselineGiven(Box::new(Snapshot::of(report)))).into_iter().collect();
        events.push(Event::Planned(Plan { results, ..Plan::default() }));
        events.extend(answers.iter().map(|(id, verdict)| finished(id, verdict.clone())));
        events.push(Event::RunFinished(end));
        let records: Vec<Record> =
            std::iter::once(started()).chain(events.into_iter().map(|event| Record { ms: 1, event })).collect();
        Report::from_records(&records)
    }

    #[test]
    fn what_failed_before_is_excused_and_what_is_new_is_red() {
        let failed = || Verdict::Failed("no answer".into());
        let passed = || Verdict::Passed("ok".into());
        let base = run(None, &[("iis/deploys", failed()), ("nodes/ready", passed())]);
        let same = run(Some(&base), &[("iis/deploys", failed()), ("nodes/ready", passed())]);
        assert_eq!(same.results[0].disposition, Disposition::Excused);
        assert_eq!((same.run.exit_code, same.run.result), (0, RunResult::NotConformant));
        assert_eq!(same.run.counts.excused, 1);
        let worse = run(Some(&base), &[("iis/deploys", failed()), ("nodes/ready", failed())]);
        assert_eq!((worse.run.exit_code, worse.run.counts.red), (1, 1));
        assert_eq!(worse.comparison.unwrap().of_kind(ChangeKind::Regressed).count(), 1);
    }
}
