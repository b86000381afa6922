//! A fixture while it lives: created, waited for, looked at, removed.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use k8s_openapi::api::core::v1::{Event, Pod, PodCondition};
use kube::{Api, api::ListParams};
use tokio::{
    sync::{Mutex, OnceCell, watch},
    time::{Instant, timeout},
};
use winconform_manifests::{Kind, Object};
use winconform_reports::{
    Chain,
    event::{self, FixtureState, Observation, Phase, PodTimeline},
};

use super::{
    log_tail::LogTail,
    plan::{FixtureKey, PlannedFixture},
    stage::{Stage, Views},
};
use crate::{
    blame::Trouble,
    budgets::Budget,
    check::{self, Spread},
    cluster::{Created, Facts, NodeFacts, Os, create, delete},
    journal::millis,
    placement::{FIXTURE_LABEL, Placing, place},
    probe::PodRef,
    wait::{Cause, Look, PodProgress, Snapshot, WaitError, WatchLost, look_at_pod, pod_key, until},
};

/// A fixture while it lives.
#[derive(Debug)]
pub struct LiveFixture {
    /// Its name and place.
    pub key: FixtureKey,
    pub(crate) planned: PlannedFixture,
    state: watch::Sender<State>,
    users: AtomicUsize,
    /// How often it was started again; held while it is.
    restarts: Mutex<u32>,
}

/// What a fixture came to.
#[derive(Debug, Clone)]
pub enum State {
    /// Nothing was sent yet.
    Planned,
    /// Its objects were accepted.
    Submitted,
    /// All its pods are Ready.
    Ready(Arc<Ready>),
    /// It will not become ready.
    Failed(Arc<Trouble>),
}

/// A ready fixture.
#[derive(Debug)]
pub struct Ready {
    /// Its pods, by name.
    pub pods: Vec<PodRef>,
    /// What its pods print, where the fixture's readers need it.
    pub logs: BTreeMap<String, LogTail>,
    /// Set once the network of each pod was seen to work, or was given its time.
    pub(crate) settled: OnceCell<()>,
}

impl LiveFixture {
    pub(crate) fn new(key: FixtureKey, planned: PlannedFixture, users: usize) -> Self {
        Self {
            key,
            planned,
            state: watch::Sender::new(State::Planned),
            users: AtomicUsize::new(users),
            restarts: Mutex::new(0),
        }
    }

    /// What it came to, so far.
    #[must_use]
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Whether its pods are on Windows hosts, through which the host can be asked.
    pub(crate) fn is_a_windows_host(&self) -> bool {
        self.planned.fixture.host && self.planned.fixture.spread == Spread::WindowsNode
    }

    /// Waits until it has come as far as `stage`, or failed before.
    pub(crate) async fn reached(&self, stage: check::Stage) -> State {
        let mut state = self.state.subscribe();
        let far_enough = |state: &State| match state {
            State::Planned => false,
            State::Submitted => stage == check::Stage::Submitted,
            State::Ready(_) | State::Failed(_) => true,
        };
        match state.wait_for(far_enough).await {
            Ok(state) => state.clone(),
            Err(_) => self.state(),
        }
    }

    /// Notes that one of its users is done; true for the last.
    pub(crate) fn released(&self) -> bool {
        self.users.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Creates its objects and waits until they are ready; reports what happens.
    pub(crate) async fn start(&self, stage: &Stage) {
        let report = |state: FixtureState| {
            stage.journal.emit(event::Event::FixtureChanged { fixture: self.key.to_string(), state });
        };
        report(FixtureState::Starting);
        match self.bring_up(stage).await {
            Ok(ready) => {
                report(FixtureState::Ready);
                self.state.send_replace(State::Ready(Arc::new(ready)));
            }
            Err(trouble) => {
                report(FixtureState::Failed(Chain(&trouble).to_string()));
                self.state.send_replace(State::Failed(Arc::new(trouble)));
            }
        }
    }

    /// Starts it again after it failed, once for all who ask: `before` is how often it had been
    /// started again when they saw it fail.
    pub(crate) async fn start_again(&self, stage: &Stage, before: u32) {
        let mut restarts = self.restarts.lock().await;
        if *restarts != before || !matches!(self.state(), State::Failed(_)) {
            return;
        }
        *restarts += 1;
        self.remove(stage).await;
        // Its objects have the same names, so the old ones must be gone; where they stay it stays failed.
        let slug = self.key.slug();
        let gone = until(&stage.views.signal, stage.budgets, &format!("the end of {}", self.key), || {
            match stage.views.pods.peek(|pods| pods.all().filter(|pod| is_of(pod, &slug)).count()) {
                0 => Look::Ready(()),
                left => Look::NotYet(Budget::Terminate, format!("{left} of its pods are still there")),
            }
        })
        .await;
        if gone.is_ok() {
            self.state.send_replace(State::Planned);
            self.start(stage).await;
        }
    }

    /// How often it was started again.
    pub(crate) async fn restarts(&self) -> u32 {
        *self.restarts.lock().await
    }

    /// Gives up before anything was sent, for a trouble of the run's.
    pub(crate) fn abandon(&self, why: &str) {
        self.state.send_if_modified(|state| match state {
            State::Planned | State::Submitted => {
                *state = State::Failed(Arc::new(Trouble::Aborted(why.to_owned())));
                true
            }
            State::Ready(_) | State::Failed(_) => false,
        });
    }

    async fn bring_up(&self, stage: &Stage) -> Result<Ready, Trouble> {
        let slug = self.key.slug();
        let namespace = stage.names.namespace(self.planned.fixture.host);
        let nodes: Vec<&NodeFacts> = self.planned.nodes.iter().collect();
        let mut objects =
            self.planned.fixture.manifest.objects().map_err(|error| Trouble::Unexpected(Chain(&error).to_string()))?;
        let images = &stage.settings.images;
        let placing = Placing { namespace, run: &stage.names.run, slug: &slug, nodes: &nodes, images };
        for object in &mut objects {
            place(object, &placing).map_err(Trouble::Unexpected)?;
        }
        let created = Instant::now();
        for object in &objects {
            let action = || format!("create {}", Created::of(object, namespace));
            let made = create(&stage.client, namespace, object, false).await;
            report_service(stage, &self.key.to_string(), &made.map_err(|error| Trouble::api(action(), error))?);
        }
        self.state.send_replace(State::Submitted);
        let wanted: usize = objects.iter().map(Object::pods).sum();
        let (owner, host) = (self.key.to_string(), self.planned.fixture.host);
        let ready = pods_ready(stage, &owner, &slug, host, wanted, created).await;
        stage.cluster_time.note(&owner, created);
        let pods: Vec<PodRef> = ready?.iter().map(|pod| pod_ref(pod, &stage.facts)).collect();
        let mut logs = BTreeMap::new();
        if self.planned.fixture.follow_logs {
            for pod in &pods {
                logs.insert(pod.name.clone(), LogTail::follow(stage.client.clone(), pod, stage.stop.clone()));
            }
        }
        Ok(Ready { pods, logs, settled: OnceCell::new() })
    }

    /// Removes its objects; the namespace's end takes whatever is left.
    pub(crate) async fn remove(&self, stage: &Stage) {
        let namespace = stage.names.namespace(self.planned.fixture.host);
        let slug = self.key.slug();
        let Ok(mut objects) = self.planned.fixture.manifest.objects() else { return };
        for object in &mut objects {
            object.metadata_mut().name = Some(slug.clone());
            // What cannot be removed now is removed with the namespace, whose failure is reported.
            let _ = delete(&stage.client, &Created::of(object, namespace)).await;
        }
        stage
            .journal
            .emit(event::Event::FixtureChanged { fixture: self.key.to_string(), state: FixtureState::Removed });
    }
}

/// Reports a Service of ours by the addresses it was given, so that findings call it by name.
pub(crate) fn report_service(stage: &Stage, owner: &str, object: &Object) {
    let Kind::Service(service) = &object.kind else { return };
    let spec = service.spec.clone().unwrap_or_default();
    let addresses = spec.cluster_ips.unwrap_or_default().into_iter().filter(|address| address != "None").collect();
    let ports = spec.ports.unwrap_or_default();
    let node_ports = ports.iter().filter_map(|port| u16::try_from(port.node_port?).ok()).collect();
    stage.journal.emit(event::Event::ServiceMade(event::ServiceMade {
        owner: owner.to_owned(),
        addresses,
        node_ports,
    }));
}

/// Waits until `wanted` pods of that slug are Ready, and reports their phases on the way.
///
/// `owner` is the fixture or the check they belong to, `host` whether they are in the host pods' namespace.
pub(crate) async fn pods_ready(
    stage: &Stage,
    owner: &str,
    slug: &str,
    host: bool,
    wanted: usize,
    created: Instant,
) -> Result<Vec<Arc<Pod>>, Trouble> {
    let mut timelines: BTreeMap<String, Timeline> = BTreeMap::new();
    let events = stage.views.events(host);
    let waited = until(&stage.views.signal, stage.budgets, owner, || {
        events.peek(|events| {
            let pods = fixture_pods(&stage.views, slug);
            for pod in &pods {
                let timeline = timelines.entry(pod_key(pod)).or_insert_with(|| Timeline::new(created));
                timeline.look(pod, events, owner, stage);
            }
            look_at_pods(&pods, slug, wanted, events, stage)
        })
    })
    .await;
    match waited {
        Err(WaitError::TimedOut { what, waited, .. }) if is_watch_behind(stage, slug, host).await => {
            let error = Some(WatchLost::behind("pods", created));
            Err(Trouble::Wait(WaitError::ApiLost { what, lost_for: waited, error }))
        }
        other => other.map_err(|error| {
            let stuck = events.peek(|events| stuck(&fixture_pods(&stage.views, slug), events, slug, wanted));
            Trouble::Wait(error.with_stuck(stuck))
        }),
    }
}

/// Before a cluster is blamed for what did not happen: whether the API server has seen it happen, and our watch has not.
///
/// One list. An API server that does not answer it is none to blame a cluster by, either.
async fn is_watch_behind(stage: &Stage, slug: &str, host: bool) -> bool {
    let pods: Api<Pod> = Api::namespaced(stage.client.clone(), stage.names.namespace(host));
    let ours = ListParams::default().labels(&format!("{FIXTURE_LABEL}={slug}"));
    let Ok(Ok(listed)) = timeout(stage.budgets.of(Budget::Api), pods.list(&ours)).await else { return true };
    let seen = labelled_pods(&stage.views, slug);
    let phase = |pod: &Pod| pod.status.as_ref().and_then(|status| status.phase.clone());
    listed.items.iter().any(|pod| {
        let known = seen.iter().find(|seen| seen.metadata.uid == pod.metadata.uid);
        known.is_none_or(|seen| phase(seen) != phase(pod))
    })
}

/// Whether a pod is of the fixture, or of the check's own objects, of that slug.
fn is_of(pod: &Pod, slug: &str) -> bool {
    pod.metadata.labels.as_ref().and_then(|labels| labels.get(FIXTURE_LABEL)).is_some_and(|own| own == slug)
}

/// The fixture's pods that are not on their way out.
pub(crate) fn fixture_pods(views: &Views, slug: &str) -> Vec<Arc<Pod>> {
    let mut pods = labelled_pods(views, slug);
    pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    pods
}

/// All pods of that slug, those on their way out among them.
pub(crate) fn labelled_pods(views: &Views, slug: &str) -> Vec<Arc<Pod>> {
    let ours = |pod: &&Arc<Pod>| is_of(pod, slug);
    views.pods.peek(|pods| pods.all().filter(ours).cloned().collect())
}

fn look_at_pods(
    pods: &[Arc<Pod>],
    slug: &str,
    wanted: usize,
    events: &Snapshot<Event>,
    stage: &Stage,
) -> Look<Vec<Arc<Pod>>> {
    let mut ready = Vec::new();
    let mut waiting = None;
    for pod in pods {
        match look_at_pod(Some(pod), events, &stage.facts) {
            Look::Ready(pod) => ready.push(pod),
            Look::Hopeless(cause) => return Look::Hopeless(cause),
            // The pod that is furthest behind decides which budget counts.
            Look::NotYet(budget, seen) => match &waiting {
                Some((least, _)) if *least <= budget => {}
                _ => waiting = Some((budget, seen)),
            },
        }
    }
    if ready.len() >= wanted {
        return Look::Ready(ready);
    }
    if pods.len() < wanted
        && let Some(cause) = not_created(slug, events)
    {
        return Look::Hopeless(cause);
    }
    let (budget, seen) =
        waiting.unwrap_or_else(|| (Budget::Schedule, format!("{} of {wanted} pods exist", pods.len())));
    Look::NotYet(budget, format!("{} of {wanted} pods ready; {seen}", ready.len()))
}

/// The kubelet's event that an image is being fetched.
const PULLING: &str = "Pulling";

/// What still waits, for whoever explains why a budget was spent.
fn stuck(pods: &[Arc<Pod>], events: &Snapshot<Event>, slug: &str, wanted: usize) -> Vec<Observation> {
    let mut stuck = Vec::new();
    if pods.len() < wanted {
        let part = "kube-controller-manager".to_owned();
        stuck.push(Observation::Idle {
            part,
            object: format!("{slug}, of which {} of {wanted} pods exist", pods.len()),
        });
    }
    for pod in pods {
        if !is_scheduled_or_refused(pod) {
            let part = "kube-scheduler".to_owned();
            stuck.push(Observation::Idle { part, object: format!("pod {}", pod_key(pod)) });
        }
        let pulls = PodProgress::of(pod, events) == PodProgress::Pulling;
        for container in pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten()) {
            if let Some(waiting) = container.state.as_ref().and_then(|state| state.waiting.as_ref()) {
                // While an image comes the kubelet says no more than that the container is being created.
                let pulling = (pulls && waiting.message.is_none()).then(|| PULLING.to_owned());
                stuck.push(Observation::Container {
                    pod: pod_key(pod),
                    node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
                    image: container.image.clone(),
                    reason: pulling.or_else(|| waiting.reason.clone()).unwrap_or_default(),
                    message: waiting.message.clone().unwrap_or_default(),
                });
            }
        }
    }
    stuck
}

/// Whether the scheduler has spoken of a pod, and not only of trouble of its own.
fn is_scheduled_or_refused(pod: &Pod) -> bool {
    let bound = pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_ref().is_some_and(|node| !node.is_empty()));
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let spoken = |condition: &PodCondition| {
        condition.type_ == "PodScheduled" && condition.reason.as_deref() != Some("SchedulerError")
    };
    bound || conditions.into_iter().any(spoken)
}

/// A controller that may not create its pods says so in an event and tries again for ever.
pub(crate) fn not_created(slug: &str, events: &Snapshot<Event>) -> Option<Cause> {
    // A ReplicaSet is called after its Deployment, with a hash behind it.
    let ours = |name: &str| name.rsplit_once('-').is_some_and(|(deployment, _)| deployment == slug);
    let event = events.all().find(|event| {
        event.reason.as_deref() == Some("FailedCreate")
            && event.involved_object.kind.as_deref() == Some("ReplicaSet")
            && event.involved_object.name.as_deref().is_some_and(ours)
    })?;
    let message = event.message.clone().unwrap_or_default();
    Some(Cause::NotCreated {
        // The API server's words for 403; a webhook's other codes reach events only as text.
        code: match &message {
            text if text.contains("is forbidden") => 403,
            text if text.contains(" is invalid: ") => 422,
            _ => 0,
        },
        object: format!("pods of replicaset/{}", event.involved_object.name.as_deref().unwrap_or_default()),
        reason: "FailedCreate".to_owned(),
        message,
    })
}

/// What probes need to know of a pod.
pub(crate) fn pod_ref(pod: &Pod, facts: &Facts) -> PodRef {
    let spec = pod.spec.as_ref();
    let node = spec.and_then(|spec| spec.node_name.clone()).unwrap_or_default();
    PodRef {
        namespace: pod.metadata.namespace.clone().unwrap_or_default(),
        name: pod.metadata.name.clone().unwrap_or_default(),
        container: spec.and_then(|spec| Some(spec.containers.first()?.name.clone())).unwrap_or_default(),
        os: facts.node(&node).map_or(Os::Linux, |node| node.os),
        ip: pod.status.as_ref().and_then(|status| status.pod_ip.clone()).unwrap_or_default(),
        node,
    }
}

/// The images that a pod's containers run, with what the node made of their names.
fn images_of(pod: &Pod) -> Vec<event::PodImage> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let mut images: Vec<event::PodImage> = statuses
        .filter(|status| !status.image_id.is_empty())
        .map(|status| event::PodImage {
            image: status.image.clone(),
            // `docker.io/library/a@sha256:…`, `docker-pullable://…@sha256:…` or the digest alone.
            digest: status.image_id.rsplit(['@', '/']).next().unwrap_or_default().to_owned(),
        })
        .collect();
    images.sort();
    images.dedup();
    images
}

/// Follows one pod's phases and reports each as it is reached.
#[derive(Debug)]
struct Timeline {
    progress: Option<PodProgress>,
    since: Instant,
    phases: Vec<Phase>,
}

impl Timeline {
    fn new(created: Instant) -> Self {
        Self { progress: None, since: created, phases: Vec::new() }
    }

    fn look(&mut self, pod: &Pod, events: &Snapshot<Event>, owner: &str, stage: &Stage) {
        let progress = PodProgress::of(pod, events);
        if self.progress.is_some_and(|before| progress <= before) {
            return;
        }
        self.progress = Some(progress);
        let now = Instant::now();
        self.phases.push(Phase { name: progress.as_str().to_owned(), ms: millis(now - self.since) });
        self.since = now;
        let name = pod.metadata.name.clone().unwrap_or_default();
        let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
        stage.journal.emit(event::Event::PodProgress(event::PodProgress {
            owner: owner.to_owned(),
            pod: name.clone(),
            node: node.clone(),
            phase: progress.as_str().to_owned(),
        }));
        if progress == PodProgress::Ready {
            let node = node.unwrap_or_default();
            stage.journal.emit(event::Event::PodTimeline(PodTimeline {
                owner: owner.to_owned(),
                pod: name,
                target: stage.facts.node(&node).and_then(|node| node.target.clone()),
                node,
                phases: self.phases.clone(),
                images: images_of(pod),
                round: stage.round,
            }));
        }
    }
}
