//! What can go wrong with a name.

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::Origin;
use crate::fault::{pattern::Patterns, span::Span, when::When};

/// Changes the answers to the names it selects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DnsEffect {
    /// Who asks; anybody when left out.
    pub from: Origin,
    /// Which names, as asked or as completed by the search list (`*.svc.cluster.local`); all when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub names: Option<Patterns>,
    /// When and how often.
    #[serde(skip_serializing_if = "When::is_always")]
    pub when: When,
    /// What the answer is instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// How much longer the answer takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// By which list the resolver completes names, in an effect of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<Search>,
}

/// How a resolver completes the names that it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Search {
    /// With every suffix of the cluster, names with dots too, as on Linux.
    Whole,
    /// Not at all: every name is taken for complete.
    None,
    /// With these suffixes instead of the cluster's.
    Suffixes(Vec<String>),
}

/// A DNS server's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// There is no such name (NXDOMAIN).
    NoSuchName,
    /// No answer at all.
    Timeout,
    /// The server fails (SERVFAIL).
    ServerFailure,
    /// These addresses.
    Addresses(Vec<Ipv4Addr>),
}
