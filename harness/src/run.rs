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
mod round;
mod selection;
pub(crate) mod stage;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use jiff::Timestamp;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use winconform_reports::{
    Chain, Event, Policy, Verdict,
    event::{FixtureState, RunFinished, RunStarted, SCHEMA, TestbedFacts},
};

use self::round::{Round, finished};
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
pub(crate) use self::{cordon::ASKS as CORDON_ASKS, log_tail::ASKS as LOG_ASKS};
use crate::{
    budgets::Budgets,
    check::Check,
    cluster::{ApiError, Cluster, Facts, ObserveError, Permission, PermissionError},
    journal::{Journal, millis},
    observer::Observer,
    probe::Proxy,
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
    /// How often everything is asked, each time from the beginning; 0 counts as 1.
    pub rounds: u32,
    /// How often a check that did not pass is asked again.
    pub retries: u32,
    /// The folder for evidence; none keeps it in memory only as excerpts.
    pub folder: Option<PathBuf>,
    /// What the testbed is, where it is the cluster.
    pub testbed: Option<TestbedFacts>,
    /// Whether the cluster goes away with the run, so that nobody waits for its objects to be gone.
    pub disposable: bool,
    /// Who sees every answer before the checks do: tests of this harness.
    pub observer: Option<Arc<dyn Observer>>,
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
            rounds: self.options.rounds.max(1),
            retries: self.options.retries,
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
            self.journal.emit(finished(planned, Verdict::NotApplicable(reason), 1));
        }
        if plan.asks_nothing() {
            self.finish(began, cluster_time::CriticalPath::default(), None);
            return Ok(());
        }
        let rounds = self.options.rounds.max(1);
        let (mut path, mut slowest) = (cluster_time::CriticalPath::default(), Duration::ZERO);
        for number in 1..=rounds {
            if number > 1 {
                self.journal.emit(Event::RoundStarted { round: number });
            }
            let round = Round { run: &self, number, is_last: number == rounds };
            match round.perform(facts.clone(), plan.clone()).await {
                Ok(of_round) => {
                    // The words are those of the slowest round: all of them nobody reads.
                    if of_round.length > slowest {
                        (slowest, path.words) = (of_round.length, of_round.words);
                    }
                    path.length += of_round.length;
                }
                Err(error) => {
                    self.finish(began, path, Some(Chain(&error).to_string()));
                    return Err(error);
                }
            }
            if self.stop.is_cancelled() {
                break;
            }
        }
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

    fn budgets(&self) -> Budgets {
        Budgets::scaled(self.options.timeout_scale)
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
}
