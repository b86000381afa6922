//! Waiting: for a state of watched objects, within a named budget, with the
//! reason at hand when it does not come.
//!
//! Nothing here polls. A [`Watched`] is fed by one watch for each kind, all of them
//! share a [`Signal`], and [`until`] looks again whenever it says so.

mod cause;
mod pods;
mod watched;

use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;
use winconform_reports::event::Observation;

pub(crate) use self::pods::ended;
pub use self::{
    cause::{Cause, ContainerTrouble},
    pods::{PodProgress, look_at_pod, pod_key, untolerated},
    watched::{Signal, Snapshot, WatchLost, Watched},
};
use crate::{
    blame::seconds,
    budgets::{Budget, Budgets},
};

/// What a look at the watched objects showed.
#[derive(Debug)]
pub enum Look<T> {
    /// It is there.
    Ready(T),
    /// Not yet; what was seen instead, for the message if it never comes, and
    /// the budget that time now counts against.
    NotYet(Budget, String),
    /// It cannot come any more.
    Hopeless(Cause),
}

/// Something that was waited for did not come.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The named budget was spent.
    #[error("{what}: nothing more happened within the {} budget of {}; last seen: {last_seen}", budget.as_str(), seconds(*waited))]
    TimedOut {
        /// What was waited for.
        what: String,
        /// Which budget.
        budget: Budget,
        /// How long that is.
        waited: Duration,
        /// What was last seen.
        last_seen: String,
        /// The same for findings, where there is more to it.
        stuck: Vec<Observation>,
    },
    /// It cannot come any more, for a cause that does not heal.
    #[error("{what}: {cause}")]
    Hopeless {
        /// What was waited for.
        what: String,
        /// What was being waited for when the cause showed.
        budget: Budget,
        /// The cause.
        cause: Box<Cause>,
    },
    /// The watch was lost and did not come back.
    #[error("{what}: the API server was lost for {}", seconds(*lost_for))]
    ApiLost {
        /// What was waited for.
        what: String,
        /// For how long.
        lost_for: Duration,
        /// What the watch last said.
        #[source]
        error: Option<WatchLost>,
    },
}

impl WaitError {
    /// A wait that a cause ended.
    #[must_use]
    pub fn hopeless(what: impl Into<String>, budget: Budget, cause: Cause) -> Self {
        Self::Hopeless { what: what.into(), budget, cause: Box::new(cause) }
    }

    /// The same error with what was stuck when the budget was spent.
    #[must_use]
    pub fn with_stuck(mut self, found: Vec<Observation>) -> Self {
        if let Self::TimedOut { stuck, .. } = &mut self {
            *stuck = found;
        }
        self
    }

    /// The machine-readable facts in it.
    #[must_use]
    pub fn observations(&self) -> Vec<Observation> {
        match self {
            Self::TimedOut { stuck, .. } => stuck.clone(),
            Self::Hopeless { cause, .. } => vec![cause.observation()],
            Self::ApiLost { .. } => Vec::new(),
        }
    }

    /// Part of the blame table: whether the cluster, not the environment or we, let it down.
    ///
    /// While an image is being pulled nobody can tell a slow node from a slow
    /// registry, so a spent pull budget blames no one.
    #[must_use]
    pub fn blames_cluster(&self) -> bool {
        match self {
            Self::TimedOut { budget, .. } => !matches!(
                budget,
                Budget::Pull | Budget::Prepull | Budget::Nodes | Budget::Api | Budget::Exec | Budget::Transport
            ),
            Self::Hopeless { cause, .. } => cause.blames_cluster(),
            Self::ApiLost { .. } => false,
        }
    }
}

/// Waits until `look` finds what it looks for; it is asked again whenever a
/// watched object changes.
///
/// Each budget that `look` names is counted from when it first named it, so a
/// pod that was long in the queue still has its whole time to start.
///
/// # Errors
///
/// When a budget is spent, a cause shows that cannot heal, or a watch is lost
/// for longer than the `api` budget.
pub async fn until<T>(
    signal: &Signal,
    budgets: Budgets,
    what: &str,
    mut look: impl FnMut() -> Look<T>,
) -> Result<T, WaitError> {
    let mut changes = signal.changes();
    let mut current: Option<(Budget, Instant)> = None;
    loop {
        let lost = changes.borrow_and_update().lost().cloned();
        let (budget, last_seen) = match look() {
            Look::Ready(found) => return Ok(found),
            Look::Hopeless(cause) => {
                let budget = current.map_or(Budget::Api, |(budget, _)| budget);
                return Err(WaitError::hopeless(what, budget, cause));
            }
            Look::NotYet(budget, seen) => (budget, seen),
        };
        let since = match current {
            Some((same, since)) if same == budget => since,
            _ => Instant::now(),
        };
        current = Some((budget, since));
        let api_deadline = lost.as_ref().map(|lost| lost.since() + budgets.of(Budget::Api));
        let deadline = since + budgets.of(budget);
        let next = api_deadline.map_or(deadline, |api| api.min(deadline));
        if tokio::time::timeout_at(next, changes.changed()).await.is_ok_and(|changed| changed.is_ok()) {
            continue;
        }
        return Err(match lost {
            Some(lost) if next < deadline => {
                WaitError::ApiLost { what: what.to_owned(), lost_for: lost.since().elapsed(), error: Some(lost) }
            }
            _ => WaitError::TimedOut {
                what: what.to_owned(),
                budget,
                waited: budgets.of(budget),
                last_seen,
                stuck: Vec::new(),
            },
        });
    }
}

/// Lets time pass where there is nothing to watch.
///
/// Only for retries of a transport (an exec that was lost) and for heartbeats of
/// our own; whatever the cluster does is waited for by watch.
#[expect(clippy::disallowed_methods, reason = "the one place; see the doc comment")]
pub async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_spent_budget_names_itself_and_what_was_last_seen() {
        let error = until(&Signal::default(), Budgets::scaled(1.0), "pod a", || {
            Look::<()>::NotYet(Budget::Start, "starting".to_owned())
        })
        .await
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "pod a: nothing more happened within the start budget of 3 min; last seen: starting"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_phase_gets_its_whole_budget() {
        let signal = Signal::default();
        let watched: Watched<u32> = Watched::fixed(&signal, [("ns", "a", 0)]);
        let (feeder, waiter) = (watched.clone(), signal.clone());
        let waiting = tokio::spawn(async move {
            until(&waiter, Budgets::scaled(1.0), "pod a", || {
                match watched.peek(|snapshot| snapshot.get("ns", "a").map(|value| **value)) {
                    Some(0) => Look::NotYet(Budget::Schedule, "pending".into()),
                    Some(1) => Look::NotYet(Budget::Start, "starting".into()),
                    _ => Look::Ready(()),
                }
            })
            .await
        });
        pause(Duration::from_secs(55)).await;
        feeder.put("ns", "a", 1);
        pause(Duration::from_secs(170)).await;
        feeder.put("ns", "a", 2);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_watch_ends_a_wait_after_the_api_budget_not_the_waits_own() {
        let signal = Signal::default();
        signal.set_lost("pods", Some("connection refused".to_owned()));
        let error =
            until(&signal, Budgets::scaled(1.0), "pod a", || Look::<()>::NotYet(Budget::Pull, "pulling".to_owned()))
                .await
                .unwrap_err();
        assert!(matches!(error, WaitError::ApiLost { .. }), "{error}");
        assert!(!error.blames_cluster());
    }
}
