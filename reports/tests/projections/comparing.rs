//! Two runs of the same thing are equal, and two that differ differ as planted.
//!
//! A run is recorded once; made runs are the same with times as a cluster has them, never
//! twice alike. Their dice are seeded, so that a run that fails fails again.

use serde_json::Value;
use winconform_reports::{
    Report,
    compare::{ChangeKind, Comparison, FailOn, Snapshot, compare},
    log::{Part, merge, parse_log},
};

use crate::stream;

/// As many rounds as tell a difference in times.
const ROUNDS: u64 = 8;

/// Dice: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        f64::from(u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap()) / f64::from(u32::MAX)
    }
}

/// What is different in a run that is made.
#[derive(Clone, Copy, Default)]
struct Planted {
    /// This patch level stands where 10.0.20348.5499 was recorded.
    build: Option<&'static str>,
    /// This check fails there.
    fails: Option<&'static str>,
    /// Pods there take longer by this factor.
    slower: Option<f64>,
}

const BUILD: &str = "10.0.20348.5499";

/// A run of several rounds: so many logs of one, merged.
fn made(seed: u64, planted: Planted) -> Snapshot {
    let recorded = std::fs::read_to_string(stream("healthy.ndjson")).unwrap();
    let mut dice = Dice(seed);
    let part = |round: u64| {
        let lines: Vec<String> = recorded.lines().map(|line| retold(line, round, planted, &mut dice)).collect();
        let name = format!("round-{round}");
        Part { name: name.clone(), folder: name, log: parse_log((lines.join("\n") + "\n").as_bytes()).unwrap() }
    };
    let parts = (0..ROUNDS).map(part).collect();
    Snapshot::of(&Report::from_records(&merge(parts).unwrap().records))
}

/// A line of the log with other times, and what was planted.
fn retold(line: &str, round: u64, planted: Planted, dice: &mut Dice) -> String {
    let mut line: Value = serde_json::from_str(line).unwrap();
    if let Some(started) = line.pointer_mut("/event/run_started") {
        started["run"] = format!("round-{round}").into();
    }
    if let Some(pod) = line.pointer_mut("/event/pod_timeline") {
        let factor = planted.slower.filter(|_| pod["target"] == BUILD).unwrap_or(1.0);
        for phase in pod["phases"].as_array_mut().unwrap() {
            jitter(&mut phase["ms"], factor, dice);
        }
    }
    if let Some(finished) = line.pointer_mut("/event/check_finished") {
        jitter(&mut finished["ms"], 1.0, dice);
        let here = finished["id"]["place"]["target"] == BUILD;
        if here && planted.fails.is_some_and(|check| finished["id"]["check"] == check) {
            finished["verdict"] = serde_json::json!({ "kind": "failed", "detail": "no answer" });
        }
    }
    let line = line.to_string();
    planted.build.map_or(line.clone(), |build| line.replace(BUILD, build))
}

/// A time within a fifth of what it was.
fn jitter(ms: &mut Value, factor: f64, dice: &mut Dice) {
    let told = ms.as_f64().unwrap() * factor * (0.8 + 0.4 * dice.roll());
    *ms = u64::try_from(std::time::Duration::from_secs_f64(told / 1000.0).as_millis()).unwrap().into();
}

fn compared(base: &Snapshot, candidate: &Snapshot) -> Comparison {
    compare(base, candidate, &[]).unwrap()
}

#[test]
fn two_runs_of_the_same_thing_are_equal_twenty_times_of_twenty() {
    for seed in 0..20 {
        let comparison = compared(&made(2 * seed, Planted::default()), &made(2 * seed + 1, Planted::default()));
        assert!(comparison.timings.compared > 0, "times are compared, or this proves nothing of them");
        assert_eq!(comparison.changes, [], "{seed}");
        assert_eq!(comparison.environment, [], "{seed}");
        assert_eq!(comparison.timings.changed, [], "{seed}");
        assert_eq!(comparison.exit_code(&"regressed,new-failure,slower".parse::<FailOn>().unwrap()), 0);
    }
}

#[test]
fn what_was_planted_is_what_is_found_and_nothing_else() {
    const NEW: &str = "10.0.20348.5600";
    let check = "reachability/windows-pod-to-service-ip";
    let planted = Planted { build: Some(NEW), fails: Some(check), slower: Some(2.0) };
    for seed in 100..105 {
        let comparison = compared(&made(seed, Planted::default()), &made(seed + 1000, planted));
        let changes: Vec<_> = comparison.changes.iter().map(|change| (change.kind, change.id.as_str())).collect();
        assert_eq!(changes, [(ChangeKind::Regressed, format!("{check}@{NEW}").as_str())]);
        let environment: Vec<_> = comparison
            .environment
            .iter()
            .map(|one| (one.what.as_str(), one.base.as_deref(), one.candidate.as_deref(), one.on.join(" ")))
            .collect();
        assert_eq!(environment, [("Windows build", Some(BUILD), Some(NEW), "win-2022-0 win-2022-1".to_owned())]);
        let timings = &comparison.timings.changed;
        assert!(timings.iter().any(|change| change.what == "pod start"), "{timings:?}");
        assert!(
            timings.iter().all(|change| change.target.as_deref() == Some(NEW) && change.candidate_s > change.base_s),
            "{timings:?}"
        );
        assert_eq!(comparison.exit_code(&FailOn::default()), 1);
    }
}
