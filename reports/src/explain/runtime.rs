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
    SandboxImage,
    Network,
    Addresses,
    Handler,
    User,
    Disk,
    Refused,
    Ends,
    Stuck,
    Other,
}

const TROUBLES: &[(&str, Trouble)] = &[
    ("sandbox image", Trouble::SandboxImage),
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

/// What a container's or an event's words say of a failed start.
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

/// Something that kept a pod from running, and the result that met it.
struct Seen<'a> {
    node: &'a str,
    trouble: Trouble,
    /// What the words name beside the node: the handler that is unknown, the kubelet's reason.
    named: String,
    /// Whether no more is known than that the container is gone.
    gone: bool,
    check: &'a str,
    words: String,
}

fn seen<'a>(check: &'a str, observation: &'a Observation) -> Option<Seen<'a>> {
    let (node, trouble, named, words) = match observation {
        Observation::Container { node, reason, message, .. } if !is_about_image(reason, message) => {
            (node.as_deref()?, trouble(reason, message), String::new(), format!("{reason}: {message}"))
        }
        Observation::Event { node, reason, message, .. } => {
            let node = node.as_deref()?;
            let words = format!("{reason}: {message}");
            match trouble(reason, message) {
                // Whatever is no event of a start is the reason for which the kubelet gave the pod back.
                _ if !EVENTS.contains(&reason.as_str()) => (node, Trouble::Refused, reason.clone(), words),
                Trouble::Handler => (node, Trouble::Handler, quoted_after("no runtime for", message), words),
                Trouble::SandboxImage => (node, Trouble::SandboxImage, String::new(), words),
                _ if complaint(message) == Complaint::Platform || message.contains("pull") => return None,
                trouble => (node, trouble, String::new(), words),
            }
        }
        Observation::NoExec { node, message, .. } if container_is_gone(message) => {
            (node.as_str(), Trouble::Ends, String::new(), message.clone())
        }
        _ => return None,
    };
    let gone = matches!(observation, Observation::NoExec { .. });
    Some(Seen { node, trouble, named, gone, check, words: clean::one_line(&words) })
}

/// Whether the kubelet answered an exec, and said that the container does not run.
pub(super) fn container_is_gone(message: &str) -> bool {
    ["container not found", "container is not running", "is not in running state"]
        .iter()
        .any(|words| message.contains(words))
}

/// The first word in quotes after some others.
fn quoted_after(words: &str, message: &str) -> String {
    let quoted = message.split_once(words).and_then(|(_, rest)| rest.split('"').nth(1));
    quoted.unwrap_or_default().to_owned()
}

/// Containers that start and do not last.
pub(super) fn ended(facts: &Facts<'_>) -> Vec<Finding> {
    found(facts, |trouble| trouble == Trouble::Ends)
}

/// One finding for each other kind of trouble and the nodes that share it.
pub(super) fn failures(facts: &Facts<'_>) -> Vec<Finding> {
    found(facts, |trouble| trouble != Trouble::Ends)
}

fn found(facts: &Facts<'_>, wanted: impl Fn(Trouble) -> bool) -> Vec<Finding> {
    let mut seen: Vec<Seen<'_>> =
        facts.observations().filter_map(|(wrong, observation)| seen(&wrong.name, observation)).collect();
    // That a container is gone says less than how it ended, where that is known.
    let told: BTreeSet<(&str, &str)> =
        seen.iter().filter(|seen| !seen.gone).map(|seen| (seen.check, seen.node)).collect();
    seen.retain(|seen| !seen.gone || !told.contains(&(seen.check, seen.node)));
    // A container that is still being created says less than the event that says why.
    let explained: BTreeSet<&str> =
        seen.iter().filter(|seen| seen.trouble != Trouble::Stuck).map(|seen| seen.node).collect();
    let by_trouble = grouped(seen.iter().map(|seen| {
        let vague = seen.trouble == Trouble::Stuck && explained.contains(seen.node);
        ((if vague { Trouble::Other } else { seen.trouble }, seen.named.as_str()), seen)
    }));
    let mut findings = Vec::new();
    for ((trouble, named), seen) in by_trouble.into_iter().filter(|((trouble, _), _)| wanted(*trouble)) {
        for place in facts.groups(&seen.iter().map(|seen| seen.node).collect()) {
            let of_place: Vec<_> =
                seen.iter().filter(|seen| place.nodes.iter().any(|name| name == seen.node)).collect();
            let accounted = of_place.iter().map(|seen| seen.check.to_owned());
            let touched = place.nodes.iter().filter(|_| trouble == Trouble::Ends).flat_map(|n| facts.touching_only(n));
            findings.push(
                finding(facts, trouble, named, &place)
                    .on(place.nodes.iter().cloned())
                    .proven_by(
                        dedup(of_place.iter().map(|seen| format!("{}: {}", seen.node, seen.words))).into_iter().take(4),
                    )
                    .accounts_for(dedup(accounted.chain(touched))),
            );
        }
    }
    findings
}

fn finding(facts: &Facts<'_>, trouble: Trouble, named: &str, place: &Group) -> Finding {
    let subject = place.words.as_str();
    let build = facts.build_of(place);
    let elsewhere = if facts.ran_on.iter().any(|node| !place.nodes.iter().any(|name| name == node)) {
        "; on other nodes pods start"
    } else {
        ""
    };
    let found = |layer, confidence, summary: String| Finding::new(layer, &place.subject, confidence, summary);
    match trouble {
        Trouble::SandboxImage => found(
            Layer::Runtime,
            Confidence::Possible,
            format!("containerd on {subject}{build} cannot have the image of its sandboxes{elsewhere}"),
        )
        .or(
            Layer::Image,
            &place.subject,
            "the pause image has no variant for these nodes, or is not where it should be",
        )
        .advise(format!(
            "the sandbox image in containerd's config.toml on {subject} (`crictl info`): its name, and its variants"
        )),
        Trouble::Refused => found(
            Layer::Scheduling,
            Confidence::Possible,
            format!(
                "the kubelet of {subject}{build} gives back pods that the scheduler sent there ({named}){elsewhere}"
            ),
        )
        .or(Layer::Node, &place.subject, format!("{subject} is not what its labels say, or has not what it offers"))
        .advise(format!("kubectl describe node {}: labels, taints and what is allocated", place.nodes.join(" "))),
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
        Trouble::Handler => Finding::new(
            Layer::Runtime,
            if named.is_empty() { place.subject.as_str() } else { named },
            Confidence::Certain,
            format!("containerd on {subject}{build} does not know the runtime handler {named}"),
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
