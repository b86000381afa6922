//! The life of a pod on its node, from admission to removal.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::{
    Api,
    api::{DeleteParams, Preconditions},
};
use tokio::{sync::oneshot, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::{
    admission::{self, Rejection},
    cell::Cell,
    container::{self, Completion},
    resources, sandbox,
    state::{Doing, Ended, Slot, is_sidecar},
};
use crate::{
    clock::Clock,
    fault::{Outcome, Stage},
    node::Kind,
};

/// How long a pod has to end when nothing else is said, in seconds.
const GRACE_SECONDS: i64 = 30;
/// The exit code that containerd gives a container whose end it did not see.
const UNKNOWN_END: i32 = 255;

/// Lives the pod's life. Dropping the future takes the pod off the node at once.
pub(super) async fn live(cell: Arc<Cell>) {
    let _tenancy = Tenancy::begin(cell.clone());
    let writer = cell.clone();
    let _posting = AbortOnDropHandle::new(tokio::spawn(async move { writer.keep_posted().await }));
    let work = cell.clone();
    let mut work = AbortOnDropHandle::new(tokio::spawn(async move { run(&work).await }));
    let grace = deletion(&cell).await;
    cell.host.until_on().await;
    if let Some(effect) = cell.stage(Stage::Stop, |_| ()).await {
        cell.report(&effect);
        if effect.outcome == Outcome::Fails {
            std::future::pending::<()>().await;
        }
    }
    cell.stop.send_replace(Some(grace));
    let _its_end_is_enough = (&mut work).await;
    cell.update(|state| state.sandbox = false);
    if let Err(error) = cell.post().await {
        tracing::debug!(pod = cell.full_name(), %error, "last status not posted");
    }
    remove(&cell).await;
}

/// The pod's place on the node; given up when it is dropped.
struct Tenancy {
    cell: Arc<Cell>,
    uid: String,
}

impl Tenancy {
    fn begin(cell: Arc<Cell>) -> Self {
        let uid = cell.uid();
        cell.host.pods.insert(&uid, cell.clone());
        Self { cell, uid }
    }
}

impl Drop for Tenancy {
    fn drop(&mut self) {
        let host = &self.cell.host;
        host.pods.remove(&self.uid);
        leave_network(&self.cell);
        self.cell.stop.send_replace(Some(Duration::ZERO));
    }
}

/// Gives the address back.
fn leave_network(cell: &Cell) {
    let facts = cell.facts();
    cell.network_up.send_replace(false);
    if !facts.host_network && !facts.ip.is_unspecified() {
        cell.host.world.network.detach(&facts.uid);
        cell.host.addresses.release(facts.ip);
    }
}

/// Returns when the API server wants the pod gone, with how long it may take.
async fn deletion(cell: &Cell) -> Duration {
    let mut updates = cell.updates();
    let asked = updates.wait_for(|pod| pod.metadata.deletion_timestamp.is_some()).await;
    let Some(seconds) = asked.map(|pod| pod.metadata.deletion_grace_period_seconds.unwrap_or(GRACE_SECONDS)).ok()
    else {
        return std::future::pending().await; // gone altogether: this future is about to be dropped
    };
    Duration::from_secs(seconds.unsigned_abs())
}

/// Takes the object away, trying until it is gone.
async fn remove(cell: &Cell) {
    let pods: Api<Pod> = Api::namespaced(cell.host.world.client.clone(), &cell.namespace());
    let preconditions = Preconditions { uid: Some(cell.uid()), resource_version: None };
    let params =
        DeleteParams { grace_period_seconds: Some(0), preconditions: Some(preconditions), ..DeleteParams::default() };
    loop {
        match pods.delete(&cell.name(), &params).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => return,
            Err(error) => tracing::debug!(pod = cell.full_name(), %error, "pod not removed"),
        }
        Clock::new(1.0).pass(Duration::from_millis(500)).await; // the API server's time
    }
}

/// From admission to the end of all containers.
async fn run(cell: &Arc<Cell>) {
    let pod = cell.pod();
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if matches!(phase, Some("Succeeded" | "Failed")) {
        return; // over before this testbed saw it
    }
    let spec = pod.spec.clone().unwrap_or_default();
    cell.host.until_up().await;
    let admitted = tokio::select! {
        biased;
        _ = cell.stopping() => return,
        admitted = admit(cell, &pod) => admitted,
    };
    if let Err(rejection) = admitted {
        cell.event(Kind::Warning, &rejection.reason, rejection.message.clone());
        cell.update(|state| state.failed = Some((rejection.reason, rejection.message)));
        return;
    }
    cell.update(|_| ());
    let deadline = spec.active_deadline_seconds.map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
    let overdue = async {
        match deadline {
            Some(deadline) => cell.host.world.clock.pass(deadline).await,
            None => std::future::pending().await,
        }
    };
    let start = || {
        let (cell, spec) = (cell.clone(), spec.clone());
        AbortOnDropHandle::new(tokio::spawn(async move { contain(&cell, &spec).await }))
    };
    let mut containers = start();
    tokio::pin!(overdue);
    loop {
        tokio::select! {
            _ = &mut containers => break,
            () = &mut overdue => {
                let message = "Pod was active on the node longer than the specified deadline";
                cell.event(Kind::Warning, "DeadlineExceeded", message);
                cell.update(|state| state.failed = Some(("DeadlineExceeded".to_owned(), message.to_owned())));
                let grace = spec.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS);
                cell.stop.send_replace(Some(Duration::from_secs(grace.unsigned_abs())));
                let _its_end_is_enough = (&mut containers).await;
                break;
            }
            () = cell.host.went_down() => {
                drop(std::mem::replace(&mut containers, AbortOnDropHandle::new(tokio::spawn(async {}))));
                fall(cell);
                tokio::select! {
                    _ = cell.stopping() => break,
                    () = cell.host.until_up() => {}
                }
                if spec.restart_policy.as_deref() == Some("Never") {
                    break;
                }
                let message = "Pod sandbox changed, it will be killed and re-created.";
                cell.event(Kind::Normal, "SandboxChanged", message);
                containers = start();
            }
        }
    }
    cell.update(|state| state.sandbox = false);
}

/// What the kubelet finds of a pod after its node was restarted: containers that ended, nobody knows how.
fn fall(cell: &Cell) {
    cell.unsettle();
    cell.update(|state| {
        state.sandbox = false;
        for slot in state.slots() {
            let Some(record) = state.record_mut(slot) else { continue };
            record.ready = false;
            record.session = None;
            if let Doing::Running { since } = record.doing {
                record.doing = Doing::Terminated(Ended {
                    exit_code: UNKNOWN_END,
                    reason: "Unknown".to_owned(),
                    message: None,
                    started: Some(since),
                    finished: Timestamp::now(),
                    id: record.id.clone(),
                });
            }
        }
    });
}

async fn admit(cell: &Cell, pod: &Pod) -> Result<(), Rejection> {
    let effect = cell.stage(Stage::Admit, |_| ()).await;
    if let Some(effect) = effect.filter(|effect| effect.outcome != Outcome::Proceeds) {
        cell.report(&effect);
        return Err(Rejection {
            reason: effect.reason.unwrap_or_else(|| "UnexpectedAdmissionError".to_owned()),
            message: effect
                .message
                .unwrap_or_else(|| "Pod was rejected: Unexpected error while attempting to admit pod".to_owned()),
        });
    }
    let spec = pod.spec.clone().unwrap_or_default();
    let others: Vec<_> = (cell.host.pods.all().iter())
        .filter(|other| other.uid() != cell.uid() && other.is_admitted())
        .map(|other| other.pod())
        .collect();
    if let Some(short) = resources::shortage(&spec, &others, &cell.host.allocatable()) {
        return Err(admission::no_room(&short));
    }
    admission::admit(pod, cell.os(), &cell.host.labels())?;
    cell.update(|state| state.admitted = true);
    Ok(())
}

/// The sandbox, the init containers in turn, then all others at once.
async fn contain(cell: &Arc<Cell>, spec: &PodSpec) {
    tokio::select! {
        biased;
        _ = cell.stopping() => return,
        () = sandbox::create(cell) => {}
    }
    let mut sidecars = JoinSet::new();
    for (at, container) in spec.init_containers.iter().flatten().enumerate() {
        let slot = Slot::Init(at);
        if is_sidecar(container) {
            let (started, has_started) = oneshot::channel();
            sidecars.spawn(container::drive(cell.clone(), slot, Some(started)));
            tokio::select! {
                _ = cell.stopping() => break,
                _ = has_started => {}
            }
            continue;
        }
        match container::drive(cell.clone(), slot, None).await {
            Completion::Succeeded => {}
            Completion::Failed | Completion::Stopped => {
                finish(cell, sidecars).await;
                return;
            }
        }
    }
    if !spec.init_containers.as_deref().unwrap_or_default().is_empty() {
        cell.update(|state| {
            for record in &mut state.app {
                record.wait("ContainerCreating", None);
            }
        });
    }
    let mut all = JoinSet::new();
    for at in 0..spec.containers.len() {
        all.spawn(container::drive(cell.clone(), Slot::App(at), None));
    }
    while all.join_next().await.is_some() {}
    finish(cell, sidecars).await;
}

/// Ends what runs beside the others.
async fn finish(cell: &Cell, mut sidecars: JoinSet<Completion>) {
    if sidecars.is_empty() {
        return;
    }
    let grace = Duration::from_secs(GRACE_SECONDS.unsigned_abs());
    cell.stop.send_if_modified(|stop| stop.is_none().then(|| *stop = Some(grace)).is_some());
    while sidecars.join_next().await.is_some() {}
}
