//! What can go wrong in the life of a pod.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::node::EventText;
use crate::fault::{select::PodSelector, span::Span, when::When};

/// Bites at one stage of the lives of the pods it selects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodEffect {
    /// Which pods; all when left out.
    #[serde(default)]
    pub pods: PodSelector,
    /// When and how often.
    #[serde(default, skip_serializing_if = "When::is_always")]
    pub when: When,
    /// At which stage of a pod's life.
    pub stage: Stage,
    /// What happens there.
    #[serde(default)]
    pub outcome: Outcome,
    /// How much longer the stage takes than usual (with `exits`: how long the container runs first).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// The waiting, terminated or pod reason; each stage has its usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The waiting, terminated or pod message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The exit code that the terminated state shows; 128 for `start`, 1 otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Events to report at every attempt, instead of the usual one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventText>,
}

/// A stage in the life of a pod, as its kubelet sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// The kubelet decides whether to take the pod; a failure makes its phase Failed.
    Admit,
    /// The sandbox and its network; a failure is FailedCreatePodSandBox, and a retry.
    Sandbox,
    /// A container is created and started; a failure is StartError.
    Start,
    /// The container runs; `exits` ends it.
    Run,
    /// The pod would become ready; `stuck` and `fails` keep it from that.
    Ready,
    /// The pod is to be deleted; `stuck` keeps it terminating.
    Stop,
}

/// What happens at a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It goes on as usual (after `delay`).
    #[default]
    Proceeds,
    /// Nothing more happens while the effect is in force.
    Stuck,
    /// It fails in the stage's way, and is tried again as a kubelet would.
    Fails,
    /// The container ends with `exitCode`; what follows is its restart policy's matter.
    Exits,
}
