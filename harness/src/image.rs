//! Which image plays a role on a node.
//!
//! Derived from the node's build, never written down in a manifest: the guide's
//! own pairing of build 20348 with an `ltsc2019` image cannot run (windows host
//! and image must match, Microsoft's container version compatibility page).

mod source;

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
            let version = node.windows.ok_or_else(|| {
                format!("the kernel version `{}` of {} names no Windows build", node.kernel_version, node.name)
            })?;
            if let Some(image) = source.of_build(version) {
                return Ok(image.to_owned());
            }
            if !matches!(node.arch.as_str(), "amd64" | "") {
                return Err(format!(
                    "no Windows base image is published for {}, the processor of {} (--image-map {}=IMAGE names one)",
                    node.arch,
                    node.name,
                    version.build_label()
                ));
            }
            let tag = servercore_tag(version).ok_or_else(|| {
                let build = version.build_label();
                format!("no Windows base image is published for build {build} (--image-map {build}=IMAGE names one)")
            })?;
            Ok(source.of(&format!("mcr.microsoft.com/windows/servercore:{tag}")))
        }
    }
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
}
