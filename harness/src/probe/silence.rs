//! Nodes on which commands do not even start, learned once and shared.
//!
//! A frozen node lets every exec wait its whole limit. When one did, and a command on
//! another node started meanwhile, the rest of the run need not wait the same again:
//! commands for that node end early, as lost, never as an answer. From time to time one
//! is let through, and the first that starts lifts the silence.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

/// What is known of each node.
#[derive(Debug)]
pub(crate) struct Silence {
    nodes: Mutex<HashMap<String, Known>>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// When a command last started there.
    spoke: Option<Instant>,
    /// Since when it is taken for silent; moved on whenever one is let through.
    silent: Option<Instant>,
}

/// Whether a command may be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The node is not known to be silent.
    Free,
    /// It is; this one is let through to see whether it still is.
    Trial,
    /// It is.
    Silent,
}

impl Default for Silence {
    fn default() -> Self {
        Self { nodes: Mutex::default(), changed: watch::Sender::new(()) }
    }
}

impl Silence {
    fn with<T>(&self, change: impl FnOnce(&mut HashMap<String, Known>) -> T) -> T {
        change(&mut self.nodes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks before a command is sent; one in each `pause` is let through to a silent node.
    pub(crate) fn admit(&self, node: &str, pause: Duration) -> Admission {
        self.with(|nodes| {
            let Some(silent) = nodes.get_mut(node).and_then(|known| known.silent.as_mut()) else {
                return Admission::Free;
            };
            if silent.elapsed() < pause {
                return Admission::Silent;
            }
            *silent = Instant::now();
            Admission::Trial
        })
    }

    /// Whether the node is taken for silent.
    pub(crate) fn is_silent(&self, node: &str) -> bool {
        self.with(|nodes| nodes.get(node).is_some_and(|known| known.silent.is_some()))
    }

    /// A command started on the node.
    pub(crate) fn spoke(&self, node: &str) {
        self.with(|nodes| {
            let known = nodes.entry(node.to_owned()).or_default();
            *known = Known { spoke: Some(Instant::now()), silent: None };
        });
    }

    /// A command that was sent at `began` never started there. The node is silent where
    /// another one spoke since; otherwise it may as well be our own connection.
    pub(crate) fn unanswered(&self, node: &str, began: Instant) {
        let silent = self.with(|nodes| {
            let since = |known: &Known| known.spoke.is_some_and(|spoke| spoke >= began);
            let control = nodes.iter().any(|(other, known)| other != node && since(known));
            let known = nodes.entry(node.to_owned()).or_default();
            let silent = control && !since(known);
            if silent {
                known.silent.get_or_insert_with(Instant::now);
            }
            silent
        });
        if silent {
            self.changed.send_replace(());
        }
    }

    /// Waits until the node is known to be silent.
    pub(crate) async fn until_silent(&self, node: &str) {
        let mut changed = self.changed.subscribe();
        loop {
            if self.is_silent(node) {
                return;
            }
            if changed.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    const PAUSE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn one_unanswered_command_silences_the_node_where_another_node_speaks() {
        let silence = Silence::default();
        let began = Instant::now();
        let waiting = silence.until_silent("win-0");
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        silence.spoke("win-1");
        silence.unanswered("win-0", began);
        assert!(waiting.now_or_never().is_some());
        assert_eq!(silence.admit("win-0", PAUSE), Admission::Silent);
        assert_eq!(silence.admit("win-1", PAUSE), Admission::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_control_nobody_is_blamed() {
        let silence = Silence::default();
        silence.spoke("win-1");
        tokio::time::advance(PAUSE).await;
        let began = Instant::now();
        silence.unanswered("win-0", began);
        assert_eq!(silence.admit("win-0", PAUSE), Admission::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_on_which_another_command_started_is_not_silent() {
        let silence = Silence::default();
        let began = Instant::now();
        silence.spoke("win-1");
        silence.spoke("win-0");
        silence.unanswered("win-0", began);
        assert_eq!(silence.admit("win-0", PAUSE), Admission::Free);
    }

    #[tokio::test(start_paused = true)]
    async fn one_command_is_let_through_now_and_then_and_lifts_the_silence() {
        let silence = Silence::default();
        let began = Instant::now();
        silence.spoke("win-1");
        silence.unanswered("win-0", began);
        tokio::time::advance(PAUSE).await;
        assert_eq!(silence.admit("win-0", PAUSE), Admission::Trial);
        assert_eq!(silence.admit("win-0", PAUSE), Admission::Silent);
        silence.spoke("win-0");
        assert_eq!(silence.admit("win-0", PAUSE), Admission::Free);
    }
}
