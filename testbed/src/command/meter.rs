//! What the processes of one container use: processor time and memory.
//!
//! Processor time is an integral over the processes that compute at each moment,
//! held at the container's limit as Windows' job objects hold it. It passes in
//! the testbed's own time, so that whoever divides by the times in the kubelet's
//! statistics gets cores. Memory that is asked for beyond the limit is refused,
//! which is all that happens on Windows: nothing is killed.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many changes of the rate are remembered, for looking back at a sample.
const REMEMBERED: usize = 256;

/// What a container may use, and what it uses when nothing happens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Allowance {
    /// Cores.
    pub(crate) cores: f64,
    /// Bytes; none where there is no limit.
    pub(crate) memory: Option<u64>,
    /// Cores that the container's own system takes.
    pub(crate) idle_cores: f64,
    /// Bytes that the container's own system takes.
    pub(crate) idle_memory: u64,
}

/// The use of one run of a container. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    allowance: Allowance,
    started: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    busy: u32,
    memory: u64,
    /// When the rate changed, how much had been used by then, and the rate from then on.
    changes: Vec<Change>,
}

#[derive(Debug, Clone, Copy)]
struct Change {
    at: Instant,
    used: f64,
    rate: f64,
}

/// A sample of the processor's use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// How long ago it was taken.
    pub(crate) age: Duration,
    /// Core seconds since the start.
    pub(crate) used: f64,
    /// Cores since the sample before, where there is one.
    pub(crate) cores: Option<f64>,
}

/// There is not so much memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutOfMemory;

impl Meter {
    /// A container that starts now.
    pub(crate) fn new(allowance: Allowance) -> Self {
        let started = now();
        let first = Change { at: started, used: 0.0, rate: allowance.idle_cores };
        let state = State { busy: 0, memory: allowance.idle_memory, changes: vec![first] };
        Self { allowance, started, state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes on one core until the guard is dropped.
    pub(crate) fn compute(&self) -> Computing {
        self.change(1);
        Computing(self.clone())
    }

    fn change(&self, by: i32) {
        let mut state = self.state();
        state.busy = state.busy.saturating_add_signed(by);
        let rate = (f64::from(state.busy) + self.allowance.idle_cores).min(self.allowance.cores);
        let at = now();
        let used = used_at(&state.changes, at);
        state.changes.push(Change { at, used, rate });
        if state.changes.len() > REMEMBERED {
            state.changes.remove(0);
        }
    }

    /// Takes memory until the guard is dropped.
    ///
    /// # Errors
    ///
    /// When the container may not have so much.
    pub(crate) fn take(&self, bytes: u64) -> Result<Memory, OutOfMemory> {
        let mut state = self.state();
        let after = state.memory.saturating_add(bytes);
        if self.allowance.memory.is_some_and(|limit| after > limit) {
            return Err(OutOfMemory);
        }
        state.memory = after;
        Ok(Memory { meter: self.clone(), bytes })
    }

    /// The bytes in use.
    pub(crate) fn memory(&self) -> u64 {
        self.state().memory
    }

    /// The bytes that are left below the limit.
    pub(crate) fn memory_left(&self) -> Option<u64> {
        Some(self.allowance.memory?.saturating_sub(self.memory()))
    }

    /// When it started.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The newest of the samples that are taken every `period` since the start.
    pub(crate) fn sample(&self, period: Duration) -> Sample {
        let now = now();
        let state = self.state();
        let ran = now.saturating_duration_since(self.started);
        let period = period.max(Duration::from_millis(1));
        let samples = ran.as_nanos() / period.as_nanos();
        let at = |number: u128| {
            let nanos = u64::try_from(number.saturating_mul(period.as_nanos())).unwrap_or(u64::MAX);
            self.started + Duration::from_nanos(nanos)
        };
        let newest = at(samples);
        let used = used_at(&state.changes, newest);
        let cores =
            samples.checked_sub(1).map(|before| (used - used_at(&state.changes, at(before))) / period.as_secs_f64());
        Sample { age: now.saturating_duration_since(newest), used, cores }
    }
}

/// The integral up to `at`.
fn used_at(changes: &[Change], at: Instant) -> f64 {
    let Some(last) = changes.iter().rev().find(|change| change.at <= at).or(changes.first()) else { return 0.0 };
    last.used + last.rate * at.saturating_duration_since(last.at).as_secs_f64()
}

/// A process that computes.
#[derive(Debug)]
pub(crate) struct Computing(Meter);

impl Drop for Computing {
    fn drop(&mut self) {
        self.0.change(-1);
    }
}

/// Memory that a process holds.
#[derive(Debug)]
pub(crate) struct Memory {
    meter: Meter,
    bytes: u64,
}

impl Memory {
    /// How much it is.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        let mut state = self.meter.state();
        state.memory = state.memory.saturating_sub(self.bytes);
    }
}

/// The time on the runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWANCE: Allowance =
        Allowance { cores: 1.0, memory: Some(800 << 20), idle_cores: 0.0, idle_memory: 50 << 20 };

    #[tokio::test(start_paused = true)]
    async fn computing_is_held_at_the_limit_and_seen_at_the_next_sample() {
        let period = Duration::from_secs(10);
        let meter = Meter::new(ALLOWANCE);
        assert_eq!(meter.sample(period).cores, None, "there is nothing to compare with yet");
        let burners = [meter.compute(), meter.compute(), meter.compute()];
        tokio::time::advance(Duration::from_secs(25)).await;
        let sample = meter.sample(period);
        assert_eq!((sample.age, sample.used, sample.cores), (Duration::from_secs(5), 20.0, Some(1.0)));
        drop(burners);
        tokio::time::advance(Duration::from_secs(20)).await;
        let sample = meter.sample(period);
        assert_eq!((sample.used, sample.cores), (25.0, Some(0.0)));
    }

    #[tokio::test(start_paused = true)]
    async fn below_the_limit_each_process_has_its_core() {
        let meter = Meter::new(Allowance { cores: 4.0, idle_cores: 0.5, ..ALLOWANCE });
        let _two = [meter.compute(), meter.compute()];
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(meter.sample(Duration::from_secs(1)).cores, Some(2.5));
    }

    #[tokio::test]
    async fn memory_beyond_the_limit_is_refused_and_what_is_let_go_can_be_had_again() {
        let meter = Meter::new(ALLOWANCE);
        let held = meter.take(700 << 20).unwrap();
        assert_eq!(meter.take(100 << 20).unwrap_err(), OutOfMemory);
        assert_eq!((meter.memory(), meter.memory_left()), (750 << 20, Some(50 << 20)));
        drop(held);
        assert_eq!(meter.memory(), 50 << 20);
    }
}
