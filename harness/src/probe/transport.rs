//! What may be spent on commands whose outcome was lost on the way.
//!
//! Managed API servers drop an exec now and then. That says nothing about the command,
//! which is then run again, under a budget of its own (`transport`): neither the
//! command's time nor the answer's is shortened by it, and the verdict never sees it.

use std::time::Duration;

use crate::budgets::{Budget, Budgets};

/// An exec is made again at least so often, however long each loss took.
const LEAST_TRIES: u32 = 3;

/// No pause between two tries is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What is left for one command.
#[derive(Debug)]
pub(crate) struct Transport {
    limit: Duration,
    spent: Duration,
    losses: u32,
}

impl Transport {
    pub(crate) fn new(budgets: Budgets) -> Self {
        Self { limit: budgets.of(Budget::Transport), spent: Duration::ZERO, losses: 0 }
    }

    /// Notes a loss that took so long; says how long to pause before the next try, or nothing
    /// when the budget is spent.
    pub(crate) fn lost(&mut self, took: Duration) -> Option<Duration> {
        self.losses += 1;
        let pause = Duration::from_millis(250).saturating_mul(1 << self.losses.min(6)).min(LONGEST_PAUSE) / 2;
        self.spent += took + pause;
        (self.losses < LEAST_TRIES || self.spent < self.limit).then_some(pause)
    }

    /// How many outcomes were lost.
    pub(crate) fn losses(&self) -> u32 {
        self.losses
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quick_losses_are_tried_again_until_the_budget_is_spent() {
        let mut transport = Transport::new(Budgets::scaled(1.0));
        let mut waited = Duration::ZERO;
        while let Some(pause) = transport.lost(Duration::from_millis(10)) {
            waited += pause;
        }
        assert!(waited < Budget::Transport.unscaled(), "{waited:?}");
        assert!(transport.losses() > LEAST_TRIES, "{}", transport.losses());
    }

    #[test]
    fn a_loss_that_takes_the_whole_budget_still_leaves_other_tries() {
        let mut transport = Transport::new(Budgets::scaled(1.0));
        let long = Duration::from_secs(3600);
        assert!(transport.lost(long).is_some() && transport.lost(long).is_some());
        assert!(transport.lost(long).is_none());
    }
}
