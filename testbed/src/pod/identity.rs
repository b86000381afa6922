//! Whom a container is: what its pod asks for, and what faults make of that.

use k8s_openapi::api::core::v1::Container;

use super::{
    cell::Cell,
    user::{self, UserError},
};
use crate::{
    directory::{CredentialSpec, SpecError},
    fault::{Identity, Who},
    shape::Os,
};

/// The user that the container's processes run as; `default` is its image's.
///
/// # Errors
///
/// When Windows does not know the user, or the pod must not run as root.
pub(super) fn user(cell: &Cell, container: &Container, default: &str) -> Result<String, UserError> {
    let pod = cell.pod();
    let resolved = user::resolve(&pod, container, cell.os(), default);
    if cell.os() == Os::Linux || matches!(resolved, Err(UserError::Root { .. })) {
        return resolved; // that is the kubelet's decision, before any runtime's
    }
    let name = match &resolved {
        Ok(user) => user.as_str(),
        Err(_unknown) => user::wanted(&pod, container).unwrap_or_default(),
    };
    let wrong = wrong(cell, name, &[Identity::UserUnknown, Identity::UserIgnored]);
    let Some((effect, mark)) = wrong else { return resolved };
    let instead = match effect.outcome {
        Identity::UserUnknown => Err(UserError::Unknown),
        _ => {
            let instead = effect.user.as_deref().unwrap_or(default);
            Ok(user::known(instead, false).unwrap_or_else(|| instead.to_owned()))
        }
    };
    if instead != resolved {
        cell.host.world.faults.applied(mark);
    }
    instead
}

/// Whether the sandbox can log on the user that the pod names (containerd from 1.6 on starts it as that user).
///
/// # Errors
///
/// When Windows does not know the user.
pub(super) fn sandbox_user(cell: &Cell) -> Result<(), UserError> {
    let pod = cell.pod();
    let Some(wanted) = user::of_pod(&pod).filter(|_| cell.os() == Os::Windows) else { return Ok(()) };
    let known = user::known(wanted, cell.on_host_network());
    let wrong = wrong(cell, known.as_deref().unwrap_or(wanted), &[Identity::UserUnknown, Identity::UserIgnored]);
    let logs_on = match &wrong {
        Some((effect, _)) => effect.outcome == Identity::UserIgnored,
        None => known.is_some(),
    };
    if let Some((_, mark)) = wrong
        && logs_on != known.is_some()
    {
        cell.host.world.faults.applied(mark);
    }
    if logs_on { Ok(()) } else { Err(UserError::Unknown) }
}

fn wrong(cell: &Cell, user: &str, outcomes: &[Identity]) -> Option<(crate::fault::IdentityEffect, crate::fault::Mark)> {
    let name = user.rsplit('\\').next();
    cell.host.world.faults.identity(&Who { pod: &cell.facts(), account: None, user: name }, outcomes)
}

/// The credential spec that the runtime gives to the container.
///
/// # Errors
///
/// When what the pod holds is none.
pub(super) fn credential_spec(cell: &Cell, container: &Container) -> Result<Option<CredentialSpec>, SpecError> {
    let pod = cell.pod();
    let contents = user::credential_spec(&pod, container).filter(|_| cell.os() == Os::Windows);
    let Some(spec) = contents.map(CredentialSpec::parse).transpose()? else { return Ok(None) };
    let who = Who { pod: &cell.facts(), account: Some(&spec.account), user: None };
    match cell.host.world.faults.identity(&who, &[Identity::CredentialSpecIgnored]) {
        None => Ok(Some(spec)),
        Some((_, mark)) => {
            cell.host.world.faults.applied(mark);
            Ok(None)
        }
    }
}
