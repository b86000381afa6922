use super::*;
use crate::{
    Record, Report, Verdict,
    event::{Cluster, Event, Node, Observed, Phase, Plan, PodTimeline, Target},
    tests::{finished, planned, started},
};

const CHECK: &str = "iis/deploys";

/// One nightly run: its day, its patch level, what the check came to, and how long a pod took.
fn night(day: u32, patch: u32, verdict: Option<Verdict>, ms: u64) -> Snapshot {
    let build = format!("10.0.20348.{patch}");
    let node = Node {
        name: "win-0".into(),
        os: "windows".into(),
        kernel_version: build.clone(),
        target: Some(build.clone()),
        ..Node::default()
    };
    let target = Target { name: build.clone(), product: None, nodes: vec!["win-0".into()] };
    let observed = Observed { cluster: Cluster::default(), nodes: vec![node], targets: vec![target] };
    let id = format!("{CHECK}@{build}");
    let pod = PodTimeline {
        owner: "win-webserver".into(),
        pod: "web".into(),
        node: "win-0".into(),
        target: Some(build),
        phases: vec![Phase { name: "sandbox".into(), ms }],
        images: Vec::new(),
        round: 1,
    };
    let mut events = vec![
        Event::ClusterObserved(observed),
        Event::Planned(Plan { results: vec![planned(&id)], ..Plan::default() }),
        Event::PodTimeline(pod),
    ];
    events.extend(verdict.map(|verdict| finished(&id, verdict)));
    let mut first = started();
    if let Event::RunStarted(started) = &mut first.event {
        started.run = format!("night-{day:02}");
        started.started = format!("2026-11-{day:02}T02:00:00Z").parse().unwrap();
    }
    let records: Vec<Record> =
        std::iter::once(first).chain(events.into_iter().map(|event| Record { ms: 1, event })).collect();
    Snapshot::of(&Report::from_records(&records))
}

/// `.` passed, `F` failed, `?` not told; the patch level rises with each capital letter of `patches`.
fn nights(states: &str, patches: &str) -> History {
    let runs = states.chars().zip(patches.chars()).zip(1..).map(|((state, patch), day)| {
        let verdict = match state {
            '.' => Some(Verdict::Passed("ok".into())),
            'F' => Some(Verdict::Failed("no page".into())),
            _ => None,
        };
        night(day, u32::from(patch), verdict, 4000 + u64::from(day) * 300)
    });
    // Whatever order they are found in.
    let mut runs: Vec<Snapshot> = runs.collect();
    runs.reverse();
    history(runs, Vec::new())
}

#[test]
fn patch_levels_of_one_build_are_one_series() {
    let history = nights("...", "abc");
    assert_eq!(history.series.len(), 1);
    let series = &history.series[0];
    assert_eq!(series.build.as_deref(), Some("10.0.20348"));
    assert_eq!((series.passed.count, series.passed.of), (3, 3));
    assert!(series.always_passed() && series.first_bad.is_none());
    assert_eq!(history.runs[0].run, "night-01", "oldest first");
}

#[test]
fn the_first_bad_run_is_named_with_what_changed() {
    let history = nights("...?FF", "aaabbb");
    let first = history.series[0].first_bad.as_ref().unwrap();
    assert_eq!((first.run.as_str(), first.last_good.as_deref()), ("night-05", Some("night-03")));
    assert_eq!(first.environment[0].what, "Windows build");
    assert_eq!(first.reason, "no page");
    assert!(nights("FF..", "aaaa").series[0].first_bad.is_none(), "it holds again");
    assert_eq!(nights("FF", "aa").series[0].first_bad.as_ref().unwrap().last_good, None);
}

#[test]
fn a_failure_between_passes_of_one_environment_is_a_flake_and_of_another_is_not() {
    assert_eq!(nights("..F..", "aaaaa").series[0].flaky.count, 1);
    assert_eq!(nights("..F..", "aabaa").series[0].flaky.count, 0);
    assert_eq!(nights("..FF.", "aaaaa").series[0].flaky.count, 0, "twice in a row is no flake");
    let what_could_not_be_told = nights("?..", "aaa");
    assert_eq!(what_could_not_be_told.series[0].passed.of, 2, "is not counted");
}

#[test]
fn a_steady_growth_of_times_is_told() {
    let history = nights("..........", "aaaaaaaaaa");
    let start = history.times.iter().find(|times| times.what == "pod start").unwrap();
    assert!(start.has_trend() && (start.slope.unwrap() - 0.3).abs() < 1e-9, "{start:?}");
    assert_eq!(nights("...", "aaa").times[0].p, None, "three runs have no trend");
}

#[test]
fn the_text_of_a_history() {
    insta::assert_snapshot!(text::text(&nights("..F...?.FF", "aaaaaabbbb"), &text::Options::default()));
}

#[test]
fn the_page_of_a_history_is_sound() {
    let page = page::to_html(&nights("..F.FF", "aaaabb"));
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("Broken since run night-05"));
    assert!(!page.contains("<script src") && !page.contains("http://"), "it loads nothing");
}

#[test]
fn the_json_of_a_history_keeps_to_its_published_schema() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/history.schema.json");
    let schema = serde_json::to_string_pretty(&json_schema()).unwrap() + "\n";
    if std::env::var_os("WINCONFORM_UPDATE_SCHEMA").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    let published = std::fs::read_to_string(path).unwrap_or_default();
    assert!(published == schema, "docs/history.schema.json is out of date; WINCONFORM_UPDATE_SCHEMA=1 writes it");
    let validator = jsonschema::validator_for(&serde_json::from_str(&published).unwrap()).unwrap();
    let json = serde_json::from_str(&nights("..F.FF", "aaaabb").to_json().unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&json).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn a_folder_of_runs_is_read_once_each_and_what_is_no_run_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let line = serde_json::to_string(&started()).unwrap() + "\n";
    let report = Report::from_records(&[started()]).to_json().unwrap();
    for (path, text) in [("a/events.ndjson", &line), ("a/report.json", &report), ("other.json", &"{}".to_owned())] {
        std::fs::create_dir_all(folder.path().join("a")).unwrap();
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    std::fs::create_dir(folder.path().join("b")).unwrap();
    std::fs::write(folder.path().join("b/events.ndjson"), "no log\n").unwrap();
    let (runs, notes) = read_runs(folder.path()).unwrap();
    assert_eq!(runs.len(), 1);
    assert!(notes.len() == 1 && notes[0].contains("passed over"), "{notes:?}");
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(read_runs(empty.path()), Err(HistoryError::Empty { .. })));
}
