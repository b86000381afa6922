//! What a container prints, followed by one request for as long as it is needed.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::{ApiError, Permission, may},
    probe::PodRef,
    wait::pause,
};

/// What reading logs asks for, here and for evidence.
pub(crate) const ASKS: &[Permission] = &[may("get", "", "pods/log")];

/// Lines kept for evidence; what the tail is searched for is kept apart.
const KEPT_LINES: usize = 400;

/// What a container prints.
#[derive(Debug, Clone)]
pub struct LogTail(Arc<watch::Sender<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    first: Vec<String>,
    /// Words of ours (`wc-<nonce>-<number>`) found in lines: who was asked for what.
    words: BTreeSet<String>,
    /// Whether the log stands open: that nothing comes of it then says something.
    open: bool,
    trouble: Option<String>,
}

impl LogTail {
    /// Follows a container's log from its beginning until `stop`. A stream that
    /// breaks is opened again: managed API servers drop idle ones.
    pub(crate) fn follow(client: Client, pod: &PodRef, stop: CancellationToken) -> Self {
        let tail = Self(Arc::default());
        let (feeding, pod) = (tail.clone(), pod.clone());
        tokio::spawn(async move {
            let pods: Api<Pod> = Api::namespaced(client, &pod.namespace);
            let params = LogParams { follow: true, container: Some(pod.container.clone()), ..LogParams::default() };
            let mut wait = Duration::from_millis(200);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    ended = feeding.read(&pods, &pod.name, &params) => {
                        feeding.0.send_modify(|seen| {
                            seen.open = false;
                            seen.trouble = ended.err().map(|error| ApiError::from(error).to_string());
                        });
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = pause(wait) => wait = (wait * 2).min(Duration::from_secs(10)),
                }
            }
        });
        tail
    }

    async fn read(&self, pods: &Api<Pod>, name: &str, params: &LogParams) -> Result<(), kube::Error> {
        let mut lines = pods.log_stream(name, params).await?.lines();
        self.0.send_modify(|seen| {
            // The stream begins at the container's first line again.
            seen.first.clear();
            seen.open = true;
            seen.trouble = None;
        });
        while let Some(line) = lines.try_next().await.map_err(kube::Error::ReadEvents)? {
            self.0.send_modify(|seen| seen.take(line));
        }
        Ok(())
    }

    /// The first lines.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0.borrow().first.clone()
    }

    /// Why nothing is being read, while nothing is.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let seen = self.0.borrow();
        let unanswered = || "the API server does not answer the request for it, or cut it".to_owned();
        (!seen.open).then(|| seen.trouble.clone().unwrap_or_else(unanswered))
    }

    /// The requests of a probe that arrived here, as `nonce-number`.
    #[must_use]
    pub fn arrived(&self, nonce: &str) -> BTreeSet<String> {
        let prefix = format!("{nonce}-");
        self.0.borrow().words.range(prefix.clone()..).take_while(|word| word.starts_with(&prefix)).cloned().collect()
    }

    /// Waits until `found` is true of the log, at most `limit`; says whether it became so.
    pub async fn until(&self, limit: Duration, mut found: impl FnMut(&Self) -> bool) -> bool {
        let mut changes = self.0.subscribe();
        tokio::time::timeout(limit, async {
            loop {
                changes.borrow_and_update();
                if found(self) {
                    return;
                }
                if changes.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        })
        .await
        .is_ok()
    }
}

impl Seen {
    fn take(&mut self, line: String) {
        if let Some((_, rest)) = line.split_once("/wc-") {
            let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            self.words.insert(word);
        }
        if self.first.len() < KEPT_LINES {
            self.first.push(line);
        }
    }
}
