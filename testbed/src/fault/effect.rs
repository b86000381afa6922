//! The effects that faults are made of.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    admission::{Admission, AdmissionEffect, FailurePolicy, ObjectSelector, Operation},
    api::{ApiEffect, Loss, RequestSelector, WatchLoss},
    command::{CommandEffect, Transport},
    dns::{Answer, DnsEffect, Search},
    identity::{Identity, IdentityEffect, TrustStatus},
    image::ImageEffect,
    limits::{Limit, LimitsEffect},
    log::LogEffect,
    network::{
        Broken, Destination, Direction, Ending, Kind, Kinds, NetworkEffect, Origin, Place, Places, Ports, Protocol,
        Rewrite, Stop, Transfer, Vantage, Vantages, WrongBackend,
    },
    node::{Condition, ConditionStatus, EventKind, EventText, KubeletApi, NodeEffect, NodeEffects, NodeInfo},
    object::ObjectEffect,
    pod::{Outcome, PodEffect, Stage},
};
use super::when::When;

mod admission;
mod api;
mod command;
mod dns;
mod identity;
mod image;
mod limits;
mod log;
mod network;
mod node;
mod object;
mod pod;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Effect {
    /// What nodes report, and how their kubelets answer.
    Node(Box<NodeEffect>),
    /// A stage of the lives of pods.
    Pod(Box<PodEffect>),
    /// How images are pulled.
    Image(Box<ImageEffect>),
    /// What commands run in containers do.
    Command(Box<CommandEffect>),
    /// What becomes of what containers write.
    Log(Box<LogEffect>),
    /// How connections end.
    Network(Box<NetworkEffect>),
    /// What names resolve to.
    Dns(Box<DnsEffect>),
    /// How objects are admitted.
    Admission(Box<AdmissionEffect>),
    /// How the API server answers.
    Api(Box<ApiEffect>),
    /// Whom containers are, to Windows and to the domain.
    Identity(Box<IdentityEffect>),
    /// What else there is in the cluster.
    Object(Box<ObjectEffect>),
    /// What containers are held to.
    Limits(Box<LimitsEffect>),
}

impl Effect {
    /// The names that a fault file gives to the kinds of effect.
    pub const NAMES: [&'static str; 12] = [
        "node",
        "pod",
        "image",
        "command",
        "log",
        "network",
        "dns",
        "admission",
        "api",
        "identity",
        "object",
        "limits",
    ];

    /// What a fault file calls this kind of effect.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Node(_) => "node",
            Self::Pod(_) => "pod",
            Self::Image(_) => "image",
            Self::Command(_) => "command",
            Self::Log(_) => "log",
            Self::Network(_) => "network",
            Self::Dns(_) => "dns",
            Self::Admission(_) => "admission",
            Self::Api(_) => "api",
            Self::Identity(_) => "identity",
            Self::Object(_) => "object",
            Self::Limits(_) => "limits",
        }
    }

    /// When it is in force.
    #[must_use]
    pub fn when(&self) -> &When {
        match self {
            Self::Node(effect) => &effect.when,
            Self::Pod(effect) => &effect.when,
            Self::Image(effect) => &effect.when,
            Self::Command(effect) => &effect.when,
            Self::Log(effect) => &effect.when,
            Self::Network(effect) => &effect.when,
            Self::Dns(effect) => &effect.when,
            Self::Admission(effect) => &effect.when,
            Self::Api(effect) => &effect.when,
            Self::Identity(effect) => &effect.when,
            Self::Object(effect) => &effect.when,
            Self::Limits(effect) => &effect.when,
        }
    }
}
