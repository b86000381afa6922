//! The environment of a container.

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVar, EnvVarSource, Pod, Secret};
use kube::{Api, Client};
use thiserror::Error;

use super::expand::expand;
use crate::{command::Environment, shape::Os};

/// A variable cannot be had; the container waits with `CreateContainerConfigError`.
#[derive(Debug, Error)]
pub(crate) enum EnvironmentError {
    /// An object it comes from is not there.
    #[error("{kind} \"{name}\" not found")]
    NoObject {
        /// `configmap` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The object has no such key.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey {
        /// The key.
        key: String,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// The object's namespace.
        namespace: String,
        /// The object's name.
        name: String,
    },
    /// The pod has no such field.
    #[error("unsupported fieldPath: {path}")]
    NoField {
        /// The path.
        path: String,
    },
    /// The API server did not answer.
    #[error("failed to fetch {kind} {name}")]
    Fetch {
        /// `configmap` or `secret`.
        kind: &'static str,
        /// The object's name.
        name: String,
        /// What went wrong.
        source: kube::Error,
    },
}

/// What a container finds in its environment before the pod adds to it.
pub(crate) fn base(os: Os, host_name: &str, user: &str) -> Environment {
    let windows = os == Os::Windows;
    let mut env = Environment::new(windows);
    if windows {
        let computer: String = host_name.to_uppercase().chars().take(15).collect();
        let name = user.rsplit('\\').next().unwrap_or(user).to_owned();
        let domain = user.rsplit_once('\\').map_or("User Manager", |(domain, _)| domain).to_owned();
        // Programs that run as a system account see the computer's name with a dollar.
        let name = if domain.eq_ignore_ascii_case("NT AUTHORITY") { format!("{computer}$") } else { name };
        for (key, value) in [
            ("ALLUSERSPROFILE", r"C:\ProgramData"),
            ("APPDATA", &format!(r"C:\Users\{name}\AppData\Roaming")),
            ("COMPUTERNAME", &computer),
            ("ComSpec", r"C:\Windows\system32\cmd.exe"),
            ("NUMBER_OF_PROCESSORS", "4"),
            ("OS", "Windows_NT"),
            (
                "Path",
                r"C:\Windows\system32;C:\Windows;C:\Windows\System32\Wbem;C:\Windows\System32\WindowsPowerShell\v1.0\",
            ),
            ("PATHEXT", ".COM;.EXE;.BAT;.CMD"),
            ("PROCESSOR_ARCHITECTURE", "AMD64"),
            ("SystemDrive", "C:"),
            ("SystemRoot", r"C:\Windows"),
            ("TEMP", &format!(r"C:\Users\{name}\AppData\Local\Temp")),
            ("TMP", &format!(r"C:\Users\{name}\AppData\Local\Temp")),
            ("USERDOMAIN", &domain),
            ("USERNAME", &name),
            ("USERPROFILE", &format!(r"C:\Users\{name}")),
            ("windir", r"C:\Windows"),
        ] {
            env.set(key, value);
        }
    } else {
        env.set("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        env.set("HOSTNAME", host_name);
        env.set("HOME", if user == "0" { "/root" } else { "/" });
    }
    for (key, value) in [
        ("KUBERNETES_PORT", "tcp://10.96.0.1:443"),
        ("KUBERNETES_PORT_443_TCP", "tcp://10.96.0.1:443"),
        ("KUBERNETES_PORT_443_TCP_ADDR", "10.96.0.1"),
        ("KUBERNETES_PORT_443_TCP_PORT", "443"),
        ("KUBERNETES_PORT_443_TCP_PROTO", "tcp"),
        ("KUBERNETES_SERVICE_HOST", "10.96.0.1"),
        ("KUBERNETES_SERVICE_PORT", "443"),
        ("KUBERNETES_SERVICE_PORT_HTTPS", "443"),
    ] {
        env.set(key, value);
    }
    env
}

/// Adds the variables that a container names, in order, each able to use those before it.
///
/// # Errors
///
/// When a variable that is not optional cannot be had.
pub(crate) async fn extend(
    env: &mut Environment,
    pod: &Pod,
    container: &Container,
    client: &Client,
) -> Result<(), EnvironmentError> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    for source in container.env_from.iter().flatten() {
        let prefix = source.prefix.as_deref().unwrap_or_default();
        if let Some(from) = &source.config_map_ref {
            let data = config_map(client, namespace, &from.name).await;
            for (key, value) in optional(data, from.optional)?.unwrap_or_default() {
                env.set(format!("{prefix}{key}"), value);
            }
        }
        if let Some(from) = &source.secret_ref {
            let data = secret(client, namespace, &from.name).await;
            for (key, value) in optional(data, from.optional)?.unwrap_or_default() {
                env.set(format!("{prefix}{key}"), value);
            }
        }
    }
    for variable in container.env.iter().flatten() {
        if let Some(value) = value(env, variable, pod, container, client, namespace).await? {
            env.set(&variable.name, value);
        }
    }
    Ok(())
}

async fn value(
    env: &Environment,
    variable: &EnvVar,
    pod: &Pod,
    container: &Container,
    client: &Client,
    namespace: &str,
) -> Result<Option<String>, EnvironmentError> {
    let Some(from) = &variable.value_from else {
        let text = variable.value.as_deref().unwrap_or_default();
        return Ok(Some(expand(text, |name| env.get(name).map(ToOwned::to_owned))));
    };
    if let Some(path) = field_path(from) {
        let missing = || EnvironmentError::NoField { path: path.to_owned() };
        return field(pod, path).map(Some).ok_or_else(missing);
    }
    if let Some(resource) = &from.resource_field_ref {
        return Ok(Some(limit(container, &resource.resource)));
    }
    let (kind, name, key, may_miss, data) = if let Some(from) = &from.config_map_key_ref {
        ("ConfigMap", &from.name, &from.key, from.optional, config_map(client, namespace, &from.name).await)
    } else if let Some(from) = &from.secret_key_ref {
        ("Secret", &from.name, &from.key, from.optional, secret(client, namespace, &from.name).await)
    } else {
        return Ok(None);
    };
    let found = optional(data, may_miss)?.and_then(|data| data.into_iter().find(|(known, _)| known == key));
    match found {
        Some((_, value)) => Ok(Some(value)),
        None if may_miss == Some(true) => Ok(None),
        None => {
            Err(EnvironmentError::NoKey { key: key.clone(), kind, namespace: namespace.to_owned(), name: name.clone() })
        }
    }
}

fn field_path(from: &EnvVarSource) -> Option<&str> {
    from.field_ref.as_ref().map(|field| field.field_path.as_str())
}

/// A field of the pod, by the paths that the downward API knows.
pub(crate) fn field(pod: &Pod, path: &str) -> Option<String> {
    let meta = &pod.metadata;
    let keyed = |prefix: &str| path.strip_prefix(prefix)?.strip_suffix("']").map(ToOwned::to_owned);
    if let Some(key) = keyed("metadata.labels['") {
        return Some(meta.labels.as_ref().and_then(|labels| labels.get(&key)).cloned().unwrap_or_default());
    }
    if let Some(key) = keyed("metadata.annotations['") {
        return Some(meta.annotations.as_ref().and_then(|all| all.get(&key)).cloned().unwrap_or_default());
    }
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    match path {
        "metadata.name" => meta.name.clone(),
        "metadata.namespace" => meta.namespace.clone(),
        "metadata.uid" => meta.uid.clone(),
        "spec.nodeName" => spec.and_then(|spec| spec.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|spec| spec.service_account_name.clone()),
        "status.podIP" | "status.podIPs" => Some(status.and_then(|status| status.pod_ip.clone()).unwrap_or_default()),
        "status.hostIP" | "status.hostIPs" => {
            Some(status.and_then(|status| status.host_ip.clone()).unwrap_or_default())
        }
        _ => None,
    }
}

fn limit(container: &Container, resource: &str) -> String {
    let Some((kind, name)) = resource.split_once('.') else { return String::new() };
    let resources = container.resources.as_ref();
    let list = match kind {
        "limits" => resources.and_then(|resources| resources.limits.as_ref()),
        _ => resources.and_then(|resources| resources.requests.as_ref()),
    };
    list.and_then(|list| list.get(name)).map(|quantity| quantity.0.clone()).unwrap_or_default()
}

type Data = Vec<(String, String)>;

fn optional(data: Result<Data, EnvironmentError>, may_miss: Option<bool>) -> Result<Option<Data>, EnvironmentError> {
    match data {
        Err(EnvironmentError::NoObject { .. }) if may_miss == Some(true) => Ok(None),
        other => other.map(Some),
    }
}

async fn config_map(client: &Client, namespace: &str, name: &str) -> Result<Data, EnvironmentError> {
    let kind = "configmap";
    let found = Api::<ConfigMap>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(|source| EnvironmentError::Fetch { kind, name: name.to_owned(), source })?
        .ok_or_else(|| EnvironmentError::NoObject { kind, name: name.to_owned() })?;
    Ok(found.data.unwrap_or_default().into_iter().collect())
}

async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Data, EnvironmentError> {
    let kind = "secret";
    let found = Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(|source| EnvironmentError::Fetch { kind, name: name.to_owned(), source })?
        .ok_or_else(|| EnvironmentError::NoObject { kind, name: name.to_owned() })?;
    let text = |bytes: k8s_openapi::ByteString| String::from_utf8_lossy(&bytes.0).into_owned();
    Ok(found.data.unwrap_or_default().into_iter().map(|(key, value)| (key, text(value))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_downward_api_reads_the_fields_it_knows() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "web"}},
            "spec": {"nodeName": "win-0", "containers": []},
            "status": {"podIP": "10.244.0.5"},
        }))
        .unwrap();
        let read = |path| field(&pod, path);
        assert_eq!(read("metadata.labels['app']").as_deref(), Some("web"));
        assert_eq!(read("metadata.annotations['x']").as_deref(), Some(""));
        assert_eq!(read("spec.nodeName").as_deref(), Some("win-0"));
        assert_eq!(read("status.podIP").as_deref(), Some("10.244.0.5"));
        assert_eq!(read("spec.containers"), None);
    }

    #[test]
    fn system_accounts_see_the_computers_name_as_theirs() {
        let env = base(Os::Windows, "win-host-0123456789", r"NT AUTHORITY\SYSTEM");
        assert_eq!(env.get("username"), Some("WIN-HOST-012345$"));
        assert_eq!(base(Os::Windows, "web", "ContainerUser").get("USERNAME"), Some("ContainerUser"));
    }
}
