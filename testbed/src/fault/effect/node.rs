//! What can be wrong with a node.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fault::{select::NodeSelector, when::When},
    shape::Taint,
};

/// Changes what a node reports and how its kubelet answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeEffect {
    /// Which nodes; all when left out.
    pub nodes: NodeSelector,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// Conditions to report instead of (or beside) the healthy ones.
    pub conditions: Vec<Condition>,
    /// Labels to set, or with `null` to remove.
    pub labels: BTreeMap<String, Option<String>>,
    /// Taints to add.
    pub taints: Vec<Taint>,
    /// Keys of taints to remove.
    pub remove_taints: Vec<String>,
    /// Fields of `status.nodeInfo` to report instead of the true ones.
    pub node_info: NodeInfo,
    /// Whether it takes no new pods, as after `kubectl cordon`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unschedulable: Option<bool>,
    /// Capacity and allocatable resources to report instead of the true ones: `pods`, `memory`, `cpu`, ….
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub resources: BTreeMap<String, String>,
    /// Renew no lease and post no status any more.
    pub lease_stopped: bool,
    /// How the kubelet's API behaves.
    pub kubelet: Option<KubeletApi>,
    /// The runtime handlers that containerd knows, instead of the usual ones.
    pub handlers: Option<Vec<String>>,
    /// Events to report about the node once, when the effect begins.
    pub events: Vec<EventText>,
}

/// A node condition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// `Ready`, `MemoryPressure`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: ConditionStatus,
    /// One word for programs.
    #[serde(default)]
    pub reason: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
}

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Nobody knows.
    Unknown,
}

impl ConditionStatus {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Fields of `status.nodeInfo`; those left out stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeInfo {
    /// `operatingSystem`.
    pub operating_system: Option<String>,
    /// `architecture`.
    pub architecture: Option<String>,
    /// `osImage`: `Windows Server 2022 Datacenter`.
    pub os_image: Option<String>,
    /// `kernelVersion`: `10.0.20348.5499`.
    pub kernel_version: Option<String>,
    /// `containerRuntimeVersion`: `containerd://1.7.29`.
    pub container_runtime_version: Option<String>,
    /// `kubeletVersion`.
    pub kubelet_version: Option<String>,
    /// `bootID`.
    #[serde(rename = "bootID")]
    pub boot_id: Option<String>,
}

/// How a kubelet's API behaves: exec, logs, port-forward.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum KubeletApi {
    /// As it should.
    #[default]
    Answers,
    /// Accepts connections and never says anything.
    Silent,
    /// Refuses connections.
    Refuses,
    /// Answers that it knows none of its pods.
    LosesPods,
}

/// An event to report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventText {
    /// `Warning` (when left out) or `Normal`.
    #[serde(rename = "type", default)]
    pub kind: EventKind,
    /// `FailedCreatePodSandBox`, …
    pub reason: String,
    /// The text.
    pub message: String,
}

/// The type of an event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EventKind {
    /// Something is wrong.
    #[default]
    Warning,
    /// Something happened.
    Normal,
}

impl EventKind {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "Warning",
            Self::Normal => "Normal",
        }
    }
}

/// Everything that is wrong with one node now: all matching effects, merged.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NodeEffects {
    /// Conditions to report instead of the healthy ones, by type.
    pub conditions: Vec<Condition>,
    /// Labels to set, or (`None`) to remove.
    pub labels: BTreeMap<String, Option<String>>,
    /// Taints to add.
    pub taints: Vec<Taint>,
    /// Keys of taints to remove.
    pub remove_taints: Vec<String>,
    /// Fields of `status.nodeInfo` to report instead of the true ones.
    pub node_info: NodeInfo,
    /// Whether it takes no new pods.
    pub unschedulable: Option<bool>,
    /// Resources to report instead of the true ones.
    pub resources: BTreeMap<String, String>,
    /// Whether to renew no lease and post no status.
    pub lease_stopped: bool,
    /// How the kubelet's API behaves.
    pub kubelet: KubeletApi,
    /// The runtime handlers that containerd knows, instead of the usual ones.
    pub handlers: Option<Vec<String>>,
    /// Events to report about the node, once each as long as they stay in this list.
    pub events: Vec<EventText>,
}

impl NodeEffects {
    /// Adds what `effect` changes; where two effects disagree, the later one wins.
    pub(crate) fn merge(&mut self, effect: &NodeEffect) {
        for condition in &effect.conditions {
            self.conditions.retain(|earlier| earlier.kind != condition.kind);
            self.conditions.push(condition.clone());
        }
        self.labels.extend(effect.labels.clone());
        self.taints.extend(effect.taints.iter().cloned());
        self.remove_taints.extend(effect.remove_taints.iter().cloned());
        let (into, from) = (&mut self.node_info, &effect.node_info);
        for (into, from) in [
            (&mut into.operating_system, &from.operating_system),
            (&mut into.architecture, &from.architecture),
            (&mut into.os_image, &from.os_image),
            (&mut into.kernel_version, &from.kernel_version),
            (&mut into.container_runtime_version, &from.container_runtime_version),
            (&mut into.kubelet_version, &from.kubelet_version),
            (&mut into.boot_id, &from.boot_id),
        ] {
            if from.is_some() {
                into.clone_from(from);
            }
        }
        self.unschedulable = effect.unschedulable.or(self.unschedulable);
        self.resources.extend(effect.resources.clone());
        self.lease_stopped |= effect.lease_stopped;
        if let Some(kubelet) = effect.kubelet {
            self.kubelet = kubelet;
        }
        if effect.handlers.is_some() {
            self.handlers.clone_from(&effect.handlers);
        }
        self.events.extend(effect.events.iter().cloned());
    }
}
