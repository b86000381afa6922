//! However the way to the cluster is broken, no verdict is a wrong one: it is the healthy cluster's, or
//! *undetermined* for a reason that names the way.

use std::{
    collections::BTreeMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use winconform_reports::{VerdictKind, event::Finished};
use winconform_testbed::{fault::Fault, serve::ServeOptions};

use crate::bench::{Asking, Bench};

/// A testbed whose API server has something in front of it, and what a healthy one's checks say.
struct Patient {
    bench: Bench,
    healthy: BTreeMap<String, VerdictKind>,
}

fn patient() -> &'static Mutex<Patient> {
    static PATIENT: OnceLock<Mutex<Patient>> = OnceLock::new();
    PATIENT.get_or_init(|| {
        let options = ServeOptions { shape: "one-build".to_owned(), api_front: true, ..ServeOptions::default() };
        let bench = Bench::start(&options);
        let healthy = bench
            .ask(Asking { retries: 2, ..Asking::default() })
            .iter()
            .map(|one| (one.id.to_string(), one.verdict.kind()))
            .collect();
        Mutex::new(Patient { bench, healthy })
    })
}

/// Words of which each reason has some that blames the way and not the cluster.
const THE_WAY: &[&str] = &[
    "the API server",
    "was lost",
    "did not start within",
    "did not come back within",
    "no command could be run",
    "was given up",
    "could not be read",
    "was not answered within",
];

/// Runs everything with the way broken like this, and asserts that nobody is blamed for it; gives the
/// verdicts, and how many of them are undetermined.
fn unharmed(effects: &str) -> (Vec<Finished>, usize) {
    let patient = patient().lock().unwrap_or_else(PoisonError::into_inner);
    let text =
        format!("apiVersion: winconform/v1\nkind: Fault\nname: way\nsummary: The way is broken.\neffects:\n{effects}");
    let (answers, counters) = patient.bench.with(&Fault::parse(&text, "way").unwrap(), Asking::default());
    assert!(counters.iter().any(|counter| counter.applied > 0), "nothing was broken: {counters:#?}");
    let mut told: BTreeMap<String, VerdictKind> = BTreeMap::new();
    let (mut wrong, mut open) = (Vec::new(), 0);
    for one in &answers {
        let (id, kind) = (one.id.to_string(), one.verdict.kind());
        let healthy = patient.healthy.get(&id).copied();
        told.insert(id.clone(), kind);
        // What a busy machine left open when it was healthy has no verdict to compare with.
        let left_open = healthy == Some(VerdictKind::Undetermined) && kind != VerdictKind::Failed;
        if Some(kind) == healthy || left_open {
            continue;
        }
        open += 1;
        let reason = one.verdict.reason();
        if kind != VerdictKind::Undetermined || !THE_WAY.iter().any(|words| reason.contains(words)) {
            wrong.push(format!("{id}: {kind:?} ({reason}), healthy {healthy:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(told.keys().eq(patient.healthy.keys()), "a check was left out: {told:#?}");
    (answers, open)
}

/// Asserts that what was lost was asked again: hardly anything stays open.
fn heals(effects: &str) {
    let (answers, open) = unharmed(effects);
    assert!(open * 4 < answers.len(), "{open} of {} stay open", answers.len());
}

#[test]
#[ignore = "takes minutes, and was not seen whole on a quiet machine: run it by name"]
fn statuses_that_are_lost_now_and_then_are_asked_for_again() {
    heals("  - command: { transport: statusLost, when: { oneIn: 5 } }\n");
}

#[test]
fn output_that_is_cut_now_and_then_under_a_status_of_success_is_asked_for_again() {
    heals("  - command: { transport: outputCut, when: { oneIn: 5 } }\n");
}

#[test]
fn connections_that_drop_in_the_middle_or_before_the_start_are_made_again() {
    heals(
        "  - command: { transport: lostInTheMiddle, when: { oneIn: 9 } }\n  \
         - command: { transport: lostBeforeStart, when: { oneIn: 9 } }\n",
    );
}

#[test]
fn output_that_is_always_cut_is_never_taken_for_an_answer() {
    for bytes in [0, 40] {
        let (_, open) = unharmed(&format!("  - command: {{ transport: outputCut, after: {bytes} }}\n"));
        assert!(open > 0);
    }
}

#[test]
fn connections_that_always_drop_are_no_answer() {
    let (_, open) = unharmed("  - command: { transport: lostInTheMiddle }\n");
    assert!(open > 0);
}

#[test]
fn slow_commands_change_no_verdict() {
    let (_, open) = unharmed("  - command: { delay: 20s }\n");
    assert_eq!(open, 0);
}

#[test]
fn commands_that_nobody_starts_are_no_answer() {
    let (_, open) =
        unharmed("  - api: { requests: { resource: pods/exec, userAgent: 'winconform/*' }, connection: hangs }\n");
    assert!(open > 0);
}

#[test]
fn logs_that_never_come_are_no_answer() {
    let (answers, open) =
        unharmed("  - api: { requests: { resource: pods/log, userAgent: 'winconform/*' }, connection: hangs }\n");
    assert!(open > 0);
    let said = |check: &str| answers.iter().filter(|one| one.id.check.to_string() == check).collect::<Vec<_>>();
    for check in ["nodes/answers", "win-webserver/logs"] {
        assert!(said(check).iter().all(|one| one.verdict.kind() == VerdictKind::Undetermined), "{:#?}", said(check));
    }
}

#[test]
fn an_api_server_that_is_away_for_half_a_minute_blames_nobody() {
    for connection in ["cut", "hangs"] {
        unharmed(&format!(
            "  - api: {{ requests: {{ userAgent: 'winconform/*' }}, connection: {connection}, when: {{ start: 20s, end: 50s }} }}\n"
        ));
    }
}

#[test]
#[ignore = "takes minutes, and was not seen whole on a quiet machine: run it by name"]
fn watches_that_drop_change_no_verdict() {
    for watch in ["ends", "gone"] {
        let (_, open) = unharmed(&format!(
            "  - api: {{ requests: {{ verb: watch, userAgent: 'winconform/*' }}, watch: {watch}, when: {{ end: 40s }} }}\n"
        ));
        assert_eq!(open, 0, "{watch}");
    }
}

#[test]
fn requests_that_are_refused_or_lost_after_they_were_done_blame_nobody() {
    unharmed(
        "  - api: { requests: { verb: create, userAgent: 'winconform/*' }, connection: cutAfterwards, when: { oneIn: 5 } }\n",
    );
    unharmed(
        "  - api: { requests: { verb: '!watch', userAgent: 'winconform/*' }, status: 503, when: { oneIn: 4, start: 5s } }\n",
    );
}
