//! The supervisor's side: start, report, and at the end kill, reap and tidy up.

use std::{collections::HashMap, fs::File, io, path::PathBuf, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use super::{Notice, Order, Start, in_words, kill_group};

/// Runs the supervisor until its standard input closes or a signal asks it to end.
///
/// # Errors
///
/// When signals or the standard streams cannot be used.
pub async fn supervise() -> io::Result<()> {
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    let (mut terminate, mut interrupt, mut hang_up) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
    let mut wards = Wards::default();
    loop {
        let notice = tokio::select! {
            order = orders.next_line() => match order {
                Ok(Some(line)) => wards.obey(&line),
                Ok(None) | Err(_) => break, // the testbed is gone
            },
            Some(notice) = wards.next_end() => Some(notice),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => break,
        };
        if let Some(notice) = notice {
            report(&notice).await;
        }
    }
    wards.end().await;
    Ok(())
}

/// Tells the testbed. A testbed that is gone cannot be told, and closes our input too.
async fn report(notice: &Notice) {
    let Ok(mut line) = serde_json::to_vec(notice) else { return };
    line.push(b'\n');
    let mut out = tokio::io::stdout();
    if out.write_all(&line).await.is_ok() {
        let _ = out.flush().await;
    }
}

/// The processes in the supervisor's care. Each leads a process group of its own.
#[derive(Default)]
struct Wards {
    leaders: HashMap<u64, u32>,
    running: JoinSet<(u64, bool, String)>,
    remove_at_end: Vec<PathBuf>,
}

impl Wards {
    fn obey(&mut self, line: &str) -> Option<Notice> {
        match serde_json::from_str(line) {
            Ok(Order::Start { id, start }) => Some(match spawn(&start) {
                Ok(child) => {
                    let pid = child.id().unwrap_or_default();
                    self.leaders.insert(id, pid);
                    self.running.spawn(until_end(id, child));
                    Notice::Started { id, pid }
                }
                Err(error) => Notice::NotStarted { id, reason: error.to_string() },
            }),
            Ok(Order::Kill { id }) => {
                if let Some(leader) = self.leaders.get(&id) {
                    kill_group(*leader);
                }
                None
            }
            Ok(Order::RemoveAtEnd { directory }) => {
                self.remove_at_end.push(directory);
                None
            }
            Err(error) => {
                tracing::error!(%error, line, "an order was not understood");
                None
            }
        }
    }

    /// The next end of a process; `None` when none runs.
    async fn next_end(&mut self) -> Option<Notice> {
        let (id, success, how) = self.running.join_next().await?.ok()?;
        if let Some(leader) = self.leaders.remove(&id) {
            kill_group(leader); // what it started and left behind
        }
        Some(Notice::Ended { id, success, how })
    }

    async fn end(mut self) {
        for leader in self.leaders.values() {
            kill_group(*leader);
        }
        while self.running.join_next().await.is_some() {}
        for directory in self.remove_at_end {
            let _ = tokio::fs::remove_dir_all(directory).await; // the testbed may have done so
        }
    }
}

fn spawn(start: &Start) -> io::Result<Child> {
    let log = File::options().create(true).append(true).open(&start.log)?;
    Command::new(&start.program)
        .args(&start.arguments)
        .envs(start.environment.iter().map(|(name, value)| (name, value)))
        .current_dir(&start.directory)
        .stdin(if start.hold_stdin { Stdio::piped() } else { Stdio::null() })
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn until_end(id: u64, mut child: Child) -> (u64, bool, String) {
    let _held = child.stdin.take(); // waiting would close it
    match child.wait().await {
        Ok(status) => (id, status.success(), in_words(status)),
        Err(error) => (id, false, format!("unknown: {error}")),
    }
}
