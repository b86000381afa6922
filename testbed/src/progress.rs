//! What a starting testbed tells the one who started it, a line of JSON each.

use std::{
    fmt,
    path::PathBuf,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::clock::Latency;

/// How often a long step says that it is still under way.
const EVERY: Duration = Duration::from_secs(1);

/// Something the starter of a testbed may want to show.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Progress {
    /// A step begins, or is still under way.
    Step {
        /// The step.
        what: Step,
        /// What it is at, in words; may be empty.
        detail: String,
        /// How long it has taken so far.
        elapsed_ms: u64,
    },
    /// The nodes are ready and pods can be scheduled.
    Ready(Box<Info>),
    /// The control plane is in this directory; the last word of `acquire`.
    Acquired {
        /// The directory.
        directory: PathBuf,
    },
    /// The testbed ends because of this.
    Failed {
        /// What happened, with its causes.
        message: String,
        /// The end of the log that shows why.
        log_tail: Vec<String>,
    },
}

/// A step of a testbed's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Another testbed is getting the control plane; this one waits for it.
    Wait,
    /// The control plane's release is being downloaded.
    Download,
    /// The control plane is being built from source.
    Build,
    /// The control plane starts.
    ControlPlane,
    /// The control plane of somebody else's is looked at.
    Join,
    /// The virtual nodes register.
    Nodes,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "waiting for another testbed that gets the control plane",
            Self::Download => "downloading the control plane",
            Self::Build => "building the control plane (once)",
            Self::ControlPlane => "starting the control plane",
            Self::Join => "joining the control plane",
            Self::Nodes => "registering the nodes",
        })
    }
}

/// Everything there is to know to use a testbed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// The administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Its context.
    pub context: String,
    /// The HTTP proxy through which the outside reaches node ports and load balancers.
    pub outside_proxy: String,
    /// The control socket.
    pub control_socket: PathBuf,
    /// The testbed's own directory, with `logs/`.
    pub state_dir: PathBuf,
    /// What the API server says it is, for example `v1.37.2`.
    pub version: String,
    /// From the start of the process to schedulable nodes, without the time
    /// that getting the control plane took.
    pub boot_ms: u64,
    /// The shape's name.
    pub shape: String,
    /// The scale of its latencies.
    pub latency: Latency,
    /// The command that runs kubectl of the same release, and its first arguments.
    pub kubectl: Vec<String>,
    /// The testbed's process.
    pub pid: u32,
}

/// Where progress goes. Clones share it.
#[derive(Clone)]
pub struct Reporter {
    sink: Arc<dyn Fn(Progress) + Send + Sync>,
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reporter").finish_non_exhaustive()
    }
}

impl Reporter {
    /// Hands all progress to `sink`.
    pub fn new(sink: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        Self { sink: Arc::new(sink) }
    }

    /// Tells nobody.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(|_| ())
    }

    /// Passes `progress` on.
    pub fn tell(&self, progress: Progress) {
        (self.sink)(progress);
    }

    /// Does `work` and says at its start, and every second, what it is at.
    pub async fn during<T>(&self, what: Step, detail: impl Fn() -> String, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let mut work = pin!(work);
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    let elapsed_ms = millis(started.elapsed());
                    self.tell(Progress::Step { what, detail: detail(), elapsed_ms });
                }
                done = &mut work => return done,
            }
        }
    }
}

/// Whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "stands for work that takes a while")]
    async fn a_long_step_gives_a_sign_of_life_every_second() {
        let told = Arc::new(Mutex::new(0));
        let reporter = Reporter::new({
            let told = told.clone();
            move |_| *told.lock().unwrap() += 1
        });
        let work = tokio::time::sleep(Duration::from_millis(3500));
        reporter.during(Step::Build, String::new, work).await;
        assert_eq!(*told.lock().unwrap(), 4);
    }

    #[test]
    fn progress_is_a_line_of_json_that_reads_back() {
        let progress = Progress::Step { what: Step::Build, detail: "12 packages".into(), elapsed_ms: 5 };
        let line = serde_json::to_string(&progress).unwrap();
        assert_eq!(line, r#"{"progress":"step","what":"build","detail":"12 packages","elapsed_ms":5}"#);
        assert_eq!(serde_json::from_str::<Progress>(&line).unwrap(), progress);
    }

    #[test]
    fn a_cause_that_is_in_the_text_already_is_not_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer: {0}")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(chain(&Outer(std::io::Error::other("inner"))), "outer: inner");
    }
}
