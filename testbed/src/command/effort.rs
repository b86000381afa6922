//! The processor time of a program that computes: loops cost something.
//!
//! An endless loop must neither spin a real processor nor stop everything else,
//! so every hundred steps a slice of simulated time passes, in which the
//! container's meter runs. Who computes for long is looked at less often.

use std::time::Duration;

use super::{
    Session,
    meter::{Computing, Meter},
};
use crate::clock::Clock;

/// How many steps make a slice.
const STEPS: u32 = 100;
/// How long a slice takes: 200 microseconds for each step.
const SLICE: Duration = Duration::from_millis(20);
/// How many such slices a program has before its own get longer.
const PROMPT: u32 = 50;
/// How long they are then.
const LONG_SLICE: Duration = Duration::from_millis(400);

/// One program's work.
#[derive(Debug)]
pub(super) struct Effort {
    clock: Clock,
    meter: Meter,
    steps: u32,
    slices: u32,
    computing: Option<Computing>,
}

impl Effort {
    /// A program that has done nothing yet.
    pub(super) fn new(session: &Session) -> Self {
        Self { clock: session.clock.clone(), meter: session.meter.clone(), steps: 0, slices: 0, computing: None }
    }

    /// One more turn of a loop.
    pub(super) async fn step(&mut self) {
        self.steps += 1;
        if self.steps < STEPS {
            return;
        }
        self.steps = 0;
        if self.computing.is_none() {
            self.computing = Some(self.meter.compute());
        }
        self.slices = self.slices.saturating_add(1);
        self.clock.pass(if self.slices > PROMPT { LONG_SLICE } else { SLICE }).await;
        tokio::task::yield_now().await; // at scale 0 no time passes
    }

    /// The program waits for something else from now on.
    pub(super) fn rest(&mut self) {
        self.computing = None;
        self.slices = 0;
    }
}
