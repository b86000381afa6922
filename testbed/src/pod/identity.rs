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
    let user = user::resolve(&cell.pod(), container, cell.os(), default)?;
    if cell.os() == Os::Linux {
        return Ok(user);
    }
    let wrong = wrong(cell, &user, &[Identity::UserUnknown, Identity::UserIgnored]);
    let Some((effect, mark)) = wrong else { return Ok(user) };
    if effect.outcome == Identity::UserUnknown {
        cell.host.world.faults.applied(mark);
        return Err(UserError::Unknown);
    }
    let instead = effect.user.as_deref().unwrap_or(default);
    let instead = user::known(instead, false).unwrap_or_else(|| instead.to_owned());
    if instead != user {
        cell.host.world.faults.applied(mark);
    }
    Ok(instead)
}

/// Whether the sandbox can log on the user that the pod names (containerd from 1.6 on starts it as that user).
///
/// # Errors
///
/// When Windows does not know the user.
pub(super) fn sandbox_user(cell: &Cell) -> Result<(), UserError> {
    let pod = cell.pod();
    let Some(wanted) = user::of_pod(&pod).filter(|_| cell.os() == Os::Windows) else { return Ok(()) };
    let user = user::known(wanted, cell.on_host_network()).ok_or(UserError::Unknown)?;
    match wrong(cell, &user, &[Identity::UserUnknown]) {
        None => Ok(()),
        Some((_, mark)) => {
            cell.host.world.faults.applied(mark);
            Err(UserError::Unknown)
        }
    }
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
