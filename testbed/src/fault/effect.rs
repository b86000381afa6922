//! The effects that faults are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    command::{CommandEffect, Transport},
    image::ImageEffect,
    node::{Condition, ConditionStatus, EventKind, EventText, KubeletApi, NodeEffect, NodeEffects, NodeInfo},
    pod::{Outcome, PodEffect, Stage},
};

mod command;
mod image;
mod node;
mod pod;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// What nodes report, and how their kubelets answer.
    Node(NodeEffect),
    /// A stage of the lives of pods.
    Pod(PodEffect),
    /// How images are pulled.
    Image(ImageEffect),
    /// What commands run in containers do.
    Command(CommandEffect),
}
