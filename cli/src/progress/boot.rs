//! How a testbed's start goes, in words.

use std::time::Duration;

use winconform_testbed::progress::{Progress, Step};

/// How often a long step is mentioned where there are no bars.
const AGAIN: Duration = Duration::from_secs(15);

/// What is known of a testbed's start.
#[derive(Debug, Default)]
pub(super) struct Boot {
    step: Option<Step>,
    mentioned: Duration,
    words: String,
}

impl Boot {
    /// Takes news, and gives a line where there is something to say.
    pub(super) fn take(&mut self, progress: &Progress) -> Option<String> {
        match progress {
            Progress::Step { what, detail, elapsed_ms } => {
                let elapsed = Duration::from_millis(*elapsed_ms);
                let detail = if detail.is_empty() { String::new() } else { format!(": {detail}") };
                self.words = format!("testbed: {what}, {} s{detail}", elapsed.as_secs());
                if self.step != Some(*what) {
                    self.step = Some(*what);
                    self.mentioned = elapsed;
                    return Some(format!("testbed: {what}{detail}"));
                }
                let due = elapsed.saturating_sub(self.mentioned) >= AGAIN;
                due.then(|| {
                    self.mentioned = elapsed;
                    self.words.clone()
                })
            }
            Progress::Ready(info) => {
                self.words.clear();
                Some(format!(
                    "testbed: ready after {:.1} s (Kubernetes {}, shape `{}`, latency {})",
                    Duration::from_millis(info.boot_ms).as_secs_f64(),
                    info.version,
                    info.shape,
                    info.latency
                ))
            }
            // A failure is told once, as the error it becomes.
            _ => None,
        }
    }

    /// The step under way; empty when there is none.
    pub(super) fn words(&self) -> String {
        self.words.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_step_is_mentioned_at_its_start_and_now_and_then() {
        let mut boot = Boot::default();
        let mut said = Vec::new();
        for second in 0..40 {
            let detail = format!("{} packages", second * 10);
            said.extend(boot.take(&Progress::Step { what: Step::Build, detail, elapsed_ms: second * 1000 }));
        }
        insta::assert_snapshot!(said.join("\n"), @r"
        testbed: building the control plane (once): 0 packages
        testbed: building the control plane (once), 15 s: 150 packages
        testbed: building the control plane (once), 30 s: 300 packages
        ");
    }
}
