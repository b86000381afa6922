//! Images that are not for a build, or cannot be had.
//!
//! From: images whose OS version differs from the host's
//! (containerd/containerd#6989, microsoft/Windows-Containers#223); the refusal by
//! the host itself, `0xc0370101` (containerd/containerd#9125); pause images without
//! the variant; layers that take minutes to unpack (containerd/containerd#4989); disks full without disk pressure (kubernetes/kubernetes#103032).

use std::collections::BTreeSet;

use super::{Confidence, Facts, Finding, Layer, facts::Group, grouped, node::dedup};
use crate::{clean, event::Observation};

/// What a runtime's message says of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Complaint {
    /// It has no variant for the host.
    Platform,
    /// The host's disk is full.
    Disk,
    /// The registry wants credentials, or does not know it.
    Registry,
    /// The registry was not reached.
    Unreachable,
    /// It was still coming when nobody waited any longer.
    Slow,
    /// Something else.
    Other,
}

/// The first line that fits decides: "no match for platform in manifest: not found"
/// must not read as an unknown image.
const COMPLAINTS: &[(&str, Complaint)] = &[
    ("no match for platform", Complaint::Platform),
    ("no matching manifest", Complaint::Platform),
    ("does not match the host", Complaint::Platform),
    ("0xc0370101", Complaint::Platform),
    ("hcs_e_image_mismatch", Complaint::Platform),
    ("not enough space", Complaint::Disk),
    ("no space left", Complaint::Disk),
    ("disk is full", Complaint::Disk),
    ("unauthorized", Complaint::Registry),
    ("authorization failed", Complaint::Registry),
    ("denied", Complaint::Registry),
    ("403 forbidden", Complaint::Registry),
    ("toomanyrequests", Complaint::Registry),
    ("no such host", Complaint::Unreachable),
    ("i/o timeout", Complaint::Unreachable),
    ("deadline exceeded", Complaint::Unreachable),
    ("connection refused", Complaint::Unreachable),
    ("connection reset", Complaint::Unreachable),
    ("handshake timeout", Complaint::Unreachable),
    ("certificate", Complaint::Unreachable),
    ("not found", Complaint::Registry),
];

pub(super) fn complaint(message: &str) -> Complaint {
    let message = message.to_lowercase();
    COMPLAINTS.iter().find(|(needle, _)| message.contains(needle)).map_or(Complaint::Other, |(_, complaint)| *complaint)
}

/// Whether a container's reason, or the message, is about its image.
pub(super) fn is_about_image(reason: &str, message: &str) -> bool {
    matches!(
        reason,
        "Pulling"
            | "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
    ) || complaint(message) == Complaint::Platform
}

/// One finding for each image and complaint.
pub(super) fn refused(facts: &Facts<'_>) -> Vec<Finding> {
    let complaints = facts.observations().filter_map(|(wrong, seen)| match seen {
        Observation::Container { node, image, reason, message, .. } if is_about_image(reason, message) => {
            let complaint = if reason == "Pulling" { Complaint::Slow } else { complaint(message) };
            Some(((image.as_str(), complaint), (node.as_deref(), &wrong.name, format!("{reason}: {message}"))))
        }
        // An image of the runtime's own is the runtime's to name.
        Observation::Event { node, message, .. }
            if complaint(message) == Complaint::Platform && !message.contains("sandbox image") =>
        {
            Some((("", Complaint::Platform), (node.as_deref(), &wrong.name, message.clone())))
        }
        _ => None,
    });
    let mut groups = grouped(complaints);
    // "Back-off pulling image" repeats an earlier refusal without its reason, and an
    // event names no image: both belong to what is known better.
    for vague in groups
        .keys()
        .filter(|(image, complaint)| image.is_empty() || *complaint == Complaint::Other)
        .copied()
        .collect::<Vec<_>>()
    {
        let better = groups.keys().find(|(image, complaint)| {
            *complaint != Complaint::Other && !image.is_empty() && (vague.0.is_empty() || *image == vague.0)
        });
        if let Some(better) = better.copied()
            && let Some(seen) = groups.remove(&vague)
        {
            groups.entry(better).or_default().extend(seen);
        }
    }
    let mut findings = Vec::new();
    for ((image, complaint), seen) in groups {
        let nodes: BTreeSet<&str> = seen.iter().filter_map(|(node, ..)| *node).collect();
        let places = if nodes.is_empty() {
            vec![Group { subject: image.to_owned(), words: image.to_owned(), nodes: Vec::new() }]
        } else {
            facts.groups(&nodes)
        };
        for place in places {
            let here = |node: &Option<&str>| node.is_none_or(|node| place.nodes.iter().any(|name| name == node));
            let of_place: Vec<_> = seen.iter().filter(|(node, ..)| here(node)).collect();
            findings.push(
                finding(facts, image, complaint, &place)
                    .on(place.nodes.iter().cloned())
                    .proven_by(
                        dedup(of_place.iter().map(|(_, _, message)| clean::one_line(message))).into_iter().take(4),
                    )
                    .accounts_for(dedup(of_place.iter().map(|(_, check, _)| (*check).clone()))),
            );
        }
    }
    findings
}

fn finding(facts: &Facts<'_>, image: &str, complaint: Complaint, place: &Group) -> Finding {
    let subject = place.words.as_str();
    let what = if image.is_empty() { "an image".to_owned() } else { format!("image {image}") };
    let build = facts.build_of(place);
    match complaint {
        Complaint::Platform => Finding::new(
            Layer::Image,
            fits_not(facts, place),
            Confidence::Certain,
            format!("{what} has no variant that {subject}{build} can run"),
        )
        .advise("the OS version of the image's manifest beside the node's kernel version")
        .advise("the version of containerd: which builds it matches changed with 1.7 and 2.0"),
        Complaint::Disk => Finding::new(
            Layer::Node,
            &place.subject,
            Confidence::Certain,
            format!("the disk of {subject} is full: {what} cannot be unpacked"),
        )
        .advise(format!("the free space of {subject}, and what its image garbage collection removes")),
        Complaint::Registry => Finding::new(
            Layer::Environment,
            registry(image),
            Confidence::Certain,
            format!("the registry does not hand out {what}"),
        )
        .advise("the image's name and tag, and the pull secret, as the node sees them"),
        Complaint::Slow => Finding::new(
            Layer::Image,
            &place.subject,
            Confidence::Possible,
            format!("{what} is still being fetched or unpacked on {subject}{build} when its time is over"),
        )
        .or(Layer::Node, &place.subject, format!("the disk of {subject}, or what scans it, is slow"))
        .or(Layer::Environment, registry(image), "the registry, or the way to it, is slow")
        .advise(format!(
            "on {subject}: the disk's load while it unpacks; `winconform run --prepull` fetches images beforehand"
        )),
        Complaint::Unreachable => {
            let others = facts.ran_on.iter().any(|node| !place.nodes.iter().any(|name| name == node));
            let finding = Finding::new(
                Layer::Environment,
                registry(image),
                Confidence::Possible,
                format!("the registry of {what} was not reached from {subject}"),
            );
            let finding = if others {
                finding.or(
                    Layer::Outbound,
                    &place.subject,
                    format!("{subject} has no way out; other nodes had the images they needed"),
                )
            } else {
                finding
            };
            finding.advise(format!("pull {what} by hand on {subject}: `crictl pull`"))
        }
        Complaint::Other => Finding::new(
            Layer::Image,
            &place.subject,
            Confidence::Possible,
            format!("{what} cannot be pulled on {subject}{build}"),
        )
        .or(Layer::Environment, registry(image), "the registry, or the way to it")
        .advise(format!("pull {what} by hand on {subject}: `crictl pull`")),
    }
}

/// What an image does not fit: it is made for a build, so the build where its nodes
/// are all of one.
fn fits_not<'a>(facts: &Facts<'a>, place: &'a Group) -> &'a str {
    let target = facts.targets.iter().find(|target| target.nodes == place.nodes);
    target.map_or(&place.subject, |target| &target.name)
}

/// The registry's host, by the rules for image names.
fn registry(image: &str) -> &str {
    match image.split_once('/') {
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => host,
        _ => "docker.io",
    }
}
