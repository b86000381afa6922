//! What ends a testbed from outside.

use std::{
    io::{self, Read as _},
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

/// Knows when the testbed is to end. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    begun: CancellationToken,
    touched: Arc<Notify>,
}

impl Ending {
    /// Watches for signals and, unless `detached`, for the end of standard input.
    pub(super) fn watch(detached: bool) -> io::Result<Self> {
        let ending = Self { begun: CancellationToken::new(), touched: Arc::default() };
        let (mut terminate, mut interrupt, mut hang_up) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
        let begun = ending.begun.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hang_up.recv() => {}
            }
            begun.cancel();
        });
        if !detached {
            let begun = ending.begun.clone();
            // A thread of our own: the runtime would wait for one of its blocking threads.
            std::thread::Builder::new().name("parent".into()).spawn(move || {
                let _ = io::copy(&mut io::stdin().lock().by_ref(), &mut io::sink()); // ends when the parent does
                begun.cancel();
            })?;
        }
        Ok(ending)
    }

    /// Returns when the testbed is to end.
    pub(super) async fn begun(&self) {
        self.begun.cancelled().await;
    }

    /// Ends the testbed.
    pub(super) fn begin(&self) {
        self.begun.cancel();
    }

    /// Notes that somebody uses the testbed.
    pub(super) fn touch(&self) {
        self.touched.notify_one();
    }

    /// Ends the testbed once nobody has touched it for `idle`.
    pub(super) fn begin_when_idle(&self, idle: Duration) {
        let ending = self.clone();
        tokio::spawn(async move {
            while tokio::time::timeout(idle, ending.touched.notified()).await.is_ok() {}
            tracing::info!("nobody used the testbed for {} s", idle.as_secs());
            ending.begin();
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    #[expect(clippy::disallowed_methods, reason = "stands for a user who comes back in time")]
    async fn a_testbed_ends_only_after_it_was_idle_for_the_whole_time() {
        let ending = Ending::watch(true).unwrap();
        ending.begin_when_idle(Duration::from_secs(60));
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_secs(50)).await;
            assert!(!ending.begun.is_cancelled());
            ending.touch();
        }
        let before = tokio::time::Instant::now();
        ending.begun().await;
        assert_eq!(before.elapsed().as_secs(), 60);
    }
}
