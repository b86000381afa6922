//! The starter's side: a testbed of one's own, a standing one, or a shared one.

use std::{
    collections::VecDeque,
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout},
    sync::watch,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

pub use self::standing::{Shared, Standing};
use crate::{
    control::{self, ControlError},
    process::in_words,
    progress::{Info, Progress},
    serve::ServeOptions,
};
pub use crate::{process::Executable, registry::RegistryError};

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
        program: PathBuf,
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
        path: PathBuf,
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
    lifeline: ChildStdin,
    ended: watch::Receiver<Option<Last>>,
    kill: CancellationToken,
}

/// The last word of a testbed, and the end of the log that explains it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// What happened, with its causes.
    pub message: String,
    /// The end of the log that shows why.
    pub log_tail: Vec<String>,
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
        let Some(lifeline) = started.child.stdin.take() else {
            return Err(StartError::Lost(io::Error::other("it has no standard input")));
        };
        let (sender, ended) = watch::channel(None);
        let kill = CancellationToken::new();
        let killed = kill.clone();
        tokio::spawn(async move {
            let last = started.last_word(&killed).await;
            sender.send_replace(Some(last));
        });
        Ok(Self { info, lifeline, ended, kill })
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

    /// Returns when it has ended by itself, with the reason: it should not.
    pub async fn ended(&self) -> Last {
        wait_for_last(self.ended.clone()).await
    }

    /// Ends it, and returns when everything it started has ended.
    pub async fn stop(self) {
        let Self { lifeline, ended, kill, .. } = self;
        drop(lifeline);
        if timeout(LAST_PATIENCE, wait_for_last(ended.clone())).await.is_err() {
            kill.cancel(); // its supervisor sees this, and ends what it started
            wait_for_last(ended).await;
        }
    }
}

async fn wait_for_last(mut ended: watch::Receiver<Option<Last>>) -> Last {
    match ended.wait_for(Option::is_some).await.as_deref() {
        Ok(Some(last)) => last.clone(),
        _ => Last { message: "the testbed was lost".into(), log_tail: Vec::new() },
    }
}

/// A testbed's process and what it says.
struct Started {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    errors: Arc<Mutex<VecDeque<String>>>,
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
        let errors = Arc::default();
        tokio::spawn(keep_last(err, Arc::clone(&errors)));
        Ok(Self { child, out: BufReader::new(out).lines(), errors })
    }

    async fn ready(&mut self, mut on_progress: impl FnMut(Progress)) -> Result<Info, StartError> {
        while let Some(progress) = self.next().await {
            match progress {
                Progress::Failed { message, log_tail } => {
                    let _ = timeout(LAST_PATIENCE, self.child.wait()).await; // it is tidying up
                    return Err(StartError::Failed { message, log_tail });
                }
                Progress::Ready(info) => {
                    on_progress(Progress::Ready(info.clone()));
                    return Ok(*info);
                }
                progress => on_progress(progress),
            }
        }
        let status = self.child.wait().await.map_err(StartError::Lost)?;
        Err(StartError::Ended { how: in_words(status), log_tail: self.last_errors() })
    }

    /// The next thing it says; `None` when it will say nothing more.
    async fn next(&mut self) -> Option<Progress> {
        while let Ok(Some(line)) = self.out.next_line().await {
            match serde_json::from_str(&line) {
                Ok(progress) => return Some(progress),
                Err(error) => tracing::debug!(%error, line, "the testbed said something that is no progress"),
            }
        }
        None
    }

    /// Listens until it has ended, which `kill` hastens.
    async fn last_word(mut self, kill: &CancellationToken) -> Last {
        let mut last = None;
        loop {
            tokio::select! {
                progress = self.next() => match progress {
                    Some(Progress::Failed { message, log_tail }) => last = Some(Last { message, log_tail }),
                    Some(_) => {}
                    None => break,
                },
                () = kill.cancelled() => {
                    let _ = self.child.start_kill(); // it may have ended meanwhile
                    break;
                }
            }
        }
        let how = match self.child.wait().await {
            Ok(status) => in_words(status),
            Err(error) => error.to_string(),
        };
        last.unwrap_or_else(|| Last {
            message: format!("the testbed's process ended ({how})"),
            log_tail: self.last_errors(),
        })
    }

    /// Keeps its pipe empty until it has ended.
    async fn hear_out(mut self) {
        while self.next().await.is_some() {}
        let _ = self.child.wait().await; // reaps it, if it ends before us
    }

    fn last_errors(&self) -> Vec<String> {
        self.errors.lock().map(|lines| lines.iter().cloned().collect()).unwrap_or_default()
    }
}

/// Keeps a pipe empty, and its last lines.
async fn keep_last(pipe: ChildStderr, kept: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(mut kept) = kept.lock() else { return };
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

/// The command that runs kubectl against a testbed.
#[must_use]
pub fn kubectl(info: &Info) -> tokio::process::Command {
    let mut words = info.kubectl.iter();
    let mut command = tokio::process::Command::new(words.next().map_or(Path::new("kubectl"), Path::new));
    command.args(words).env("KUBECONFIG", &info.kubeconfig);
    command
}
