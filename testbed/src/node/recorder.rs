//! Events as a kubelet reports them: in order, and counted when they repeat.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, EventSource, ObjectReference, Pod},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::command::Entry as JournalEntry;

/// How many different events are remembered for counting; beyond that, old ones start anew as they do in client-go's cache.
const REMEMBERED: usize = 4096;

/// How many events the kubelet's log is taken to hold.
const JOURNAL: usize = 400;

/// The type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Something happened.
    Normal,
    /// Something is wrong.
    Warning,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

#[derive(Debug)]
struct Entry {
    about: ObjectReference,
    kind: &'static str,
    reason: String,
    message: String,
    at: Timestamp,
}

/// Reports the events of one kubelet. Clones share the queue.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    queue: mpsc::UnboundedSender<Entry>,
    journal: Arc<Mutex<VecDeque<JournalEntry>>>,
}

impl Recorder {
    /// A recorder for the kubelet of `node`, whose queue is worked off until all clones are gone.
    pub(super) fn start(client: Client, node: String) -> Self {
        let (queue, entries) = mpsc::unbounded_channel();
        tokio::spawn(post(client, node, entries));
        Self { queue, journal: Arc::default() }
    }

    /// The newest of what was reported, oldest first: what the kubelet's own log has of it.
    pub(crate) fn journal(&self) -> Vec<JournalEntry> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn note(&self, entry: &Entry) {
        let text = |part: &Option<String>| part.clone().unwrap_or_default();
        let about = &entry.about;
        let object = match &about.namespace {
            Some(namespace) => format!("{namespace}/{}", text(&about.name)),
            None => text(&about.name),
        };
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.push_back(JournalEntry {
            at: entry.at,
            kind: text(&about.kind),
            object,
            field_path: about.field_path.clone(),
            class: entry.kind,
            reason: entry.reason.clone(),
            message: entry.message.clone(),
        });
        if journal.len() > JOURNAL {
            journal.pop_front();
        }
    }

    /// Reports something about a pod, or about one of its containers by `fieldPath`.
    pub(crate) fn pod(
        &self,
        pod: &Pod,
        field_path: Option<String>,
        kind: Kind,
        reason: &str,
        message: impl Into<String>,
    ) {
        self.record(
            ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: pod.metadata.namespace.clone(),
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
                resource_version: pod.metadata.resource_version.clone(),
                field_path,
            },
            kind.as_str(),
            reason,
            message.into(),
        );
    }

    /// Reports something about the node; as on a real one the `uid` is its name.
    pub(crate) fn node(&self, node: &str, kind: &'static str, reason: &str, message: impl Into<String>) {
        self.record(
            ObjectReference {
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                uid: Some(node.to_owned()),
                ..ObjectReference::default()
            },
            kind,
            reason,
            message.into(),
        );
    }

    fn record(&self, about: ObjectReference, kind: &'static str, reason: &str, message: String) {
        let entry = Entry { about, kind, reason: reason.to_owned(), message, at: Timestamp::now() };
        self.note(&entry);
        let _nobody_posts_after_the_end = self.queue.send(entry);
    }
}

type Key = (Option<String>, Option<String>, String, String);

/// Works the queue off; an event that cannot be posted is dropped, as the kubelet drops it.
async fn post(client: Client, node: String, mut entries: mpsc::UnboundedReceiver<Entry>) {
    let mut seen: HashMap<Key, (String, i32)> = HashMap::new();
    while let Some(entry) = entries.recv().await {
        let namespace = entry.about.namespace.clone().unwrap_or_else(|| "default".to_owned());
        let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
        let key =
            (entry.about.uid.clone(), entry.about.field_path.clone(), entry.reason.clone(), entry.message.clone());
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        let posted = match seen.get_mut(&key) {
            Some((name, count)) => {
                *count += 1;
                let again = json!({"count": *count, "lastTimestamp": Time(entry.at)});
                events.patch(name, &PatchParams::default(), &Patch::Merge(again)).await
            }
            None => {
                let event = event(&entry, &namespace, &node);
                seen.insert(key, (event.metadata.name.clone().unwrap_or_default(), 1));
                events.create(&PostParams::default(), &event).await
            }
        };
        if let Err(error) = posted {
            tracing::debug!(node, reason = entry.reason, %error, "event not posted");
        }
    }
}

fn event(entry: &Entry, namespace: &str, node: &str) -> Event {
    let about = entry.about.name.as_deref().unwrap_or_default();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{about}.{:x}", entry.at.as_nanosecond())),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: entry.about.clone(),
        type_: Some(entry.kind.to_owned()),
        reason: Some(entry.reason.clone()),
        message: Some(entry.message.chars().take(1024).collect()), // the API server's limit
        count: Some(1),
        first_timestamp: Some(Time(entry.at)),
        last_timestamp: Some(Time(entry.at)),
        source: Some(EventSource { component: Some("kubelet".to_owned()), host: Some(node.to_owned()) }),
        reporting_component: Some("kubelet".to_owned()),
        reporting_instance: Some(node.to_owned()),
        ..Event::default()
    }
}
