//! What can go wrong with a connection.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{
    pattern::Patterns,
    select::{NodeSelector, PodSelector},
    span::Span,
    when::{ServiceSelector, When},
};

/// Changes the connections it selects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NetworkEffect {
    /// Where they start; anywhere when left out.
    #[serde(skip_serializing_if = "Origin::is_empty")]
    pub from: Origin,
    /// Where they go; anywhere when left out.
    #[serde(skip_serializing_if = "Destination::is_empty")]
    pub to: Destination,
    /// Also the connections in the other direction between the same pods and nodes.
    pub both_ways: bool,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// How the attempt ends instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Ending>,
    /// How much longer connecting takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Which backend of the Service is taken instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend: Option<WrongBackend>,
    /// Which source address the other end sees instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Rewrite>,
    /// What becomes of the bytes of connections that open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transfer: Option<Transfer>,
}

/// What becomes of the bytes of a connection that opened: large answers that get stuck, slow servers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Transfer {
    /// In which direction; the answers when left out.
    pub of: Direction,
    /// Only once so many bytes have passed in that direction.
    pub after: u64,
    /// What happens then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Stop>,
    /// How much longer the first byte after these takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
}

/// A direction of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// From who connected to who listens.
    Requests,
    /// From who listens to who connected.
    #[default]
    Answers,
}

/// How the bytes of a connection stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Stop {
    /// Nothing more arrives, and the connection stays open (packets larger than the path takes are lost).
    Stalls,
    /// The connection is closed.
    Closes,
}

/// Where connections start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Origin {
    /// What starts them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vantage: Option<Vantages>,
    /// The node they start on.
    #[serde(skip_serializing_if = "NodeSelector::is_empty")]
    pub node: NodeSelector,
    /// The pod they start in. A pod on the host's network fits only where `hostNetwork: true` says so.
    #[serde(skip_serializing_if = "PodSelector::is_empty")]
    pub pod: PodSelector,
}

impl Origin {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What starts a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Vantage {
    /// Something beyond the cluster.
    Outside,
    /// The API server.
    ApiServer,
    /// A node itself, or a pod on its network.
    Node,
    /// A pod with an address of its own.
    Pod,
}

/// Where connections go. Every constraint must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// What kind of address they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kinds>,
    /// The Service they go through: by its address, a node port or its load balancer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSelector>,
    /// The address they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Patterns>,
    /// The port they name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Ports>,
    /// The protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The node whose address they name; where they name none, the node on which they end.
    #[serde(skip_serializing_if = "NodeSelector::is_empty")]
    pub node: NodeSelector,
    /// The pod in which they end: the one named, or the Service's backend.
    #[serde(skip_serializing_if = "PodSelector::is_empty")]
    pub pod: PodSelector,
    /// Where they end, seen from where they enter (the source's node; for a node port the node named).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<Places>,
    /// Whether the node where they enter runs a backend of the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_backend: Option<bool>,
    /// Only while the cluster has more Services than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub more_services_than: Option<usize>,
}

impl Destination {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What kind of address a connection names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A pod IP.
    Pod,
    /// A Service IP.
    Service,
    /// A Service's node port on a node.
    NodePort,
    /// A load balancer.
    LoadBalancer,
    /// Any other port of a node: its kubelet, a program on the host's network.
    Node,
    /// The API server, by its own address or through its Service.
    ApiServer,
    /// A DNS server, by its Service or by its pod.
    Dns,
    /// The world beyond the cluster.
    Outside,
}

/// Where a connection ends, seen from where it enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// In the very pod it started in (hairpin).
    #[serde(rename = "self")]
    Itself,
    /// In another pod of the same node, or on that node.
    SameNode,
    /// On another node.
    OtherNode,
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP: connections.
    Tcp,
    /// UDP: DNS queries.
    Udp,
    /// ICMP: pings.
    Icmp,
}

/// How an attempt ends, whatever it would have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Ending {
    /// Nothing answers.
    Dropped,
    /// The destination refuses.
    Refused,
    /// The connection is cut while it is made.
    Reset,
    /// The source has no route ("General failure").
    NoRoute,
    /// The connection opens and nothing is ever said on it.
    Silent,
    /// It reaches what listens there, though a healthy network would not let it: documented limitations are lifted.
    Opens,
}

impl Ending {
    /// How it fails; none where it does not.
    #[must_use]
    pub fn broken(self) -> Option<Broken> {
        match self {
            Self::Dropped => Some(Broken::Dropped),
            Self::Refused => Some(Broken::Refused),
            Self::Reset => Some(Broken::Reset),
            Self::NoRoute => Some(Broken::NoRoute),
            Self::Silent => Some(Broken::Silent),
            Self::Opens => None,
        }
    }
}

/// How an attempt fails: see [`Ending`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// Nothing answers.
    Dropped,
    /// The destination refuses.
    Refused,
    /// The connection is cut while it is made.
    Reset,
    /// The source has no route.
    NoRoute,
    /// The connection opens and nothing is ever said on it.
    Silent,
}

/// Which backend is taken instead of one of the Service's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum WrongBackend {
    /// One of the current backends and of those that were removed since the fault was injected.
    Removed,
    /// One of the backends that the Service had when the fault was injected.
    Frozen,
    /// A pod that the Service does not mean.
    Pod(Box<PodSelector>),
}

/// Which source address the other end sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Rewrite {
    /// The address of the node on which the connection starts or enters.
    Node,
    /// This address.
    Address(Ipv4Addr),
}

macro_rules! one_or_many {
    ($(#[$doc:meta])* $name:ident of $item:ty) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(untagged)]
        pub enum $name {
            /// One.
            One($item),
            /// Any of these.
            Many(Vec<$item>),
        }

        impl $name {
            /// Whether `item` is meant.
            #[must_use]
            pub fn holds(&self, item: &$item) -> bool {
                match self {
                    Self::One(one) => one == item,
                    Self::Many(many) => many.contains(item),
                }
            }
        }
    };
}

one_or_many!(
    /// One vantage or several.
    Vantages of Vantage
);
one_or_many!(
    /// One kind of destination or several.
    Kinds of Kind
);
one_or_many!(
    /// One place or several.
    Places of Place
);
one_or_many!(
    /// One port or several.
    Ports of u16
);
