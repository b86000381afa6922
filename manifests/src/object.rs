//! One typed object of a manifest.

use std::str::FromStr;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Pod, PodSpec, Service},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde::Deserialize;
use thiserror::Error;

use crate::ManifestError;

/// What an image is for; the harness knows which image that is on a given node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The guide's web server: Windows Server Core.
    WinWebserver,
    /// A Windows image with `cmd` and `curl.exe`.
    WindowsClient,
    /// The image of a HostProcess pod.
    WindowsHost,
    /// A Linux image with `sh` and `curl`.
    LinuxClient,
    /// A Linux web server that says its own name.
    LinuxServer,
}

/// The text is not `role/…`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` names no role of an image")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        match text {
            "role/win-webserver" => Ok(Self::WinWebserver),
            "role/windows-client" => Ok(Self::WindowsClient),
            "role/windows-host" => Ok(Self::WindowsHost),
            "role/linux-client" => Ok(Self::LinuxClient),
            "role/linux-server" => Ok(Self::LinuxServer),
            other => Err(RoleError(other.to_owned())),
        }
    }
}

/// One object, typed.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// The object itself.
    pub kind: Kind,
}

/// The kinds that winconform creates from manifests.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A Service.
    Service(Box<Service>),
    /// A Deployment.
    Deployment(Box<Deployment>),
    /// A Pod.
    Pod(Box<Pod>),
}

#[derive(Deserialize)]
struct Header {
    kind: String,
}

impl Object {
    pub(crate) fn parse(path: &'static str, number: usize, yaml: &str) -> Result<Self, ManifestError> {
        let failed = |error| ManifestError::Parse { path, number, error: Box::new(error) };
        let header: Header = serde_saphyr::from_str(yaml).map_err(failed)?;
        let kind = match header.kind.as_str() {
            "Service" => Kind::Service(serde_saphyr::from_str(yaml).map_err(failed)?),
            "Deployment" => Kind::Deployment(serde_saphyr::from_str(yaml).map_err(failed)?),
            "Pod" => Kind::Pod(serde_saphyr::from_str(yaml).map_err(failed)?),
            other => return Err(ManifestError::UnknownKind { path, kind: other.to_owned() }),
        };
        Ok(Self { kind })
    }

    /// The object's metadata.
    pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.kind {
            Kind::Service(object) => &mut object.metadata,
            Kind::Deployment(object) => &mut object.metadata,
            Kind::Pod(object) => &mut object.metadata,
        }
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let metadata = match &self.kind {
            Kind::Service(object) => &object.metadata,
            Kind::Deployment(object) => &object.metadata,
            Kind::Pod(object) => &object.metadata,
        };
        metadata.name.as_deref().unwrap_or_default()
    }

    /// The kind as `kubectl` prints it: `deployment`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Service(_) => "service",
            Kind::Deployment(_) => "deployment",
            Kind::Pod(_) => "pod",
        }
    }

    /// The pod it is or makes, where it does.
    #[must_use]
    pub fn pod_spec(&self) -> Option<&PodSpec> {
        match &self.kind {
            Kind::Service(_) => None,
            Kind::Deployment(object) => object.spec.template.spec.as_ref(),
            Kind::Pod(object) => object.spec.as_ref(),
        }
    }

    /// The pod it is or makes, to be completed.
    pub fn pod_spec_mut(&mut self) -> Option<&mut PodSpec> {
        match &mut self.kind {
            Kind::Service(_) => None,
            Kind::Deployment(object) => object.spec.template.spec.as_mut(),
            Kind::Pod(object) => object.spec.as_mut(),
        }
    }

    /// The metadata of the pod it is or makes, to be completed.
    pub fn pod_metadata_mut(&mut self) -> Option<&mut ObjectMeta> {
        match &mut self.kind {
            Kind::Service(_) => None,
            Kind::Deployment(object) => Some(object.spec.template.metadata.get_or_insert_with(ObjectMeta::default)),
            Kind::Pod(object) => Some(&mut object.metadata),
        }
    }
}
