//! One container, from its first pull to its last end.

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Lifecycle};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::{
    cell::Cell,
    exec,
    latency::{self, Backoff, go_seconds},
    log::Log,
    probe,
    process::{self, Prepared, Process, StartFailure},
    pull::{self, Pulled},
    sandbox,
    state::{Doing, Ended, Slot, is_sidecar},
};
use crate::{
    fault::{Happening, Outcome, Stage},
    image,
    node::Kind,
};

/// The exit code that containerd reports for a container that could not be started.
const START_ERROR: i32 = 128;
/// How long the kubelet waits before it tries to configure a container again.
const CONFIG_RETRY: std::time::Duration = std::time::Duration::from_secs(10);

/// What a container came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Completion {
    /// It ended well and stays ended.
    Succeeded,
    /// It ended badly and stays ended.
    Failed,
    /// The pod is to end.
    Stopped,
}

/// How one run ended.
struct RunEnd {
    ended: Ended,
    stopped: bool,
}

/// Runs a container as often as its restart policy says. `started` is told once it has started for the first time.
pub(super) async fn drive(cell: Arc<Cell>, slot: Slot, started: Option<oneshot::Sender<()>>) -> Completion {
    let mut backoff = Backoff::default();
    let mut started = started;
    let mut restart_at_once = true;
    loop {
        let began = Instant::now();
        let end = tokio::select! {
            biased;
            _ = cell.stopping() => return Completion::Stopped,
            prepared = prepare(&cell, slot) => match prepared {
                Ok((prepared, container)) => {
                    let run = begin(&cell, slot, &container, prepared);
                    if let Some(started) = started.take() {
                        let _nobody_waits = started.send(());
                    }
                    attend(&cell, slot, &container, run).await
                }
                Err((failure, code)) => start_failure(&cell, slot, &failure, code),
            },
        };
        let failed = end.ended.exit_code != 0;
        let again = !end.stopped && restarts(&cell, slot, failed);
        conclude(&cell, slot, end.ended, again);
        if end.stopped {
            return Completion::Stopped;
        }
        if !again {
            return if failed { Completion::Failed } else { Completion::Succeeded };
        }
        if began.elapsed() >= cell.host.world.clock.scaled(Backoff::FORGIVEN_AFTER) {
            backoff.reset();
            restart_at_once = true;
        }
        if std::mem::take(&mut restart_at_once) {
            continue; // the first restart comes at once
        }
        tokio::select! {
            biased;
            _ = cell.stopping() => return Completion::Stopped,
            () = pause(&cell, slot, &mut backoff) => {}
        }
    }
}

/// Waits in `CrashLoopBackOff`.
async fn pause(cell: &Cell, slot: Slot, backoff: &mut Backoff) {
    let pause = backoff.next();
    let name = cell.container(slot).map(|container| container.name).unwrap_or_default();
    let pod = cell.full_name();
    cell.container_event(
        slot,
        Kind::Warning,
        "BackOff",
        format!("Back-off restarting failed container {name} in pod {pod}"),
    );
    let message = format!("back-off {} restarting failed container={name} pod={pod}", go_seconds(pause));
    cell.update(|state| {
        if let Some(record) = state.record_mut(slot) {
            if let Doing::Terminated(ended) = &record.doing {
                record.last = Some(ended.clone());
            }
            record.wait("CrashLoopBackOff", Some(message));
        }
    });
    cell.host.world.clock.pass(pause).await;
}

/// Whether the container runs again after an end.
fn restarts(cell: &Cell, slot: Slot, failed: bool) -> bool {
    let pod = cell.pod();
    let Some(container) = slot.of(&pod) else { return false };
    let of_pod = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref());
    let policy = container.restart_policy.as_deref().or(of_pod).unwrap_or("Always");
    match policy {
        "Never" => false,
        "OnFailure" => failed,
        _ => failed || matches!(slot, Slot::App(_)) || is_sidecar(container),
    }
}

type NotStarted = (StartFailure, i32);

/// Pulls, configures and creates, trying again whatever a kubelet tries again without a start.
async fn prepare(cell: &Arc<Cell>, slot: Slot) -> Result<(Prepared, Container), NotStarted> {
    let clock = &cell.host.world.clock;
    loop {
        let Some(container) = cell.container(slot) else { std::future::pending().await };
        let pulled = pull::pull(cell, slot, &container).await;
        let prepared = match process::configure(cell, &container, &pulled.image).await {
            Ok(prepared) => prepared.map_err(|failure| (failure, START_ERROR)),
            Err(error) => {
                let text = error.to_string();
                cell.container_event(slot, Kind::Warning, "Failed", format!("Error: {text}"));
                cell.update(|state| {
                    if let Some(record) = state.record_mut(slot) {
                        record.wait("CreateContainerConfigError", Some(text));
                    }
                });
                clock.pass(CONFIG_RETRY).await;
                continue;
            }
        };
        creating(cell, slot, &pulled);
        clock.pass(latency::of(cell.os()).create).await;
        cell.container_event(slot, Kind::Normal, "Created", "Container created");
        let effect = cell.stage(Stage::Start, |effect| stuck(cell, slot, effect)).await;
        if let Some(effect) = effect.filter(|effect| matches!(effect.outcome, Outcome::Fails | Outcome::Exits)) {
            cell.report(&effect);
            let message = effect.message.unwrap_or_else(|| {
                "failed to create containerd task: failed to create shim task: hcs::CreateComputeSystem: The directory name is invalid.: unknown".to_owned()
            });
            return Err((StartFailure::Fault { message }, effect.exit_code.unwrap_or(START_ERROR)));
        }
        let prepared = prepared?;
        clock.pass(latency::of(cell.os()).start).await;
        process::check(&container, &pulled, &prepared).map_err(|failure| (failure, START_ERROR))?;
        return Ok((prepared, container));
    }
}

fn stuck(cell: &Cell, slot: Slot, effect: &crate::fault::PodEffect) {
    let (reason, message) = (effect.reason.clone(), effect.message.clone());
    cell.update(|state| {
        if let Some(record) = state.record_mut(slot) {
            record.wait(reason.unwrap_or_else(|| "ContainerCreating".to_owned()), message);
        }
    });
}

/// Notes the image, and the run that is being created.
fn creating(cell: &Cell, slot: Slot, pulled: &Pulled) {
    cell.update(|state| {
        if let Some(record) = state.record_mut(slot) {
            record.image = Some(pulled.image.name.clone());
            record.image_id = Some(pulled.image.id.clone());
            if matches!(&record.doing, Doing::Waiting { reason, .. } if reason.contains("Image")) {
                record.wait("ContainerCreating", None);
            }
        }
    });
}

/// Starts the process.
fn begin(cell: &Arc<Cell>, slot: Slot, container: &Container, prepared: Prepared) -> Process {
    let log = Arc::new(Log::default());
    let session = prepared.session.clone();
    let process = Process::start(prepared, log.clone());
    let again = cell.update(|state| {
        let Some(record) = state.record_mut(slot) else { return false };
        let again = record.log.is_some() || record.last.is_some() || matches!(record.doing, Doing::Terminated(_));
        if let Doing::Terminated(ended) = &record.doing {
            record.last = Some(ended.clone());
        }
        if again {
            record.restarts += 1;
        }
        record.id = Some(run_id(cell, &container.name, record.restarts));
        record.previous_log = record.log.replace(log);
        record.session = Some(session);
        record.doing = Doing::Running { since: Timestamp::now() };
        record.started = container.startup_probe.is_none();
        again
    });
    if again {
        cell.host.world.faults.happened(&Happening::ContainerRestarted(cell.facts()));
    }
    cell.container_event(slot, Kind::Normal, "Started", "Container started");
    let late = cell.clone();
    tokio::spawn(async move { sandbox::attach_late(&late).await });
    process
}

fn run_id(cell: &Cell, name: &str, run: i32) -> String {
    let runtime = cell.host.shape.runtime.split_once("://").map_or("containerd", |(runtime, _version)| runtime);
    format!("{runtime}://{}", image::digest(&[&cell.uid(), name, &run.to_string()]))
}

/// Looks after a running process until it ends, for whatever reason.
async fn attend(cell: &Arc<Cell>, slot: Slot, container: &Container, mut process: Process) -> RunEnd {
    let since = Timestamp::now();
    let mut helpers = JoinSet::new();
    let (unhealthy, mut killed) = mpsc::channel(1);
    helpers.spawn(probe::attend(cell.clone(), slot, container.clone(), unhealthy));
    if let Some(hook) = container
        .lifecycle
        .as_ref()
        .and_then(|lifecycle| lifecycle.post_start.as_ref())
        .and_then(|hook| hook.exec.clone())
    {
        let cell = cell.clone();
        helpers.spawn(async move {
            exec::quietly(&cell, slot, &hook.command.unwrap_or_default()).await;
        });
    }
    let (code, why, stopped) = tokio::select! {
        biased;
        code = process.exit() => (code, None, false),
        grace = cell.stopping() => {
            cell.container_event(slot, Kind::Normal, "Killing", format!("Stopping container {}", container.name));
            pre_stop(cell, slot, container.lifecycle.as_ref(), grace).await;
            (process.stop(cell, grace).await, None, true)
        }
        Some(probe) = killed.recv() => {
            let text = format!("Container {} failed {probe} probe, will be restarted", container.name);
            cell.container_event(slot, Kind::Normal, "Killing", text);
            let grace = cell.pod().spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds).unwrap_or(30);
            (process.stop(cell, std::time::Duration::from_secs(grace.unsigned_abs())).await, None, false)
        }
        effect = exits(cell) => {
            let code = effect.exit_code.unwrap_or(1);
            drop(process);
            (code.cast_unsigned(), Some((effect.reason, effect.message)), false)
        }
    };
    helpers.abort_all();
    let exit_code = code.cast_signed();
    let (reason, message) = why.unwrap_or_default();
    let usual = if exit_code == 0 { "Completed" } else { "Error" };
    let message = message.or_else(|| last_words(cell, slot, container, exit_code));
    let id = cell.read(|state| state.record(slot).and_then(|record| record.id.clone()));
    RunEnd {
        ended: Ended {
            exit_code,
            reason: reason.unwrap_or_else(|| usual.to_owned()),
            message,
            started: Some(since),
            finished: Timestamp::now(),
            id,
        },
        stopped,
    }
}

/// Waits until a fault ends the run; for ever when there is none.
async fn exits(cell: &Cell) -> crate::fault::PodEffect {
    let mut faults = cell.host.world.faults.changed();
    loop {
        faults.borrow_and_update();
        if let Some(effect) = cell.host.world.faults.pod(&cell.facts(), Stage::Run)
            && matches!(effect.outcome, Outcome::Exits | Outcome::Fails)
        {
            if let Some(delay) = effect.delay {
                cell.host.world.clock.pass(delay.0).await;
            }
            cell.report(&effect);
            return effect;
        }
        if faults.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// The end of the log, where the container wants it in its status.
fn last_words(cell: &Cell, slot: Slot, container: &Container, exit_code: i32) -> Option<String> {
    let wanted = container.termination_message_policy.as_deref() == Some("FallbackToLogsOnError");
    if exit_code == 0 || !wanted {
        return None;
    }
    cell.read(|state| state.record(slot)?.log.clone()).map(|log| log.tail()).filter(|tail| !tail.is_empty())
}

async fn pre_stop(cell: &Cell, slot: Slot, lifecycle: Option<&Lifecycle>, grace: std::time::Duration) {
    let Some(hook) = lifecycle.and_then(|lifecycle| lifecycle.pre_stop.as_ref()) else { return };
    let clock = &cell.host.world.clock;
    let work = async {
        if let Some(sleep) = &hook.sleep {
            clock.pass(std::time::Duration::from_secs(sleep.seconds.unsigned_abs())).await;
        }
        if let Some(action) = &hook.exec {
            exec::quietly(cell, slot, action.command.as_deref().unwrap_or_default()).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = clock.pass(grace) => {}
    }
}

/// A container that could not be started.
fn start_failure(cell: &Cell, slot: Slot, failure: &StartFailure, exit_code: i32) -> RunEnd {
    let text = failure.to_string();
    cell.container_event(slot, Kind::Warning, "Failed", format!("Error: {text}"));
    let run = cell.read(|state| state.record(slot).map_or(0, |record| record.restarts));
    let name = cell.container(slot).map(|container| container.name).unwrap_or_default();
    let ended = Ended {
        exit_code,
        reason: "StartError".to_owned(),
        message: Some(text),
        started: None,
        finished: Timestamp::now(),
        id: Some(run_id(cell, &name, run)),
    };
    RunEnd { ended, stopped: false }
}

/// Notes the end of a run.
fn conclude(cell: &Cell, slot: Slot, ended: Ended, again: bool) {
    cell.update(|state| {
        let Some(record) = state.record_mut(slot) else { return };
        record.ready = false;
        record.started = false;
        record.session = None;
        record.id.clone_from(&ended.id);
        if ended.reason == "StartError" && again {
            record.restarts += i32::from(record.last.is_some() || record.log.is_some());
            record.wait("RunContainerError", ended.message.clone());
            record.last = Some(ended);
        } else {
            record.doing = Doing::Terminated(ended);
        }
    });
}
