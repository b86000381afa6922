//! The testbed whose control plane runs in containers, on a real engine.
//!
//! Where there is none the tests say so and are skipped, unless
//! `WINCONFORM_NEEDS_CONTAINERS` is set, as `.ci/run` does where it started one.

use std::{
    process::Command,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use winconform_reports::{Report, read_log};

use crate::command::Home;

/// Each of these tests counts all containers, so they run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

/// The engine's command, where one answers.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
fn engine() -> Option<(&'static str, MutexGuard<'static, ()>)> {
    let answers = |engine: &&str| {
        Command::new(engine)
            .args(["version", "--format", "{{.Server.Version}}"])
            .output()
            .is_ok_and(|done| done.status.success())
    };
    let found = ["docker", "podman"].into_iter().find(answers);
    let needed = std::env::var_os("WINCONFORM_NEEDS_CONTAINERS").is_some();
    assert!(found.is_some() || !needed, "no container engine answers, and WINCONFORM_NEEDS_CONTAINERS is set");
    if found.is_none() {
        println!("skipped: no container engine answers");
    }
    Some((found?, ALONE.lock().unwrap_or_else(PoisonError::into_inner)))
}

fn containers_left(engine: &str) -> String {
    let words = ["ps", "--all", "--quiet", "--filter", "label=io.winconform.testbed"];
    String::from_utf8(Command::new(engine).args(words).output().unwrap().stdout).unwrap()
}

#[test]
fn a_control_plane_in_containers_conforms_and_leaves_none() {
    let Some((engine, _alone)) = engine() else { return };
    let home = Home::new();
    let before = containers_left(engine);
    let done = home.run(&format!("run --testbed=container --container-engine {engine} --shape one-build --out run"));
    assert_eq!(done.code, Some(0), "{done:#?}");
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    assert!(report.run.counts.green > 20, "{:?}", report.run.counts);
    assert_eq!(containers_left(engine), before);
}

#[test]
fn containers_end_with_a_run_that_is_killed() {
    let Some((engine, _alone)) = engine() else { return };
    let home = Home::new();
    let before = containers_left(engine);
    let line = format!("run --testbed=container --container-engine {engine} --latency real --out run");
    let mut running = home.start(&line);
    running.until("looking at the cluster");
    assert_ne!(containers_left(engine), before);
    running.signal(rustix::process::Signal::KILL);
    drop(running.done());
    // The engine removes them by itself, and its command can wait for their end only.
    let deadline = Instant::now() + Duration::from_secs(30);
    while containers_left(engine) != before {
        assert!(Instant::now() < deadline, "{}", containers_left(engine));
    }
}

#[test]
fn an_engine_that_does_not_answer_is_named_with_what_to_do() {
    let home = Home::new();
    let done = home.run("run --testbed=container --container-engine no-such-engine --out run");
    done.must_say(2, &["the container engine `no-such-engine` could not be started"]);
}
