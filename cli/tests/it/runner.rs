//! The one runner, proven with checks whose verdicts are known.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::FutureExt;
use k8s_openapi::api::{
    core::v1::{Namespace, Node},
    node::v1::RuntimeClass,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use winconform::{
    progress::{Detail, Display},
    session::{Outcome, RunFolder, Session, Source},
    terminal::{Color, Terminal},
};
use winconform_harness::{
    Admission, Check, Claims, Context, Explain, Need, Scope, Trouble,
    cluster::{ConnectOptions, Os},
    context::pod_in,
    run::{Keep, PlanOptions},
};
use winconform_manifests::Manifest;
use winconform_reports::{Disposition, Level, Policy, Verdict, VerdictKind};
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
    creates: &[],
    claims: Claims::NONE,
    budget: Duration::from_secs(60),
    disruptive: false,
    asks: &[],
    looks_at: &[],
    explain: Explain { sources: &[], failures: &[], by_hand: &[] },
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
    run_with(info, checks, PlanOptions::default(), stop).await
}

async fn run_with(
    info: &Info,
    checks: &[&'static Check],
    plan: PlanOptions,
    stop: CancellationToken,
) -> (Outcome, tempfile::TempDir) {
    run_often(info, checks, plan, stop, 1, 0).await
}

async fn run_often(
    info: &Info,
    checks: &[&'static Check],
    plan: PlanOptions,
    stop: CancellationToken,
    rounds: u32,
    retries: u32,
) -> (Outcome, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let session = Session {
        source: Source::Kubeconfig(ConnectOptions { kubeconfig: Some(info.kubeconfig.clone()), context: None }),
        checks: checks.to_vec(),
        plan,
        timeout_scale: Some(0.05),
        wait_for: None,
        prepull: false,
        keep: Keep::Never,
        jobs: 4,
        outside_proxy: None,
        policy: Policy::default(),
        baseline: None,
        rounds,
        retries,
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

const OWN_POD: Manifest = Manifest {
    path: "a test's own",
    yaml: "{ apiVersion: v1, kind: Pod, metadata: { name: own }, spec: { containers: [{ name: own, image: role/linux-client, command: [sleep, '3600'] }] } }",
};
const OWN_CLASS: Manifest = Manifest {
    path: "a test's own",
    yaml: "{ apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: { name: own }, handler: some-handler }",
};

/// Makes a pod and a RuntimeClass of its own, and asks what is refused.
static MAKES: Check = Check {
    id: "fake/makes",
    creates: &[OWN_POD, OWN_CLASS],
    run: |cx| {
        async move {
            let linux: Vec<_> = cx.facts().open_nodes(Os::Linux).collect();
            let class = cx.create(&cx.draft_one(&OWN_CLASS, "", &linux)?).await?;
            let pod = cx.draft_one(&OWN_POD, "", &linux)?;
            let mut wrong = cx.draft_one(&OWN_POD, "wrong", &linux)?;
            pod_in(&mut wrong)?.spec.as_mut().unwrap().containers[0].name = "Not A Name".to_owned();
            let Admission::Rejected(status) = cx.dry_run(&wrong).await? else {
                return Ok(Verdict::Failed("a container's name may not have blanks".into()));
            };
            cx.create(&pod).await?;
            let ready = cx.pod_ready(&pod).await?;
            Ok(Verdict::Passed(format!(
                "{} on {}, {}, refused with {}",
                pod.name(),
                ready.node,
                class.name(),
                status.code
            )))
        }
        .boxed()
    },
    ..PLAIN
};
static PANICS_WITH_A_CLASS: Check = Check {
    id: "fake/panics-with-a-class",
    creates: &[OWN_CLASS],
    run: |cx| {
        async move {
            cx.create(&cx.draft_one(&OWN_CLASS, "", &[])?).await?;
            panic!("out of cheese")
        }
        .boxed()
    },
    ..PLAIN
};

#[test]
fn what_a_check_makes_is_completed_and_goes_with_it_also_when_it_panics() {
    let outcome = run_on_shared(&[&MAKES, &PANICS_WITH_A_CLASS]);
    let (kind, reason) = verdict(&outcome, "makes");
    assert_eq!(kind, VerdictKind::Passed, "{reason}");
    assert!(reason.starts_with("fake-makes on linux-"), "{reason}");
    assert!(reason.ends_with("refused with 422"), "{reason}");
    assert_eq!(verdict(&outcome, "panics-with-a-class").0, VerdictKind::Undetermined);
    let classes: Api<RuntimeClass> = Api::all(client());
    let left = block_on(async { classes.list(&ListParams::default()).await.unwrap().items });
    // Other tests have classes on this testbed too.
    assert!(left.iter().all(|class| !class.name_any().contains("fake-panics")), "{left:?}");
    assert_eq!(outcome.report.leftovers, Vec::<String>::new());
}

/// Finds its class's name taken by somebody else.
static MEETS_A_FOREIGN_CLASS: Check = Check {
    id: "fake/taken",
    creates: &[OWN_CLASS],
    run: |cx| {
        async move {
            let own = cx.draft_one(&OWN_CLASS, "", &[])?;
            let mut others: RuntimeClass = serde_json::from_value(own.to_json().unwrap()).unwrap();
            others.metadata.labels = None;
            let classes: Api<RuntimeClass> = Api::all(cx.client());
            classes.create(&PostParams::default(), &others).await.unwrap();
            cx.create(&own).await?;
            Ok(Verdict::Passed("made".into()))
        }
        .boxed()
    },
    ..PLAIN
};

#[test]
fn a_name_that_somebody_else_has_taken_is_undetermined_and_theirs_stays() {
    let outcome = run_on_shared(&[&MEETS_A_FOREIGN_CLASS]);
    let (kind, reason) = verdict(&outcome, "taken");
    assert_eq!(kind, VerdictKind::Undetermined);
    assert!(reason.contains("already exists"), "{reason}");
    let classes: Api<RuntimeClass> = Api::all(client());
    let name = block_on(async { classes.list(&ListParams::default()).await.unwrap() })
        .items
        .iter()
        .map(ResourceExt::name_any)
        .find(|name| name.contains("fake-taken"))
        .expect("it is not ours to remove");
    block_on(async { classes.delete(&name, &DeleteParams::default()).await.unwrap() });
}

async fn cordon_the_windows_node(cx: &Context) -> Result<(), Trouble> {
    let node = cx.facts().open_nodes(Os::Windows).next().unwrap().name.clone();
    cx.cordon(&node).await?;
    let nodes: Api<Node> = Api::all(cx.client());
    let node = nodes.get(&node).await.map_err(|error| Trouble::api("look at the node", error))?;
    match node.spec.unwrap().unschedulable {
        Some(true) => Ok(()),
        _ => Err(Trouble::Unexpected("it is not cordoned".into())),
    }
}

const CORDONS: Check = Check { disruptive: true, claims: Claims { pods: 0, exclusive: true }, ..PLAIN };
static CORDONS_AND_PASSES: Check = Check {
    id: "fake/cordons-and-passes",
    run: |cx| async move { cordon_the_windows_node(&cx).await.map(|()| Verdict::Passed("cordoned".into())) }.boxed(),
    ..CORDONS
};
static CORDONS_AND_PANICS: Check = Check {
    id: "fake/cordons-and-panics",
    run: |cx| {
        async move {
            cordon_the_windows_node(&cx).await?;
            panic!("out of cheese")
        }
        .boxed()
    },
    ..CORDONS
};
static CORDONS_AND_HANGS: Check = Check {
    id: "fake/cordons-and-hangs",
    budget: Duration::from_secs(1),
    run: |cx| {
        async move {
            cordon_the_windows_node(&cx).await?;
            std::future::pending().await
        }
        .boxed()
    },
    ..CORDONS
};
static STOP_IN_A_CORDON: OnceLock<CancellationToken> = OnceLock::new();
static CORDONS_AND_IS_STOPPED: Check = Check {
    id: "fake/cordons-and-is-stopped",
    run: |cx| {
        async move {
            cordon_the_windows_node(&cx).await?;
            STOP_IN_A_CORDON.get_or_init(CancellationToken::new).cancel();
            std::future::pending().await
        }
        .boxed()
    },
    ..CORDONS
};

#[test]
fn a_cordon_ends_with_its_check_however_that_ends() {
    let checks: &[&'static Check] =
        &[&CORDONS_AND_PASSES, &CORDONS_AND_PANICS, &CORDONS_AND_HANGS, &CORDONS_AND_IS_STOPPED];
    let stop = STOP_IN_A_CORDON.get_or_init(CancellationToken::new).clone();
    let (outcome, node) = block_on(async {
        let options = ServeOptions { shape: "one-windows-node".into(), ..ServeOptions::default() };
        let testbed = start(&options).await;
        let plan = PlanOptions { allow_disruptive: true, ..PlanOptions::default() };
        let (outcome, _folder) = run_with(testbed.info(), checks, plan, stop).await;
        let kubeconfig = kube::config::Kubeconfig::read_from(&testbed.info().kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
        let nodes: Api<Node> = Api::all(kube::Client::try_from(config).unwrap());
        let node = nodes.get("win-2022-0").await.unwrap();
        testbed.stop().await;
        (outcome, node)
    });
    assert_eq!(verdict(&outcome, "cordons-and-passes").0, VerdictKind::Passed, "{:#?}", outcome.report.results);
    for check in ["cordons-and-panics", "cordons-and-hangs", "cordons-and-is-stopped"] {
        // A cordon that was left would have kept the next check from its own.
        let (kind, reason) = verdict(&outcome, check);
        assert_eq!(kind, VerdictKind::Undetermined);
        assert!(!reason.contains("cordoned"), "{reason}");
    }
    assert_eq!(node.spec.unwrap().unschedulable, None);
    assert!(node.metadata.labels.unwrap().keys().all(|label| !label.contains("winconform")));
}

static ORDER: Mutex<Vec<&str>> = Mutex::new(Vec::new());

static COMES_LAST: Check = Check {
    id: "fake/comes-last",
    claims: Claims { pods: 0, exclusive: true },
    run: |_| {
        async {
            ORDER.lock().unwrap().push("exclusive");
            Ok(Verdict::Passed("seen".into()))
        }
        .boxed()
    },
    ..PLAIN
};
static COMES_FIRST: Check = Check {
    id: "fake/comes-first",
    run: |_| {
        async {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            ORDER.lock().unwrap().push("shared");
            Ok(Verdict::Passed("seen".into()))
        }
        .boxed()
    },
    ..PLAIN
};

#[test]
fn a_check_that_wants_a_node_for_itself_comes_after_all_others() {
    run_on_shared(&[&COMES_LAST, &COMES_FIRST]);
    assert_eq!(*ORDER.lock().unwrap(), ["shared", "exclusive"]);
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

/// Passes when it is asked for the `passes`-th time of every `of`, from 0, and fails otherwise.
fn passes_now_and_then(asked: &AtomicU32, passes: u32, of: u32) -> Result<Verdict, Trouble> {
    match asked.fetch_add(1, Ordering::Relaxed) % of == passes {
        true => Ok(Verdict::Passed("seen".into())),
        false => Ok(Verdict::Failed("expected 1, saw 2".into())),
    }
}

/// Fails each time but every third.
static FLAKES: Check = Check {
    id: "fake/flakes",
    run: |_| {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        async { passes_now_and_then(&ASKED, 2, 3) }.boxed()
    },
    ..PLAIN
};
static ALTERNATES: Check = Check {
    id: "fake/alternates",
    run: |_| {
        static ASKED: AtomicU32 = AtomicU32::new(0);
        async { passes_now_and_then(&ASKED, 0, 2) }.boxed()
    },
    ..PLAIN
};

#[test]
fn a_check_that_passes_only_when_asked_again_is_flaky_and_red_and_keeps_its_failures() {
    let checks = [&FLAKES, &PASSES, &FAILS];
    let often = run_often(info(), &checks, PlanOptions::default(), CancellationToken::new(), 1, 2);
    let report = block_on(often).0.report;
    let of = |name: &str| report.results.iter().find(|result| result.check.name() == name).unwrap();
    let flaky = of("flakes");
    assert_eq!((flaky.verdict, flaky.disposition, flaky.attempts), (VerdictKind::Passed, Disposition::Red, 3));
    let tries: Vec<&str> = flaky.tries.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(tries, ["expected 1, saw 2", "expected 1, saw 2", "seen"]);
    assert_eq!((of("passes").attempts, of("fails").attempts), (1, 3));
    assert!(!of("fails").flaky, "what fails each time is broken, not flaky");
}

#[test]
fn every_round_begins_anew_and_one_report_counts_them() {
    let checks = [&ALTERNATES, &MAKES, &PASSES];
    let often = run_often(info(), &checks, PlanOptions::default(), CancellationToken::new(), 2, 0);
    let outcome = block_on(often).0;
    let report = &outcome.report;
    let of = |name: &str| report.results.iter().find(|result| result.check.name() == name).unwrap();
    let rate = of("alternates").rate.unwrap();
    assert_eq!((rate.passed, rate.failed), (1, 1));
    assert!(of("alternates").flaky && of("alternates").reason.starts_with("failed in 1 of 2 rounds"));
    assert_eq!(of("makes").rate.unwrap().passed, 2, "{}", of("makes").reason);
    assert_eq!(report.results.len(), 3);
    assert_eq!(report.leftovers, Vec::<String>::new());
}
