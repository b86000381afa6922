//! Progress as bars on a terminal.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::state::State;

/// Two lines at the bottom of the terminal: how far, and what is waited for.
#[derive(Debug)]
pub(super) struct Bars {
    lines: MultiProgress,
    answers: ProgressBar,
    waiting: ProgressBar,
}

impl Bars {
    pub(super) fn new() -> Self {
        let lines = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let waiting = lines.add(ProgressBar::new_spinner());
        waiting.set_style(style("{spinner} {wide_msg}"));
        waiting.enable_steady_tick(Duration::from_millis(120));
        let answers = lines.add(ProgressBar::new(0));
        answers.set_style(style("{bar:40} {wide_msg}"));
        Self { lines, answers, waiting }
    }

    /// Prints a line that stays, above the bars.
    pub(super) fn above(&self, text: &str) {
        // A terminal that went away shows nothing, which is no reason to stop.
        let _ = self.lines.println(text);
    }

    /// Shows the step of a testbed's start.
    pub(super) fn boot(&self, notable: Option<&str>, under_way: &str) {
        if let Some(line) = notable {
            self.above(line);
        }
        self.waiting.set_message(under_way.to_owned());
    }

    /// Shows how far the run is.
    pub(super) fn update(&self, state: &State, notable: Option<&str>) {
        if let Some(line) = notable {
            self.above(line);
        }
        let Some(counts) = state.counts() else { return };
        let (done, planned) = state.done();
        self.answers.set_length(planned);
        self.answers.set_position(done);
        self.answers.set_message(counts);
        self.waiting.set_message(state.waiting().unwrap_or_default());
    }

    /// Takes both lines away.
    pub(super) fn clear(&self) {
        self.waiting.finish_and_clear();
        self.answers.finish_and_clear();
    }
}

/// A style, or indicatif's own where the template is wrong; a test sees that none is.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_understood() {
        for template in ["{spinner} {wide_msg}", "{bar:40} {wide_msg}"] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
