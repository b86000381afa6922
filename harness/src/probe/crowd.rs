//! How many sources ask one server at once.
//!
//! The guide's web server answers one request after the other. A large cluster that
//! asks it from everywhere at the same moment would measure its queue.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Sources that ask one destination at once.
const AT_ONCE: usize = 8;

/// A queue for each destination.
#[derive(Debug, Default)]
pub(crate) struct Crowds(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Crowds {
    /// Waits for a turn at a destination; it lasts as long as what is returned.
    pub(crate) async fn turn(&self, destination: &str) -> Option<OwnedSemaphorePermit> {
        let queue = {
            let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let queue = queues.entry(destination.to_owned());
            Arc::clone(queue.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        queue.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn more_than_a_server_can_bear_wait_and_other_servers_are_not_held_up() {
        let crowds = Crowds::default();
        let mut inside = Vec::new();
        for _ in 0..AT_ONCE {
            inside.push(crowds.turn("10.96.0.9:80").await);
        }
        assert!(crowds.turn("10.96.0.9:80").now_or_never().is_none());
        assert!(crowds.turn("10.96.0.8:80").now_or_never().is_some());
        inside.pop();
        assert!(crowds.turn("10.96.0.9:80").now_or_never().is_some());
    }
}
