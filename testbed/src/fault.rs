//! Defects that can be put into a testbed.
//!
//! A [`Fault`] is data: effects, each of which selects what it is about (nodes,
//! pods, images, commands, connections, names), when it is in force, and what
//! it changes there. The [`FaultBoard`] holds the faults in force and is asked
//! at every turn by the nodes and the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    board::{Counter, FaultBoard},
    effect::{
        CommandEffect, Condition, ConditionStatus, Effect, EventKind, EventText, ImageEffect, KubeletApi, NodeEffect,
        NodeEffects, NodeInfo, Outcome, PodEffect, Stage, Transport,
    },
    pattern::{Pattern, Patterns},
    select::{NodeSelector, Nth, PodSelector},
    span::{Span, SpanError},
    when::{ServiceSelector, Trigger, When},
};

mod board;
mod effect;
mod pattern;
mod select;
mod span;
mod when;

/// A named defect made of effects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// What it is called; healing names it.
    pub name: String,
    /// One sentence on what an operator sees.
    pub summary: String,
    /// What is wrong.
    pub effects: Vec<Effect>,
}
