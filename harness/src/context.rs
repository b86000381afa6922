//! What a check may touch: its place, its fixtures, and ways to ask.

mod own;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::Client;
use tokio::time::Instant;
use winconform_reports::{
    Event, Place, ResultId, Verdict,
    event::{Observation, Phase, Vantage},
};

pub use self::own::{Admission, Scheduling, pod_in};
use crate::{
    blame::Trouble,
    budgets::{Budget, Budgets},
    check::{self, Fixture},
    cluster::{Created, Facts, NodeFacts, Target},
    journal::millis,
    probe::{Aim, ExecError, Expect, HttpProbe, Output, PodRef, Probed, Transport, exec, probe_outside},
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
    id: ResultId,
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
    pub(crate) fn new(stage: Arc<Stage>, id: ResultId) -> Self {
        Self { stage, id, notes: Arc::default(), probes: Arc::default() }
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
        &self.stage.facts
    }

    /// The target of the check's place.
    ///
    /// # Errors
    ///
    /// When the place has none: a check of scope cluster asked for it.
    pub fn target(&self) -> Result<&Target, Trouble> {
        let name = self.id.place.target().unwrap_or_default();
        self.stage.facts.target(name).ok_or_else(|| Trouble::Unexpected(format!("there is no target `{name}`")))
    }

    /// The node of the check's place.
    ///
    /// # Errors
    ///
    /// When the place is no node.
    pub fn node(&self) -> Result<&NodeFacts, Trouble> {
        let name = self.id.place.node().unwrap_or_default();
        self.stage.facts.node(name).ok_or_else(|| Trouble::Unexpected(format!("there is no node `{name}`")))
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
    pub async fn wait<T>(&self, what: &str, look: impl FnMut() -> Look<T>) -> Result<T, WaitError> {
        let from = Instant::now();
        let found = until(&self.stage.views.signal, self.stage.budgets, what, look).await;
        self.stage.cluster_time.note(&self.id.to_string(), from);
        found
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
        match live.state() {
            State::Ready(ready) => Ok(ready),
            State::Failed(trouble) => {
                Err(Trouble::of_fixture(live.key.to_string(), live.planned.fixture.host, &trouble))
            }
            State::Planned | State::Submitted => {
                Err(Trouble::Unexpected(format!("the check did not wait for `{}`", live.key)))
            }
        }
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

    /// Runs a command in a pod's container.
    ///
    /// An outcome that was lost is asked for again, so the command must be safe to repeat.
    ///
    /// # Errors
    ///
    /// When it could not be run, or its outcome stayed lost.
    pub async fn exec(&self, pod: &PodRef, command: &[String], longest: Duration) -> Result<Output, ExecError> {
        // What the command itself may take is in the cluster's time; ours is added on top.
        let limit = self.stage.budgets.of(Budget::Exec) + self.stage.budgets.stretch(longest);
        let mut transport = Transport::new(self.stage.budgets);
        loop {
            let permit = self.stage.execs.acquire().await;
            let from = Instant::now();
            let outcome = exec(&self.stage.client, pod, command, limit).await;
            drop(permit);
            self.record(pod, command, &outcome);
            match outcome {
                Ok(output) => {
                    let now = Instant::now();
                    let accepted = now.checked_sub(output.took).unwrap_or(from);
                    self.stage.cluster_time.note_between(&self.id.to_string(), accepted, now);
                    return Ok(output);
                }
                Err(error) if error.is_transport() => match transport.lost(from.elapsed()) {
                    Some(until_next) => {
                        tracing::debug!(%error, losses = transport.losses(), "an exec is made again");
                        pause(until_next).await;
                    }
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs a command that must not be run twice: an outcome that was lost stays lost.
    ///
    /// # Errors
    ///
    /// As [`Context::exec`].
    pub async fn exec_once(&self, pod: &PodRef, command: &[String], longest: Duration) -> Result<Output, ExecError> {
        let limit = self.stage.budgets.of(Budget::Exec) + self.stage.budgets.stretch(longest);
        let outcome = exec(&self.stage.client, pod, command, limit).await;
        self.record(pod, command, &outcome);
        outcome
    }

    fn record(&self, pod: &PodRef, command: &[String], outcome: &Result<Output, ExecError>) {
        let head = format!("{}/{} on {} $ {}", pod.namespace, pod.name, pod.node, command.join(" "));
        let text = match outcome {
            Ok(output) => format!("{head}\n{}{}exit code {}\n", output.stdout, output.stderr, output.exit_code),
            Err(error) => format!("{head}\n{}\n", winconform_reports::Chain(error)),
        };
        self.note(|notes| notes.transcript.push(text));
    }

    /// Tries connections from pods, each probe in an exec of its own, all at once;
    /// the pairs go into the matrix.
    pub async fn probe(&self, probes: Vec<HttpProbe>) -> Vec<Probed> {
        let probed = self.try_out(&probes).await;
        self.report(&probed);
        probed
    }

    /// Tries connections as [`Context::probe`] does, and keeps them out of the matrix: for rounds that only
    /// lead up to the one that counts, which [`Context::report`] puts there.
    pub async fn try_out(&self, probes: &[HttpProbe]) -> Vec<Probed> {
        join_all(probes.iter().map(|probe| self.probe_one(probe))).await
    }

    async fn probe_one(&self, probe: &HttpProbe) -> Probed {
        let nonce = self.nonce();
        let mut transport = Transport::new(self.stage.budgets);
        loop {
            let from = Instant::now();
            match self.exec(&probe.from, &probe.command(&nonce), probe.longest()).await {
                Ok(output) => match probe.read(&output.stdout, &nonce) {
                    Some(probed) => return probed,
                    None => match transport.lost(from.elapsed()) {
                        Some(until_next) => pause(until_next).await,
                        None => {
                            let why = format!("the output of the probe is not whole: {:?}", tail(&output.stdout));
                            return probe.lost(&nonce, why);
                        }
                    },
                },
                Err(error) => {
                    let text = winconform_reports::Chain(&error).to_string();
                    self.observe(error.observation(false));
                    return probe.lost(&nonce, text);
                }
            }
        }
    }

    /// Gives the network of each pod of a fixture its time to come up, once for all checks.
    ///
    /// A Service answers as soon as one backend does, so its first answer says nothing
    /// of the others: here each is asked by another (or by itself, if it is alone) until
    /// it answers or the datapath budget is spent. That is no verdict; checks give those.
    pub async fn settle(&self, ready: &Ready, aim: impl Fn(&PodRef) -> Aim, expect: &Expect) {
        ready
            .settled
            .get_or_init(|| async {
                let from = Instant::now();
                let others = ready.pods.iter().cycle().skip(1);
                let probes = ready.pods.iter().zip(others).map(|(to, from)| HttpProbe {
                    from: from.clone(),
                    vantage: Vantage::WindowsPod,
                    aim: aim(to),
                    expect: expect.clone(),
                    connections: 1,
                    settle: Some(self.stage.budgets.inside(Budget::Datapath)),
                });
                let probes: Vec<HttpProbe> = probes.collect();
                join_all(probes.iter().map(|probe| self.probe_one(probe))).await;
                self.phase("network of the backends", from.elapsed());
            })
            .await;
    }

    /// Tries connections from where winconform runs, through the proxy if there is one.
    pub async fn probe_outside(&self, aims: &[Aim], expect: &Expect, connections: u32) -> Vec<Probed> {
        let limit = self.stage.budgets.stretch(Duration::from_secs(10));
        let settle = self.stage.budgets.of(Budget::Datapath);
        let proxy = self.stage.outside_proxy.as_ref();
        let from = Instant::now();
        let probed = join_all(aims.iter().map(|aim| {
            let nonce = self.nonce();
            async move { probe_outside(proxy, aim, expect, connections, limit, Some(settle), &nonce).await }
        }))
        .await;
        self.stage.cluster_time.note(&self.id.to_string(), from);
        self.report(&probed);
        probed
    }

    /// Puts what connections came to into the matrix.
    pub fn report(&self, probed: &[Probed]) {
        if let Some(slowest) = probed.iter().filter_map(|probed| probed.settled).max() {
            self.phase("first answer", slowest);
        }
        let troubled =
            probed.iter().map(|probed| &probed.cell).filter(|cell| cell.answered < cell.tried || cell.lost > 0);
        let ends = troubled.flat_map(|cell| [cell.source_node.clone(), cell.destination_node.clone()]).flatten();
        self.note(|notes| notes.troubled.extend(ends));
        let unanswered = probed.iter().any(|probed| probed.cell.answered < probed.cell.tried);
        self.note(|notes| notes.unanswered |= unanswered);
        let cells = probed.iter().map(|probed| probed.cell.clone()).collect();
        self.stage.journal.emit(Event::Probed { id: self.id.clone(), cells });
    }

    /// A word that no other probe of this run has.
    fn nonce(&self) -> String {
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        // The id's own slug keeps the nonces of different checks apart.
        let hash = self
            .id
            .to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{:08x}n{number}", (hash >> 32) ^ (hash & 0xffff_ffff))
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

/// The end of a text, for messages.
fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(119).map_or(0, |(index, _)| index);
    &text[start..]
}
