//! What the user sees while a run is under way, on standard error.
//!
//! Bars on a terminal; elsewhere plain lines, one for each notable change and a
//! sign of life now and then, so that the log of a build server stays readable.

mod bars;
mod boot;
mod lines;
mod state;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::AbortHandle, time::interval};
use winconform_harness::journal::Sink;
use winconform_reports::Record;
use winconform_testbed::progress::Progress;

use self::{bars::Bars, boot::Boot, lines::Lines, state::State};
use crate::terminal::Terminal;

/// How often waiting is shown to go on.
const TICK: Duration = Duration::from_secs(1);

/// What is shown of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Everything notable, with each verdict that is not green as it comes.
    Everything,
    /// The testbed's boot and the waits: the verdicts are printed elsewhere.
    Waits,
}

/// Shows progress. Clones share it.
#[derive(Clone)]
pub struct Display {
    shared: Arc<Shared>,
}

struct Shared {
    terminal: Terminal,
    detail: Detail,
    screen: Mutex<Screen>,
    ticker: AbortHandle,
}

/// What is known, and the way it is shown.
struct Screen {
    boot: Boot,
    state: State,
    way: Way,
}

enum Way {
    Bars(Bars),
    Lines(Lines),
    Nothing,
}

impl fmt::Debug for Display {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Display").field("detail", &self.shared.detail).finish_non_exhaustive()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

impl Display {
    /// Shows on `terminal` as it allows. Must be called inside a runtime.
    #[must_use]
    pub fn new(terminal: Terminal, detail: Detail) -> Self {
        let way = match (terminal.is_quiet(), terminal.can_draw() && detail == Detail::Everything) {
            (true, _) => Way::Nothing,
            (false, true) => Way::Bars(Bars::new()),
            (false, false) => Way::Lines(Lines::new(terminal)),
        };
        let screen = Mutex::new(Screen { boot: Boot::default(), state: State::default(), way });
        let shared = Arc::new_cyclic(|weak: &std::sync::Weak<Shared>| {
            let weak = weak.clone();
            let ticking = tokio::spawn(async move {
                let mut tick = interval(TICK);
                loop {
                    tick.tick().await;
                    let Some(shared) = weak.upgrade() else { return };
                    shared.screen().tick();
                }
            });
            Shared { terminal, detail, screen, ticker: ticking.abort_handle() }
        });
        Self { shared }
    }

    /// Says something in passing.
    pub fn say(&self, text: impl fmt::Display) {
        if !self.shared.terminal.is_quiet() {
            self.warn(text);
        }
    }

    /// Says something that must be seen.
    pub fn warn(&self, text: impl fmt::Display) {
        match &self.shared.screen().way {
            Way::Bars(bars) => bars.above(&text.to_string()),
            Way::Lines(_) | Way::Nothing => self.shared.terminal.warn(text),
        }
    }

    /// Shows how a testbed's start goes.
    pub fn testbed(&self, progress: &Progress) {
        let mut screen = self.shared.screen();
        let notable = screen.boot.take(progress);
        let under_way = screen.boot.words();
        match &mut screen.way {
            Way::Bars(bars) => bars.boot(notable.filter(|_| under_way.is_empty()).as_deref(), &under_way),
            Way::Lines(lines) => notable.into_iter().for_each(|line| lines.print(&line)),
            Way::Nothing => {}
        }
    }

    /// Takes the bars away; what is printed from now on is the result.
    pub fn finish(&self) {
        let mut screen = self.shared.screen();
        if let Way::Bars(bars) = &screen.way {
            bars.clear();
        }
        screen.way = match screen.way {
            Way::Nothing => Way::Nothing,
            _ => Way::Lines(Lines::new(self.shared.terminal)),
        };
        screen.state = State::default();
    }
}

impl Sink for Display {
    fn take(&self, record: &Record) {
        let mut screen = self.shared.screen();
        let Screen { state, way, .. } = &mut *screen;
        let notable = state.take(record).filter(|line| self.shared.detail == Detail::Everything || line.is_wait);
        match way {
            Way::Bars(bars) => bars.update(state, notable.map(|line| line.text).as_deref()),
            Way::Lines(lines) => notable.into_iter().for_each(|line| lines.print(&line.text)),
            Way::Nothing => {}
        }
    }
}

impl Shared {
    /// A thread that panicked while drawing left a drawing, not a broken promise.
    fn screen(&self) -> MutexGuard<'_, Screen> {
        self.screen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen {
    fn tick(&mut self) {
        match &mut self.way {
            Way::Bars(bars) => bars.update(&self.state, None),
            Way::Lines(lines) => lines.tick(&self.state),
            Way::Nothing => {}
        }
    }
}
