//! The one runner: look, plan, start, ask, judge, clean.
//!
//! `winconform run` and `cargo test` both come through [`Run`]. A run always ends
//! with a verdict for every planned result, whatever happened on the way, and
//! with its own objects removed unless the user keeps them.

mod asking;
mod await_nodes;
mod cleanup;
mod cluster_time;
mod cordon;
mod evidence;
mod images;
pub(crate) mod live_fixture;
mod log_tail;
mod namespaces;
mod network_policies;
mod plan;
mod prepull;
mod pull_secret;
mod selection;
pub(crate) mod stage;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use thiserror::Error;
use tokio::{
    sync::{OnceCell, Semaphore},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use winconform_reports::{
    Chain, Event, Policy, Verdict, VerdictKind,
    event::{Finished, FixtureState, RunFinished, RunStarted, SCHEMA, TestbedFacts},
};

use self::{
    asking::Asked,
    cluster_time::ClusterTime,
    cordon::Cordons,
    namespaces::Heartbeat,
    stage::{Names, Stage, Views},
};
pub use self::{
    await_nodes::{WantedNodes, WantedNodesError},
    cleanup::{CleanupError, DeadRun, Leftovers, cleanup, find_runs},
    images::{NeededImage, NeededImages},
    live_fixture::{LiveFixture, Ready, State},
    log_tail::LogTail,
    plan::{Awaited, FixtureKey, Plan, PlanOptions, PlannedCheck, PlannedFixture, known_ids},
    pull_secret::asks as pull_secret_permissions,
    selection::{Selection, SelectionError, Shard, ShardError},
};
pub(crate) use self::{cordon::ASKS as CORDON_ASKS, evidence::redact, log_tail::ASKS as LOG_ASKS};
use crate::{
    budgets::Budgets,
    check::Check,
    cluster::{
        ApiError, Cluster, Facts, ObserveError, Permission, PermissionError, missing_permissions, permissions_of,
        required_permissions,
    },
    journal::{Journal, millis},
    probe::{Crowds, Proxy, Silence},
    wait::WaitError,
};

/// What a run asks for whatever its checks are, from the parts that ask.
pub(crate) fn asks() -> Vec<Permission> {
    [namespaces::ASKS, cleanup::ASKS, stage::ASKS].concat()
}

/// What to do with our objects when the run ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// Remove them.
    #[default]
    Never,
    /// Keep them when anything is red or unknown.
    Failed,
    /// Keep them.
    Always,
}

/// How a run is made.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// The run's id, part of every name; see [`new_run_id`].
    pub id: String,
    /// Which checks and places, and what is allowed.
    pub plan: PlanOptions,
    /// All budgets are multiplied by this.
    pub timeout_scale: f64,
    /// What to do with our objects at the end.
    pub keep: Keep,
    /// How many checks ask at once.
    pub jobs: usize,
    /// The Windows nodes to wait for before looking.
    pub wait_for: Option<WantedNodes>,
    /// Whether images are pulled before anything is asked.
    pub prepull: bool,
    /// The way to the nodes from outside.
    pub outside_proxy: Option<Proxy>,
    /// The user's policy, for the log.
    pub policy: Policy,
    /// The folder for evidence; none keeps it in memory only as excerpts.
    pub folder: Option<PathBuf>,
    /// What the testbed is, where it is the cluster.
    pub testbed: Option<TestbedFacts>,
    /// Whether the cluster goes away with the run, so that nobody waits for its objects to be gone.
    pub disposable: bool,
}

/// A run could not be made at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The cluster could not be looked at.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// It could not be asked what we may do.
    #[error(transparent)]
    Permission(#[from] PermissionError),
    /// We may not do what the run needs.
    #[error("this identity may not use {}; ask for a role that allows it", list(missing))]
    Forbidden {
        /// What is missing.
        missing: Vec<Permission>,
    },
    /// The nodes that were waited for did not come.
    #[error("the nodes that --wait-for-nodes names did not come")]
    Nodes(#[source] Box<WaitError>),
    /// The run's namespaces could not be made.
    #[error("could not {action}")]
    Namespace {
        /// For example `create namespace winconform-k3f9`.
        action: String,
        /// What the API server said.
        #[source]
        error: Box<ApiError>,
    },
    /// The run was stopped before it had begun.
    #[error("stopped before the first check")]
    Stopped,
}

/// What is missing, by resource: `pods (create, delete), services (list)`.
fn list(missing: &[Permission]) -> String {
    let mut verbs: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for permission in missing {
        verbs.entry(permission.target()).or_default().push(permission.verb);
    }
    verbs.iter().map(|(resource, verbs)| format!("{resource} ({})", verbs.join(", "))).collect::<Vec<_>>().join(", ")
}

/// A run of checks against a cluster.
#[derive(Debug)]
pub struct Run {
    cluster: Cluster,
    checks: Vec<&'static Check>,
    options: RunOptions,
    journal: Journal,
    stop: CancellationToken,
}

/// A fresh run id: sorts by time, and is short enough for names.
#[must_use]
pub fn new_run_id() -> String {
    let now = Timestamp::now();
    let random = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), now.as_nanosecond());
    format!("{}-{:04x}", now.strftime("%Y%m%d-%H%M%S"), random & 0xffff)
}

impl Run {
    /// Prepares a run; nothing is sent yet.
    #[must_use]
    pub fn new(
        cluster: Cluster,
        checks: Vec<&'static Check>,
        options: RunOptions,
        journal: Journal,
        stop: CancellationToken,
    ) -> Self {
        Self { cluster, checks, options, journal, stop }
    }

    /// Says how the run is made; the first event of its log.
    pub fn announce(&self) {
        self.journal.emit(Event::RunStarted(RunStarted {
            schema: SCHEMA.to_owned(),
            run: self.options.id.clone(),
            started: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: self.options.policy.clone(),
            timeout_scale: self.options.timeout_scale,
            testbed: self.options.testbed.clone(),
            rounds: 1,
            retries: 0,
        }));
    }

    /// Looks at the cluster and plans: two requests, nothing created.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be reached or does not let us list nodes.
    pub async fn look(&self) -> Result<(Facts, Plan), RunError> {
        let observing = async {
            let facts = Facts::observe(&self.cluster).await?;
            match &self.options.wait_for {
                Some(wanted) if wanted.missing(&facts).is_some() => {
                    self.wait_for(wanted).await?;
                    Ok(Facts::observe(&self.cluster).await?)
                }
                _ => Ok::<_, RunError>(facts),
            }
        };
        let facts = tokio::select! {
            facts = observing => facts?,
            () = self.stop.cancelled() => return Err(RunError::Stopped),
        };
        self.journal.emit(Event::ClusterObserved(facts.to_event()));
        let facts = self.options.plan.selection.narrow(facts);
        let plan = Plan::new(&self.checks, &facts, &self.options.plan);
        self.journal.emit(Event::Planned(plan.to_event()));
        Ok((facts, plan))
    }

    /// Asks everything that was planned and cleans up.
    ///
    /// Every planned result gets its verdict in the journal, also when this returns an error.
    ///
    /// # Errors
    ///
    /// When the run could not be set up; all results are then undetermined for that reason.
    pub async fn perform(self, facts: Facts, plan: Plan) -> Result<(), RunError> {
        let began = self.journal.started();
        for planned in plan.checks.iter().filter(|planned| planned.not_applicable.is_some()) {
            let reason = planned.not_applicable.clone().unwrap_or_default();
            self.journal.emit(finished(planned, Verdict::NotApplicable(reason)));
        }
        if plan.asks_nothing() {
            self.finish(began, cluster_time::CriticalPath::default(), None);
            return Ok(());
        }
        // Whoever makes no such objects need not be allowed to look for them.
        let cluster_wide = plan.makes_cluster_wide();
        let (heartbeat, missing) = match self.set_up(&plan).await {
            Ok(ready) => ready,
            Err(error) => {
                let why = Chain(&error).to_string();
                for planned in plan.checks.iter().filter(|planned| planned.not_applicable.is_none()) {
                    self.journal.emit(finished(planned, Verdict::Undetermined(format!("not asked: {why}"))));
                }
                let left = self.remove_all(cluster_wide).await;
                self.journal.emit(Event::CleanedUp { left });
                self.finish(began, cluster_time::CriticalPath::default(), Some(why));
                return Err(error);
            }
        };
        let chains = chains(&plan);
        let (stage, verdicts) = self.ask_all(facts, plan, &missing).await;
        heartbeat.stop().await;
        stage.stop.cancel();
        let troubled = verdicts.iter().any(|kind| matches!(kind, VerdictKind::Failed | VerdictKind::Undetermined));
        let keep = match self.options.keep {
            Keep::Never => false,
            Keep::Failed => troubled,
            Keep::Always => true,
        };
        // Others' nodes are given back also where our own objects are kept.
        let cordoned = stage.cordons.lift_rest().await;
        if keep {
            tracing::info!(namespace = stage.names.main, "the run's objects are kept");
            if !cordoned.is_empty() {
                self.journal.emit(Event::CleanedUp { left: cordoned });
            }
        } else {
            let from = Instant::now();
            let mut left = cordoned;
            left.extend(self.remove_all(cluster_wide).await);
            // How long a cluster takes to end pods is its own time.
            stage.cluster_time.note(REMOVAL, from);
            self.journal.emit(Event::CleanedUp { left });
        }
        let path = stage.cluster_time.longest(&chains);
        let aborted = self.stop.is_cancelled().then(|| "interrupted".to_owned());
        self.finish(began, path, aborted);
        Ok(())
    }

    async fn wait_for(&self, wanted: &WantedNodes) -> Result<(), RunError> {
        let fixture = wanted.to_string();
        let report = |state| self.journal.emit(Event::FixtureChanged { fixture: fixture.clone(), state });
        report(FixtureState::Starting);
        let (client, images) = (self.cluster.client(), &self.options.plan.settings.images);
        let came = await_nodes::wait(&client, wanted, &self.options.id, images, self.budgets()).await;
        report(match &came {
            Ok(()) => FixtureState::Ready,
            Err(error) => FixtureState::Failed(Chain(error).to_string()),
        });
        came.map_err(|error| RunError::Nodes(Box::new(error)))
    }

    fn names(&self) -> Names {
        Names::of(&self.options.id)
    }

    fn budgets(&self) -> Budgets {
        Budgets::scaled(self.options.timeout_scale)
    }

    /// Checks permissions and makes the namespaces with their heartbeat.
    ///
    /// What every run needs must be there; what only some checks need beyond that is given back where it is missing.
    async fn set_up(&self, plan: &Plan) -> Result<(Heartbeat, Vec<Permission>), RunError> {
        let client = self.cluster.client();
        let preparing = async {
            let images = &self.options.plan.settings.images;
            let basic = required_permissions();
            let wanted = permissions_of(plan.asked().map(|planned| planned.check));
            let missing = missing_permissions(&client, &wanted).await?;
            if missing.iter().any(|permission| basic.contains(permission)) {
                return Err(RunError::Forbidden { missing });
            }
            namespaces::create(&client, &self.names(), images).await?;
            Ok((Heartbeat::start(&client, &self.names(), self.budgets()).await?, missing))
        };
        tokio::select! {
            ready = preparing => ready,
            () = self.stop.cancelled() => Err(RunError::Stopped),
        }
    }

    async fn remove_all(&self, cluster_wide: bool) -> Vec<String> {
        let waiting = (!self.options.disposable).then_some(self.budgets());
        let client = self.cluster.client();
        let mut left = match cluster_wide {
            true => cleanup::remove_cluster_wide(&client, &self.options.id).await,
            false => Vec::new(),
        };
        left.extend(namespaces::remove(&client, &self.names(), waiting).await);
        left
    }

    fn finish(&self, began: Instant, path: cluster_time::CriticalPath, aborted: Option<String>) {
        self.journal.emit(Event::RunFinished(RunFinished {
            wall_ms: millis(began.elapsed()),
            critical_path_ms: millis(path.length),
            critical_path: path.words,
            api_requests: self.cluster.requests().get(),
            aborted,
        }));
    }

    /// Starts all fixtures and all checks at once; each check waits for its own fixtures.
    /// Those that claim a node for themselves come after all others, one by one.
    async fn ask_all(&self, facts: Facts, plan: Plan, missing: &[Permission]) -> (Arc<Stage>, Vec<VerdictKind>) {
        let client = self.cluster.client();
        let images = NeededImages::of(&plan, &facts, &self.options.plan.settings.images);
        let lacks = |planned: &PlannedCheck| -> Vec<Permission> {
            planned.check.permissions().into_iter().filter(|permission| missing.contains(permission)).collect()
        };
        let applicable = plan.checks.into_iter().filter(|planned| planned.not_applicable.is_none());
        let (asked, forbidden): (Vec<PlannedCheck>, Vec<PlannedCheck>) =
            applicable.partition(|planned| lacks(planned).is_empty());
        for planned in &forbidden {
            let why = format!("not asked: this identity may not use {}", list(&lacks(planned)));
            self.journal.emit(finished(planned, Verdict::Undetermined(why)));
        }
        let mut users: BTreeMap<&FixtureKey, usize> = BTreeMap::new();
        for awaited in asked.iter().flat_map(|planned| &planned.waits) {
            *users.entry(&awaited.key).or_default() += 1;
        }
        let fixtures: BTreeMap<FixtureKey, Arc<LiveFixture>> = (plan.fixtures.into_iter())
            .map(|(key, planned)| {
                let count = users.get(&key).copied().unwrap_or(0);
                (key.clone(), Arc::new(LiveFixture::new(key, planned, count)))
            })
            .collect();
        drop(users);
        let names = self.names();
        let watching = CancellationToken::new();
        let stage = Arc::new(Stage {
            views: Views::start(&client, &names, &watching),
            client,
            rooms: stage::rooms(&facts),
            facts,
            budgets: self.budgets(),
            journal: self.journal.clone(),
            names,
            fixtures,
            cluster_time: ClusterTime::default(),
            outside_proxy: self.options.outside_proxy.clone(),
            settings: self.options.plan.settings.clone(),
            cordons: Cordons::new(&self.cluster.client(), &self.options.id),
            network_policies: OnceCell::new(),
            windows_sides: evidence::WindowsSides::default(),
            silence: Silence::default(),
            crowds: Crowds::default(),
            execs: Semaphore::new(64),
            stop: watching,
        });
        if self.options.prepull {
            tokio::select! {
                () = prepull::pull(&stage, &images) => {}
                () = self.stop.cancelled() => {}
            }
        }
        let mut tasks = JoinSet::new();
        for fixture in stage.fixtures.values() {
            let (fixture, stage, stop) = (fixture.clone(), stage.clone(), self.stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = fixture.start(&stage) => {}
                    () = stop.cancelled() => fixture.abandon("the run was interrupted"),
                }
            });
        }
        let jobs = Arc::new(Semaphore::new(self.options.jobs.max(1)));
        let ask = |planned: PlannedCheck| {
            let asked = Asked {
                planned,
                stage: stage.clone(),
                jobs: jobs.clone(),
                stop: self.stop.clone(),
                folder: self.options.folder.clone(),
                keep: self.options.keep,
            };
            asked.ask()
        };
        let (exclusive, shared): (Vec<PlannedCheck>, Vec<PlannedCheck>) =
            asked.into_iter().partition(|planned| planned.check.claims.exclusive);
        // Whoever needs most room is asked first, and otherwise in report order.
        let mut shared = shared;
        shared.sort_by_key(|planned| std::cmp::Reverse(planned.check.claims.pods));
        let mut verdicts = join_all(shared.into_iter().map(ask)).await;
        for planned in exclusive {
            verdicts.push(ask(planned).await);
        }
        verdicts.extend(forbidden.iter().map(|_| VerdictKind::Undetermined));
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
        (stage, verdicts)
    }
}

/// The owner of the time that the removal of our objects takes.
const REMOVAL: &str = "removal of our objects";

/// The owners of cluster time on the way to each check's verdict.
fn chains(plan: &Plan) -> Vec<Vec<String>> {
    plan.checks
        .iter()
        .map(|planned| {
            let fixtures = planned.waits.iter().map(|awaited| awaited.key.to_string());
            [prepull::OWNER.to_owned()]
                .into_iter()
                .chain(fixtures)
                .chain([planned.id.to_string(), REMOVAL.to_owned()])
                .collect()
        })
        .collect()
}

fn finished(planned: &PlannedCheck, verdict: Verdict) -> Event {
    Event::CheckFinished(Box::new(Finished {
        id: planned.id.clone(),
        verdict,
        attempts: 1,
        flaky: false,
        earlier: Vec::new(),
        round: 1,
        ms: millis(Duration::ZERO),
        phases: Vec::new(),
        observations: Vec::new(),
        evidence: Vec::new(),
    }))
}
