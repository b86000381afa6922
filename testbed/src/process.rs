//! The processes of a testbed, and how they are made to end with it.
//!
//! A testbed starts nothing itself: it asks a [`Supervisor`], a small process
//! that runs the same executable. The two hold a pipe. When it closes, because
//! the testbed is done or because it was killed, the supervisor kills and reaps
//! everything it started and removes the testbed's files. When the supervisor
//! is the one that was killed, the testbed kills its orphans. So no process
//! outlives a testbed unless both are killed at the same instant, and they are
//! in different process groups to make that unlikely.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitStatus,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::{
    supervised::{Ended, Process, Supervisor},
    supervisor::supervise,
};

mod log_tail;
mod supervised;
mod supervisor;

pub(crate) use self::log_tail::tail;

/// How to start another process of this program: its file, and the arguments
/// before `serve` or `supervise`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Executable {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Executable {
    /// The program at `program`, which takes `serve` and `supervise` after `arguments`.
    pub fn new(program: impl Into<PathBuf>, arguments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    /// The program that runs now, given that it was started with `subcommand` among its arguments.
    ///
    /// # Errors
    ///
    /// When the system does not say where this program's file is.
    pub fn of_this_process(subcommand: &str) -> io::Result<Self> {
        let arguments = std::env::args().skip(1).take_while(|argument| argument != subcommand);
        Ok(Self::new(std::env::current_exe()?, arguments.collect::<Vec<_>>()))
    }

    /// Its file.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// A command that starts it with `subcommand`.
    pub(crate) fn command(&self, subcommand: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(&self.program);
        command.args(&self.arguments).arg(subcommand);
        command
    }
}

/// What to start.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Start {
    /// What people call it.
    pub name: String,
    /// The program's file, or its name in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Environment variables beyond those of the testbed.
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub directory: PathBuf,
    /// Where its output goes, both streams.
    pub log: PathBuf,
    /// Whether its standard input stays open until everything ends; otherwise it has none.
    #[serde(default)]
    pub hold_stdin: bool,
}

/// A process could not be started, or did not stay.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The supervisor could not be started.
    #[error("the testbed's supervisor could not be started ({program})", program = .program.display())]
    Supervisor {
        /// The program's file.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The supervisor is gone.
    #[error("the testbed's supervisor ended")]
    SupervisorEnded,
    /// The operating system did not start the process.
    #[error("{name} could not be started: {reason}")]
    NotStarted {
        /// What people call it.
        name: String,
        /// Why not.
        reason: String,
    },
}

/// What a testbed tells its supervisor, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    /// Start a process.
    Start { id: u64, start: Start },
    /// Kill a process, and what it started.
    Kill { id: u64 },
    /// Remove this directory when everything has ended.
    RemoveAtEnd { directory: PathBuf },
}

/// What a supervisor tells its testbed, a line of JSON each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Notice {
    /// The process runs.
    Started { id: u64, pid: u32 },
    /// The process could not be started.
    NotStarted { id: u64, reason: String },
    /// The process ended.
    Ended { id: u64, success: bool, how: String },
}

/// How a process ended, in words.
pub(crate) fn in_words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Whether there is a process of this number.
pub(crate) fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

/// Kills a process group, if it is still there.
fn kill_group(leader: u32) {
    let pid = i32::try_from(leader).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // The only error there can be is that the group is gone already.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    }
}
