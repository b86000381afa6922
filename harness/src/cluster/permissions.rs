//! What a run must be allowed to do, asked before it begins.

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::{Api, Client, api::PostParams};
use thiserror::Error;

use super::api_error::ApiError;
use crate::{check::Check, run};

/// A verb on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// `create`, `list`, …
    pub verb: &'static str,
    /// The API group; empty for the core group.
    pub group: &'static str,
    /// The resource, with its subresource after a slash.
    pub resource: &'static str,
}

impl Permission {
    /// The resource with its group, as kubectl takes it: `deployments.apps`.
    #[must_use]
    pub fn target(&self) -> String {
        match self.group.is_empty() {
            true => self.resource.to_owned(),
            false => format!("{}.{}", self.resource, self.group),
        }
    }
}

impl std::fmt::Display for Permission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.verb, self.target())
    }
}

/// The API server would not say what we may do.
#[derive(Debug, Error)]
#[error("the API server did not say whether we may {permission}")]
pub struct PermissionError {
    permission: Permission,
    #[source]
    error: Box<ApiError>,
}

/// One permission, for the lists of those who send the requests.
#[must_use]
pub const fn may(verb: &'static str, group: &'static str, resource: &'static str) -> Permission {
    Permission { verb, group, resource }
}

/// What every run needs, cluster-wide, since its namespaces do not exist yet: what
/// the parts of the harness say that they ask for, each beside the code that asks.
///
/// `nodes/proxy` is not among them: it would grant exec everywhere.
#[must_use]
pub fn required_permissions() -> Vec<Permission> {
    sorted([super::facts::ASKS, &run::asks()].concat())
}

/// What a run of these checks asks for: what it cannot do without, and what it notes where it may look.
#[must_use]
pub fn permissions_of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Vec<Permission> {
    let mut needed = required_permissions();
    needed.extend_from_slice(super::surroundings::ASKS);
    for check in checks {
        needed.extend(check.permissions());
        needed.extend_from_slice(check.looks_at);
    }
    sorted(needed)
}

/// In order, each once.
pub(crate) fn sorted(mut permissions: Vec<Permission>) -> Vec<Permission> {
    permissions.sort_by_key(|permission| (permission.group, permission.resource, permission.verb));
    permissions.dedup();
    permissions
}

/// Asks which of `permissions` we do not have.
///
/// A cluster administrator is recognised by one question, so that most runs ask once.
///
/// # Errors
///
/// When the API server does not answer such a question.
pub async fn missing_permissions(
    client: &Client,
    permissions: &[Permission],
) -> Result<Vec<Permission>, PermissionError> {
    if allowed(client, may("*", "*", "*")).await? {
        return Ok(Vec::new());
    }
    let answers: Vec<Option<Permission>> = stream::iter(permissions.iter().copied())
        .map(|permission| async move { Ok((!allowed(client, permission).await?).then_some(permission)) })
        .buffered(8)
        .try_collect()
        .await?;
    Ok(answers.into_iter().flatten().collect())
}

/// Whether we have one permission.
///
/// # Errors
///
/// When the API server does not say.
pub(super) async fn allowed(client: &Client, permission: Permission) -> Result<bool, PermissionError> {
    let (resource, subresource) = match permission.resource.split_once('/') {
        Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
        None => (permission.resource, None),
    };
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                verb: Some(permission.verb.to_owned()),
                group: Some(permission.group.to_owned()),
                resource: Some(resource.to_owned()),
                subresource,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answer = reviews
        .create(&PostParams::default(), &review)
        .await
        .map_err(|error| PermissionError { permission, error: Box::new(error.into()) })?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
