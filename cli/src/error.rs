//! Why a command could not do what it was asked.
//!
//! A broken cluster is not an error: it is a verdict, in a report. These are the
//! ways in which there is no verdict to give, and all of them exit with 2.

use std::{io, path::PathBuf};

use thiserror::Error;
use winconform_harness::{
    cluster::{ConnectError, ObserveError},
    run::{CleanupError, RunError, SelectionError},
};
use winconform_manifests::ManifestError;
use winconform_reports::{
    compare::{PairingError, ReadRunError},
    history::HistoryError,
    known_failures::KnownFailuresError,
    log::{LogError, ReadLogsError},
    write::WriteError,
};
use winconform_testbed::{
    client::StartError, control::ControlError, fault::FaultError, join::JoinError, shape::ShapeError,
};

use crate::trust::TrustError;

/// The command could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CliError {
    /// No threads, or no event queue.
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    /// Signals cannot be waited for.
    #[error("failed to listen for signals")]
    Signals(#[source] io::Error),
    /// This program's own file cannot be found, so it cannot be started a second time.
    #[error("failed to find this program's own file")]
    OwnFile(#[source] io::Error),
    /// The filters select what does not exist.
    #[error(transparent)]
    Select(#[from] SelectionError),
    /// The kubeconfig leads nowhere.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster could not be looked at.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The run could not be made.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The testbed did not start, or could not be found or stopped.
    #[error(transparent)]
    Testbed(#[from] StartError),
    /// The testbed ended in the middle of a run.
    #[error("the testbed ended in the middle of the run: {message}")]
    TestbedLost {
        /// What it said, with its causes.
        message: String,
        /// The end of the log that shows why.
        log_tail: Vec<String>,
    },
    /// A cluster could not be joined or left.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// No nodes of ours are in the cluster that is to be left.
    #[error("no virtual nodes have joined `{context}`")]
    NothingJoined {
        /// The kubeconfig's context.
        context: String,
    },
    /// A testbed's control socket did not do what it should.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The shape is none.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The fault is none.
    #[error(transparent)]
    Fault(#[from] FaultError),
    /// The leftovers of dead runs could not be looked for.
    #[error(transparent)]
    Cleanup(#[from] CleanupError),
    /// Some leftovers could not be removed.
    #[error("{} could not be removed", left.join(", "))]
    Left {
        /// Which, with the reason.
        left: Vec<String>,
    },
    /// The run's folder holds another run's log.
    #[error("`{}` holds the log of another run; a run needs a folder of its own", path.display())]
    FolderTaken {
        /// The folder.
        path: PathBuf,
    },
    /// The log cannot be written or read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Logs cannot be read as one.
    #[error(transparent)]
    Logs(#[from] ReadLogsError),
    /// A report cannot be written.
    #[error(transparent)]
    Report(#[from] WriteError),
    /// No testbed of that name stands.
    #[error("no testbed `{name}` is up")]
    NoTestbed {
        /// The name.
        name: String,
    },
    /// A program that belongs to the testbed could not be started.
    #[error("failed to start `{program}`")]
    Program {
        /// The program.
        program: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A manifest of ours cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A node has no image for a role.
    #[error("{0}")]
    NoImage(String),
    /// No target begins with what was asked for.
    #[error("no target of this cluster begins with `{prefix}`; it has {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") })]
    NoTarget {
        /// What was asked for.
        prefix: String,
        /// The targets there are.
        known: Vec<String>,
    },
    /// Something cannot be written as JSON.
    #[error("failed to write JSON")]
    Json(#[source] serde_json::Error),
    /// A file that the user names cannot be read.
    #[error("`{}` cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A file of image mappings holds something else.
    #[error("`{}` is no file of image mappings", path.display())]
    ImageMap {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: winconform_harness::image::ImageSourceError,
    },
    /// Something cannot be written as YAML.
    #[error("failed to write YAML")]
    Yaml(#[source] serde_saphyr::ser::Error),
    /// There is no way to select or judge the faults that were asked for.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A variable of the environment is none of what it can be.
    #[error("`{value}` is nothing that {name} can be")]
    Environment {
        /// The variable.
        name: &'static str,
        /// What it holds.
        value: String,
    },
    /// A run to compare with cannot be read.
    #[error(transparent)]
    ReadRun(#[from] ReadRunError),
    /// A folder of runs cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The targets of two runs cannot be paired as asked.
    #[error(transparent)]
    Pairing(#[from] PairingError),
    /// The file of known failures is none.
    #[error(transparent)]
    KnownFailures(#[from] KnownFailuresError),
    /// What must apply is nothing that is asked.
    #[error("--require {word}: no suite and no check is called that; `winconform list` shows them all")]
    Requirement {
        /// The word given.
        word: String,
    },
    /// The user stopped the command.
    #[error("stopped")]
    Stopped,
}

impl CliError {
    /// The exit code: always 2, since none of these is a verdict.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        2
    }

    /// The end of a log that shows why, where there is one.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        match self {
            Self::Testbed(error) => error.log_tail(),
            Self::TestbedLost { log_tail, .. } => log_tail,
            _ => &[],
        }
    }

    /// What to do about it, where we know.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Connect(ConnectError::Kubeconfig { .. }) => {
                Some("`winconform run --testbed` needs no cluster; --kubeconfig FILE names another file".to_owned())
            }
            Self::Run(RunError::Forbidden { .. }) => {
                Some("`winconform rbac` prints the least role for it; an administrator applies and binds it".to_owned())
            }
            Self::Run(RunError::Nodes(_)) => Some(
                "does the pool's autoscaler run, and may it grow? `kubectl get nodes` and the cloud's own tools tell; \
                 --timeout-scale waits longer"
                    .to_owned(),
            ),
            Self::Connect(ConnectError::Credentials { error, .. }) => Some(error.advice().to_owned()),
            Self::Observe(error) | Self::Run(RunError::Observe(error)) => Some(error.advice().to_owned()),
            Self::Testbed(StartError::AlreadyUp { name, .. }) => Some(format!(
                "use it (`winconform testbed env --name {name}`), stop it (`winconform testbed down --name {name}`), \
                 or start another one (--name OTHER)"
            )),
            Self::NoTestbed { name } => Some(format!("`winconform testbed up --name {name}` starts it")),
            Self::Left { .. } => Some("`winconform cleanup` tries again".to_owned()),
            _ => None,
        }
    }
}
