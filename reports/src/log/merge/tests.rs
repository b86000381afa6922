use proptest::prelude::*;

use super::*;
use crate::{
    Chain, Report, RunResult, VerdictKind,
    event::{Cluster, Evidence, FixtureState, Node, PodTimeline},
    tests::{finished, planned, started as first_record},
    verdict::{Level, Verdict},
};

/// A run that began so many seconds after nine o'clock, was to ask some checks, and left others to others.
fn run(name: &str, after: i64, asked: &[&str], left_out: &[&str], answers: &[(&str, Verdict)], ended: bool) -> Part {
    let mut first = first_record();
    if let Event::RunStarted(started) = &mut first.event {
        started.run = name.to_owned();
        started.started += jiff::SignedDuration::from_secs(after);
    }
    let node = Node { name: "win-1".into(), os: "windows".into(), ready: true, ..Node::default() };
    let plan = Plan {
        results: asked.iter().map(|id| planned(id)).collect(),
        fixtures: vec!["win-webserver@10".into()],
        left_out: left_out
            .iter()
            .map(|check| LeftOut {
                check: check.parse().unwrap(),
                level: Level::Core,
                reason: format!("--shard {name}"),
            })
            .collect(),
    };
    let fixture = |state| Event::FixtureChanged { fixture: "win-webserver@10".into(), state };
    let pod = PodTimeline {
        owner: "win-webserver@10".into(),
        pod: format!("pod-of-{name}"),
        node: "win-1".into(),
        target: None,
        phases: Vec::new(),
        images: Vec::new(),
        round: 1,
    };
    let observed = Observed { cluster: Cluster::default(), nodes: vec![node], targets: Vec::new() };
    let mut events = vec![
        Event::ClusterObserved(observed),
        Event::Planned(plan),
        fixture(FixtureState::Starting),
        Event::PodTimeline(pod),
        fixture(FixtureState::Ready),
    ];
    events.extend(answers.iter().map(|(id, verdict)| finished(id, verdict.clone())));
    if ended {
        events.push(Event::RunFinished(RunFinished {
            wall_ms: 4000,
            critical_path_ms: 3000,
            critical_path: vec!["win-webserver@10 3.0 s".into()],
            api_requests: 10,
            aborted: None,
        }));
    }
    let records = events.into_iter().enumerate().map(|(place, event)| Record { ms: 100 * (place as u64 + 1), event });
    let log = Log { records: [first].into_iter().chain(records).collect(), notes: Vec::new() };
    Part { name: format!("{name}/events.ndjson"), folder: name.to_owned(), log }
}

fn passed() -> Verdict {
    Verdict::Passed("ok".into())
}

fn failed() -> Verdict {
    Verdict::Failed("no answer".into())
}

fn report(parts: &[Part]) -> Report {
    Report::from_records(&merge(parts.to_vec()).unwrap().records)
}

fn verdicts(report: &Report) -> Vec<(&str, VerdictKind, bool)> {
    report.results.iter().map(|result| (result.id.as_str(), result.verdict, result.flaky)).collect()
}

fn shards() -> [Part; 2] {
    [
        run(
            "1-of-2",
            0,
            &["nodes/ready", "iis/page"],
            &["dns/name"],
            &[("nodes/ready", passed()), ("iis/page", passed())],
            true,
        ),
        run("2-of-2", 2, &["dns/name"], &["nodes/ready", "iis/page"], &[("dns/name", passed())], true),
    ]
}

#[test]
fn shards_are_one_run_in_which_nothing_is_left_out() {
    let whole = report(&shards());
    let asked = [
        ("nodes/ready", VerdictKind::Passed, false),
        ("dns/name", VerdictKind::Passed, false),
        ("iis/page", VerdictKind::Passed, false),
    ];
    assert_eq!(verdicts(&whole).len(), 3);
    assert!(asked.iter().all(|one| verdicts(&whole).contains(one)), "{:?}", verdicts(&whole));
    assert_eq!((whole.run.result, whole.run.exit_code, whole.run.rounds), (RunResult::Conformant, 0, 1));
    assert!(whole.left_out.is_empty() && whole.results.iter().all(|result| result.rate.is_none()));
    assert_eq!((whole.run.id.as_str(), whole.run.wall_s, whole.run.api_requests), ("1-of-2+1", 6.0, Some(20)));
    assert_eq!(whole.run.critical_path_s, None, "runs side by side have no critical path in common");
    let fixtures: Vec<_> = whole.fixtures.iter().map(|fixture| (fixture.round, fixture.started_s)).collect();
    assert_eq!(fixtures, [(1, Some(0.3)), (2, Some(2.3))], "each shard has its own");
}

#[test]
fn a_shard_that_is_missing_leaves_the_run_partial() {
    let [one, _] = shards();
    let other_third =
        run("2-of-3", 1, &["acme/x"], &["nodes/ready", "iis/page", "dns/name"], &[("acme/x", passed())], true);
    let whole = report(&[one, other_third]);
    assert_eq!(whole.run.result, RunResult::Partial);
    assert_eq!(whole.left_out[0].reason, "--shard 1-of-2, --shard 2-of-3");
}

#[test]
fn what_holds_in_one_run_and_breaks_in_another_is_broken_and_flaky() {
    let night = |name, after, verdict| run(name, after, &["nodes/ready"], &[], &[("nodes/ready", verdict)], true);
    let days = 86_400;
    let whole = report(&[night("a", 0, passed()), night("b", days, failed()), night("c", 2 * days, passed())]);
    assert_eq!(verdicts(&whole), [("nodes/ready", VerdictKind::Failed, true)]);
    assert_eq!(whole.results[0].reason, "failed in 1 of 3 rounds: no answer");
    assert_eq!((whole.run.rounds, whole.run.wall_s), (3, 12.0), "the days between the runs are no part of them");
    assert_eq!(whole.pods.iter().map(|pod| pod.round).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_log_that_could_not_tell_says_nothing_beside_one_that_can() {
    let night = |name, verdict| run(name, 0, &["nodes/ready"], &[], &[("nodes/ready", verdict)], true);
    let whole = report(&[night("a", Verdict::Undetermined("lost".into())), night("b", passed())]);
    assert_eq!(verdicts(&whole), [("nodes/ready", VerdictKind::Passed, false)]);
}

#[test]
fn what_a_killed_run_did_not_answer_others_can() {
    let killed = run("killed", 0, &["nodes/ready", "iis/page"], &[], &[("nodes/ready", passed())], false);
    let again = run("again", 60, &["iis/page"], &["nodes/ready"], &[("iis/page", passed())], true);
    let merged = merge(vec![killed.clone(), again.clone()]).unwrap();
    assert_eq!(Report::from_records(&merged.records).run.result, RunResult::Conformant);
    assert!(merged.notes[0].starts_with("killed/events.ndjson: its log ends before"), "{:?}", merged.notes);
    let alone = report(&[killed.clone(), run("other", 60, &["dns/name"], &[], &[("dns/name", passed())], true)]);
    assert_eq!((alone.run.result, alone.run.exit_code), (RunResult::Partial, 2));
    let unasked = alone.results.iter().find(|result| result.id == "iis/page").unwrap();
    assert!(unasked.reason.starts_with("aborted: killed/events.ndjson: its log ends"), "{}", unasked.reason);
    let empty = Part { name: "empty".into(), folder: String::new(), log: Log::default() };
    assert_eq!(report(&[again, empty]).run.result, RunResult::Partial, "nobody knows what it was to ask");
}

#[test]
fn a_log_given_twice_or_copied_while_it_was_written_counts_once() {
    let [one, two] = shards();
    let mut early = Part { name: "copy".into(), ..one.clone() };
    early.log.records.truncate(3);
    assert_eq!(report(&[one.clone(), two.clone()]), report(&[early.clone(), one.clone(), two, one.clone()]));
    early.log.records[2].ms += 1;
    let error = merge(vec![early, one]).unwrap_err();
    insta::assert_snapshot!(Chain(&error), @"`1-of-2/events.ndjson` and `copy` are both of the run `1-of-2` and tell different stories; keep the one that is right");
}

#[test]
fn evidence_is_found_from_the_folder_that_all_are_in() {
    let [mut one, two] = shards();
    for record in &mut one.log.records {
        if let Event::CheckFinished(finished) = &mut record.event {
            finished.evidence =
                vec![Evidence { title: "log".into(), path: Some("evidence/log.txt".into()), excerpt: None }];
        }
    }
    let whole = report(&[two, one]);
    let paths: Vec<_> =
        whole.results.iter().flat_map(|result| &result.evidence).map(|one| one.path.as_deref()).collect();
    assert_eq!(paths, [Some("1-of-2/evidence/log.txt"); 2]);
}

#[test]
fn what_differs_is_named() {
    let [one, two] = shards();
    let refused = |change: &dyn Fn(&mut Event)| {
        let mut other = two.clone();
        other.log.records.iter_mut().for_each(|record| change(&mut record.event));
        Chain(&merge(vec![other, one.clone()]).unwrap_err()).to_string()
    };
    let started = |change: fn(&mut RunStarted)| {
        refused(&move |event| {
            if let Event::RunStarted(started) = event {
                change(started)
            }
        })
    };
    let observed = |change: fn(&mut Observed)| {
        refused(&move |event| {
            if let Event::ClusterObserved(observed) = event {
                change(observed)
            }
        })
    };
    let said = [
        started(|run| run.version = "0.2.0".into()),
        started(|run| run.policy.expect_limitation = true),
        started(|run| run.timeout_scale = 2.0),
        observed(|seen| seen.cluster.server = "https://other".into()),
        observed(|seen| seen.cluster.version = "v1.38.0".into()),
        observed(|seen| seen.nodes[0].kernel_version = "10.0.20348.1".into()),
        observed(|seen| seen.nodes[0].name = "win-9".into()),
    ];
    let said: Vec<&str> = said.iter().map(|error| error.split_once(" cannot be merged: ").unwrap().1).collect();
    insta::assert_snapshot!(said.join("\n"), @r"
    the version of winconform is `0.1.0` in the first and `0.2.0` in the second
    the policy's expect limitation is `false` in the first and `true` in the second
    the factor on timeouts is `1` in the first and `2` in the second
    the cluster is unknown in the first and `https://other` in the second
    the cluster's version is unknown in the first and `v1.38.0` in the second
    win-1's kernel version is unknown in the first and `10.0.20348.1` in the second
    the list of nodes is `win-1` in the first and `win-9` in the second
    ");
}

#[test]
fn a_node_that_any_part_saw_troubled_was_troubled() {
    let [one, mut two] = shards();
    for record in &mut two.log.records {
        if let Event::ClusterObserved(observed) = &mut record.event {
            observed.nodes[0].ready = false;
        }
    }
    assert!(!report(&[one, two]).nodes[0].ready);
}

/// Logs of every kind: shards, a repeat, a killed run, a copy of its beginning, an empty one.
fn of_every_kind() -> Vec<Part> {
    let [one, two] = shards();
    let killed = run("killed", 0, &["nodes/ready", "iis/page"], &[], &[("nodes/ready", failed())], false);
    let mut copy = Part { name: "copy".into(), folder: "copy".into(), ..killed.clone() };
    copy.log.records.truncate(4);
    let again = run("again", 7200, &["iis/page"], &["nodes/ready"], &[("iis/page", failed())], true);
    let empty = Part { name: "empty".into(), folder: String::new(), log: Log::default() };
    vec![one, two, killed, copy, again, empty]
}

proptest! {
    #[test]
    fn the_order_of_the_logs_does_not_matter(parts in Just(of_every_kind()).prop_shuffle()) {
        prop_assert_eq!(merge(parts), merge(of_every_kind()));
    }
}
