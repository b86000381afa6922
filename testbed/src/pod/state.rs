//! What a virtual kubelet knows about a pod, before it becomes a status.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::log::Log;
use crate::command::Session;

/// Which of a pod's lists a container is in, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    /// `spec.initContainers`.
    Init(usize),
    /// `spec.containers`.
    App(usize),
}

impl Slot {
    /// The container's definition.
    pub(crate) fn of(self, pod: &Pod) -> Option<&Container> {
        let spec = pod.spec.as_ref()?;
        match self {
            Self::Init(at) => spec.init_containers.as_ref()?.get(at),
            Self::App(at) => spec.containers.get(at),
        }
    }

    /// The path of the container in the pod, as events have it.
    pub(crate) fn field_path(self, name: &str) -> String {
        match self {
            Self::Init(_) => format!("spec.initContainers{{{name}}}"),
            Self::App(_) => format!("spec.containers{{{name}}}"),
        }
    }
}

/// Whether an init container goes on running beside the others.
pub(crate) fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

/// How a run of a container ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// The exit code as the API has it: signed, as Windows people know it.
    pub(crate) exit_code: i32,
    /// `Completed`, `Error`, `StartError`, …
    pub(crate) reason: String,
    /// More about it; often nothing.
    pub(crate) message: Option<String>,
    /// When it started.
    pub(crate) started: Option<Timestamp>,
    /// When it ended.
    pub(crate) finished: Timestamp,
    /// Which run it was.
    pub(crate) id: Option<String>,
}

/// What a container is doing.
#[derive(Debug, Clone)]
pub(crate) enum Doing {
    /// Nothing yet, or not again yet.
    Waiting {
        /// `ContainerCreating`, `ImagePullBackOff`, …
        reason: String,
        /// More about it.
        message: Option<String>,
    },
    /// Its process runs.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It ended.
    Terminated(Ended),
}

/// Everything about one container.
pub(crate) struct Record {
    pub(crate) doing: Doing,
    /// The run before the one that `doing` is about.
    pub(crate) last: Option<Ended>,
    /// Which run it is, `containerd://<64 hex>`.
    pub(crate) id: Option<String>,
    /// The whole image name once it is pulled.
    pub(crate) image: Option<String>,
    pub(crate) image_id: Option<String>,
    pub(crate) restarts: i32,
    pub(crate) ready: bool,
    /// Whether its startup probe, if it has one, has succeeded.
    pub(crate) started: bool,
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) previous_log: Option<Arc<Log>>,
    /// What an exec sees, while it runs.
    pub(crate) session: Option<Session>,
}

impl Record {
    fn waiting(reason: &str) -> Self {
        Self {
            doing: Doing::Waiting { reason: reason.to_owned(), message: None },
            last: None,
            id: None,
            image: None,
            image_id: None,
            restarts: 0,
            ready: false,
            started: false,
            log: None,
            previous_log: None,
            session: None,
        }
    }

    /// Whether its process runs.
    pub(crate) fn running(&self) -> bool {
        matches!(self.doing, Doing::Running { .. })
    }

    /// Makes it wait.
    pub(crate) fn wait(&mut self, reason: impl Into<String>, message: Option<String>) {
        self.doing = Doing::Waiting { reason: reason.into(), message };
        self.ready = false;
        self.started = false;
    }
}

/// Everything about one pod.
pub(crate) struct State {
    /// When the kubelet took it on.
    pub(crate) start_time: Timestamp,
    /// Its address once the sandbox has one.
    pub(crate) ip: Option<Ipv4Addr>,
    /// Whether the sandbox and its network stand (`PodReadyToStartContainers`).
    pub(crate) sandbox: bool,
    /// Whether the kubelet took it, so that it holds what it asks for.
    pub(crate) admitted: bool,
    /// Why the kubelet failed it as a whole: reason and message.
    pub(crate) failed: Option<(String, String)>,
    pub(crate) init: Vec<Record>,
    pub(crate) app: Vec<Record>,
    /// When each condition last changed, and to what.
    pub(super) transitions: BTreeMap<&'static str, (bool, Timestamp)>,
}

impl State {
    /// A pod that was just seen.
    pub(crate) fn new(spec: &PodSpec) -> Self {
        let init = spec.init_containers.as_deref().unwrap_or_default();
        let reason = if init.is_empty() { "ContainerCreating" } else { "PodInitializing" };
        Self {
            start_time: Timestamp::now(),
            ip: None,
            sandbox: false,
            admitted: false,
            failed: None,
            init: init.iter().map(|_| Record::waiting("PodInitializing")).collect(),
            app: spec.containers.iter().map(|_| Record::waiting(reason)).collect(),
            transitions: BTreeMap::new(),
        }
    }

    /// One container.
    pub(crate) fn record(&self, slot: Slot) -> Option<&Record> {
        match slot {
            Slot::Init(at) => self.init.get(at),
            Slot::App(at) => self.app.get(at),
        }
    }

    /// One container, to change it.
    pub(crate) fn record_mut(&mut self, slot: Slot) -> Option<&mut Record> {
        match slot {
            Slot::Init(at) => self.init.get_mut(at),
            Slot::App(at) => self.app.get_mut(at),
        }
    }

    /// All slots, init containers first.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let (init, app) = (self.init.len(), self.app.len());
        (0..init).map(Slot::Init).chain((0..app).map(Slot::App))
    }
}
