//! Defects that can be put into a testbed.
//!
//! A [`Fault`] is data: effects, each of which selects what it is about (nodes,
//! pods, images, commands, connections, names), when it is in force, and what
//! it changes there. The [`FaultBoard`] holds the faults in force and is asked
//! at every turn by the nodes and the network. Faults are written as YAML
//! (`docs/faults.md`); the [`catalogue`] ships those that operators reported.

pub use self::{
    board::{Counter, FaultBoard, Mark, NameRuling, Ruling},
    effect::{
        Answer, Broken, CommandEffect, Condition, ConditionStatus, Destination, DnsEffect, Effect, EventKind,
        EventText, ImageEffect, Kind, Kinds, KubeletApi, NetworkEffect, NodeEffect, NodeEffects, NodeInfo, Origin,
        Outcome, Place, Places, PodEffect, Ports, Protocol, Rewrite, Stage, Transport, Vantage, Vantages, WrongBackend,
    },
    file::{ApiVersion, Expect, ExpectedFinding, ExpectedVerdict, Fault, FaultKind},
    flow::{End, Flow, Happening, ServiceName},
    load::FaultError,
    pattern::{Pattern, Patterns},
    schema::schema,
    select::{NodeSelector, Nth, PodSelector},
    span::{Span, SpanError},
    when::{ServiceSelector, Trigger, When},
};

mod board;
pub mod catalogue;
mod effect;
mod file;
mod flow;
mod load;
mod pattern;
mod rules;
mod schema;
mod scope;
mod select;
mod span;
#[cfg(test)]
mod tests;
mod when;
