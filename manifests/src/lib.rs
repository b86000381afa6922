//! The Kubernetes objects winconform creates, embedded and typed.
//!
//! A [`Manifest`] is YAML with one or more objects in it. Ours name images by
//! role (`image: role/win-webserver`) and carry no selector and no toleration:
//! the harness fills those in for the nodes a pod is meant for. This crate knows
//! no network and no cluster.
//!
//! ```
//! let objects = winconform_manifests::WIN_WEBSERVER.objects()?;
//! assert_eq!(objects.len(), 2, "a Service and a Deployment");
//! # Ok::<(), winconform_manifests::ManifestError>(())
//! ```

mod literal;
mod object;

use serde_saphyr::Error as YamlError;
use thiserror::Error;

pub use self::{
    literal::{EDITIONS, Edition},
    object::{Kind, Object, Role},
};

/// Embedded YAML with one or more objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manifest {
    /// Its path below `manifests/`, for messages.
    pub path: &'static str,
    /// The YAML as written.
    pub yaml: &'static str,
}

/// A manifest cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The text is not YAML, or not the object it says it is.
    #[error("manifest `{path}`, object {number}, cannot be read")]
    Parse {
        /// The manifest's path.
        path: &'static str,
        /// Which of its objects, counted from 1.
        number: usize,
        /// What the parser said.
        #[source]
        error: Box<YamlError>,
    },
    /// It holds a kind this crate has no type for.
    #[error("manifest `{path}` holds a `{kind}`, which winconform never creates")]
    UnknownKind {
        /// The manifest's path.
        path: &'static str,
        /// The kind it names.
        kind: String,
    },
}

macro_rules! manifests {
    ($($(#[$doc:meta])* $name:ident = $path:literal;)*) => {
        $($(#[$doc])* pub const $name: Manifest = Manifest { path: $path, yaml: include_str!(concat!("../", $path)) };)*

        /// Every manifest, in the order of this list.
        pub const ALL: &[Manifest] = &[$($name),*];
    };
}

manifests! {
    /// The guide's IIS: a Deployment with limits and requests, and a Service.
    IIS = "fixtures/iis.yaml";
    /// A Linux pod pinned to a tainted Windows node.
    PLACEMENT_LINUX_POD_KEPT_OFF = "checks/placement/linux-pod-kept-off.yaml";
    /// A pod for Linux that selects no node.
    PLACEMENT_UNSELECTED_POD = "checks/placement/unselected-pod.yaml";
    /// A Windows pod without a toleration.
    PLACEMENT_NEEDS_TOLERATION = "checks/placement/needs-toleration.yaml";
    /// A Windows pod with selector and toleration.
    PLACEMENT_SELECTOR_AND_TOLERATION = "checks/placement/selector-and-toleration.yaml";
    /// A Windows pod that selects a build.
    PLACEMENT_BUILD_SELECTOR = "checks/placement/build-selector.yaml";
    /// A Windows pod that selects a build no node has.
    PLACEMENT_NO_SUCH_BUILD = "checks/placement/no-such-build.yaml";
    /// A pod with an image of another Windows release.
    PLACEMENT_IMAGE_MATCHES_BUILD = "checks/placement/image-matches-build.yaml";
    /// A pod that says its operating system, truly or not.
    PLACEMENT_POD_OS_FIELD = "checks/placement/pod-os-field.yaml";
    /// A RuntimeClass with scheduling, and a pod without.
    RUNTIME_CLASS_FILLS_IN_SCHEDULING = "checks/runtime-class/fills-in-scheduling.yaml";
    /// A RuntimeClass for one build, and a pod of it.
    RUNTIME_CLASS_POD_LANDS_ON_BUILD = "checks/runtime-class/pod-lands-on-build.yaml";
    /// A RuntimeClass, and a pod that names it or another.
    RUNTIME_CLASS_MISSING_CLASS_REJECTED = "checks/runtime-class/missing-class-rejected.yaml";
    /// A RuntimeClass for Windows, and a pod that selects Linux.
    RUNTIME_CLASS_CONFLICTING_SELECTOR_REJECTED = "checks/runtime-class/conflicting-selector-rejected.yaml";
    /// A RuntimeClass whose handler no runtime has, and a pod of it.
    RUNTIME_CLASS_UNKNOWN_HANDLER_NAMED = "checks/runtime-class/unknown-handler-named.yaml";
    /// A Service with another port than its pods'.
    WIN_WEBSERVER_PORT_MAPPING = "checks/win-webserver/port-mapping.yaml";
    /// A web server to be scaled, and a pod that asks afterwards.
    WIN_WEBSERVER_SCALES = "checks/win-webserver/scales.yaml";
    /// A web server to be deleted.
    WIN_WEBSERVER_TERMINATES = "checks/win-webserver/terminates.yaml";
    /// A web server before and after its node's reboot, and a Service.
    LIFECYCLE_REBOOT = "checks/lifecycle/reboot.yaml";
    /// A Service of type LoadBalancer for IIS.
    IIS_LOAD_BALANCER = "checks/iis/load-balancer.yaml";
    /// A Linux pod to probe from.
    LINUX_CLIENT = "fixtures/linux-client.yaml";
    /// A pod in a Linux node's network.
    LINUX_HOST = "fixtures/linux-host.yaml";
    /// A Linux web server behind a Service.
    LINUX_SERVER = "fixtures/linux-server.yaml";
    /// The guide's web server: a NodePort Service and a Deployment of two.
    WIN_WEBSERVER = "fixtures/win-webserver.yaml";
    /// A HostProcess pod: the Windows host's view of the network.
    WINDOWS_HOST = "fixtures/windows-host.yaml";
    /// A Windows pod to probe from and to, and the canary of its node.
    WINDOWS_POD = "fixtures/windows-pod.yaml";
    /// Two pods with the limits and requests of the guide's IIS: one waits, one computes.
    IIS_RESOURCES_APPLIED = "checks/iis/resources-applied.yaml";
    /// A pod that names its user.
    RUN_AS_USER_POD_LEVEL = "checks/run-as-user/pod-level.yaml";
    /// A pod whose container names another user than it does.
    RUN_AS_USER_CONTAINER_OVERRIDES_POD = "checks/run-as-user/container-overrides-pod.yaml";
    /// A pod that names no user.
    RUN_AS_USER_IMAGE_DEFAULT = "checks/run-as-user/image-default.yaml";
    /// A pod that names the user of its commands.
    RUN_AS_USER_EXEC_RUNS_AS_USER = "checks/run-as-user/exec-runs-as-user.yaml";
    /// A pod whose user's name the check fills in.
    RUN_AS_USER_MALFORMED_NAME_REJECTED = "checks/run-as-user/malformed-name-rejected.yaml";
    /// A pod whose user the check makes an unknown one.
    RUN_AS_USER_UNKNOWN_USER_REFUSED = "checks/run-as-user/unknown-user-refused.yaml";
    /// A pod that must not run as root.
    RUN_AS_USER_ADMINISTRATOR_WITH_NON_ROOT_REFUSED = "checks/run-as-user/administrator-with-non-root-refused.yaml";
    /// A pod with a credential spec that nobody has.
    GMSA_CRD_AND_WEBHOOK = "checks/gmsa/crd-and-webhook.yaml";
    /// A service account that may use a credential spec, and its pod.
    GMSA_SPEC_EXPANDED = "checks/gmsa/spec-expanded.yaml";
    /// A service account that may use a credential spec, and a pod that is given another.
    GMSA_DENIED_WITHOUT_USE = "checks/gmsa/denied-without-use.yaml";
    /// A service account that may use a credential spec, and its pod.
    GMSA_UNKNOWN_SPEC_REJECTED = "checks/gmsa/unknown-spec-rejected.yaml";
    /// A service account that may use a credential spec, and its pod.
    GMSA_CREDENTIAL_SPEC_REACHES_CONTAINER = "checks/gmsa/credential-spec-reaches-container.yaml";
    /// A service account that may use a credential spec, and its pod.
    GMSA_SECURE_CHANNEL = "checks/gmsa/secure-channel.yaml";
    /// A service account that may use a credential spec, and its pod.
    GMSA_KERBEROS_TICKET = "checks/gmsa/kerberos-ticket.yaml";
    /// A service account that may use a credential spec, and its pod.
    GMSA_SMB_SHARE = "checks/gmsa/smb-share.yaml";
    /// A service account that may use a credential spec, and several pods of it.
    GMSA_MANY_PODS_KEEP_TRUST = "checks/gmsa/many-pods-keep-trust.yaml";
}

impl Manifest {
    /// Parses the YAML into typed objects, in the order they are written.
    ///
    /// # Errors
    ///
    /// When the text is not YAML, a field has the wrong type, or a kind is
    /// unknown. For the embedded manifests a test shows that none of it happens.
    pub fn objects(&self) -> Result<Vec<Object>, ManifestError> {
        self.documents().enumerate().map(|(index, document)| Object::parse(self.path, index + 1, &document)).collect()
    }

    /// How many pods its objects make.
    #[must_use]
    pub fn pods(&self) -> usize {
        self.objects().map_or(0, |objects| objects.iter().map(Object::pods).sum())
    }

    fn documents(&self) -> impl Iterator<Item = String> {
        documents(self.yaml)
    }
}

/// The documents of a YAML stream, without those that hold only comments.
pub(crate) fn documents(yaml: &str) -> impl Iterator<Item = String> {
    let mut documents = vec![String::new()];
    for line in yaml.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents
        .into_iter()
        .filter(|document| document.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#')))
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    fn files() -> BTreeSet<String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let inside = |folder: &str| -> Vec<String> {
            let Ok(entries) = fs::read_dir(root.join(folder)) else { return Vec::new() };
            entries.map(|entry| format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap())).collect()
        };
        inside("fixtures").into_iter().chain(inside("checks").iter().flat_map(|suite| inside(suite))).collect()
    }

    #[test]
    fn every_file_is_embedded_and_parses() {
        let listed: BTreeSet<String> = ALL.iter().map(|manifest| manifest.path.to_owned()).collect();
        assert_eq!(files(), listed, "left: files on disk; right: `ALL`");
        for manifest in ALL {
            let objects = manifest.objects().unwrap();
            assert!(!objects.is_empty(), "{} is empty", manifest.path);
        }
    }

    #[test]
    fn no_manifest_of_ours_chooses_an_image_a_node_or_a_toleration() {
        for manifest in ALL {
            for object in manifest.objects().unwrap() {
                let Some(pod) = object.pod_spec() else { continue };
                assert!(pod.node_selector.is_none(), "{} selects nodes", manifest.path);
                assert!(pod.tolerations.is_none(), "{} tolerates taints", manifest.path);
                assert!(pod.affinity.is_none() && pod.node_name.is_none(), "{} places itself", manifest.path);
                for container in &pod.containers {
                    let image = container.image.as_deref().unwrap_or_default();
                    assert!(image.parse::<Role>().is_ok(), "{} names the image `{image}`", manifest.path);
                }
            }
        }
    }

    #[test]
    fn the_web_server_is_the_guides_two_replicas_behind_a_node_port() {
        let objects = WIN_WEBSERVER.objects().unwrap();
        let (Kind::Service(service), Kind::Deployment(deployment)) = (&objects[0].kind, &objects[1].kind) else {
            panic!("expected a Service and a Deployment, got {objects:?}");
        };
        let service = service.spec.as_ref().unwrap();
        assert_eq!(service.type_.as_deref(), Some("NodePort"));
        assert_eq!(service.ports.as_ref().unwrap()[0].port, 80);
        assert_eq!(deployment.spec.replicas, Some(2));
    }
}
