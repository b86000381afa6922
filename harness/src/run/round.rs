//! One round: set up, start, ask, clean. A run has one, or as many as `--repeat` says.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    sync::{OnceCell, Semaphore},
    task::JoinSet,
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use winconform_reports::{Chain, Event, Verdict, VerdictKind, event::Finished};

use super::{
    Keep, Run, RunError,
    asking::Asked,
    cleanup,
    cluster_time::{ClusterTime, CriticalPath},
    cordon::Cordons,
    evidence,
    images::NeededImages,
    list,
    live_fixture::LiveFixture,
    namespaces::{self, Heartbeat},
    plan::{FixtureKey, Plan, PlannedCheck},
    prepull,
    stage::{self, Names, Stage, Views},
};
use crate::{
    cluster::{Facts, Permission, missing_permissions, permissions_of, required_permissions},
    journal::millis,
    probe::{Crowds, Silence},
};

/// One round of a run.
pub(super) struct Round<'a> {
    pub(super) run: &'a Run,
    /// Counted from 1.
    pub(super) number: u32,
    pub(super) is_last: bool,
}

impl Round<'_> {
    /// Asks everything once and cleans up; gives the longest chain of what the cluster took.
    ///
    /// # Errors
    ///
    /// When it could not be set up; all its results are then undetermined for that reason.
    pub(super) async fn perform(&self, facts: Facts, plan: Plan) -> Result<CriticalPath, RunError> {
        // Whoever makes no such objects need not be allowed to look for them.
        let cluster_wide = plan.makes_cluster_wide();
        let (heartbeat, missing) = match self.set_up(&plan).await {
            Ok(ready) => ready,
            Err(error) => {
                let why = Chain(&error).to_string();
                for planned in plan.checks.iter().filter(|planned| planned.not_applicable.is_none()) {
                    let verdict = Verdict::Undetermined(format!("not asked: {why}"));
                    self.run.journal.emit(finished(planned, verdict, self.number));
                }
                let left = self.remove_all(cluster_wide).await;
                self.run.journal.emit(Event::CleanedUp { left });
                return Err(error);
            }
        };
        let chains = chains(&plan);
        let (stage, verdicts) = self.ask_all(facts, plan, &missing).await;
        heartbeat.stop().await;
        stage.stop.cancel();
        let troubled = verdicts.iter().any(|kind| matches!(kind, VerdictKind::Failed | VerdictKind::Undetermined));
        let keep = match self.run.options.keep {
            Keep::Never => false,
            Keep::Failed => troubled,
            Keep::Always => true,
        };
        // Others' nodes are given back also where our own objects are kept.
        let cordoned = stage.cordons.lift_rest().await;
        if keep {
            tracing::info!(namespace = stage.names.main, "the run's objects are kept");
            if !cordoned.is_empty() {
                self.run.journal.emit(Event::CleanedUp { left: cordoned });
            }
        } else {
            let from = Instant::now();
            let mut left = cordoned;
            left.extend(self.remove_all(cluster_wide).await);
            // How long a cluster takes to end pods is its own time.
            stage.cluster_time.note(REMOVAL, from);
            self.run.journal.emit(Event::CleanedUp { left });
        }
        Ok(stage.cluster_time.longest(&chains))
    }

    /// The names the round goes by; those after the first are their own runs to the cluster, so that
    /// what is left of one round is never taken for the next one's.
    fn names(&self) -> Names {
        match self.number {
            1 => Names::of(&self.run.options.id),
            number => Names::of(&format!("{}-r{number}", self.run.options.id)),
        }
    }

    /// Checks permissions and makes the namespaces with their heartbeat.
    ///
    /// What every run needs must be there; what only some checks need beyond that is given back where it is missing.
    async fn set_up(&self, plan: &Plan) -> Result<(Heartbeat, Vec<Permission>), RunError> {
        let client = self.run.cluster.client();
        let preparing = async {
            let images = &self.run.options.plan.settings.images;
            let basic = required_permissions();
            let wanted = permissions_of(plan.asked().map(|planned| planned.check));
            let missing = missing_permissions(&client, &wanted).await?;
            if missing.iter().any(|permission| basic.contains(permission)) {
                return Err(RunError::Forbidden { missing });
            }
            namespaces::create(&client, &self.names(), images).await?;
            Ok((Heartbeat::start(&client, &self.names(), self.run.budgets()).await?, missing))
        };
        tokio::select! {
            ready = preparing => ready,
            () = self.run.stop.cancelled() => Err(RunError::Stopped),
        }
    }

    async fn remove_all(&self, cluster_wide: bool) -> Vec<String> {
        let waiting = (!(self.run.options.disposable && self.is_last)).then_some(self.run.budgets());
        let client = self.run.cluster.client();
        let mut left = match cluster_wide {
            true => cleanup::remove_cluster_wide(&client, &self.names().run).await,
            false => Vec::new(),
        };
        left.extend(namespaces::remove(&client, &self.names(), waiting).await);
        left
    }

    /// Starts all fixtures and all checks at once; each check waits for its own fixtures.
    /// Those that claim a node for themselves come after all others, one by one.
    async fn ask_all(&self, facts: Facts, plan: Plan, missing: &[Permission]) -> (Arc<Stage>, Vec<VerdictKind>) {
        let client = self.run.cluster.client();
        let images = NeededImages::of(&plan, &facts, &self.run.options.plan.settings.images);
        let lacks = |planned: &PlannedCheck| -> Vec<Permission> {
            planned.check.permissions().into_iter().filter(|permission| missing.contains(permission)).collect()
        };
        let applicable = plan.checks.into_iter().filter(|planned| planned.not_applicable.is_none());
        let (asked, forbidden): (Vec<PlannedCheck>, Vec<PlannedCheck>) =
            applicable.partition(|planned| lacks(planned).is_empty());
        for planned in &forbidden {
            let why = format!("not asked: this identity may not use {}", list(&lacks(planned)));
            self.run.journal.emit(finished(planned, Verdict::Undetermined(why), self.number));
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
            facts: Arc::new(facts),
            budgets: self.run.budgets(),
            journal: self.run.journal.clone(),
            names,
            round: self.number,
            fixtures,
            cluster_time: ClusterTime::default(),
            outside_proxy: self.run.options.outside_proxy.clone(),
            settings: self.run.options.plan.settings.clone(),
            cordons: Cordons::new(&self.run.cluster.client(), &self.names().run),
            network_policies: OnceCell::new(),
            windows_sides: evidence::WindowsSides::default(),
            silence: Silence::default(),
            crowds: Crowds::default(),
            execs: Semaphore::new(64),
            observer: self.run.options.observer.clone(),
            stop: watching,
        });
        if self.run.options.prepull {
            tokio::select! {
                () = prepull::pull(&stage, &images) => {}
                () = self.run.stop.cancelled() => {}
            }
        }
        let mut tasks = JoinSet::new();
        for fixture in stage.fixtures.values() {
            let (fixture, stage, stop) = (fixture.clone(), stage.clone(), self.run.stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = fixture.start(&stage) => {}
                    () = stop.cancelled() => fixture.abandon("the run was interrupted"),
                }
            });
        }
        let jobs = Arc::new(Semaphore::new(self.run.options.jobs.max(1)));
        let ask = |planned: PlannedCheck| {
            let asked = Asked {
                planned,
                stage: stage.clone(),
                jobs: jobs.clone(),
                stop: self.run.stop.clone(),
                folder: self.run.options.folder.clone(),
                keep: self.run.options.keep,
                retries: self.run.options.retries,
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

pub(super) fn finished(planned: &PlannedCheck, verdict: Verdict, round: u32) -> Event {
    Event::CheckFinished(Box::new(Finished {
        id: planned.id.clone(),
        verdict,
        attempts: 1,
        flaky: false,
        earlier: Vec::new(),
        round,
        ms: millis(Duration::ZERO),
        phases: Vec::new(),
        observations: Vec::new(),
        evidence: Vec::new(),
    }))
}
