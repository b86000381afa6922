//! What a finding is.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The part of the system a cause lies in, deepest first: trouble in an earlier one
/// shows in the later ones too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// Outside the cluster: registries, our connection, our permissions.
    Environment,
    /// API server, scheduler, controllers, etcd.
    ControlPlane,
    /// A node: its conditions, labels, disk, kubelet.
    Node,
    /// Placing pods on nodes: taints, selectors, room.
    Scheduling,
    /// Webhooks and admission plug-ins.
    Admission,
    /// An image and the build it is for.
    Image,
    /// Sandboxes and containers.
    Runtime,
    /// The user a container runs as.
    User,
    /// Addresses of pods.
    PodNetwork,
    /// Virtual addresses of Services.
    ServiceIp,
    /// Names.
    Dns,
    /// Node ports.
    NodePort,
    /// Load balancers.
    LoadBalancer,
    /// Addresses outside the cluster.
    Outbound,
    /// Domain identities (gMSA).
    Identity,
}

impl Layer {
    /// Words for sentences: `pod network`.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::ControlPlane => "control plane",
            Self::Node => "node",
            Self::Scheduling => "scheduling",
            Self::Admission => "admission",
            Self::Image => "image",
            Self::Runtime => "runtime",
            Self::User => "user",
            Self::PodNetwork => "pod network",
            Self::ServiceIp => "service IP",
            Self::Dns => "DNS",
            Self::NodePort => "node port",
            Self::LoadBalancer => "load balancer",
            Self::Outbound => "outbound",
            Self::Identity => "identity",
        }
    }

    /// Whether trouble here, on a node, accounts for trouble there on the same node.
    #[must_use]
    pub(super) fn underlies(self, other: Self) -> bool {
        use Layer::{
            Dns, Identity, LoadBalancer, Node, NodePort, Outbound, PodNetwork, Runtime, Scheduling, ServiceIp,
        };
        match self {
            Node => matches!(
                other,
                Scheduling | Runtime | PodNetwork | ServiceIp | Dns | NodePort | LoadBalancer | Outbound | Identity
            ),
            // Where a server ends, nothing listens any more.
            Runtime => matches!(other, Runtime | PodNetwork | ServiceIp | NodePort | LoadBalancer),
            PodNetwork => matches!(other, ServiceIp | Dns | NodePort | LoadBalancer | Outbound | Identity),
            ServiceIp => matches!(other, Dns | NodePort | LoadBalancer | Identity),
            // A domain controller is found by its name.
            Dns => matches!(other, Identity),
            // Domain controllers and file servers are beyond the cluster.
            Outbound => matches!(other, Identity),
            _ => false,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_words())
    }
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// An observation says it in so many words.
    Certain,
    /// The pattern fits this cause and the counter-examples rule out the others we know.
    Likely,
    /// The evidence fits this cause and the alternatives alike.
    Possible,
}

impl Confidence {
    /// The word used in sentences.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// A cause that accounts for one or more results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// `layer:subject`, unique within a report.
    pub id: String,
    /// Where the cause lies.
    pub layer: Layer,
    /// What it lies in: a node, a build, a Service, an image.
    pub subject: String,
    /// The nodes it lies in or shows on.
    pub nodes: Vec<String>,
    /// The cause in a sentence.
    pub summary: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Other causes that the same evidence fits.
    pub alternatives: Vec<Alternative>,
    /// What to look at, or do, next.
    pub advice: Vec<String>,
    /// The results it accounts for.
    pub checks: Vec<String>,
    /// What was observed, in words.
    pub proof: Vec<String>,
}

/// Another cause that the same evidence fits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Alternative {
    /// Where it would lie.
    pub layer: Layer,
    /// What it would lie in.
    pub subject: String,
    /// The cause in a sentence.
    pub summary: String,
}

impl Finding {
    /// A finding about a subject; the rest is added by the rule.
    pub(super) fn new(
        layer: Layer,
        subject: impl Into<String>,
        confidence: Confidence,
        summary: impl Into<String>,
    ) -> Self {
        let subject = subject.into();
        let name = serde_json::to_value(layer).ok();
        let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
        Self {
            id: format!("{name}:{subject}"),
            layer,
            subject,
            nodes: Vec::new(),
            summary: summary.into(),
            confidence,
            alternatives: Vec::new(),
            advice: Vec::new(),
            checks: Vec::new(),
            proof: Vec::new(),
        }
    }

    /// Names the nodes it lies in.
    pub(super) fn on<I: Into<String>>(mut self, nodes: impl IntoIterator<Item = I>) -> Self {
        self.nodes.extend(nodes.into_iter().map(Into::into));
        self
    }

    /// Says what to look at next.
    pub(super) fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// Names another cause that fits as well, so that neither is more than possible.
    pub(super) fn or(mut self, layer: Layer, subject: impl Into<String>, summary: impl Into<String>) -> Self {
        self.confidence = Confidence::Possible;
        self.alternatives.push(Alternative { layer, subject: subject.into(), summary: summary.into() });
        self
    }

    /// Rests on what was observed.
    pub(super) fn proven_by<I: Into<String>>(mut self, proof: impl IntoIterator<Item = I>) -> Self {
        self.proof.extend(proof.into_iter().map(Into::into));
        self
    }

    /// Accounts for results.
    pub(super) fn accounts_for<I: Into<String>>(mut self, checks: impl IntoIterator<Item = I>) -> Self {
        self.checks.extend(checks.into_iter().map(Into::into));
        self
    }
}
