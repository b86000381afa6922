//! One run, wired: a cluster, the one runner, and what becomes of its events.
//!
//! The command and `cargo test` both come through [`Session::run`]. Whatever
//! happens on the way there is a log, and so a [`Report`]: a cluster that cannot
//! be reached makes a report that says so.

mod folder;
mod introduction;
mod log_sink;
mod source;
mod stop;

use std::{path::PathBuf, sync::Arc};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use winconform_harness::{
    Check, Run, RunOptions,
    cluster::Cluster,
    journal::{Journal, Sink},
    probe::Proxy,
    run::{Keep, PlanOptions, WantedNodes},
};
use winconform_reports::{
    Chain, Event, Policy, Report,
    compare::Snapshot,
    event::{RunFinished, RunStarted, SCHEMA, TestbedFacts},
    log::Log,
    read_log,
    write::{ReportFile, write_report},
};

pub use self::{
    folder::{RunFolder, all_runs},
    introduction::{introduction, what_is_created, without_windows_nodes},
    source::{OwnTestbed, Source, own_executable, timeout_scale},
    stop::listen_for_signals,
};
use self::{
    log_sink::LogSink,
    source::{Held, Reached},
};
use crate::{error::CliError, progress::Display};

/// How a run is made, and what becomes of it.
pub struct Session {
    /// Where the cluster comes from.
    pub source: Source,
    /// All checks there are.
    pub checks: Vec<&'static Check>,
    /// Which of them, and where.
    pub plan: PlanOptions,
    /// All budgets are multiplied by this; otherwise what suits the cluster.
    pub timeout_scale: Option<f64>,
    /// The Windows nodes to wait for before looking.
    pub wait_for: Option<WantedNodes>,
    /// Whether images are pulled before anything is asked.
    pub prepull: bool,
    /// What to do with our objects at the end.
    pub keep: Keep,
    /// How many checks ask at once.
    pub jobs: usize,
    /// The way to the nodes from outside; a testbed brings its own.
    pub outside_proxy: Option<Proxy>,
    /// What decides which verdicts are red.
    pub policy: Policy,
    /// The run that this one is judged against.
    pub baseline: Option<Box<Snapshot>>,
    /// How often everything is asked.
    pub rounds: u32,
    /// How often a check that did not pass is asked again.
    pub retries: u32,
    /// The run's folder, and in its name the run's id.
    pub folder: RunFolder,
    /// The reports to write.
    pub reports: Vec<ReportFile>,
    /// Who else takes the events.
    pub sinks: Vec<Arc<dyn Sink>>,
    /// What the user sees meanwhile.
    pub display: Display,
    /// Cancelled when the user wants the run to end.
    pub stop: CancellationToken,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("run", &self.folder.run()).finish_non_exhaustive()
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What its log says.
    pub report: Report,
    /// What the reader of the log had to pass over.
    pub notes: Vec<String>,
    /// The reports that were written.
    pub written: Vec<PathBuf>,
    /// Why the run could not be made, or a report not be written.
    pub error: Option<CliError>,
}

impl Outcome {
    /// The exit code: a red verdict stands whatever else went wrong.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (&self.error, self.report.run.exit_code) {
            (Some(error), code) if code != 1 => error.exit_code(),
            (_, code) => code,
        }
    }
}

impl Session {
    /// Gets the cluster, runs, ends what it started, writes the reports.
    pub async fn run(self) -> Outcome {
        let log = Arc::new(LogSink::new(self.folder.log()));
        let mut error = self.perform(log.clone()).await.err().or_else(|| log.failure().map(CliError::Log));
        self.display.finish();
        // Read back: what reports show is what the log holds, also tomorrow.
        let Log { records, notes } = match read_log(self.folder.log().path()) {
            Ok(log) => log,
            Err(unread) => {
                error.get_or_insert(CliError::Log(unread));
                Log::default()
            }
        };
        let report = Report::from_records(&records);
        let mut written = Vec::new();
        for file in &self.reports {
            match write_report(file, &report) {
                Ok(()) => written.push(file.path.clone()),
                Err(unwritten) => {
                    error.get_or_insert(CliError::Report(unwritten));
                }
            }
        }
        Outcome { report, notes, written, error }
    }

    async fn perform(&self, log: Arc<LogSink>) -> Result<(), CliError> {
        let reached = tokio::select! {
            reached = self.source.reach(&self.display) => reached,
            () = self.stop.cancelled() => Err(CliError::Stopped),
        };
        // The clock of the run starts when there is a cluster: a testbed's boot is apart.
        let mut sinks: Vec<Arc<dyn Sink>> = vec![log, Arc::new(self.display.clone())];
        sinks.extend(self.sinks.iter().cloned());
        let journal = Journal::new(sinks);
        match reached {
            Ok(Reached { cluster, testbed, facts, outside_proxy, timeout_scale }) => {
                let options = RunOptions {
                    timeout_scale: self.timeout_scale.unwrap_or(timeout_scale),
                    outside_proxy: self.outside_proxy.clone().or(outside_proxy),
                    disposable: testbed.is_some(),
                    testbed: facts,
                    ..self.options()
                };
                let asked = self.ask(cluster, options, &journal);
                let Some(testbed) = testbed else { return asked.await };
                let done = self.unless_lost(&testbed, asked).await;
                testbed.let_go().await;
                done
            }
            Err(error) => {
                journal.emit(self.started());
                self.give_baseline(&journal);
                journal.emit(aborted(&error, &journal, 0));
                Err(error)
            }
        }
    }

    /// Asks on a testbed. One that ends meanwhile ends the run: nothing more can be learned from it.
    async fn unless_lost(
        &self,
        testbed: &Held,
        asked: impl Future<Output = Result<(), CliError>>,
    ) -> Result<(), CliError> {
        let mut asked = std::pin::pin!(asked);
        tokio::select! {
            done = &mut asked => done,
            last = testbed.lost() => {
                self.stop.cancel();
                asked.await.and(Err(CliError::TestbedLost { message: last.message, log_tail: last.log_tail }))
            }
        }
    }

    async fn ask(&self, cluster: Cluster, mut options: RunOptions, journal: &Journal) -> Result<(), CliError> {
        options.plan.settings.outside_proxy = options.outside_proxy.is_some();
        if options.testbed.is_some() {
            // A testbed's domain has a share; whoever wants another one says so.
            options
                .plan
                .settings
                .gmsa_share
                .get_or_insert_with(|| winconform_testbed::directory::SHARE_PATH.to_owned());
        }
        let requests = cluster.requests().clone();
        let is_ours = options.testbed.is_some();
        let run = Run::new(cluster, self.checks.clone(), options, journal.clone(), self.stop.clone());
        run.announce();
        self.give_baseline(journal);
        let (facts, plan) = match run.look().await {
            Ok(seen) => seen,
            Err(error) => {
                let error = CliError::Run(error);
                journal.emit(aborted(&error, journal, requests.get()));
                return Err(error);
            }
        };
        if !is_ours {
            self.display.say(introduction(&facts));
            self.display.say(what_is_created(&plan, Some(self.folder.run())));
        }
        if facts.targets.is_empty() {
            self.display.say(without_windows_nodes(&facts));
        }
        Ok(run.perform(facts, plan).await?)
    }

    fn options(&self) -> RunOptions {
        RunOptions {
            id: self.folder.run().to_owned(),
            plan: self.plan.clone(),
            timeout_scale: self.timeout_scale.unwrap_or(1.0),
            wait_for: self.wait_for.clone(),
            prepull: self.prepull,
            keep: self.keep,
            jobs: self.jobs,
            outside_proxy: self.outside_proxy.clone(),
            policy: self.policy.clone(),
            rounds: self.rounds,
            retries: self.retries,
            folder: Some(self.folder.path().to_owned()),
            testbed: None,
            disposable: false,
            observer: None,
        }
    }

    /// Keeps the baseline in the log, so that a report made later decides alike.
    fn give_baseline(&self, journal: &Journal) {
        if let Some(baseline) = &self.baseline {
            journal.emit(Event::BaselineGiven(baseline.clone()));
        }
    }

    /// The first event of a run that has no cluster.
    fn started(&self) -> Event {
        Event::RunStarted(RunStarted {
            schema: SCHEMA.to_owned(),
            run: self.folder.run().to_owned(),
            started: Timestamp::now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: self.policy.clone(),
            timeout_scale: self.timeout_scale.unwrap_or(1.0),
            testbed: None::<TestbedFacts>,
            rounds: self.rounds,
            retries: self.retries,
        })
    }
}

/// The last event of a run that never had a plan.
fn aborted(error: &CliError, journal: &Journal, api_requests: u64) -> Event {
    Event::RunFinished(RunFinished {
        wall_ms: winconform_harness::journal::millis(journal.started().elapsed()),
        critical_path_ms: 0,
        critical_path: Vec::new(),
        api_requests,
        aborted: Some(Chain(error).to_string()),
    })
}
