//! Where the cluster of a run comes from.

use std::time::Duration;

use winconform_harness::{
    cluster::{Cluster, ConnectOptions},
    probe::Proxy,
};
use winconform_reports::event::TestbedFacts;
use winconform_testbed::{
    client::{Executable, Last, Shared, Standing, Testbed},
    clock::Latency,
    control,
    fault::Fault,
    progress::Info,
    serve::ServeOptions,
};

use crate::{error::CliError, progress::Display};

/// Where the cluster of a run comes from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A kubeconfig context.
    Kubeconfig(ConnectOptions),
    /// A testbed that lives as long as the run.
    Own(OwnTestbed),
    /// A testbed that other processes use too, and that ends when nobody does.
    Shared {
        /// What it is like.
        testbed: OwnTestbed,
        /// What it goes by.
        name: String,
        /// How long it stays unused.
        idle: Duration,
    },
    /// A testbed that somebody else holds, with these faults in it.
    Running {
        /// Which one.
        info: Box<Info>,
        /// The names of its faults.
        faults: Vec<String>,
    },
}

/// A testbed to start.
#[derive(Debug, Clone)]
pub struct OwnTestbed {
    /// The program that is one.
    pub executable: Executable,
    /// What it is like.
    pub options: ServeOptions,
    /// What is put into it before the run.
    pub faults: Vec<Fault>,
}

/// This program, as the one that serves testbeds.
///
/// # Errors
///
/// When the system does not say where this program's file is.
pub fn own_executable() -> Result<Executable, CliError> {
    let program = std::env::current_exe().map_err(CliError::OwnFile)?;
    Ok(Executable::new(program, ["testbed"]))
}

/// A cluster, and what belongs to it.
pub(super) struct Reached {
    pub(super) cluster: Cluster,
    pub(super) testbed: Option<Held>,
    pub(super) facts: Option<TestbedFacts>,
    pub(super) outside_proxy: Option<Proxy>,
    pub(super) timeout_scale: f64,
}

/// A testbed that is held while it is used.
pub(super) enum Held {
    Own(Box<Testbed>),
    Shared(Box<Shared>),
    Running(Box<Info>),
}

impl Held {
    fn info(&self) -> &Info {
        match self {
            Self::Own(testbed) => testbed.info(),
            Self::Shared(testbed) => testbed.info(),
            Self::Running(info) => info,
        }
    }

    /// Ends it, or leaves it to the others.
    pub(super) async fn let_go(self) {
        match self {
            Self::Own(testbed) => testbed.stop().await,
            Self::Shared(_) | Self::Running(_) => {}
        }
    }

    /// Returns when it has ended by itself, which it should not.
    pub(super) async fn lost(&self) -> Last {
        match self {
            Self::Own(testbed) => testbed.ended().await,
            // Nobody tells us; the checks will.
            Self::Shared(_) | Self::Running(_) => std::future::pending().await,
        }
    }
}

impl Source {
    /// Gets the cluster; a testbed is started and its faults are injected.
    pub(super) async fn reach(&self, display: &Display) -> Result<Reached, CliError> {
        let none: &Vec<Fault> = &Vec::new();
        let mut in_force: Vec<String> = Vec::new();
        let (held, faults) = match self {
            Self::Kubeconfig(options) => return reach_context(options).await,
            Self::Running { info, faults } => {
                in_force.clone_from(faults);
                (Held::Running(info.clone()), none)
            }
            Self::Own(OwnTestbed { executable, options, faults }) => {
                let testbed = Testbed::start(executable, options, |progress| display.testbed(&progress)).await?;
                (Held::Own(Box::new(testbed)), faults)
            }
            Self::Shared { testbed: OwnTestbed { executable, options, faults }, name, idle } => {
                let told = |progress| display.testbed(&progress);
                let shared = Standing::of_user().shared(executable, options, name, *idle, told).await?;
                (Held::Shared(Box::new(shared)), faults)
            }
        };
        let info = held.info();
        if !faults.is_empty() {
            let mut control = control::Client::connect(&info.control_socket).await?;
            for fault in faults {
                control.inject(fault.clone()).await?;
                in_force.push(fault.name.clone());
            }
        }
        let context = ConnectOptions { kubeconfig: Some(info.kubeconfig.clone()), context: Some(info.context.clone()) };
        Ok(Reached {
            cluster: Cluster::connect(&context).await?,
            facts: Some(TestbedFacts {
                shape: info.shape.clone(),
                latency: info.latency.to_string(),
                boot_ms: info.boot_ms,
                faults: in_force,
            }),
            // A proxy of the testbed's own that we cannot read is a defect of ours, seen by every test.
            outside_proxy: info.outside_proxy.parse().ok(),
            timeout_scale: timeout_scale(info.latency),
            testbed: Some(held),
        })
    }
}

async fn reach_context(options: &ConnectOptions) -> Result<Reached, CliError> {
    let cluster = Cluster::connect(options).await?;
    Ok(Reached { cluster, testbed: None, facts: None, outside_proxy: None, timeout_scale: 1.0 })
}

/// What budgets suit a latency profile. Below a third they stay: a busy machine
/// is as slow as ever, however fast its nodes pretend to be.
#[must_use]
pub fn timeout_scale(latency: Latency) -> f64 {
    let scale = (latency.factor() * 3.0).clamp(0.3, latency.factor().max(1.0));
    // To thousandths: it is printed for people to export.
    (scale * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_follow_the_latency_but_stay_within_reason() {
        let scale = |text: &str| timeout_scale(text.parse().unwrap());
        assert_eq!(scale("0"), 0.3);
        assert!((scale("fast") - 0.3).abs() < 1e-9);
        assert_eq!(scale("real"), 1.0);
        assert_eq!(scale("5"), 5.0);
    }
}
