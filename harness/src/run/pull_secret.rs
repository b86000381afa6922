//! The secret with which our pods pull images: copied into our namespaces, and gone with them.

use std::collections::BTreeMap;

use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};

use super::RunError;
use crate::{
    cluster::{ApiError, Permission, may},
    image::PullSecret,
    placement::{MANAGED_BY, RUN_LABEL},
};

/// The types of secrets that registries take.
const TYPES: [&str; 2] = ["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"];

/// What copying asks for: reading that one secret, and making secrets. It is not asked for
/// beforehand, since nobody should have to let us read them all.
#[must_use]
pub fn asks(secret: Option<&PullSecret>) -> Vec<Permission> {
    match secret {
        Some(PullSecret { namespace: Some(_), .. }) => vec![may("get", "", "secrets"), may("create", "", "secrets")],
        _ => Vec::new(),
    }
}

/// Copies the secret into a namespace of ours; one that is only named is there already.
pub(super) async fn copy(client: &Client, secret: &PullSecret, to: &str, run: &str) -> Result<(), RunError> {
    let Some(from) = &secret.namespace else { return Ok(()) };
    let failed = |action: String, error: ApiError| RunError::Namespace { action, error: Box::new(error) };
    let read: Secret = Api::<Secret>::namespaced(client.clone(), from)
        .get(&secret.name)
        .await
        .map_err(|error| failed(format!("read the pull secret {secret}"), error.into()))?;
    let kind = read.type_.clone().unwrap_or_default();
    if !TYPES.contains(&kind.as_str()) {
        let why = format!("it is of type `{kind}`, and registries take {}", TYPES.join(" or "));
        let error = kube::Error::ReadEvents(std::io::Error::other(why));
        return Err(failed(format!("use the pull secret {secret}"), error.into()));
    }
    let own = BTreeMap::from([(RUN_LABEL, run), MANAGED_BY].map(|(key, value)| (key.to_owned(), value.to_owned())));
    let copy = Secret {
        metadata: ObjectMeta { name: Some(secret.name.clone()), labels: Some(own), ..ObjectMeta::default() },
        type_: read.type_,
        data: read.data,
        ..Secret::default()
    };
    Api::<Secret>::namespaced(client.clone(), to)
        .create(&PostParams::default(), &copy)
        .await
        .map(drop)
        .map_err(|error| failed(format!("copy the pull secret {secret} to namespace {to}"), error.into()))
}
