//! The one runner, proven with checks whose verdicts are known.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, Node};
use kube::{
    Api,
    api::{ListParams, Patch, PatchParams},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use winconform::{
    progress::{Detail, Display},
    session::{Outcome, RunFolder, Session, Source},
    terminal::{Color, Terminal},
};
use winconform_harness::{
    Check, Need, Scope, Trouble,
    cluster::ConnectOptions,
    run::{Keep, PlanOptions},
};
use winconform_reports::{Level, Policy, Verdict, VerdictKind};
use winconform_testbed::{progress::Info, serve::ServeOptions};

use crate::standing::{block_on, client, info, start};

/// A check that anybody may copy: asked once, needs nothing.
const PLAIN: Check = Check {
    id: "fake/passes",
    title: "A fake check",
    statement: "N1",
    passing: "Nothing.",
    silent_on: "Everything.",
    level: Level::Core,
    scope: Scope::Cluster,
    needs: &[],
    uses: &[],
    budget: Duration::from_secs(60),
    disruptive: false,
    run: |_| async { Ok(Verdict::Passed("seen".into())) }.boxed(),
};

static PASSES: Check = PLAIN;
static FAILS: Check =
    Check { id: "fake/fails", run: |_| async { Ok(Verdict::Failed("expected 1, saw 2".into())) }.boxed(), ..PLAIN };
static PANICS: Check = Check { id: "fake/panics", run: |_| async { panic!("out of cheese") }.boxed(), ..PLAIN };
static HANGS: Check = Check {
    id: "fake/hangs",
    budget: Duration::from_millis(1),
    run: |_| async { std::future::pending().await }.boxed(),
    ..PLAIN
};
static DOES_NOT_APPLY: Check = Check { id: "fake/does-not-apply", needs: &[Need::OutsideAccess], ..PLAIN };
static DISRUPTS: Check = Check { id: "fake/disrupts", disruptive: true, ..PLAIN };

/// One run of `checks` against the cluster of a testbed.
async fn run(info: &Info, checks: &[&'static Check], stop: CancellationToken) -> (Outcome, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let session = Session {
        source: Source::Kubeconfig(ConnectOptions { kubeconfig: Some(info.kubeconfig.clone()), context: None }),
        checks: checks.to_vec(),
        plan: PlanOptions::default(),
        timeout_scale: Some(0.05),
        keep: Keep::Never,
        jobs: 4,
        outside_proxy: None,
        policy: Policy::default(),
        folder: RunFolder::create(Some(folder.path()), None).unwrap(),
        reports: Vec::new(),
        sinks: Vec::new(),
        display: Display::new(Terminal::new(Color::Never, true), Detail::Waits),
        stop,
    };
    (session.run().await, folder)
}

fn run_on_shared(checks: &[&'static Check]) -> Outcome {
    let info = info();
    block_on(run(info, checks, CancellationToken::new())).0
}

/// The verdict and the reason of a check.
fn verdict<'a>(outcome: &'a Outcome, check: &str) -> (VerdictKind, &'a str) {
    let of_check = |result: &&winconform_reports::report::CheckResult| result.check.name() == check;
    let result = outcome.report.results.iter().find(of_check).unwrap();
    (result.verdict, &result.reason)
}

#[test]
fn every_way_to_end_has_its_verdict_and_none_takes_the_others_along() {
    let outcome = run_on_shared(&[&PASSES, &FAILS, &PANICS, &HANGS, &DOES_NOT_APPLY, &DISRUPTS]);
    assert_eq!(verdict(&outcome, "passes"), (VerdictKind::Passed, "seen"));
    assert_eq!(verdict(&outcome, "fails"), (VerdictKind::Failed, "expected 1, saw 2"));
    let (kind, reason) = verdict(&outcome, "panics");
    assert_eq!(kind, VerdictKind::Undetermined);
    assert!(reason.contains("out of cheese") && reason.contains("defect of winconform"), "{reason}");
    let (kind, reason) = verdict(&outcome, "hangs");
    assert_eq!(kind, VerdictKind::Undetermined);
    assert!(reason.contains("budget"), "{reason}");
    let left_out = &outcome.report.left_out;
    assert!(left_out.iter().any(|left_out| left_out.check.name() == "disrupts"), "{left_out:?}");
    assert_eq!(outcome.exit_code(), 1, "red outranks unknown");
    assert_eq!(outcome.report.leftovers, Vec::<String>::new());
}

#[test]
fn what_could_not_be_told_is_not_green() {
    assert_eq!(run_on_shared(&[&PASSES, &PANICS]).exit_code(), 2);
    assert_eq!(run_on_shared(&[&PASSES]).exit_code(), 0);
}

#[test]
fn nothing_selected_is_nothing_verified() {
    let outcome = run_on_shared(&[&DISRUPTS]);
    assert_eq!(outcome.exit_code(), 3);
}

#[test]
fn a_check_that_does_not_apply_is_skipped_with_its_reason() {
    static NO_WINDOWS: Check = Check { id: "fake/never", run: |_| panic!("it was asked"), ..PLAIN };
    let outcome = block_on(async {
        let options = ServeOptions { shape: "no-windows".into(), ..ServeOptions::default() };
        let testbed = start(&options).await;
        let (outcome, _folder) = run(testbed.info(), &[&NO_WINDOWS], CancellationToken::new()).await;
        testbed.stop().await;
        outcome
    });
    assert_eq!(verdict(&outcome, "never"), (VerdictKind::NotApplicable, "the cluster has no Windows node"));
    assert_eq!(outcome.exit_code(), 3);
}

#[test]
fn a_run_stopped_midway_keeps_the_verdicts_it_has() {
    static STOP: OnceLock<CancellationToken> = OnceLock::new();
    static STOPS: Check = Check {
        id: "fake/stops",
        run: |_| {
            async {
                STOP.get_or_init(CancellationToken::new).cancel();
                std::future::pending().await
            }
            .boxed()
        },
        ..PLAIN
    };
    let stop = STOP.get_or_init(CancellationToken::new).clone();
    let outcome = block_on(run(info(), &[&STOPS], stop)).0;
    assert_eq!(verdict(&outcome, "stops").0, VerdictKind::Undetermined);
    assert_eq!(outcome.report.run.aborted.as_deref(), Some("interrupted"));
    assert_eq!(outcome.report.leftovers, Vec::<String>::new());
    assert_eq!(outcome.exit_code(), 2);
}

#[test]
fn a_lost_api_server_is_undetermined_and_what_it_left_is_named() {
    static ASKED: OnceLock<Arc<Notify>> = OnceLock::new();
    static GONE: OnceLock<Arc<Notify>> = OnceLock::new();
    static LOSES: Check = Check {
        id: "fake/loses",
        run: |context| {
            async move {
                ASKED.get_or_init(Arc::default).notify_one();
                GONE.get_or_init(Arc::default).notified().await;
                let nodes: Api<Node> = Api::all(context.client());
                match nodes.list(&ListParams::default()).await {
                    Ok(_) => Ok(Verdict::Passed("it still answers".into())),
                    Err(error) => Err(Trouble::api("list nodes", error)),
                }
            }
            .boxed()
        },
        ..PLAIN
    };
    let outcome = block_on(async {
        let testbed = start(&ServeOptions { shape: "one-windows-node".into(), ..ServeOptions::default() }).await;
        let info = testbed.info().clone();
        let loses = [&LOSES];
        let breaking = async {
            ASKED.get_or_init(Arc::default).notified().await;
            testbed.stop().await;
            GONE.get_or_init(Arc::default).notify_one();
        };
        let ((outcome, _folder), ()) = tokio::join!(run(&info, &loses, CancellationToken::new()), breaking);
        outcome
    });
    let (kind, reason) = verdict(&outcome, "loses");
    assert_eq!(kind, VerdictKind::Undetermined);
    assert!(reason.contains("could not list nodes"), "{reason}");
    assert!(!outcome.report.leftovers.is_empty(), "its namespaces may still be there");
    assert_eq!(outcome.exit_code(), 2);
}

#[test]
fn a_cleanup_that_fails_is_reported_and_changes_no_verdict() {
    const STUCK: &str = "example.com/stuck";
    static STAYS: Check = Check {
        id: "fake/stays",
        run: |context| {
            async move {
                let namespaces: Api<Namespace> = Api::all(context.client());
                let patch = serde_json::json!({ "metadata": { "finalizers": [STUCK] } });
                let patched =
                    namespaces.patch(context.namespace(), &PatchParams::default(), &Patch::Merge(&patch)).await;
                patched.map_err(|error| Trouble::api("patch the namespace", error))?;
                Ok(Verdict::Passed("seen".into()))
            }
            .boxed()
        },
        ..PLAIN
    };
    let outcome = run_on_shared(&[&STAYS]);
    assert_eq!(verdict(&outcome, "stays").0, VerdictKind::Passed);
    let run = &outcome.report.run.id;
    assert!(outcome.report.leftovers.iter().any(|left| left.contains(run)), "{:?}", outcome.report.leftovers);

    let (client, name) = (client(), format!("winconform-{run}"));
    block_on(async move {
        let namespaces: Api<Namespace> = Api::all(client);
        let patch = serde_json::json!({ "metadata": { "finalizers": null } });
        namespaces.patch(&name, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    });
}
