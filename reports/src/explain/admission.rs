//! Requests that the API server refuses.
//!
//! From: webhooks that are down and fail closed, so that no pod can be created
//! (kubernetes-sigs/windows-gmsa#54); Pod Security that forbids host probes; missing
//! permissions of the person who runs us.

use super::{Confidence, Facts, Finding, Layer, grouped, node::dedup};
use crate::{clean, event::Observation};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Webhook(String),
    PodSecurity,
    Permission(String),
    ControlPlane,
    Other(String),
}

fn refusal(request: &str, code: u16, message: &str) -> Refusal {
    if let Some((_, rest)) = message.split_once("failed calling webhook \"") {
        return Refusal::Webhook(rest.split('"').next().unwrap_or_default().to_owned());
    }
    if let Some((_, rest)) = message.split_once("admission webhook \"") {
        return Refusal::Webhook(rest.split('"').next().unwrap_or_default().to_owned());
    }
    match code {
        403 if message.contains("violates PodSecurity") => Refusal::PodSecurity,
        401 | 403 => Refusal::Permission(request.to_owned()),
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
        Refusal::Webhook(name) => {
            let summary = format!("the webhook {name} does not let pods through");
            Finding::new(Layer::Admission, name, Confidence::Certain, summary).advise(
                "the webhook's pods and its certificate; `failurePolicy: Fail` stops every pod while it is down",
            )
        }
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
