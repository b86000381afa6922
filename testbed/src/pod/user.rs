//! Which user a container's processes run as.

use k8s_openapi::api::core::v1::{Container, Pod, WindowsSecurityContextOptions};
use thiserror::Error;

use crate::shape::Os;

/// The users that every Windows base image has.
const CONTAINER_USERS: [&str; 2] = ["ContainerUser", "ContainerAdministrator"];
/// The accounts that every Windows has.
const SYSTEM_ACCOUNTS: [&str; 3] = ["SYSTEM", "LOCAL SERVICE", "NETWORK SERVICE"];

/// The user cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum UserError {
    /// Windows does not know it: `ERROR_LOGON_FAILURE`.
    #[error("The user name or password is incorrect. (0x52e)")]
    Unknown,
    /// `runAsNonRoot` rules it out (kubelet `security_context_windows.go`).
    #[error(
        "container's runAsUserName ({user}) which will be regarded as root identity and will break non-root policy \
         (pod: \"{pod}\", container: {container})"
    )]
    Root {
        /// The user.
        user: String,
        /// `name_namespace(uid)`.
        pod: String,
        /// The container.
        container: String,
    },
}

fn pod_options(pod: &Pod) -> Option<&WindowsSecurityContextOptions> {
    pod.spec.as_ref()?.security_context.as_ref()?.windows_options.as_ref()
}

fn container_options(container: &Container) -> Option<&WindowsSecurityContextOptions> {
    container.security_context.as_ref()?.windows_options.as_ref()
}

/// Whether a container runs on the host itself.
pub(crate) fn is_host_process(pod: &Pod, container: &Container) -> bool {
    container_options(container)
        .and_then(|options| options.host_process)
        .or_else(|| pod_options(pod).and_then(|options| options.host_process))
        .unwrap_or(false)
}

/// The user that the pod asks for at pod level, which also applies to its sandbox (containerd from 1.6 on).
pub(crate) fn of_pod(pod: &Pod) -> Option<&str> {
    pod_options(pod)?.run_as_user_name.as_deref()
}

/// The name of the pod's GMSA credential spec, at pod level or of the first container that has one.
pub(crate) fn gmsa(pod: &Pod) -> Option<&str> {
    let of_containers = || {
        pod.spec
            .as_ref()?
            .containers
            .iter()
            .find_map(|container| container_options(container)?.gmsa_credential_spec_name.as_deref())
    };
    pod_options(pod).and_then(|options| options.gmsa_credential_spec_name.as_deref()).or_else(of_containers)
}

/// The contents of the credential spec that a container gets, at its own level before the pod's.
///
/// A name alone is not enough: it is the webhook that fills in the contents, and only they reach the runtime.
pub(crate) fn credential_spec<'a>(pod: &'a Pod, container: &'a Container) -> Option<&'a str> {
    let of_container = container_options(container).and_then(|options| options.gmsa_credential_spec.as_deref());
    of_container.or_else(|| pod_options(pod)?.gmsa_credential_spec.as_deref())
}

/// The user that a container asks for, at its own level before the pod's.
pub(crate) fn wanted<'a>(pod: &'a Pod, container: &'a Container) -> Option<&'a str> {
    container_options(container).and_then(|options| options.run_as_user_name.as_deref()).or_else(|| of_pod(pod))
}

/// The user of a container: on Windows with its domain, on Linux a number.
///
/// # Errors
///
/// When Windows does not know the user, or the pod must not run as root.
pub(crate) fn resolve(pod: &Pod, container: &Container, os: Os, default: &str) -> Result<String, UserError> {
    match os {
        Os::Windows => windows(pod, container, default),
        Os::Linux => Ok(linux(pod, container, default)),
    }
}

fn windows(pod: &Pod, container: &Container, default: &str) -> Result<String, UserError> {
    let host_process = is_host_process(pod, container);
    let Some(wanted) = wanted(pod, container) else {
        return Ok(if host_process { r"NT AUTHORITY\SYSTEM".to_owned() } else { with_domain(default) });
    };
    let name = wanted.rsplit('\\').next().unwrap_or(wanted);
    if non_root(pod, container) && name.eq_ignore_ascii_case("ContainerAdministrator") {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let meta = &pod.metadata;
        return Err(UserError::Root {
            user: wanted.to_owned(),
            pod: format!("{}_{}({})", text(&meta.name), text(&meta.namespace), text(&meta.uid)),
            container: container.name.clone(),
        });
    }
    known(wanted, host_process).ok_or(UserError::Unknown)
}

/// The spelling of a user that Windows knows, with its domain.
pub(crate) fn known(wanted: &str, host_process: bool) -> Option<String> {
    let (domain, name) = match wanted.rsplit_once('\\') {
        Some((domain, name)) => (Some(domain), name),
        None => (None, wanted),
    };
    let in_domain = |expected: &str| domain.is_none_or(|domain| domain.eq_ignore_ascii_case(expected));
    let account = |names: &[&'static str]| names.iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
    if let Some(account) = account(&SYSTEM_ACCOUNTS).filter(|_| in_domain("NT AUTHORITY")) {
        return Some(format!(r"NT AUTHORITY\{account}"));
    }
    let user = account(&CONTAINER_USERS).filter(|_| !host_process && in_domain("User Manager"))?;
    Some(with_domain(user))
}

fn with_domain(user: &str) -> String {
    format!(r"User Manager\{user}")
}

fn non_root(pod: &Pod, container: &Container) -> bool {
    let of_container = container.security_context.as_ref().and_then(|context| context.run_as_non_root);
    let of_pod = || pod.spec.as_ref()?.security_context.as_ref()?.run_as_non_root;
    of_container.or_else(of_pod).unwrap_or(false)
}

fn linux(pod: &Pod, container: &Container, default: &str) -> String {
    let of_container = container.security_context.as_ref().and_then(|context| context.run_as_user);
    let of_pod = || pod.spec.as_ref()?.security_context.as_ref()?.run_as_user;
    of_container.or_else(of_pod).map_or_else(|| default.to_owned(), |user| user.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(pod_options: serde_json::Value, container_context: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u"},
            "spec": {
                "securityContext": {"windowsOptions": pod_options},
                "containers": [{"name": "c", "securityContext": container_context}],
            },
        }))
        .unwrap()
    }

    fn user(pod: &Pod) -> Result<String, UserError> {
        resolve(pod, &pod.spec.as_ref().unwrap().containers[0], Os::Windows, "ContainerAdministrator")
    }

    #[test]
    fn the_container_level_goes_before_the_pod_level_and_both_before_the_image() {
        let both = pod(
            json!({"runAsUserName": "ContainerUser"}),
            json!({"windowsOptions": {"runAsUserName": "containeradministrator"}}),
        );
        assert_eq!(user(&both).unwrap(), r"User Manager\ContainerAdministrator");
        assert_eq!(
            user(&pod(json!({"runAsUserName": "ContainerUser"}), json!({}))).unwrap(),
            r"User Manager\ContainerUser"
        );
        assert_eq!(user(&pod(json!({}), json!({}))).unwrap(), r"User Manager\ContainerAdministrator");
    }

    #[test]
    fn unknown_users_cannot_log_on() {
        for name in ["alice", r"CONTOSO\ContainerUser", r"NT AUTHORITY\ContainerUser"] {
            assert_eq!(user(&pod(json!({"runAsUserName": name}), json!({}))), Err(UserError::Unknown), "{name}");
        }
        assert_eq!(
            user(&pod(json!({"runAsUserName": r"nt authority\network service"}), json!({}))).unwrap(),
            r"NT AUTHORITY\NETWORK SERVICE"
        );
    }

    #[test]
    fn host_processes_run_as_system_and_know_no_container_users() {
        assert_eq!(user(&pod(json!({"hostProcess": true}), json!({}))).unwrap(), r"NT AUTHORITY\SYSTEM");
        assert_eq!(
            user(&pod(json!({"hostProcess": true, "runAsUserName": "ContainerUser"}), json!({}))),
            Err(UserError::Unknown)
        );
    }

    #[test]
    fn run_as_non_root_refuses_the_administrator_in_any_case() {
        let refused = user(&pod(json!({"runAsUserName": "CONTAINERADMINISTRATOR"}), json!({"runAsNonRoot": true})));
        assert!(matches!(refused, Err(UserError::Root { .. })), "{refused:?}");
    }
}
