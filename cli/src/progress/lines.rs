//! Progress as plain lines.

use std::time::{Duration, Instant};

use super::state::State;
use crate::terminal::Terminal;

/// At least this long between two lines that only count.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// When nothing at all happens, a sign of life this often.
const ALIVE_EVERY: Duration = Duration::from_secs(30);

/// Prints lines, not too many.
#[derive(Debug)]
pub(super) struct Lines {
    terminal: Terminal,
    last: Instant,
    /// The counts of the last line.
    shown: String,
}

impl Lines {
    pub(super) fn new(terminal: Terminal) -> Self {
        Self { terminal, last: Instant::now(), shown: String::new() }
    }

    /// Prints something notable.
    pub(super) fn print(&mut self, line: &str) {
        self.terminal.say(line);
        self.last = Instant::now();
    }

    /// Prints how far the run is, when that is due.
    pub(super) fn tick(&mut self, state: &State) {
        if let Some(line) = self.due(state, self.last.elapsed()) {
            self.print(&line);
        }
    }

    fn due(&mut self, state: &State, silent: Duration) -> Option<String> {
        let counts = state.counts()?;
        let moved = counts != self.shown;
        let due = if moved { COUNT_EVERY } else { ALIVE_EVERY };
        if silent < due {
            return None;
        }
        let still = if moved { "" } else { "still waiting, " };
        let line = format!("{still}{counts}{}", state.waiting().map(|words| format!("; {words}")).unwrap_or_default());
        self.shown = counts;
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{progress::state::tests::records, terminal::Color};

    #[test]
    fn lines_that_count_keep_their_distance_and_silence_is_broken() {
        let mut state = State::default();
        records().iter().for_each(|record| drop(state.take(record)));
        let mut lines = Lines::new(Terminal::new(Color::Never, true));
        let mut due = |seconds| lines.due(&state, Duration::from_secs(seconds)).is_some();
        assert!(!due(4), "too early");
        assert!(due(5), "something has moved");
        assert!(!due(29), "nothing has moved");
        assert!(due(30), "a sign of life");
        assert!(lines.due(&state, Duration::from_secs(30)).unwrap().starts_with("still waiting, "));
    }

    #[test]
    fn before_there_is_a_plan_there_is_nothing_to_count() {
        let mut lines = Lines::new(Terminal::new(Color::Never, true));
        assert_eq!(lines.due(&State::default(), Duration::from_secs(90)), None);
    }
}
