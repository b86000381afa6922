//! What a shape's YAML file holds: a cluster of its own, or what is different from another one.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NodeShape, Os, Taint, features::FeatureChanges};
use crate::fault::Pattern;

/// A shape as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ShapeFile {
    /// What people call it.
    pub(super) name: String,
    /// One sentence on what it is for.
    #[serde(default)]
    pub(super) about: String,
    /// The shape that it starts from, as on the command line; without one it has only its own nodes.
    #[serde(default)]
    pub(super) base: Option<String>,
    /// The names of nodes to leave out; `*` stands for any characters.
    #[serde(default)]
    pub(super) remove: Vec<Pattern>,
    /// What is different about the nodes that are left.
    #[serde(default)]
    pub(super) change: Vec<Change>,
    /// Nodes to add, in the order in which they get their addresses.
    #[serde(default)]
    pub(super) nodes: Vec<NodeShape>,
    /// How many nodes those with a `share` are together, unless a number is given with the name.
    #[serde(default)]
    pub(super) size: Option<u32>,
    /// What the cluster can do.
    #[serde(default)]
    pub(super) features: FeatureChanges,
}

/// What is different about some nodes. Fields that are left out stay as they are.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Change {
    /// Which nodes, by name; `*` stands for any characters.
    pub(super) nodes: Option<Pattern>,
    /// Which nodes, by operating system.
    pub(super) os: Option<Os>,
    build: Option<String>,
    os_image: Option<String>,
    runtime: Option<String>,
    kubelet: Option<String>,
    /// All taints; an empty list takes them away.
    taints: Option<Vec<Taint>>,
    /// Labels to set, or with `null` to remove.
    labels: BTreeMap<String, Option<String>>,
    cpu: Option<String>,
    memory: Option<String>,
    pods: Option<u32>,
}

impl Change {
    /// Whether it is about this node.
    pub(super) fn is_about(&self, node: &NodeShape) -> bool {
        self.nodes.as_ref().is_none_or(|pattern| pattern.matches(&node.name)) && self.os.is_none_or(|os| os == node.os)
    }

    /// Makes the difference.
    pub(super) fn apply(&self, node: &mut NodeShape) {
        let set = |field: &mut String, new: &Option<String>| {
            if let Some(new) = new {
                field.clone_from(new);
            }
        };
        set(&mut node.runtime, &self.runtime);
        set(&mut node.kubelet, &self.kubelet);
        set(&mut node.cpu, &self.cpu);
        set(&mut node.memory, &self.memory);
        if self.build.is_some() {
            node.build.clone_from(&self.build);
        }
        if self.os_image.is_some() {
            node.os_image.clone_from(&self.os_image);
        }
        if let Some(taints) = &self.taints {
            node.taints.clone_from(taints);
        }
        for (key, value) in &self.labels {
            match value {
                Some(value) => node.labels.insert(key.clone(), value.clone()),
                None => node.labels.remove(key),
            };
        }
        node.pods = self.pods.unwrap_or(node.pods);
    }
}
