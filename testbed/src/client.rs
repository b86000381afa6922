//! The starter's side: a testbed of one's own, a standing one, or a shared one.

use std::{
    collections::VecDeque,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    task::JoinHandle,
    time::timeout,
};

pub use self::standing::{Shared, down, list, shared, status, up};
pub use crate::process::Executable;
use crate::{
    control::{self, ControlError},
    progress::{Info, Progress},
    registry::RegistryError,
    serve::ServeOptions,
};

mod standing;

/// How long a testbed may take to end.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

/// How many of the last lines on its standard error are kept for messages.
const KEPT_LINES: usize = 20;

/// A testbed could not be started, found or stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// Its process could not be started.
    #[error("the testbed's process could not be started ({program})", program = .program.display())]
    Spawn {
        /// The program's file.
        program: std::path::PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It said what went wrong.
    #[error("the testbed did not start: {message}")]
    Failed {
        /// What happened, with its causes.
        message: String,
        /// The end of the log that shows why.
        log_tail: Vec<String>,
    },
    /// It ended without saying why.
    #[error("the testbed's process ended ({how}) before it was ready")]
    Ended {
        /// How it ended.
        how: String,
        /// The last lines on its standard error.
        log_tail: Vec<String>,
    },
    /// Its process could not be waited for.
    #[error("the testbed's process was lost")]
    Lost(#[source] io::Error),
    /// A testbed of that name stands already.
    #[error("a testbed `{name}` is up already")]
    AlreadyUp {
        /// The name.
        name: String,
        /// What is known of it.
        info: Box<Info>,
    },
    /// The list of standing testbeds could not be used.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The lock that keeps two from starting the same testbed could not be had.
    #[error("the lock {path} could not be taken", path = .path.display())]
    Lock {
        /// The lock's file.
        path: std::path::PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The testbed did not answer on its control socket.
    #[error("the testbed does not answer")]
    Control(#[from] ControlError),
    /// The testbed was told to stop and still answers.
    #[error("the testbed `{name}` (process {pid}) was told to stop and has not")]
    DoesNotStop {
        /// Its name.
        name: String,
        /// Its process.
        pid: u32,
    },
}

impl StartError {
    /// The end of the log that shows why, if there is one.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        match self {
            Self::Failed { log_tail, .. } | Self::Ended { log_tail, .. } => log_tail,
            _ => &[],
        }
    }
}

/// A running testbed of one's own. It ends when this is dropped, and when this process ends.
#[derive(Debug)]
pub struct Testbed {
    info: Info,
    child: Child,
    lifeline: Option<ChildStdin>,
    drains: [JoinHandle<()>; 2],
}

impl Testbed {
    /// Starts a testbed and returns when it is ready; `on_progress` is told how the start goes.
    ///
    /// Dropping the future ends the testbed.
    ///
    /// # Errors
    ///
    /// When it does not get ready, with the end of the log that shows why.
    pub async fn start(
        executable: &Executable,
        options: &ServeOptions,
        on_progress: impl FnMut(Progress),
    ) -> Result<Self, StartError> {
        let options = ServeOptions { detached: false, ..options.clone() };
        let mut started = Started::spawn(executable, &options, Stdio::piped())?;
        let info = started.ready(on_progress).await?;
        let Started { child, lifeline, out, err, .. } = started;
        Ok(Self { info, child, lifeline, drains: [drain(out), err] })
    }

    /// Everything there is to know to use it.
    #[must_use]
    pub fn info(&self) -> &Info {
        &self.info
    }

    /// A connection to its control socket.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn control(&self) -> Result<control::Client, ControlError> {
        control::Client::connect(&self.info.control_socket).await
    }

    /// Ends it, and returns when everything it started has ended.
    ///
    /// # Errors
    ///
    /// When its process cannot be waited for.
    pub async fn stop(mut self) -> Result<(), StartError> {
        drop(self.lifeline.take());
        if timeout(LAST_PATIENCE, self.child.wait()).await.is_err() {
            // Its supervisor sees this, and ends what it started.
            self.child.kill().await.map_err(StartError::Lost)?;
        }
        for drain in &self.drains {
            drain.abort();
        }
        Ok(())
    }
}

/// A testbed's process that is not known to be ready yet.
struct Started {
    child: Child,
    lifeline: Option<ChildStdin>,
    out: tokio::io::Lines<BufReader<ChildStdout>>,
    err: JoinHandle<()>,
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Started {
    fn spawn(executable: &Executable, options: &ServeOptions, lifeline: Stdio) -> Result<Self, StartError> {
        let failed = |source| StartError::Spawn { program: executable.program().to_owned(), source };
        let mut command = executable.command("serve");
        command.args(options.to_args()).stdin(lifeline).stdout(Stdio::piped()).stderr(Stdio::piped());
        if !options.detached {
            // Its own process group: Ctrl-C is for us, who then end it in good order. A detached
            // testbed makes itself a session, which the leader of a group could not.
            command.process_group(0);
        }
        let mut child = command.spawn().map_err(failed)?;
        let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        let last_words = Arc::default();
        let lifeline = child.stdin.take();
        let err = keep_last(err, Arc::clone(&last_words));
        Ok(Self { child, lifeline, out: BufReader::new(out).lines(), err, last_words })
    }

    async fn ready(&mut self, mut on_progress: impl FnMut(Progress)) -> Result<Info, StartError> {
        while let Ok(Some(line)) = self.out.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Progress::Failed { message, log_tail }) => {
                    let _ = timeout(LAST_PATIENCE, self.child.wait()).await; // it is tidying up
                    return Err(StartError::Failed { message, log_tail });
                }
                Ok(Progress::Ready(info)) => {
                    on_progress(Progress::Ready(info.clone()));
                    return Ok(*info);
                }
                Ok(progress) => on_progress(progress),
                Err(error) => tracing::debug!(%error, line, "the testbed said something that is no progress"),
            }
        }
        let status = self.child.wait().await.map_err(StartError::Lost)?;
        let log_tail = self.last_words.lock().map(|words| words.iter().cloned().collect()).unwrap_or_default();
        Err(StartError::Ended { how: in_words(status), log_tail })
    }
}

/// Keeps a pipe empty, so that nobody ever waits to write to it.
fn drain(mut lines: tokio::io::Lines<BufReader<impl AsyncRead + Unpin + Send + 'static>>) -> JoinHandle<()> {
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} })
}

/// Keeps a pipe empty, and its last lines.
fn keep_last(pipe: ChildStderr, kept: Arc<Mutex<VecDeque<String>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(pipe).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let Ok(mut kept) = kept.lock() else { return };
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        }
    })
}

fn in_words(status: ExitStatus) -> String {
    crate::process::in_words(status)
}

/// The command that runs kubectl against a testbed.
#[must_use]
pub fn kubectl(info: &Info) -> tokio::process::Command {
    let mut words = info.kubectl.iter();
    let mut command = tokio::process::Command::new(words.next().map_or(Path::new("kubectl"), Path::new));
    command.args(words).env("KUBECONFIG", &info.kubeconfig);
    command
}
