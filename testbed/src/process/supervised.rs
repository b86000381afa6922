//! The testbed's side: a supervisor to ask, and the processes it started.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::{mpsc, oneshot, watch},
};

use super::{Executable, Notice, Order, ProcessError, Start, kill_group, tail};

/// How many lines of a log a message shows.
const TAIL_LINES: usize = 12;

/// A running supervisor. Dropping it ends everything it started.
#[derive(Debug)]
pub struct Supervisor {
    asks: mpsc::UnboundedSender<Ask>,
    next: AtomicU64,
    ended: watch::Receiver<bool>,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whether it ended by itself and content.
    pub success: bool,
    /// In words: `exit code 1`, `signal 9`.
    pub how: String,
}

/// A process that the supervisor started.
#[derive(Debug, Clone)]
pub struct Process {
    name: Arc<str>,
    log: Arc<Path>,
    id: u64,
    asks: mpsc::UnboundedSender<Ask>,
    ended: watch::Receiver<Option<Ended>>,
}

/// What the attendant is asked to do.
#[derive(Debug)]
enum Ask {
    Start {
        id: u64,
        start: Start,
        started: oneshot::Sender<Result<(), ProcessError>>,
        ended: watch::Sender<Option<Ended>>,
    },
    Pass(Order),
    End,
}

/// What the attendant knows of a process.
#[derive(Debug)]
struct Known {
    name: String,
    pid: Option<u32>,
    started: Option<oneshot::Sender<Result<(), ProcessError>>>,
    ended: watch::Sender<Option<Ended>>,
}

impl Supervisor {
    /// Starts a supervisor.
    ///
    /// # Errors
    ///
    /// When the operating system does not start it.
    pub fn start(executable: &Executable) -> Result<Self, ProcessError> {
        let failed = |source| ProcessError::Supervisor { program: executable.program().to_owned(), source };
        let mut command: Command = executable.command("supervise");
        // Its own process group: a signal to the testbed's must not end both at once.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let (Some(orders), Some(notices)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(std::io::Error::other("it has no pipes")));
        };
        let (asks, asked) = mpsc::unbounded_channel();
        let (gone, ended) = watch::channel(false);
        tokio::spawn(attend(child, orders, notices, asked, gone));
        Ok(Self { asks, next: AtomicU64::new(1), ended })
    }

    /// Starts a process.
    ///
    /// # Errors
    ///
    /// When the operating system does not start it, or the supervisor is gone.
    pub async fn spawn(&self, start: Start) -> Result<Process, ProcessError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (started, answer) = oneshot::channel();
        let (ended_sender, ended) = watch::channel(None);
        let process = Process {
            name: start.name.as_str().into(),
            log: start.log.as_path().into(),
            id,
            asks: self.asks.clone(),
            ended,
        };
        // Whoever cannot be asked drops the sender, which the answer shows.
        let _ = self.asks.send(Ask::Start { id, start, started, ended: ended_sender });
        answer.await.unwrap_or(Err(ProcessError::SupervisorEnded)).map(|()| process)
    }

    /// Has `directory` removed when everything has ended.
    pub fn remove_at_end(&self, directory: PathBuf) {
        let _ = self.asks.send(Ask::Pass(Order::RemoveAtEnd { directory }));
    }

    /// Returns when the supervisor is gone, which nothing it started outlives.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        let _ = ended.wait_for(|gone| *gone).await; // an error means that the attendant is gone, too
    }

    /// Ends everything and waits until it has ended.
    pub async fn shut_down(self) {
        let _ = self.asks.send(Ask::End);
        self.ended().await;
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.asks.send(Ask::End);
    }
}

impl Process {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns when it has ended.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(ended)) => ended.clone(),
            _ => Ended { success: false, how: "its supervisor ended".into() },
        }
    }

    /// The end of its log.
    #[must_use]
    pub fn log_tail(&self) -> Vec<String> {
        tail(&self.log, TAIL_LINES)
    }

    /// Kills it and what it started.
    pub fn kill(&self) {
        let _ = self.asks.send(Ask::Pass(Order::Kill { id: self.id }));
    }
}

/// Carries orders and notices between the testbed and its supervisor until either is done.
async fn attend(
    mut child: Child,
    orders: ChildStdin,
    notices: ChildStdout,
    mut asked: mpsc::UnboundedReceiver<Ask>,
    gone: watch::Sender<bool>,
) {
    let mut orders = Some(orders);
    let mut notices = BufReader::new(notices).lines();
    let mut known: HashMap<u64, Known> = HashMap::new();
    loop {
        tokio::select! {
            ask = asked.recv(), if orders.is_some() => {
                let order = match ask {
                    Some(Ask::Start { id, start, started, ended }) => {
                        known.insert(id, Known { name: start.name.clone(), pid: None, started: Some(started), ended });
                        Some(Order::Start { id, start })
                    }
                    Some(Ask::Pass(order)) => Some(order),
                    Some(Ask::End) | None => None,
                };
                let sent = match (&order, &mut orders) {
                    (Some(order), Some(pipe)) => send(pipe, order).await,
                    _ => false,
                };
                if !sent {
                    orders = None; // closes the pipe, at which the supervisor ends everything
                }
            }
            notice = notices.next_line() => match notice {
                Ok(Some(line)) => note(&mut known, &line),
                Ok(None) | Err(_) => break,
            },
        }
    }
    // If the supervisor ended as it should, none of these is left.
    for pid in known.values().filter_map(|process| process.pid) {
        kill_group(pid);
    }
    let _ = child.wait().await;
    gone.send_replace(true); // first, for this is why the others ended
    for process in known.into_values() {
        process.ended.send_replace(Some(Ended { success: false, how: "its supervisor ended".into() }));
    }
}

async fn send(pipe: &mut ChildStdin, order: &Order) -> bool {
    match serde_json::to_vec(order) {
        Ok(mut line) => {
            line.push(b'\n');
            pipe.write_all(&line).await.is_ok()
        }
        Err(error) => {
            tracing::error!(%error, "an order could not be written"); // a path that is not UTF-8
            false
        }
    }
}

fn note(known: &mut HashMap<u64, Known>, line: &str) {
    match serde_json::from_str(line) {
        Ok(Notice::Started { id, pid }) => {
            if let Some(process) = known.get_mut(&id) {
                process.pid = Some(pid);
                if let Some(started) = process.started.take() {
                    let _ = started.send(Ok(()));
                }
            }
        }
        Ok(Notice::NotStarted { id, reason }) => {
            if let Some(Known { name, started: Some(started), .. }) = known.remove(&id) {
                let _ = started.send(Err(ProcessError::NotStarted { name, reason }));
            }
        }
        Ok(Notice::Ended { id, success, how }) => {
            if let Some(process) = known.remove(&id) {
                process.ended.send_replace(Some(Ended { success, how }));
            }
        }
        Err(error) => tracing::error!(%error, line, "a notice was not understood"),
    }
}
