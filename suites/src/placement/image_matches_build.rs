//! An image of another Windows release than its node's does not run.
//!
//! A limitation of process isolation: containerd takes no such image from a manifest
//! list. Which releases it takes changed with its version, so the image is one that
//! neither rule lets in; where it runs all the same (Hyper-V isolation by default), the
//! limitation is lifted.

use winconform_harness::{
    Answer, Check, Claims, Context, Explain, Failure, Trouble, Use,
    cluster::NodeFacts,
    image::{accepted_builds, other_release},
    wait::{Cause, ContainerTrouble, WaitError},
};
use winconform_manifests::PLACEMENT_IMAGE_MATCHES_BUILD;
use winconform_reports::{Chain, Level, Verdict};

use crate::{fixture::WINDOWS_POD, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/image-matches-build",
    title: "An image of another Windows release does not run, as documented",
    statement: "P5",
    passing: "Present: the node's runtime refuses the image for its platform. Lifted: the container runs.",
    silent_on: "Releases that one of containerd's two rules lets in.",
    level: Level::Limitation,
    uses: &[Use::settled(&WINDOWS_POD)],
    creates: &[PLACEMENT_IMAGE_MATCHES_BUILD],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &[
            "https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility",
            "https://github.com/containerd/platforms/pull/34",
        ],
        failures: &[
            Failure {
                seen: "Lifted: the container runs.",
                advice: "Nothing to do: the node isolates with Hyper-V by default. `--expect-limitation` makes it red.",
            },
            Failure {
                seen: "Inconclusive: the pod is kept for another reason, or no pod runs on the node at all.",
                advice: "See `win-webserver/pods-ready` and `nodes/answers` for that node.",
            },
        ],
        by_hand: &[
            "kubectl run other --image=mcr.microsoft.com/windows/nanoserver:1809 --overrides='{\"spec\":{\"nodeName\":\"NODE\"}}' -- ping -t 127.0.0.1",
            "kubectl describe pod other",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    // A node on which a fitting image runs: otherwise nothing follows from one that does not.
    let able = cx.ready_here(&WINDOWS_POD).find_map(|(_, ready)| ready.pods.first().cloned());
    let Some(twin) = able else {
        cx.ready(&WINDOWS_POD)?;
        return Err(Trouble::Unexpected("no node of the target runs a fitting image".to_owned()));
    };
    let node = cx.facts().node(&twin.node).ok_or_else(|| Trouble::Unexpected(format!("{} is gone", twin.node)))?;
    let draft = cx.draft_one(&PLACEMENT_IMAGE_MATCHES_BUILD, "", &[node])?;
    let pod = cx.create(&draft).await?;
    let inconclusive = |why: String| Ok(Verdict::Undetermined(format!("inconclusive: {why}")));
    match cx.pod_ready_or_cause(&pod).await {
        Ok(Ok(pod)) => Ok(Verdict::LimitationLifted(format!("{} runs on {}", words(node), pod.node))),
        Ok(Err(cause)) => match kept_by(&cause) {
            Kept::Platform => Ok(Verdict::LimitationPresent(format!("{} is refused on {}", words(node), node.name))),
            Kept::Registry => Ok(Verdict::NotApplicable(format!("the image cannot be had: {cause}"))),
            Kept::Otherwise => {
                cx.observe(cause.observation());
                inconclusive(cause.to_string())
            }
        },
        Err(Trouble::Wait(error)) if !matches!(error, WaitError::ApiLost { .. }) => {
            inconclusive(Chain(&error).to_string())
        }
        Err(trouble) => Err(trouble),
    }
}

/// The image, its build, and the builds that the node might run.
fn words(node: &NodeFacts) -> String {
    let host = node.windows.map_or(0, |version| version.build);
    let other = other_release(host);
    let [old, new] = accepted_builds(host);
    let least = (*old.start()).min(*new.start());
    let window = if least == host { format!("only {host}") } else { format!("{least} to {host}") };
    format!("an image of build {} (nanoserver:{}; the node may run {window})", other.build, other.tag)
}

/// What kept the pod from running.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    /// The image is for another Windows.
    Platform,
    /// It could not be had.
    Registry,
    /// Something that says nothing of it.
    Otherwise,
}

fn kept_by(cause: &Cause) -> Kept {
    match cause {
        Cause::Container { trouble: ContainerTrouble::Platform, .. } => Kept::Platform,
        Cause::Container { trouble: ContainerTrouble::Registry, .. } => Kept::Registry,
        // An image without os.version is pulled, and refused when the container is made or started:
        // HCS_E_IMAGE_MISMATCH, or a process that ends at once (microsoft/Windows-Containers#591).
        Cause::Container { trouble: ContainerTrouble::Start, message, .. }
            if ["0xc0370101", "0xc0370106", "operating system does not match"]
                .iter()
                .any(|sign| message.to_ascii_lowercase().contains(sign)) =>
        {
            Kept::Platform
        }
        _ => Kept::Otherwise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(reason: &str, message: &str) -> Kept {
        kept_by(&Cause::container("ns/pod", Some("win-0"), "image", reason, message).unwrap())
    }

    #[test]
    fn a_refusal_for_the_platform_is_told_from_an_image_that_cannot_be_had() {
        assert_eq!(kept("ErrImagePull", "no match for platform in manifest: not found"), Kept::Platform);
        assert_eq!(kept("StartError", "hcs::CreateComputeSystem x: … (0xC0370101)"), Kept::Platform);
        assert_eq!(kept("ErrImagePull", "dial tcp: lookup mcr.microsoft.com: no such host"), Kept::Registry);
        assert_eq!(kept("ErrImagePull", "There is not enough space on the disk."), Kept::Otherwise);
        assert_eq!(kept("StartError", "The directory name is invalid."), Kept::Otherwise);
    }
}
