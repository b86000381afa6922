//! Which image plays a role on a node.
//!
//! Derived from the node's build, never written down in a manifest: the guide's
//! own pairing of build 20348 with an `ltsc2019` image cannot run (windows host
//! and image must match, Microsoft's container version compatibility page).

mod source;

use std::ops::RangeInclusive;

use winconform_manifests::Role;

pub use self::source::{ImageSource, ImageSourceError, Mapping, PullSecret, read_mappings, read_registry};
use crate::cluster::{KernelVersion, NodeFacts, Os};

/// Has a shell, curl and a web server that says its own name.
const LINUX: &str = "registry.k8s.io/e2e-test-images/agnhost:2.53";

/// The image that a container's image, a role or a name, stands for on a node.
///
/// # Errors
///
/// A sentence, where it is a role, and the node's build is not known or has no image.
pub fn image_on(written: &str, node: &NodeFacts, source: &ImageSource) -> Result<String, String> {
    match written.parse::<Role>() {
        Ok(role) => image_for(role, node, source),
        Err(_a_name) => Ok(source.of(written)),
    }
}

/// The image for a role on a node, or why there is none.
fn image_for(role: Role, node: &NodeFacts, source: &ImageSource) -> Result<String, String> {
    match role {
        Role::LinuxClient | Role::LinuxServer => match node.os {
            Os::Linux => Ok(source.of(LINUX)),
            Os::Windows => Err(format!("{} runs Windows, and the image is for Linux", node.name)),
        },
        // One image for all three, so that a node pulls once.
        Role::WinWebserver | Role::WindowsClient | Role::WindowsHost => {
            let version = build_of(node)?;
            if let Some(image) = source.of_build(version) {
                return Ok(image.to_owned());
            }
            is_published(node, version)?;
            Ok(source.of(&format!("mcr.microsoft.com/windows/servercore:{}", release_tag(version)?)))
        }
        Role::Iis => {
            let version = build_of(node)?;
            is_published(node, version)?;
            Ok(source
                .of(&format!("mcr.microsoft.com/windows/servercore/iis:windowsservercore-{}", release_tag(version)?)))
        }
        // The smallest base image there is: where it does run, it had to be pulled for this.
        Role::OtherRelease => {
            Ok(source.of(&format!("mcr.microsoft.com/windows/nanoserver:{}", other_release(build_of(node)?.build).tag)))
        }
    }
}

fn build_of(node: &NodeFacts) -> Result<KernelVersion, String> {
    node.windows
        .ok_or_else(|| format!("the kernel version `{}` of {} names no Windows build", node.kernel_version, node.name))
}

fn is_published(node: &NodeFacts, version: KernelVersion) -> Result<(), String> {
    match node.arch.as_str() {
        "amd64" | "" => Ok(()),
        other => Err(format!(
            "no Windows base image is published for {other}, the processor of {} (--image-map {}=IMAGE names one)",
            node.name,
            version.build_label()
        )),
    }
}

fn release_tag(version: KernelVersion) -> Result<&'static str, String> {
    servercore_tag(version).ok_or_else(|| {
        let build = version.build_label();
        format!("no Windows base image is published for build {build} (--image-map {build}=IMAGE names one)")
    })
}

/// The long-term channel tag that runs on a build under process isolation.
///
/// 23H2 (25398) runs ltsc2022 images; from 2025 on the newest published tag is
/// taken, which is also what a preview build can run. There are no `latest` tags.
fn servercore_tag(version: KernelVersion) -> Option<&'static str> {
    match version.build {
        17763 => Some("ltsc2019"),
        20348..26100 => Some("ltsc2022"),
        26100.. => Some("ltsc2025"),
        _ => None,
    }
}

/// A release of Windows Server, as an image of it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The tag of its images of Nano Server, each for this release alone.
    pub tag: &'static str,
    /// Its build.
    pub build: u32,
}

/// A release whose images a host of that build cannot run, by either of containerd's rules.
#[must_use]
pub fn other_release(host: u32) -> Release {
    const SERVER_2019: Release = Release { tag: "1809", build: 17763 };
    const SERVER_2022: Release = Release { tag: "ltsc2022", build: 20348 };
    // An older host runs nothing but itself; a newer one nothing from before 2022.
    if host < SERVER_2022.build { SERVER_2022 } else { SERVER_2019 }
}

/// The image builds that a host runs with process isolation, by containerd's rule up to
/// `platforms` 1.0.0-rc.4 and by the one since (containerd/platforms#34).
///
/// Which of the two a runtime has does not follow from its version with certainty, so
/// nothing is asserted of a build that only one of them lets in.
#[must_use]
pub fn accepted_builds(host: u32) -> [RangeInclusive<u32>; 2] {
    /// The builds from which on Windows keeps its container interface stable.
    const STABLE: [u32; 2] = [20348, 26100];
    if host < STABLE[0] {
        return [host..=host, host..=host];
    }
    let old = if host > STABLE[1] { STABLE[1] } else { STABLE[0] };
    [old..=host, STABLE[0]..=host]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_follows_the_build() {
        let tag = |build| servercore_tag(KernelVersion { major: 10, minor: 0, build, revision: None });
        assert_eq!(tag(17763), Some("ltsc2019"));
        assert_eq!(tag(20348), Some("ltsc2022"));
        assert_eq!(tag(25398), Some("ltsc2022"));
        assert_eq!(tag(26100), Some("ltsc2025"));
        assert_eq!(tag(29531), Some("ltsc2025"), "a preview build takes the newest");
        assert_eq!(tag(18362), None, "1903 has no supported image any more");
    }

    #[test]
    fn the_windows_are_those_of_containerds_two_rules() {
        // Computed by running both versions of `platform_windows_compat.go`.
        for (host, old, new) in [
            (17763, 17763, 17763),
            (20348, 20348, 20348),
            (25398, 20348, 20348),
            (26100, 20348, 20348),
            (26200, 26100, 20348),
            (29531, 26100, 20348),
        ] {
            assert_eq!(accepted_builds(host), [old..=host, new..=host], "{host}");
        }
    }

    #[test]
    fn the_image_that_must_not_run_is_outside_of_both_windows() {
        for host in [14393, 17763, 18363, 19042, 20348, 25398, 26100, 26200, 29531] {
            let other = other_release(host).build;
            assert!(accepted_builds(host).iter().all(|window| !window.contains(&other)), "{other} on {host}");
        }
    }
}
