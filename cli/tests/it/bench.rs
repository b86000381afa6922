//! Runs of the one runner in this very process, against a testbed of the test's own with a fault in it.

use std::sync::{Arc, Mutex};

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use winconform_harness::{
    Check, Run, RunOptions, Settings,
    cluster::{Cluster, ConnectOptions},
    journal::Journal,
    observer::Observer,
    run::{PlanOptions, new_run_id},
};
use winconform_reports::{Event, Record, event::Finished};
use winconform_testbed::{
    client::Testbed,
    directory::SHARE_PATH,
    fault::{Counter, Effect, Fault},
    serve::ServeOptions,
};

use crate::standing::start;

/// A testbed, and a thread's worth of runtime to ask it.
pub(crate) struct Bench {
    runtime: Runtime,
    testbed: Testbed,
}

/// How one run is made.
pub(crate) struct Asking {
    pub(crate) checks: Vec<&'static Check>,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) retries: u32,
    pub(crate) timeout_scale: f64,
}

impl Default for Asking {
    fn default() -> Self {
        Self { checks: winconform_suites::all(), observer: None, retries: 0, timeout_scale: 0.3 }
    }
}

impl Bench {
    pub(crate) fn start(options: &ServeOptions) -> Self {
        let runtime = Runtime::new().unwrap();
        let testbed = runtime.block_on(start(options));
        Self { runtime, testbed }
    }

    /// Puts the fault in, asks, and heals it; gives the verdicts and how often each effect bit.
    pub(crate) fn with(&self, fault: &Fault, asking: Asking) -> (Vec<Finished>, Vec<Counter>) {
        self.runtime.block_on(async { self.testbed.control().await.unwrap().inject(fault.clone()).await.unwrap() });
        if fault.effects.iter().any(|effect| matches!(effect, Effect::Admission(_))) {
            // An API server calls a new webhook only a moment after it has taken it: a run long, at most.
            self.ask(Asking { checks: asking.checks.clone(), ..Asking::default() });
        }
        let answers = self.ask(asking);
        let heal = async { self.testbed.control().await.unwrap().heal(Some(&fault.name)).await.unwrap() };
        (answers, self.runtime.block_on(heal))
    }

    /// Asks, and gives the verdicts.
    pub(crate) fn ask(&self, asking: Asking) -> Vec<Finished> {
        let records: Arc<Mutex<Vec<Record>>> = Arc::default();
        let keep = records.clone();
        let journal = Journal::new(vec![Arc::new(move |record: &Record| keep.lock().unwrap().push(record.clone()))]);
        self.runtime.block_on(self.perform(asking, journal));
        let records = std::mem::take(&mut *records.lock().unwrap());
        records
            .into_iter()
            .filter_map(|record| match record.event {
                Event::CheckFinished(finished) => Some(*finished),
                _ => None,
            })
            .collect()
    }

    async fn perform(&self, asking: Asking, journal: Journal) {
        let info = self.testbed.info();
        let way = ConnectOptions { kubeconfig: Some(info.kubeconfig.clone()), context: None };
        let settings = Settings {
            outside_proxy: true,
            allow_load_balancer: true,
            gmsa_share: Some(SHARE_PATH.to_owned()),
            ..Settings::default()
        };
        let options = RunOptions {
            id: new_run_id(),
            plan: PlanOptions { settings, ..PlanOptions::default() },
            timeout_scale: asking.timeout_scale,
            jobs: 64,
            outside_proxy: Some(info.outside_proxy.parse().unwrap()),
            retries: asking.retries,
            observer: asking.observer,
            ..RunOptions::default()
        };
        let cluster = Cluster::connect(&way).await.unwrap();
        let run = Run::new(cluster, asking.checks, options, journal, CancellationToken::new());
        run.announce();
        // A run that cannot be set up has told why, as the verdict of everything that was planned.
        if let Ok((facts, plan)) = run.look().await {
            let _the_verdicts_say_why = run.perform(facts, plan).await;
        }
    }
}
