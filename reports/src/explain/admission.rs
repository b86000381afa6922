//! Requests that the API server refuses.
//!
//! From: webhooks that are down and fail closed, so that no pod can be created
//! (kubernetes-sigs/windows-gmsa#54); Pod Security that forbids host probes; classes
//! that the cluster does not have (canonical/microk8s#2359); policies that bring a Linux
//! field into Windows pods; missing permissions of the person who runs us.

use super::{Confidence, Facts, Finding, Layer, grouped, node::dedup};
use crate::{clean, event::Observation};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    /// A webhook could not be called, and fails closed.
    Unreached(String),
    /// A webhook or a policy said no.
    Denied(String),
    PodSecurity,
    /// A plug-in of the API server's said no.
    PlugIn,
    Permission(String),
    /// What we sent is not valid by the time it is looked at.
    Invalid,
    ControlPlane,
    Other(String),
}

fn refusal(request: &str, code: u16, message: &str) -> Refusal {
    let named = |before: &str, quote: char| {
        let (_, rest) = message.split_once(before)?;
        Some(rest.split(quote).next().unwrap_or_default().to_owned())
    };
    if let Some(name) = named("failed calling webhook \"", '"') {
        return Refusal::Unreached(name);
    }
    let policy = || named("ValidatingAdmissionPolicy '", '\'').filter(|_| message.contains("denied"));
    if let Some(name) = named("admission webhook \"", '"').or_else(policy) {
        return Refusal::Denied(name);
    }
    match code {
        403 if message.contains("violates PodSecurity") => Refusal::PodSecurity,
        // An authoriser names who may not do what; whoever else forbids admits objects.
        403 if message.contains("is forbidden") && !message.contains(" cannot ") => Refusal::PlugIn,
        401 | 403 => Refusal::Permission(request.to_owned()),
        422 => Refusal::Invalid,
        0 | 429 | 500.. => Refusal::ControlPlane,
        _ => Refusal::Other(request.to_owned()),
    }
}

/// One finding for each way of refusing.
pub(super) fn refusals(facts: &Facts<'_>) -> Vec<Finding> {
    let seen = facts.observations().filter_map(|(wrong, seen)| match seen {
        Observation::Refused { request, code, reason, message } => {
            let words = clean::one_line(&format!("{request}: {code} {reason}: {message}"));
            Some((refusal(request, *code, message), (&wrong.name, words)))
        }
        _ => None,
    });
    grouped(seen)
        .into_iter()
        .map(|(refusal, seen)| {
            finding(refusal)
                .proven_by(dedup(seen.iter().map(|(_, words)| words.clone())).into_iter().take(4))
                .accounts_for(dedup(seen.iter().map(|(check, _)| (*check).clone())))
        })
        .collect()
}

fn finding(refusal: Refusal) -> Finding {
    match refusal {
        Refusal::Unreached(name) => {
            let summary = format!("the webhook {name} cannot be called, and lets nothing through meanwhile");
            Finding::new(Layer::Admission, name, Confidence::Certain, summary).advise(
                "the webhook's pods and its certificate; `failurePolicy: Fail` stops every pod while it is down",
            )
        }
        Refusal::Denied(name) => {
            let summary = format!("{name} refuses what we ask for");
            Finding::new(Layer::Admission, name, Confidence::Certain, summary)
                .advise("the rule that it names: whether our namespaces are meant by it, and who may be excepted")
        }
        Refusal::PlugIn => Finding::new(
            Layer::Admission,
            "kube-apiserver",
            Confidence::Certain,
            "a plug-in of the API server does not admit what we ask for",
        )
        .advise("what it names: a quota, a RuntimeClass or a limit of the cluster's"),
        Refusal::Invalid => Finding::new(
            Layer::Admission,
            "policy",
            Confidence::Possible,
            "what we send is no valid object by the time the API server looks at it: something changes it on its way in",
        )
        .or(Layer::ControlPlane, "kube-apiserver", "this version of Kubernetes wants such objects otherwise")
        .advise("kubectl get mutatingwebhookconfigurations,mutatingadmissionpolicies: which of them are about these objects"),
        Refusal::PodSecurity => Finding::new(
            Layer::Admission,
            "PodSecurity",
            Confidence::Certain,
            "Pod Security does not allow the pods that a check needs",
        )
        .advise("the `pod-security.kubernetes.io` labels of our namespaces, and the cluster's admission configuration"),
        Refusal::Permission(request) => {
            let summary = format!("we may not {request}");
            let advice = format!("kubectl auth can-i {request}");
            Finding::new(Layer::Environment, request, Confidence::Certain, summary).advise(advice)
        }
        Refusal::ControlPlane => Finding::new(
            Layer::ControlPlane,
            "kube-apiserver",
            Confidence::Likely,
            "the API server does not serve requests",
        )
        .or(Layer::Environment, "connection", "our own way to the API server")
        .advise("kubectl get --raw /readyz?verbose"),
        Refusal::Other(request) => {
            let summary = format!("the API server refuses to {request}");
            Finding::new(Layer::ControlPlane, request, Confidence::Likely, summary).or(
                Layer::Admission,
                "policy",
                "a policy of this cluster",
            )
        }
    }
}
