//! Defects that can be put into a testbed.
//!
//! A [`Fault`] is data: effects, each of which selects what it is about (nodes,
//! pods, images, commands, connections, names), when it is in force, and what
//! it changes there. The [`FaultBoard`] holds the faults in force and is asked
//! at every turn by the nodes and the network. Faults are written as YAML
//! (`docs/faults.md`); the [`catalogue`] ships those that operators reported.

pub use self::{
    asked::{ApiRequest, Review, Who},
    board::{Counter, FaultBoard, Mark, NameRuling, Ruling},
    effect::{
        Admission, AdmissionEffect, Answer, ApiEffect, Broken, CommandEffect, Condition, ConditionStatus, Destination,
        Direction, DnsEffect, Effect, Ending, EventKind, EventText, FailurePolicy, Identity, IdentityEffect,
        ImageEffect, Kind, Kinds, KubeletApi, Limit, LimitsEffect, LogEffect, Loss, NetworkEffect, NodeEffect,
        NodeEffects, NodeInfo, ObjectEffect, ObjectSelector, Operation, Origin, Outcome, Place, Places, PodEffect,
        Ports, Protocol, RequestSelector, Rewrite, Search, Stage, Stop, Transfer, Transport, TrustStatus, Vantage,
        Vantages, WatchLoss, WrongBackend,
    },
    expect::{Expect, ExpectedFinding, ExpectedVerdict, Layer, LayerError, RunOptions},
    file::{ApiVersion, Fault, FaultKind},
    flow::{End, Flow, Happening, ServiceName},
    load::FaultError,
    pattern::{Pattern, Patterns},
    schema::schema,
    select::{NodeSelector, Nth, Per, PodSelector},
    span::{Span, SpanError},
    when::{Own, ServiceSelector, Trigger, When},
};

mod asked;
mod board;
pub mod catalogue;
mod effect;
mod expect;
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
