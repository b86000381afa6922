//! Sandboxes and containers that do not start, or do not last.
//!
//! From: HNS networks lost after a reboot (Azure/azure-container-networking#283,
//! kubernetes-sigs/sig-windows-tools#89); address ranges used up; sandbox names
//! still reserved (kubernetes/kubernetes#107561); handlers that containerd does not
//! know; users that the image does not have (kubernetes/kubernetes#104635); nodes
//! that take pods and create nothing (Azure/AKS#1461).

use std::collections::BTreeSet;

use super::{
    Confidence, Facts, Finding, Layer,
    facts::Group,
    grouped,
    image::{Complaint, complaint, is_about_image},
    node::dedup,
};
use crate::{clean, event::Observation};

/// What a runtime's message says of a failed start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    Network,
    Addresses,
    Handler,
    User,
    Disk,
    Ends,
    Stuck,
    Other,
}

const TROUBLES: &[(&str, Trouble)] = &[
    ("failed to allocate for range", Trouble::Addresses),
    ("no ip addresses available", Trouble::Addresses),
    ("no runtime for", Trouble::Handler),
    ("user name or password is incorrect", Trouble::User),
    ("0x52e", Trouble::User),
    ("not enough space", Trouble::Disk),
    ("no space left", Trouble::Disk),
    ("hnscall failed", Trouble::Network),
    ("hcn", Trouble::Network),
    ("failed to setup network", Trouble::Network),
    ("networkplugin", Trouble::Network),
    ("cni", Trouble::Network),
    ("plugin type=", Trouble::Network),
];

/// Event reasons that tell of a start that failed.
const EVENTS: &[&str] = &["FailedCreatePodSandBox", "FailedPodSandBoxStatus", "FailedMount", "FailedKillPod", "Failed"];

fn trouble(reason: &str, message: &str) -> Trouble {
    let text = message.to_lowercase();
    if let Some((_, trouble)) = TROUBLES.iter().find(|(needle, _)| text.contains(needle)) {
        return *trouble;
    }
    match reason {
        "CrashLoopBackOff" | "Error" | "Completed" | "OOMKilled" | "ContainerStatusUnknown" => Trouble::Ends,
        "ContainerCreating" | "PodInitializing" => Trouble::Stuck,
        _ => Trouble::Other,
    }
}

/// One finding for each kind of trouble and the nodes that share it.
pub(super) fn failures(facts: &Facts<'_>) -> Vec<Finding> {
    let seen: Vec<_> = facts
        .observations()
        .filter_map(|(wrong, seen)| {
            let (node, reason, message) = match seen {
                Observation::Container { node, reason, message, .. } if !is_about_image(reason, message) => {
                    (node, reason, message)
                }
                Observation::Event { node, reason, message, .. }
                    if EVENTS.contains(&reason.as_str())
                        && complaint(message) != Complaint::Platform
                        && !message.contains("pull") =>
                {
                    (node, reason, message)
                }
                _ => return None,
            };
            let node = node.as_deref()?;
            Some((node, trouble(reason, message), &wrong.name, clean::one_line(&format!("{reason}: {message}"))))
        })
        .collect();
    // A container that is still being created says less than the event that says why.
    let explained: BTreeSet<&str> =
        seen.iter().filter(|(_, trouble, ..)| *trouble != Trouble::Stuck).map(|(node, ..)| *node).collect();
    let by_trouble = grouped(seen.into_iter().map(|(node, trouble, check, words)| {
        let vague = trouble == Trouble::Stuck && explained.contains(node);
        (if vague { Trouble::Other } else { trouble }, (node, check, words))
    }));
    let mut findings = Vec::new();
    for (trouble, seen) in by_trouble {
        for place in facts.groups(&seen.iter().map(|(node, ..)| *node).collect()) {
            let of_place: Vec<_> =
                seen.iter().filter(|(node, ..)| place.nodes.iter().any(|name| name == node)).collect();
            findings.push(
                finding(facts, trouble, &place)
                    .on(place.nodes.iter().cloned())
                    .proven_by(
                        dedup(of_place.iter().map(|(node, _, words)| format!("{node}: {words}"))).into_iter().take(4),
                    )
                    .accounts_for(dedup(of_place.iter().map(|(_, check, _)| (*check).clone()))),
            );
        }
    }
    findings
}

fn finding(facts: &Facts<'_>, trouble: Trouble, place: &Group) -> Finding {
    let subject = place.words.as_str();
    let build = facts.build_of(place);
    let elsewhere = if facts.ran_on.iter().any(|node| !place.nodes.iter().any(|name| name == node)) {
        "; on other nodes pods start"
    } else {
        ""
    };
    let found = |layer, confidence, summary: String| Finding::new(layer, &place.subject, confidence, summary);
    match trouble {
        Trouble::Network => found(
            Layer::PodNetwork,
            Confidence::Likely,
            format!("{subject}{build} cannot give pods a network{elsewhere}"),
        )
        .advise(format!("on {subject}: Get-HnsNetwork, the CNI configuration, and the log of the CNI's pod")),
        Trouble::Addresses => {
            found(Layer::PodNetwork, Confidence::Certain, format!("{subject} has no free pod addresses")).advise(
                format!(
                    "on {subject}: Get-HnsEndpoint beside the pods that run there; leaked endpoints hold addresses"
                ),
            )
        }
        Trouble::Handler => found(
            Layer::Runtime,
            Confidence::Certain,
            format!("containerd on {subject} does not know the runtime handler"),
        )
        .advise(format!("the runtimes in containerd's config.toml on {subject}, and the RuntimeClass's handler")),
        Trouble::User => {
            found(Layer::User, Confidence::Certain, format!("the container's user does not exist on {subject}{build}"))
                .advise("runAsUserName, and the USER of the image")
        }
        Trouble::Disk => found(Layer::Node, Confidence::Certain, format!("the disk of {subject} is full"))
            .advise(format!("the free space of {subject}")),
        Trouble::Ends => found(
            Layer::Runtime,
            Confidence::Likely,
            format!("containers on {subject}{build} start and end again{elsewhere}"),
        )
        .advise("kubectl logs --previous of the pod"),
        Trouble::Stuck => found(
            Layer::Node,
            Confidence::Possible,
            format!("{subject}{build} takes pods and creates no containers{elsewhere}"),
        )
        .or(Layer::Runtime, &place.subject, format!("containerd on {subject} does not answer the kubelet"))
        .or(Layer::PodNetwork, &place.subject, format!("the CNI plug-in on {subject} does not come back"))
        .advise(format!(
            "on {subject}: does containerd answer (`crictl info`), does the kubelet's log wait for the network"
        )),
        Trouble::Other => {
            found(Layer::Runtime, Confidence::Likely, format!("{subject}{build} cannot start containers{elsewhere}"))
                .advise(format!("on {subject}: the logs of containerd and of the kubelet"))
        }
    }
}
