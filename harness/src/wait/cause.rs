//! Causes that cannot heal, so that a wait ends with them instead of its budget.
//!
//! Recognised by reason and by stable codes, not by English sentences, which
//! follow the system's language and change between releases. Where only a sentence
//! tells (containerd's platform mismatch has no code), the source is named.

use std::fmt;

use winconform_reports::event::Observation;

use crate::blame::is_webhook_down;

/// Why something that is waited for cannot come any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A container waits or ended for a reason that does not pass.
    Container {
        /// What kind of trouble.
        trouble: ContainerTrouble,
        /// `namespace/pod`.
        pod: String,
        /// The node.
        node: Option<String>,
        /// The image.
        image: String,
        /// The kubelet's reason.
        reason: String,
        /// The runtime's message.
        message: String,
    },
    /// A warning event that repeats itself: the sandbox cannot be made.
    Sandbox {
        /// `namespace/pod`.
        pod: String,
        /// The node.
        node: Option<String>,
        /// The event's reason.
        reason: String,
        /// The event's message.
        message: String,
    },
    /// The kubelet refused the pod (phase Failed, a reason of its own).
    Refused {
        /// `namespace/pod`.
        pod: String,
        /// The node.
        node: Option<String>,
        /// For example `PodOSNotSupported`.
        reason: String,
        /// The kubelet's message.
        message: String,
    },
    /// No node that the pod is meant for would take it.
    Unschedulable {
        /// `namespace/pod`.
        pod: String,
        /// The nodes it is meant for.
        nodes: Vec<String>,
        /// Their taints that it does not tolerate.
        untolerated: Vec<String>,
        /// The scheduler's message, for people.
        message: String,
    },
    /// The API server would not accept the object, or a controller could not create its pods.
    NotCreated {
        /// `kind/name`.
        object: String,
        /// The HTTP status, where the message tells it; controllers pass on only text.
        code: u16,
        /// The reason.
        reason: String,
        /// The message.
        message: String,
    },
}

/// What kind of trouble a container has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerTrouble {
    /// The image has no variant that this node's runtime accepts.
    Platform,
    /// The registry refused, does not have it, or cannot be reached.
    Registry,
    /// The node has no room for the image.
    Disk,
    /// The image cannot be pulled, for another reason.
    Pull,
    /// The container cannot be created or started, or keeps ending.
    Start,
}

impl Cause {
    /// The cause in a container's waiting or terminated reason, where that reason does not pass by itself.
    #[must_use]
    pub fn container(pod: &str, node: Option<&str>, image: &str, reason: &str, message: &str) -> Option<Self> {
        let trouble = match reason {
            "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "RegistryUnavailable" => {
                // `Back-off pulling image` alone says nothing; the error came before it.
                if reason == "ImagePullBackOff" && !message.contains(':') {
                    return None;
                }
                pull_trouble(message)
            }
            "CreateContainerError"
            | "CreateContainerConfigError"
            | "RunContainerError"
            | "StartError"
            | "ContainerCannotRun"
            | "CrashLoopBackOff" => ContainerTrouble::Start,
            _ => return None,
        };
        let (pod, node) = (pod.to_owned(), node.map(str::to_owned));
        let (image, reason, message) = (image.to_owned(), reason.to_owned(), message.to_owned());
        Some(Self::Container { trouble, pod, node, image, reason, message })
    }

    /// Part of the blame table.
    ///
    /// A registry, a quota, an admission policy or missing room in the scheduler's
    /// queue is the environment's; everything the node or its runtime did is the cluster's.
    #[must_use]
    pub fn blames_cluster(&self) -> bool {
        match self {
            Self::Container { trouble, .. } => *trouble != ContainerTrouble::Registry,
            Self::Sandbox { .. } | Self::Refused { .. } => true,
            Self::Unschedulable { untolerated, .. } => !untolerated.is_empty(),
            Self::NotCreated { message, .. } => is_webhook_down(message),
        }
    }

    /// The same as a machine-readable fact for findings.
    #[must_use]
    pub fn observation(&self) -> Observation {
        match self.clone() {
            Self::Container { pod, node, image, reason, message, .. } => {
                Observation::Container { pod, node, image, reason, message }
            }
            Self::Sandbox { pod, node, reason, message } | Self::Refused { pod, node, reason, message } => {
                Observation::Event { object: format!("pod/{pod}"), node, reason, message }
            }
            Self::Unschedulable { pod, nodes, untolerated, .. } => {
                Observation::Unschedulable { pod, nodes, untolerated }
            }
            Self::NotCreated { object, code, reason, message } => {
                Observation::Refused { request: format!("create {object}"), code, reason, message }
            }
        }
    }
}

/// Tells a pull error's kind apart (transcripts: containerd 1.6 to 2.x).
fn pull_trouble(message: &str) -> ContainerTrouble {
    let has = |part: &str| message.to_ascii_lowercase().contains(part);
    // containerd/containerd#6989; `: not found` behind it does not mean a missing tag.
    if has("no match for platform") || has("0xc0370101") || has("operating system does not match") {
        return ContainerTrouble::Platform;
    }
    // 0x70 is ERROR_DISK_FULL, 0x27 ERROR_HANDLE_DISK_FULL.
    if has("not enough space on the disk") || has("no space left on device") || has("(0x70)") || has("(0x27)") {
        return ContainerTrouble::Disk;
    }
    let registry = [
        "401",
        "403",
        "404",
        "429",
        "500 ",
        "502",
        "503",
        "unauthorized",
        "denied",
        "not found",
        "no such host",
        "i/o timeout",
        "context deadline exceeded",
        "connection refused",
        "tls handshake",
        "x509",
        "server misbehaving",
    ];
    if registry.iter().any(|part| has(part)) { ContainerTrouble::Registry } else { ContainerTrouble::Pull }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = |node: &Option<String>| node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
        match self {
            Self::Container { trouble, node, image, reason, message, .. } => {
                let what = match trouble {
                    ContainerTrouble::Platform => {
                        format!("image {image} has no variant that the runtime{} accepts", on(node))
                    }
                    ContainerTrouble::Registry => {
                        format!("image {image} could not be fetched from its registry{}", on(node))
                    }
                    ContainerTrouble::Disk => format!("no room for image {image}{}", on(node)),
                    ContainerTrouble::Pull => format!("image {image} could not be pulled{}", on(node)),
                    ContainerTrouble::Start => format!("container of image {image} does not run{}", on(node)),
                };
                write!(f, "{what}: {reason}: {message}")
            }
            Self::Sandbox { node, reason, message, .. } => {
                write!(f, "no sandbox for the pod{}: {reason}: {message}", on(node))
            }
            Self::Refused { node, reason, message, .. } => {
                write!(f, "refused by the kubelet{}: {reason}: {message}", on(node))
            }
            Self::Unschedulable { nodes, untolerated, message, .. } if untolerated.is_empty() => {
                write!(f, "no room on {}: {message}", nodes.join(", "))
            }
            Self::Unschedulable { nodes, untolerated, .. } => {
                write!(f, "{} keep it off with {}", nodes.join(", "), untolerated.join(", "))
            }
            Self::NotCreated { object, reason, message, .. } => {
                write!(f, "{object} was not created: {reason}: {message}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_back_off_without_its_error_does_not_end_a_wait() {
        assert_eq!(Cause::container("p", None, "i", "ImagePullBackOff", "Back-off pulling image \"i\""), None);
        assert_eq!(Cause::container("p", None, "i", "ContainerCreating", ""), None);
    }

    #[test]
    fn not_found_behind_a_platform_mismatch_is_no_missing_tag() {
        let message = "rpc error: code = NotFound desc = failed to pull and unpack image \"x\": no match for platform in manifest: not found";
        assert_eq!(pull_trouble(message), ContainerTrouble::Platform);
        assert_eq!(pull_trouble("failed to resolve reference \"x\": x: not found"), ContainerTrouble::Registry);
    }
}
