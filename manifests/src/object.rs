//! One typed object of a manifest.

use std::str::FromStr;

use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Pod, PodSpec, Service, ServiceAccount},
        node::v1::RuntimeClass,
        rbac::v1::{Role as RbacRole, RoleBinding},
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
    /// Internet Information Services.
    Iis,
    /// A Windows image of one release, which is not one that the node can run.
    OtherRelease,
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
            "role/iis" => Ok(Self::Iis),
            "role/other-release" => Ok(Self::OtherRelease),
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
    /// A RuntimeClass, which belongs to no namespace.
    RuntimeClass(Box<RuntimeClass>),
    /// A ServiceAccount.
    ServiceAccount(Box<ServiceAccount>),
    /// A Role.
    Role(Box<RbacRole>),
    /// A RoleBinding.
    RoleBinding(Box<RoleBinding>),
}

#[derive(Deserialize)]
struct Header {
    kind: String,
}

/// Does the same with the typed object of whichever kind.
macro_rules! with {
    ($kind:expr, $object:ident => $do:expr) => {
        match $kind {
            Kind::Service($object) => $do,
            Kind::Deployment($object) => $do,
            Kind::Pod($object) => $do,
            Kind::RuntimeClass($object) => $do,
            Kind::ServiceAccount($object) => $do,
            Kind::Role($object) => $do,
            Kind::RoleBinding($object) => $do,
        }
    };
}

impl Object {
    pub(crate) fn parse(path: &'static str, number: usize, yaml: &str) -> Result<Self, ManifestError> {
        let failed = |error| ManifestError::Parse { path, number, error: Box::new(error) };
        let header: Header = serde_saphyr::from_str(yaml).map_err(failed)?;
        let kind = match header.kind.as_str() {
            "Service" => Kind::Service(serde_saphyr::from_str(yaml).map_err(failed)?),
            "Deployment" => Kind::Deployment(serde_saphyr::from_str(yaml).map_err(failed)?),
            "Pod" => Kind::Pod(serde_saphyr::from_str(yaml).map_err(failed)?),
            "RuntimeClass" => Kind::RuntimeClass(serde_saphyr::from_str(yaml).map_err(failed)?),
            "ServiceAccount" => Kind::ServiceAccount(serde_saphyr::from_str(yaml).map_err(failed)?),
            "Role" => Kind::Role(serde_saphyr::from_str(yaml).map_err(failed)?),
            "RoleBinding" => Kind::RoleBinding(serde_saphyr::from_str(yaml).map_err(failed)?),
            other => return Err(ManifestError::UnknownKind { path, kind: other.to_owned() }),
        };
        Ok(Self { kind })
    }

    /// The object as the API server gave it back.
    ///
    /// # Errors
    ///
    /// When it is not of the kind it names, or of none that winconform creates.
    pub fn from_json(value: serde_json::Value) -> Result<Self, serde_json::Error> {
        let header: Header = Header::deserialize(&value)?;
        let kind = match header.kind.as_str() {
            "Service" => Kind::Service(serde_json::from_value(value)?),
            "Deployment" => Kind::Deployment(serde_json::from_value(value)?),
            "Pod" => Kind::Pod(serde_json::from_value(value)?),
            "RuntimeClass" => Kind::RuntimeClass(serde_json::from_value(value)?),
            "ServiceAccount" => Kind::ServiceAccount(serde_json::from_value(value)?),
            "Role" => Kind::Role(serde_json::from_value(value)?),
            "RoleBinding" => Kind::RoleBinding(serde_json::from_value(value)?),
            other => return Err(serde::de::Error::custom(format!("winconform creates no `{other}`"))),
        };
        Ok(Self { kind })
    }

    /// The object as JSON, with its kind and version.
    ///
    /// # Errors
    ///
    /// When a value in it has no JSON form, which Kubernetes' own types do not allow.
    pub fn to_json(&self) -> Result<serde_json::Value, serde_json::Error> {
        with!(&self.kind, object => serde_json::to_value(object))
    }

    /// The object's metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        with!(&self.kind, object => &object.metadata)
    }

    /// The object's metadata, to be completed.
    pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
        with!(&mut self.kind, object => &mut object.metadata)
    }

    /// The object's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// The kind as `kubectl` prints it: `deployment`.
    #[must_use]
    pub fn kind_name(&self) -> &'static str {
        match &self.kind {
            Kind::Service(_) => "service",
            Kind::Deployment(_) => "deployment",
            Kind::Pod(_) => "pod",
            Kind::RuntimeClass(_) => "runtimeclass",
            Kind::ServiceAccount(_) => "serviceaccount",
            Kind::Role(_) => "role",
            Kind::RoleBinding(_) => "rolebinding",
        }
    }

    /// The API group, empty for the core one, and the resource's name in it.
    #[must_use]
    pub fn resource(&self) -> (&'static str, &'static str) {
        match &self.kind {
            Kind::Service(_) => ("", "services"),
            Kind::Deployment(_) => ("apps", "deployments"),
            Kind::Pod(_) => ("", "pods"),
            Kind::RuntimeClass(_) => ("node.k8s.io", "runtimeclasses"),
            Kind::ServiceAccount(_) => ("", "serviceaccounts"),
            Kind::Role(_) => ("rbac.authorization.k8s.io", "roles"),
            Kind::RoleBinding(_) => ("rbac.authorization.k8s.io", "rolebindings"),
        }
    }

    /// Whether it belongs to no namespace.
    #[must_use]
    pub fn is_cluster_scoped(&self) -> bool {
        matches!(self.kind, Kind::RuntimeClass(_))
    }

    /// The pod it is or makes, where it does.
    #[must_use]
    pub fn pod_spec(&self) -> Option<&PodSpec> {
        match &self.kind {
            Kind::Deployment(object) => object.spec.template.spec.as_ref(),
            Kind::Pod(object) => object.spec.as_ref(),
            _ => None,
        }
    }

    /// The pod it is or makes, to be completed.
    pub fn pod_spec_mut(&mut self) -> Option<&mut PodSpec> {
        match &mut self.kind {
            Kind::Deployment(object) => object.spec.template.spec.as_mut(),
            Kind::Pod(object) => object.spec.as_mut(),
            _ => None,
        }
    }

    /// The metadata of the pod it is or makes, to be completed.
    pub fn pod_metadata_mut(&mut self) -> Option<&mut ObjectMeta> {
        match &mut self.kind {
            Kind::Deployment(object) => Some(object.spec.template.metadata.get_or_insert_with(ObjectMeta::default)),
            Kind::Pod(object) => Some(&mut object.metadata),
            _ => None,
        }
    }

    /// How many pods it makes.
    #[must_use]
    pub fn pods(&self) -> usize {
        match &self.kind {
            Kind::Pod(_) => 1,
            Kind::Deployment(object) => object.spec.replicas.and_then(|count| usize::try_from(count).ok()).unwrap_or(1),
            _ => 0,
        }
    }
}
