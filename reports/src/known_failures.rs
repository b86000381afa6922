//! Failures that the user knows of: excused until a date, for one reason, and watched.
//!
//! An entry names a check, the builds it fails on, the reason it fails for, an issue
//! and a day on which it must be looked at again. Only a failure for that very reason
//! is excused. Entries that have expired, or whose check no longer fails, are reported.

mod builds;
mod file;
mod usage;

use jiff::civil::Date;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub(crate) use self::usage::apply;
pub use self::{
    builds::{BuildRange, BuildRangeError},
    file::{KnownFailuresError, json_schema, read_known_failures},
    usage::{EntryState, Excuse, ExcusedBy, KnownFailureUse},
};
use crate::{event::Observation, explain::Layer, id::CheckId};

/// A failure that the user knows of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownFailure {
    /// The check, or a pattern of checks: `reachability/windows-pod-to-own-service-ip`, `iis/*`.
    pub check: String,
    /// The Windows builds it fails on: `10.0.26100` (every patch level of it), or a range with both
    /// ends in it, `10.0.26100.1..10.0.26100.4000`; either end may be left open. Without it, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub builds: Option<BuildRange>,
    /// Why it fails.
    pub reason: KnownReason,
    /// Where the failure is followed: a link.
    pub issue: String,
    /// The last day on which it is excused.
    #[schemars(with = "String", extend("format" = "date"))]
    pub expires: Date,
    /// Anything else worth knowing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why a known failure fails. What is given must all be so; at least one must be given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("minProperties" = 1))]
pub struct KnownReason {
    /// The layer of a finding that accounts for it: `service_ip`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<Layer>,
    /// A fact that it rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observation: Option<KnownObservation>,
    /// Words in the text of the failure; for failures that rest on no fact a machine can read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// A fact that a known failure rests on. What is given must all be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownObservation {
    /// What kind of fact: `container`, `event`, `unschedulable`, `node`, `no_exec` or `refused`.
    pub kind: KnownObservationKind,
    /// Its reason, for example `ErrImagePull`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The HTTP status of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// What was looked at on a node, for example `condition Ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

/// The kind of a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KnownObservationKind {
    /// A container waits or ended for a reason.
    Container,
    /// A warning event.
    Event,
    /// A pod that no node would take.
    Unschedulable,
    /// A node's condition, label or field.
    Node,
    /// An exec that was lost or refused.
    NoExec,
    /// A name that was asked for.
    Name,
    /// A request that the API server refused.
    Refused,
    /// A part of the control plane that did nothing.
    Idle,
    /// Whom a container turned out to be.
    Identity,
}

/// A failure, as far as a known one may account for it.
pub(crate) struct Failure<'a> {
    pub(crate) text: &'a str,
    pub(crate) layers: &'a [Layer],
    pub(crate) observations: &'a [Observation],
}

impl KnownFailure {
    /// Whether the entry is about this check on this build, whatever the reason.
    pub(crate) fn concerns(&self, check: &CheckId, build: Option<&str>) -> bool {
        let of_build = match (&self.builds, build) {
            (None, _) => true,
            (Some(range), Some(build)) => range.contains(build),
            (Some(_), None) => false,
        };
        of_build && self.names(check)
    }

    /// Whether the entry's pattern names this check.
    #[must_use]
    pub fn names(&self, check: &CheckId) -> bool {
        let glob = globset::GlobBuilder::new(&self.check).literal_separator(false).build();
        // A pattern that is none was refused when the file was read.
        glob.is_ok_and(|glob| glob.compile_matcher().is_match(check.to_string()))
    }

    /// Whether the entry's reason is this failure's.
    pub(crate) fn is_reason_of(&self, failure: &Failure<'_>) -> bool {
        let KnownReason { finding, observation, text } = &self.reason;
        let has_finding = finding.is_none_or(|layer| failure.layers.contains(&layer));
        let has_fact =
            observation.as_ref().is_none_or(|known| failure.observations.iter().any(|seen| known.fits(seen)));
        let has_text = text.as_ref().is_none_or(|words| failure.text.contains(words.as_str()));
        let says_anything = finding.is_some() || observation.is_some() || text.is_some();
        says_anything && has_finding && has_fact && has_text
    }
}

impl KnownObservation {
    fn fits(&self, seen: &Observation) -> bool {
        use KnownObservationKind as Kind;
        let (kind, reason, code, what) = match seen {
            Observation::Container { reason, .. } => (Kind::Container, Some(reason), None, None),
            Observation::Event { reason, .. } => (Kind::Event, Some(reason), None, None),
            Observation::Unschedulable { .. } => (Kind::Unschedulable, None, None, None),
            Observation::Node { what, .. } => (Kind::Node, None, None, Some(what)),
            Observation::NoExec { .. } => (Kind::NoExec, None, None, None),
            Observation::Name { name, .. } => (Kind::Name, None, None, Some(name)),
            Observation::Refused { code, reason, .. } => (Kind::Refused, Some(reason), Some(*code), None),
            Observation::Idle { part, .. } => (Kind::Idle, None, None, Some(part)),
            Observation::Identity { what, .. } => (Kind::Identity, None, None, Some(what)),
            // Steps of the guide are told, not judged.
            Observation::Step { .. } => return false,
        };
        kind == self.kind
            && (self.reason.is_none() || self.reason.as_ref() == reason)
            && (self.code.is_none() || self.code == code)
            && (self.what.is_none() || self.what.as_ref() == what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(reason: KnownReason) -> KnownFailure {
        KnownFailure {
            check: "iis/*".into(),
            builds: Some("10.0.26100".parse().unwrap()),
            reason,
            issue: "https://example.org/1".into(),
            expires: "2026-12-31".parse().unwrap(),
            note: None,
        }
    }

    fn failure(observations: &[Observation]) -> Failure<'_> {
        Failure { text: "no page", layers: &[Layer::Image], observations }
    }

    #[test]
    fn only_the_very_reason_is_excused() {
        let pull = [Observation::Container {
            pod: "a/b".into(),
            node: None,
            image: "iis".into(),
            reason: "ErrImagePull".into(),
            message: String::new(),
        }];
        let seen = |kind, reason: &str| {
            Some(KnownObservation { kind, reason: Some(reason.to_owned()), code: None, what: None })
        };
        let fits = |reason| known(reason).is_reason_of(&failure(&pull));
        assert!(fits(KnownReason { finding: Some(Layer::Image), ..KnownReason::default() }));
        assert!(!fits(KnownReason { finding: Some(Layer::Dns), ..KnownReason::default() }));
        let kind = KnownObservationKind::Container;
        assert!(fits(KnownReason { observation: seen(kind, "ErrImagePull"), ..KnownReason::default() }));
        assert!(!fits(KnownReason { observation: seen(kind, "CrashLoopBackOff"), ..KnownReason::default() }));
        assert!(fits(KnownReason { text: Some("no page".into()), ..KnownReason::default() }));
        assert!(!fits(KnownReason {
            text: Some("no page".into()),
            finding: Some(Layer::Dns),
            ..KnownReason::default()
        }));
        assert!(!fits(KnownReason::default()), "an entry without a reason excuses nothing");
    }

    #[test]
    fn an_entry_concerns_its_checks_on_its_builds() {
        let entry = known(KnownReason::default());
        let iis: CheckId = "iis/load-balancer".parse().unwrap();
        assert!(entry.concerns(&iis, Some("10.0.26100.4000")));
        assert!(!entry.concerns(&iis, Some("10.0.20348.1")));
        assert!(!entry.concerns(&iis, None), "a range of builds says nothing of the whole cluster");
        assert!(!entry.concerns(&"gmsa/spec-expanded".parse().unwrap(), Some("10.0.26100.1")));
    }
}
