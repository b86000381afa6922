//! What a check may touch: its place, its fixtures, and ways to ask.

mod own;
mod probing;

use std::{
    collections::BTreeSet,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU32},
    time::Duration,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::Client;
use tokio::time::Instant;
use winconform_reports::{
    Place, ResultId, Verdict,
    event::{Observation, Phase},
};

pub use self::own::{Admission, Scheduling, pod_in};
use crate::{
    blame::Trouble,
    budgets::Budgets,
    check::{self, Fixture},
    cluster::{Created, Facts, NodeFacts, Target},
    journal::millis,
    observer::Asking,
    probe::{LogError, PodRef, Transport, find_line},
    run::{
        live_fixture::{LiveFixture, Ready, State, fixture_pods},
        stage::Stage,
    },
    settings::Settings,
    wait::{Look, WaitError, Watched, pause, until},
};

/// What a check may touch. Cloning is cheap and gives the same context.
#[derive(Debug, Clone)]
pub struct Context {
    stage: Arc<Stage>,
    facts: Arc<Facts>,
    id: ResultId,
    attempt: u32,
    notes: Arc<Mutex<Notes>>,
    probes: Arc<AtomicU32>,
}

/// What a check leaves behind besides its verdict.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) observations: Vec<Observation>,
    pub(crate) phases: Vec<Phase>,
    /// Whether connections were tried that nobody answered.
    pub(crate) unanswered: bool,
    /// Commands and their outputs, for evidence.
    pub(crate) transcript: Vec<String>,
    /// Objects of its own, to be removed.
    pub(crate) created: Vec<Created>,
    /// The names its own objects go by, for evidence.
    pub(crate) slugs: BTreeSet<String>,
    /// The nodes at the ends of ways that did not work, for evidence.
    pub(crate) troubled: BTreeSet<String>,
}

impl Notes {
    /// Takes back one note of an object that came not from us.
    fn forget(&mut self, created: &Created) {
        if let Some(last) = self.created.iter().rposition(|noted| noted == created) {
            self.created.remove(last);
        }
    }
}

impl Context {
    /// `attempt` is counted from 1; what an attempt names must not be taken for another's.
    pub(crate) fn new(stage: Arc<Stage>, id: ResultId, attempt: u32) -> Self {
        let probes = Arc::new(AtomicU32::new((attempt - 1) * 100_000));
        let asking = Asking { observer: stage.observer.as_ref(), check: &id, attempt };
        let Ok(facts) = asking.shown("the cluster as it was found", Ok::<_, Infallible>(stage.facts.clone()));
        Self { stage, facts, id, attempt, notes: Arc::default(), probes }
    }

    pub(crate) fn take_notes(&self) -> Notes {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, note: impl FnOnce(&mut Notes)) {
        note(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Where the check is asked.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.id.place
    }

    /// The cluster as it was found.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The target of the check's place.
    ///
    /// # Errors
    ///
    /// When the place has none: a check of scope cluster asked for it.
    pub fn target(&self) -> Result<&Target, Trouble> {
        let name = self.id.place.target().unwrap_or_default();
        self.facts.target(name).ok_or_else(|| Trouble::Unexpected(format!("there is no target `{name}`")))
    }

    /// The node of the check's place.
    ///
    /// # Errors
    ///
    /// When the place is no node.
    pub fn node(&self) -> Result<&NodeFacts, Trouble> {
        let name = self.id.place.node().unwrap_or_default();
        self.facts.node(name).ok_or_else(|| Trouble::Unexpected(format!("there is no node `{name}`")))
    }

    /// A client of the cluster.
    #[must_use]
    pub fn client(&self) -> Client {
        self.stage.client.clone()
    }

    /// How long things may take.
    #[must_use]
    pub fn budgets(&self) -> Budgets {
        self.stage.budgets
    }

    /// What the user told us about the cluster.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.stage.settings
    }

    /// Whether the user gave a way to the nodes from outside.
    #[must_use]
    pub fn has_outside_proxy(&self) -> bool {
        self.stage.outside_proxy.is_some()
    }

    /// The namespace of fixtures.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.stage.names.main
    }

    /// Our pods, kept current by one watch.
    #[must_use]
    pub fn pods(&self) -> &Watched<Pod> {
        &self.stage.views.pods
    }

    /// Our Services, kept current by one watch.
    #[must_use]
    pub fn services(&self) -> &Watched<Service> {
        &self.stage.views.services
    }

    /// The endpoints of our Services, kept current by one watch.
    #[must_use]
    pub fn endpoint_slices(&self) -> &Watched<EndpointSlice> {
        &self.stage.views.slices
    }

    /// Our Deployments, kept current by one watch.
    #[must_use]
    pub fn deployments(&self) -> &Watched<Deployment> {
        &self.stage.views.deployments
    }

    /// All nodes, kept current by one watch.
    #[must_use]
    pub fn nodes(&self) -> &Watched<Node> {
        &self.stage.views.nodes
    }

    /// The nodes' leases, watched from the first time they are asked for.
    pub async fn leases(&self) -> &Watched<Lease> {
        self.stage.views.leases().await
    }

    /// Waits until `look` finds what it looks for; see [`until`].
    ///
    /// # Errors
    ///
    /// When a budget is spent, a cause shows that cannot heal, or the API server is lost.
    pub async fn wait<T>(&self, what: &str, look: impl FnMut() -> Look<T>) -> Result<T, WaitError>
    where
        T: Clone + Send + Sync + 'static,
    {
        if let Some(found) = self.asking().foretold(what) {
            return Ok(found);
        }
        let from = Instant::now();
        let found = until(&self.stage.views.signal, self.stage.budgets, what, look).await;
        self.stage.cluster_time.note(&self.id.to_string(), from);
        self.seen(what, found)
    }

    /// Passes on what a question to the cluster brought back, `what` being the question. All that a
    /// verdict rests on goes through here, so that a test may answer in the cluster's place; see
    /// [`Observer`](crate::observer::Observer).
    ///
    /// # Errors
    ///
    /// As the answer itself.
    pub fn seen<T, E>(&self, what: &str, answer: Result<T, E>) -> Result<T, E>
    where
        T: Clone + Send + Sync + 'static,
    {
        self.asking().shown(what, answer)
    }

    fn asking(&self) -> Asking<'_> {
        Asking { observer: self.stage.observer.as_ref(), check: &self.id, attempt: self.attempt }
    }

    /// Waits for a line of a pod's log in which `read` finds something, from the log's beginning; nothing
    /// where the log stands open and shows no such line within `limit`.
    ///
    /// # Errors
    ///
    /// When the log could not be read, or was cut again and again.
    pub async fn log_line<T>(
        &self,
        pod: &PodRef,
        limit: Duration,
        read: impl FnMut(&str) -> Option<T> + Send,
    ) -> Result<Option<T>, LogError>
    where
        T: Clone + Send + Sync + 'static,
    {
        let transport = Transport::new(self.stage.budgets);
        let found = find_line(&self.stage.client, pod, limit, transport, read).await;
        self.seen(&format!("a line of the log of a pod on {}", pod.node), found)
    }

    /// Gives the cluster time for something that nothing can be watched of, such as rules
    /// that follow endpoints; it counts as the cluster's own.
    pub async fn let_pass(&self, duration: Duration) {
        let from = Instant::now();
        pause(duration).await;
        self.stage.cluster_time.note(&self.id.to_string(), from);
    }

    /// A fixture at the check's own place, whatever came of it.
    ///
    /// # Errors
    ///
    /// When the check does not use that fixture here.
    pub fn fixture(&self, fixture: &Fixture) -> Result<&LiveFixture, Trouble> {
        self.fixtures_here(fixture)
            .next()
            .ok_or_else(|| Trouble::Unexpected(format!("the check does not use `{}` here", fixture.name)))
    }

    /// A fixture at the check's own place, ready.
    ///
    /// # Errors
    ///
    /// When it did not come up, or the check does not use it here.
    pub fn ready(&self, fixture: &Fixture) -> Result<Arc<Ready>, Trouble> {
        let live = self.fixture(fixture)?;
        self.outcome(live)?
            .map_err(|trouble| Trouble::of_fixture(live.key.to_string(), live.planned.fixture.host, &trouble))
    }

    /// What became of a fixture that the check waited for: for the check that judges just that.
    ///
    /// # Errors
    ///
    /// When the check did not wait for it.
    pub fn outcome(&self, live: &LiveFixture) -> Result<Result<Arc<Ready>, Arc<Trouble>>, Trouble> {
        let outcome = match live.state() {
            State::Ready(ready) => Ok(ready),
            State::Failed(trouble) => Err(trouble),
            State::Planned | State::Submitted => {
                return Err(Trouble::Unexpected(format!("the check did not wait for `{}`", live.key)));
            }
        };
        Ok(self.seen(&format!("the fixture {}", live.key), outcome))
    }

    /// The fixture at each place that belongs to the check's own, those that came up.
    pub fn ready_here(&self, fixture: &Fixture) -> impl Iterator<Item = (&LiveFixture, Arc<Ready>)> {
        self.fixtures_here(fixture).filter_map(only_ready)
    }

    /// The fixture at every place where it came up.
    pub fn ready_everywhere(&self, fixture: &Fixture) -> impl Iterator<Item = (&LiveFixture, Arc<Ready>)> {
        let name = fixture.name;
        self.stage.fixtures.values().map(Arc::as_ref).filter(move |live| live.key.name == name).filter_map(only_ready)
    }

    /// The fixture at each place that belongs to the check's own, whatever came of it.
    pub fn fixtures_here(&self, fixture: &Fixture) -> impl Iterator<Item = &LiveFixture> {
        let name = fixture.name;
        let place = self.id.place.clone();
        self.stage.fixtures.values().map(Arc::as_ref).filter(move |live| {
            live.key.name == name
                && match (&live.key.place, &place) {
                    (Place::Cluster, _) | (_, Place::Cluster) => true,
                    (Place::Node { node, .. }, Place::Node { node: own, .. }) => node == own,
                    (fixture, own) => fixture.target() == own.target(),
                }
        })
    }

    /// Waits until it is known of a fixture, at each place that belongs to the check's own,
    /// what becomes of it; gives the pods of those that came up.
    ///
    /// For checks that begin with objects of their own and need the fixture only later.
    pub async fn pods_here_at_last(&self, fixture: &Fixture) -> Vec<PodRef> {
        let mut pods = Vec::new();
        for live in self.fixtures_here(fixture) {
            if let State::Ready(ready) = live.reached(check::Stage::Settled).await {
                pods.extend(ready.pods.iter().cloned());
            }
        }
        pods
    }

    /// The pods of a fixture as they are now, Ready or not.
    #[must_use]
    pub fn pods_of(&self, live: &LiveFixture) -> Vec<Arc<Pod>> {
        fixture_pods(&self.stage.views, &live.key.slug())
    }

    /// The Service of a fixture, where it has one and it was accepted.
    #[must_use]
    pub fn service_of(&self, live: &LiveFixture) -> Option<Arc<Service>> {
        let slug = live.key.slug();
        self.stage.views.services.peek(|services| services.get(&self.stage.names.main, &slug).cloned())
    }

    /// Keeps a fact that the verdict rests on, for findings.
    pub fn observe(&self, observation: Observation) {
        self.note(|notes| {
            if !notes.observations.contains(&observation) {
                notes.observations.push(observation);
            }
        });
    }

    /// The verdict of a check that is about a fixture which did not come up: the
    /// trouble itself is judged, and its facts are kept.
    pub fn judge_trouble(&self, trouble: &Trouble) -> Verdict {
        for observation in trouble.observations() {
            self.observe(observation);
        }
        trouble.verdict()
    }

    /// Keeps a named stretch of time.
    pub fn phase(&self, name: &str, took: Duration) {
        self.note(|notes| notes.phases.push(Phase { name: name.to_owned(), ms: millis(took) }));
    }
}

fn only_ready(live: &LiveFixture) -> Option<(&LiveFixture, Arc<Ready>)> {
    match live.state() {
        State::Ready(ready) => Some((live, ready)),
        State::Planned | State::Submitted | State::Failed(_) => None,
    }
}
