//! Images are programs.
//!
//! A name is looked up in the virtual registries ([`catalog`]), the node's
//! containerd picks the manifest for its platform ([`platform`]), and what comes
//! out says which programs a container has. The servers among those programs
//! live here: the guide's web server, IIS, agnhost.

mod agnhost;
mod catalog;
mod http;
mod iis;
mod kit;
mod platform;
mod reference;
mod web_server;

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use self::reference::{InvalidReference, Reference, Version};
pub(crate) use self::{
    kit::HOST,
    platform::HostPlatform,
    web_server::{Script, listen_and_count},
};
use crate::{
    admission,
    command::{Exit, Io, Kit, Session},
};

/// An image on a node.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// The whole name.
    pub(crate) name: String,
    /// `repository@sha256:…`, as `imageID` has it.
    pub(crate) id: String,
    /// The version the image says it was made for (Windows).
    pub(crate) version: Option<String>,
    /// The bytes of the compressed download.
    pub(crate) size: u64,
    /// The default user.
    pub(crate) user: &'static str,
    /// `ENTRYPOINT`.
    pub(crate) entrypoint: &'static [&'static str],
    /// `CMD`.
    pub(crate) arguments: &'static [&'static str],
    /// The programs inside.
    pub(crate) kit: Kit,
}

/// Why an image cannot be had, in containerd's words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PullError {
    /// The kubelet cannot read the name.
    #[error("Failed to apply default image tag \"{text}\"")]
    InvalidName {
        /// As the pod has it.
        text: String,
        /// What is wrong with it.
        source: InvalidReference,
    },
    /// The registry has no such repository or tag.
    #[error("failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": {name}: not found")]
    NotFound {
        /// The whole name.
        name: String,
    },
    /// The registry does not say whether there is such a repository.
    #[error(
        "failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": pull access denied, repository does \
         not exist or may require authorization: server message: insufficient_scope: authorization failed"
    )]
    Denied {
        /// The whole name.
        name: String,
    },
    /// There is no such registry.
    #[error(
        "failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": failed to do request: Head \
         \"https://{registry}/v2/{path}\": dial tcp: lookup {registry}: no such host"
    )]
    NoRegistry {
        /// The whole name.
        name: String,
        /// The registry.
        registry: String,
        /// The manifest's path below `/v2/`.
        path: String,
    },
    /// The manifest list has nothing for this node.
    #[error("failed to pull and unpack image \"{name}\": no match for platform in manifest: not found")]
    NoMatch {
        /// The whole name.
        name: String,
    },
}

impl PullError {
    /// The gRPC status code that containerd answers with.
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "InvalidArgument",
            Self::NotFound { .. } | Self::NoMatch { .. } => "NotFound",
            Self::Denied { .. } | Self::NoRegistry { .. } => "Unknown",
        }
    }

    /// The text with which the kubelet reports it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::InvalidName { source, .. } => format!("{self}: {source}"),
            _ => format!("rpc error: code = {} desc = {self}", self.code()),
        }
    }
}

/// Registries that exist, whatever they hold.
const REGISTRIES: &[&str] =
    &["docker.io", "mcr.microsoft.com", "registry.k8s.io", "quay.io", "ghcr.io", "gcr.io", "public.ecr.aws"];

/// The image that a node gets for a name, without the pull's duration.
///
/// # Errors
///
/// When there is no such image, or none for this node's platform.
pub(crate) fn find(text: &str, host: &HostPlatform<'_>) -> Result<Image, PullError> {
    let reference =
        Reference::parse(text).map_err(|source| PullError::InvalidName { text: text.to_owned(), source })?;
    let name = reference.to_string();
    let Some(manifest) = catalog::find(&reference) else {
        return Err(match reference.registry.as_str() {
            "docker.io" => PullError::Denied { name },
            registry if REGISTRIES.contains(&registry) => PullError::NotFound { name },
            _ => no_registry(&reference),
        });
    };
    let Some(platform) = platform::choose(host, &manifest.platforms) else { return Err(PullError::NoMatch { name }) };
    let content = manifest.content(platform.os);
    let id = format!(
        "{}@sha256:{}",
        reference.name(),
        digest(&[&name, platform.arch, platform.version.as_deref().unwrap_or("")])
    );
    Ok(Image {
        name,
        id,
        version: platform.version.clone(),
        size: content.size,
        user: content.user,
        entrypoint: content.entrypoint,
        arguments: content.arguments,
        kit: content.kit,
    })
}

fn no_registry(reference: &Reference) -> PullError {
    let version = match &reference.version {
        Version::Tag(version) | Version::Digest(version) => version,
    };
    PullError::NoRegistry {
        name: reference.to_string(),
        registry: reference.registry.clone(),
        path: format!("{}/manifests/{version}", reference.repository),
    }
}

/// What Windows says when it is to start a container from an image of a version that it cannot run.
pub(crate) fn mismatch(image: &Image, host: &HostPlatform<'_>) -> Option<&'static str> {
    let (image, version) = (image.version.as_deref()?, host.version?);
    let (build, host_build) = (platform::build(image)?, platform::build(version)?);
    if !platform::accepts(host_build, build, platform::Rule::of_runtime(host.runtime)) {
        return Some("The container operating system does not match the host operating system.");
    }
    // The patch level matters only upwards: a newer image meets an older host's kernel (Windows-Containers 591).
    let newer = build == host_build && platform::patch(image) > platform::patch(version);
    newer.then_some("The virtual machine or container exited unexpectedly. (0xc0370106)")
}

/// The images that a node has from the start.
pub(crate) fn baked(host: &HostPlatform<'_>) -> Vec<Image> {
    let mut images: Vec<_> = catalog::baked(host.version).iter().filter_map(|name| find(name, host).ok()).collect();
    images.sort_by_key(|image| std::cmp::Reverse(image.size)); // as the kubelet lists them
    images
}

/// Sixty-four hexadecimal digits that stay the same for the same parts.
pub(crate) fn digest(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _writing_to_a_string_cannot_fail = write!(hex, "{byte:02x}");
        hex
    })
}

/// Runs one of the servers, by program name.
pub(crate) async fn serve(session: &Session, program: &str, arguments: &[String], io: &Io) -> Exit {
    match program {
        "agnhost" => agnhost::main(session, arguments, io).await,
        "servicemonitor" => iis::main(session, arguments, io).await,
        "k8s-gmsa-webhook" => admission::main(session, io).await,
        _ => std::future::pending().await, // pause: reaps what it does not have, for ever
    }
}

#[cfg(test)]
mod tests;
