//! The objects of one kind, kept current by one watch.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use winconform_reports::Chain;

/// Says that some watched object changed, or that a watch broke; shared by all
/// watches of a run, so that one wait can look at several kinds.
#[derive(Debug, Clone, Default)]
pub struct Signal(Arc<watch::Sender<Health>>);

/// How the watches are.
#[derive(Debug, Default)]
pub struct Health {
    version: u64,
    lost: BTreeMap<&'static str, WatchLost>,
}

/// A watch broke and is being renewed.
#[derive(Debug, Clone, Error)]
#[error("{message}")]
pub struct WatchLost {
    message: String,
    since: Instant,
}

impl WatchLost {
    /// A watch that goes on and still shows less than the API server has.
    #[must_use]
    pub(crate) fn behind(kind: &str, since: Instant) -> Self {
        Self { message: format!("the watch of {kind} shows less than the API server has"), since }
    }

    /// Since when.
    #[must_use]
    pub fn since(&self) -> Instant {
        self.since
    }
}

impl Health {
    /// The watch that has been broken for longest, while one is.
    #[must_use]
    pub fn lost(&self) -> Option<&WatchLost> {
        self.lost.values().min_by_key(|lost| lost.since)
    }
}

impl Signal {
    /// Follows the changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Health> {
        self.0.subscribe()
    }

    fn changed(&self) {
        self.0.send_modify(|health| health.version = health.version.wrapping_add(1));
    }

    /// Notes that the watch of a kind broke, or came back.
    pub(crate) fn set_lost(&self, kind: &'static str, message: Option<String>) {
        self.0.send_if_modified(|health| match message {
            Some(message) => {
                let since = health.lost.get(kind).map_or_else(Instant::now, |lost| lost.since);
                health.lost.insert(kind, WatchLost { message, since });
                true
            }
            None => health.lost.remove(kind).is_some(),
        });
    }
}

/// The objects of one kind, kept current by one watch that all waits share.
pub struct Watched<K> {
    state: Arc<RwLock<Snapshot<K>>>,
    signal: Signal,
}

impl<K> Clone for Watched<K> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone(), signal: self.signal.clone() }
    }
}

impl<K> fmt::Debug for Watched<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects = self.peek(|snapshot| snapshot.objects.len());
        f.debug_struct("Watched").field("objects", &objects).finish_non_exhaustive()
    }
}

/// The objects as they were last seen.
#[derive(Debug)]
pub struct Snapshot<K> {
    objects: BTreeMap<(String, String), Arc<K>>,
    /// Objects of a list that is still arriving; they replace `objects` when it is whole.
    arriving: Option<BTreeMap<(String, String), Arc<K>>>,
    complete: bool,
}

impl<K> Snapshot<K> {
    /// One object.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        self.objects.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All objects, by namespace and name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<K>> {
        self.objects.values()
    }

    /// Whether the first list has arrived.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }
}

impl<K> Default for Snapshot<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), arriving: None, complete: false }
    }
}

impl<K> Watched<K> {
    fn empty(signal: &Signal) -> Self {
        Self { state: Arc::default(), signal: signal.clone() }
    }

    /// Looks at the current snapshot, without waiting.
    pub fn peek<T>(&self, look: impl FnOnce(&Snapshot<K>) -> T) -> T {
        // A panic while the lock was held cannot leave a snapshot half-written: see `take`.
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut Snapshot<K>)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
        self.signal.changed();
    }

    #[cfg(test)]
    pub(crate) fn fixed<'a>(signal: &Signal, objects: impl IntoIterator<Item = (&'a str, &'a str, K)>) -> Self {
        let watched = Self::empty(signal);
        for (namespace, name, object) in objects {
            watched.put(namespace, name, object);
        }
        watched
    }

    #[cfg(test)]
    pub(crate) fn put(&self, namespace: &str, name: &str, object: K) {
        self.change(|state| {
            state.complete = true;
            state.objects.insert((namespace.to_owned(), name.to_owned()), Arc::new(object));
        });
    }
}

impl<K> Watched<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + fmt::Debug + Send + Sync + 'static,
{
    /// Starts a watch that runs until `stop`, renewing itself when it breaks.
    ///
    /// `kind` names it in messages, for example `pods`.
    #[must_use]
    pub fn start(
        kind: &'static str,
        api: Api<K>,
        config: watcher::Config,
        signal: &Signal,
        stop: CancellationToken,
    ) -> Self {
        let watched = Self::empty(signal);
        let feeding = watched.clone();
        tokio::spawn(async move {
            let mut events = watcher(api, config).default_backoff().boxed();
            loop {
                let event = tokio::select! {
                    () = stop.cancelled() => return,
                    event = events.next() => event,
                };
                match event {
                    Some(Ok(event)) => {
                        feeding.change(|state| state.take(event));
                        feeding.signal.set_lost(kind, None);
                    }
                    Some(Err(error)) if is_renewal(&error) => {}
                    Some(Err(error)) => {
                        feeding.signal.set_lost(kind, Some(format!("watch of {kind}: {}", Chain(&error))));
                    }
                    None => return,
                }
            }
        });
        watched
    }
}

/// A watch that the server ended because its version is too old is renewed at once; nothing was lost.
fn is_renewal(error: &watcher::Error) -> bool {
    matches!(error, watcher::Error::WatchError(status) if status.code == 410)
}

impl<K: ResourceExt> Snapshot<K> {
    fn take(&mut self, event: watcher::Event<K>) {
        let key = |object: &K| (object.namespace().unwrap_or_default(), object.name_any());
        match event {
            watcher::Event::Init => self.arriving = Some(BTreeMap::new()),
            watcher::Event::InitApply(object) => {
                self.arriving.get_or_insert_default().insert(key(&object), Arc::new(object));
            }
            watcher::Event::InitDone => {
                self.objects = self.arriving.take().unwrap_or_default();
                self.complete = true;
            }
            watcher::Event::Apply(object) => {
                self.objects.insert(key(&object), Arc::new(object));
            }
            watcher::Event::Delete(object) => {
                self.objects.remove(&key(&object));
            }
        }
    }
}
