//! Which nodes and pods an effect is about.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    pattern::{Patterns, allows},
    span::Span,
};
use crate::{
    network::{NodeFacts, PodFacts},
    shape::Os,
};

/// Which nodes; every constraint must hold, and all nodes fit an empty selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct NodeSelector {
    /// By name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Patterns>,
    /// By operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// By the whole Windows build (`10.0.20348.2582`, `10.0.20348.*`); a Linux node has none and never fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Patterns>,
    /// By processor (`amd64`, `arm64`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<Patterns>,
    /// By container runtime (`containerd://1.7.*`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Patterns>,
    /// By labels, each by its value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Patterns>,
}

impl NodeSelector {
    /// Whether `node` is meant.
    #[must_use]
    pub fn matches(&self, node: &NodeFacts) -> bool {
        allows(self.name.as_ref(), &node.name)
            && self.os.is_none_or(|os| os == node.os)
            && self.build.as_ref().is_none_or(|build| node.build.as_ref().is_some_and(|own| build.matches(own)))
            && allows(self.arch.as_ref(), &node.arch)
            && allows(self.runtime.as_ref(), &node.runtime)
            && labels_match(&self.labels, &node.labels)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Which pods; every constraint must hold, and all pods fit an empty selector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PodSelector {
    /// By name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Patterns>,
    /// By namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Patterns>,
    /// By the operating system of the node it runs on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os: Option<Os>,
    /// By the reference of any of its images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Patterns>,
    /// By labels, each by its value.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, Patterns>,
    /// By the node it runs on.
    #[serde(skip_serializing_if = "NodeSelector::is_empty")]
    pub node: NodeSelector,
    /// By service account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Patterns>,
    /// By the Windows user it asks for; `""` means a pod that asks for none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<Patterns>,
    /// By its group managed service account; `""` means a pod without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gmsa: Option<Patterns>,
    /// By its runtime class; `""` means a pod without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<Patterns>,
    /// Whether it uses the host's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Only while it is younger than this: "no network for the first 40 s".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub younger_than: Option<Span>,
    /// Only once it is older than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older_than: Option<Span>,
    /// Whether it was there before the fault was injected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing: Option<bool>,
    /// Only some of the pods that the other constraints fit, by the order in which they start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<Nth>,
}

/// Which of several pods, by their numbers in the order in which they start, from 1. Every constraint must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Nth {
    /// The pod with this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub only: Option<u64>,
    /// Every pod whose number is a multiple of this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// The pods from this number on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// The pods up to this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<u64>,
    /// Among which pods they are numbered; among all that fit when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per: Option<Per>,
}

/// Among which pods the pods are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Per {
    /// Those of one node.
    Node,
    /// Those of one namespace.
    Namespace,
    /// Those with one service account.
    ServiceAccount,
    /// Those with one group managed service account.
    Gmsa,
    /// Those with the same images.
    Image,
}

impl Nth {
    /// Whether the pod with this number (from 1) is meant.
    #[must_use]
    pub fn matches(&self, number: u64) -> bool {
        self.only.is_none_or(|n| number == n)
            && self.every.is_none_or(|n| n != 0 && number.is_multiple_of(n))
            && self.from.is_none_or(|n| number >= n)
            && self.to.is_none_or(|n| number <= n)
    }

    /// The pods among which `pod` is numbered, in a word.
    pub(super) fn group(&self, pod: &PodFacts) -> String {
        match self.per {
            None => String::new(),
            Some(Per::Node) => pod.node.name.clone(),
            Some(Per::Namespace) => pod.namespace.clone(),
            Some(Per::ServiceAccount) => format!("{}/{}", pod.namespace, pod.service_account),
            Some(Per::Gmsa) => pod.gmsa.clone().unwrap_or_default(),
            Some(Per::Image) => pod.images.join(" "),
        }
    }
}

impl PodSelector {
    /// Whether `pod` is meant by what never changes about it: all constraints but age, `existing` and `nth`, which the board decides.
    #[must_use]
    pub fn matches(&self, pod: &PodFacts) -> bool {
        let wanted = |patterns: &Option<Patterns>, own: &Option<String>| {
            patterns.as_ref().is_none_or(|patterns| match own {
                Some(own) => patterns.matches(own),
                None => patterns.mean_none(),
            })
        };
        allows(self.name.as_ref(), &pod.name)
            && allows(self.namespace.as_ref(), &pod.namespace)
            && self.os.is_none_or(|os| os == pod.node.os)
            && self.image.as_ref().is_none_or(|image| pod.images.iter().any(|own| image.matches(own)))
            && labels_match(&self.labels, &pod.labels)
            && self.node.matches(&pod.node)
            && allows(self.service_account.as_ref(), &pod.service_account)
            && wanted(&self.run_as_user, &pod.run_as_user)
            && wanted(&self.gmsa, &pod.gmsa)
            && wanted(&self.runtime_class, &pod.runtime_class)
            && self.host_network.is_none_or(|host| host == pod.host_network)
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn labels_match(wanted: &BTreeMap<String, Patterns>, own: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| own.get(key).is_some_and(|own| value.matches(own)))
}
