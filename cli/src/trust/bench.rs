//! A testbed on which one fault after the other is judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Instant,
};

use tokio_util::sync::CancellationToken;
use winconform_harness::{
    Settings,
    run::{Keep, PlanOptions},
};
use winconform_reports::{Disposition, Policy, Report};
use winconform_testbed::{
    client::{Executable, Testbed},
    control::{self, ControlError},
    fault::{Counter, Effect, Fault},
    serve::ServeOptions,
};

use super::{
    choice::{TrustError, expected_taint},
    report::{FaultRow, HealthyRow},
    verdict::{Observed, Said, judge, said},
};
use crate::{
    error::CliError,
    progress::{Detail, Display},
    session::{Outcome, RunFolder, Session, Source},
    terminal::Terminal,
};

/// What all benches share.
#[derive(Debug, Clone)]
pub(super) struct Workshop {
    pub(super) executable: Executable,
    pub(super) options: ServeOptions,
    /// Where the logs of all runs are kept.
    pub(super) folder: PathBuf,
    pub(super) terminal: Terminal,
    pub(super) stop: CancellationToken,
    /// What the checks say of a healthy cluster.
    pub(super) healthy: BTreeMap<String, Said>,
    /// The checks there are.
    pub(super) known: BTreeSet<String>,
}

/// One testbed, started when it is first needed.
pub(super) struct Bench<'a> {
    shop: &'a Workshop,
    testbed: Option<Testbed>,
    /// How often it had to be started anew because it was not what it was.
    pub(super) reboots: usize,
}

/// Whether a fault is about what no reset can be sure to undo.
fn wants_its_own(fault: &Fault) -> bool {
    fault.effects.iter().any(|effect| matches!(effect, Effect::Api(_) | Effect::Admission(_)))
}

impl<'a> Bench<'a> {
    pub(super) fn new(shop: &'a Workshop) -> Self {
        Self { shop, testbed: None, reboots: 0 }
    }

    /// Judges a fault: on the shared testbed, or where it concerns the control plane on one of its own.
    pub(super) async fn judge(&mut self, fault: &Fault) -> Result<FaultRow, CliError> {
        if wants_its_own(fault) {
            return self.judge_alone(fault, "its-own").await;
        }
        self.make_ready().await?;
        let Some(testbed) = &self.testbed else { return Err(CliError::Stopped) };
        self.shop.judge_on(testbed, fault, &fault.name).await
    }

    /// Judges a fault on a fresh testbed that nothing else was done with; `attempt` tells its log from those of others.
    pub(super) async fn judge_alone(&self, fault: &Fault, attempt: &str) -> Result<FaultRow, CliError> {
        let options = ServeOptions { api_front: fault.needs_api_front(), ..self.shop.options.clone() };
        let testbed = Testbed::start(&self.shop.executable, &options, drop).await?;
        let judged = self.shop.judge_on(&testbed, fault, &format!("{}-{attempt}", fault.name)).await;
        testbed.stop().await;
        judged
    }

    /// Looks at the healthy shared testbed, between two faults.
    pub(super) async fn healthy(&mut self, name: &str) -> Result<Report, CliError> {
        self.make_ready().await?;
        let Some(testbed) = &self.testbed else { return Err(CliError::Stopped) };
        let outcome = self.shop.run(testbed, name, None).await?;
        whole(outcome)
    }

    /// Makes the shared testbed what it was before anything was done to it.
    async fn make_ready(&mut self) -> Result<(), CliError> {
        if let Some(testbed) = &self.testbed {
            match reset(testbed).await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    self.reboots += 1;
                    self.shop
                        .terminal
                        .warn(format_args!("  a testbed is started anew: {}", winconform_reports::Chain(&error)));
                }
            }
        }
        if let Some(testbed) = self.testbed.take() {
            testbed.stop().await;
        }
        let testbed = Testbed::start(&self.shop.executable, &self.shop.options, drop).await?;
        reset(&testbed).await?; // the first one takes the inventory
        self.testbed = Some(testbed);
        Ok(())
    }

    pub(super) async fn end(self) {
        if let Some(testbed) = self.testbed {
            testbed.stop().await;
        }
    }
}

async fn reset(testbed: &Testbed) -> Result<(), ControlError> {
    testbed.control().await?.reset().await
}

/// A healthy cluster of another shape.
pub(super) async fn shape(shop: &Workshop, shape: &str) -> HealthyRow {
    let began = Instant::now();
    let ran = async {
        let options = ServeOptions { shape: shape.to_owned(), ..shop.options.clone() };
        let testbed = Testbed::start(&shop.executable, &options, drop).await?;
        let outcome = shop.run(&testbed, &format!("healthy-{shape}"), None).await;
        testbed.stop().await;
        whole(outcome?)
    };
    row(shape, ran.await, began)
}

/// What a healthy cluster came to.
pub(super) fn row(shape: &str, ran: Result<Report, CliError>, began: Instant) -> HealthyRow {
    let seconds = began.elapsed().as_secs_f64();
    match ran {
        Ok(report) => {
            let of = |disposition| {
                let these = report.results.iter().filter(|result| result.disposition == disposition);
                these.map(|result| format!("{}: {}", result.id, result.reason)).collect()
            };
            let (red, unknown) = (of(Disposition::Red), of(Disposition::Unknown));
            HealthyRow { shape: shape.to_owned(), red, unknown, error: None, seconds }
        }
        Err(error) => {
            let error = Some(winconform_reports::Chain(&error).to_string());
            HealthyRow { shape: shape.to_owned(), red: Vec::new(), unknown: Vec::new(), error, seconds }
        }
    }
}

/// The report of a run that came to its end.
fn whole(outcome: Outcome) -> Result<Report, CliError> {
    match outcome.error {
        Some(error) => Err(error),
        None => Ok(outcome.report),
    }
}

impl Workshop {
    /// Puts the fault in, runs, takes it out, and judges what the run said.
    async fn judge_on(&self, testbed: &Testbed, fault: &Fault, name: &str) -> Result<FaultRow, CliError> {
        let began = Instant::now();
        let mut control = testbed.control().await?;
        control.inject(fault.clone()).await?;
        let ran = self.run(testbed, name, Some(fault)).await;
        let counters = counted(&mut control, &fault.name).await?;
        let outcome = ran?;
        if self.stop.is_cancelled() {
            return Err(CliError::Stopped);
        }
        let observed = Observed {
            report: &outcome.report,
            counters,
            healthy: &self.healthy,
            known: &self.known,
            seconds: began.elapsed().as_secs_f64(),
        };
        Ok(judge(fault, &observed))
    }

    /// One run of all checks against a testbed, with the options that its fault asks for.
    async fn run(&self, testbed: &Testbed, name: &str, fault: Option<&Fault>) -> Result<Outcome, CliError> {
        let faults = fault.map(|fault| fault.name.clone()).into_iter().collect();
        let session = Session {
            source: Source::Running { info: Box::new(testbed.info().clone()), faults },
            checks: winconform_suites::all(),
            plan: plan(fault)?,
            timeout_scale: None,
            wait_for: None,
            prepull: false,
            keep: Keep::Never,
            jobs: 64,
            outside_proxy: None,
            baseline: None,
            rounds: 1,
            retries: 0,
            policy: Policy::default(),
            folder: RunFolder::create(Some(&self.folder.join(name)), None)?,
            reports: Vec::new(),
            sinks: Vec::new(),
            display: Display::new(self.terminal.hushed(), Detail::Waits),
            stop: self.stop.child_token(),
        };
        Ok(session.run().await)
    }

    /// What the checks say of a healthy cluster, for the checks that only report.
    pub(super) fn learn(&mut self, report: &Report) {
        self.healthy = said(report);
    }
}

/// What a run asks: everything that a testbed can answer, and what the fault's file wants beyond.
fn plan(fault: Option<&Fault>) -> Result<PlanOptions, TrustError> {
    let expected_taint = fault.map(expected_taint).transpose()?.flatten();
    let wanted = fault.and_then(|fault| fault.run.as_ref()).is_some_and(|run| run.allow_disruptive);
    let must = fault.and_then(|fault| fault.expect.as_ref()).into_iter().flat_map(|expect| &expect.must);
    Ok(PlanOptions {
        allow_disruptive: wanted || must.into_iter().any(|check| check.starts_with("lifecycle/")),
        settings: Settings { allow_load_balancer: true, expected_taint, ..Settings::default() },
        ..PlanOptions::default()
    })
}

async fn counted(control: &mut control::Client, fault: &str) -> Result<Vec<Counter>, CliError> {
    Ok(control.heal(Some(fault)).await?)
}
