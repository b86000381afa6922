//! What the webhook decides about a pod, in the words and with the codes of the original
//! (kubernetes-sigs/windows-gmsa).

use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::{Pod, WindowsSecurityContextOptions};
use serde_json::{Value, json};

/// What the webhook asks of the API.
pub(super) trait Cluster: Send + Sync {
    /// The contents of a credential spec, as JSON.
    fn contents<'a>(&'a self, spec: &'a str) -> BoxFuture<'a, Result<String, Denial>>;

    /// Whether a service account may use a credential spec.
    fn may_use<'a>(&'a self, namespace: &'a str, account: &'a str, spec: &'a str) -> BoxFuture<'a, Permission>;
}

/// Whether somebody may, and what the API server said to that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Permission {
    pub(super) allowed: bool,
    pub(super) reason: String,
}

/// Why a pod is not admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Denial {
    /// The HTTP code.
    pub(super) code: u16,
    /// The sentence.
    pub(super) message: String,
}

impl Denial {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// One place in a pod that may have a credential spec.
struct Place<'a> {
    kind: &'static str,
    name: &'a str,
    /// The path of its security context, below the pod.
    path: String,
    options: &'a WindowsSecurityContextOptions,
}

impl Place<'_> {
    fn spec_name(&self) -> Option<&str> {
        self.options.gmsa_credential_spec_name.as_deref()
    }

    fn contents(&self) -> Option<&str> {
        self.options.gmsa_credential_spec.as_deref()
    }
}

/// The pod itself, its containers, its init containers.
fn places(pod: &Pod) -> Vec<Place<'_>> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let of_pod = spec.security_context.as_ref().and_then(|context| context.windows_options.as_ref());
    let mut places: Vec<Place<'_>> = of_pod
        .map(|options| {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            Place { kind: "pod", name, path: "/spec/securityContext".to_owned(), options }
        })
        .into_iter()
        .collect();
    for (kind, list, containers) in [
        ("container", "containers", spec.containers.as_slice()),
        ("initContainer", "initContainers", spec.init_containers.as_deref().unwrap_or_default()),
    ] {
        for (index, container) in containers.iter().enumerate() {
            let context = container.security_context.as_ref();
            if let Some(options) = context.and_then(|context| context.windows_options.as_ref()) {
                let path = format!("/spec/{list}/{index}/securityContext");
                places.push(Place { kind, name: &container.name, path, options });
            }
        }
    }
    places
}

/// The JSON Patch that fills in the contents of the credential specs that a new pod names.
///
/// With `random_hostname` the pod gets a host name of its own: Windows cuts the names of pods after 15 characters,
/// where those of one Deployment are the same, and equal machines disturb each other's trust (Windows-Containers 405).
pub(super) async fn mutate(
    cluster: &dyn Cluster,
    pod: &Pod,
    random_hostname: Option<String>,
) -> Result<Vec<Value>, Denial> {
    let mut patch = Vec::new();
    let places = places(pod);
    for place in &places {
        let Some(name) = place.spec_name().filter(|_| place.contents().is_none()) else { continue };
        let contents = cluster.contents(name).await?;
        let path = format!("{}/windowsOptions/gmsaCredentialSpec", place.path);
        patch.push(json!({"op": "add", "path": path, "value": contents}));
    }
    let has_name = pod.spec.as_ref().and_then(|spec| spec.hostname.as_ref()).is_some_and(|name| !name.is_empty());
    if let Some(name) = random_hostname.filter(|_| !has_name && places.iter().any(|place| place.spec_name().is_some()))
    {
        patch.push(json!({"op": "add", "path": "/spec/hostname", "value": name}));
    }
    Ok(patch)
}

/// Whether a new pod may have the credential specs that it has.
pub(super) async fn validate(cluster: &dyn Cluster, pod: &Pod, namespace: &str) -> Result<(), Denial> {
    let account = pod.spec.as_ref().and_then(|spec| spec.service_account_name.as_deref()).unwrap_or_default();
    for place in places(pod) {
        let Place { kind, name, .. } = place;
        match (place.spec_name(), place.contents()) {
            (None, None) => {}
            (None, Some(_)) => {
                let message = format!(
                    "{kind} {name:?} has a GMSA cred spec set, but does not define the name of the corresponding resource"
                );
                return Err(Denial::new(422, message));
            }
            (Some(spec), contents) => {
                let permission = cluster.may_use(namespace, account, spec).await;
                if !permission.allowed {
                    let reason = match permission.reason.as_str() {
                        "" => String::new(),
                        reason => format!(", reason: {reason:?}"),
                    };
                    let message = format!(
                        "service account {account:?} is not authorized to `use` GMSA cred spec {spec:?}{reason}"
                    );
                    return Err(Denial::new(403, message));
                }
                if let Some(contents) = contents
                    && !same(contents, &cluster.contents(spec).await?)
                {
                    let message = format!(
                        "the GMSA cred spec contents for {kind} {name:?} does not match the contents of GMSA resource {spec:?}"
                    );
                    return Err(Denial::new(422, message));
                }
            }
        }
    }
    Ok(())
}

/// Whether a pod that is changed keeps its credential specs.
pub(super) fn validate_update(pod: &Pod, old: &Pod) -> Result<(), Denial> {
    let old = places(old);
    for place in places(pod) {
        let before =
            old.iter().find(|other| other.kind == place.kind && (place.kind == "pod" || other.name == place.name));
        let mut modified = Vec::new();
        if place.spec_name() != before.and_then(Place::spec_name) {
            modified.push("name");
        }
        if place.contents() != before.and_then(Place::contents) {
            modified.push("contents");
        }
        if !modified.is_empty() {
            let (what, kind, name) = (modified.join(" and "), place.kind, place.name);
            let message =
                format!("cannot update an existing pod's GMSA settings (GMSA {what} modified on {kind} {name:?})");
            return Err(Denial::new(403, message));
        }
    }
    Ok(())
}

/// Whether two texts hold the same JSON.
fn same(a: &str, b: &str) -> bool {
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok();
    a == b || parsed(a).is_some_and(|a| parsed(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use futures::future::FutureExt;

    use super::*;

    /// Knows the spec `webapp01`, which only the account `app` may use.
    struct One;

    impl Cluster for One {
        fn contents<'a>(&'a self, spec: &'a str) -> BoxFuture<'a, Result<String, Denial>> {
            let found = match spec {
                "webapp01" => Ok(r#"{"a":1,"b":2}"#.to_owned()),
                _ => Err(Denial::new(404, format!("cred spec {spec} does not exist"))),
            };
            std::future::ready(found).boxed()
        }

        fn may_use<'a>(&'a self, _: &'a str, account: &'a str, _: &'a str) -> BoxFuture<'a, Permission> {
            std::future::ready(Permission { allowed: account == "app", reason: String::new() }).boxed()
        }
    }

    fn pod(account: &str, of_pod: Value, of_container: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {
                "serviceAccountName": account,
                "securityContext": {"windowsOptions": of_pod},
                "containers": [{"name": "other"}, {"name": "c", "securityContext": {"windowsOptions": of_container}}],
            },
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn contents_are_filled_in_where_a_name_stands() {
        let named =
            pod("app", json!({"gmsaCredentialSpecName": "webapp01"}), json!({"gmsaCredentialSpecName": "webapp01"}));
        let patch = mutate(&One, &named, Some("h".into())).await.unwrap();
        let paths: Vec<_> = patch.iter().map(|step| step["path"].as_str().unwrap()).collect();
        assert_eq!(
            paths,
            [
                "/spec/securityContext/windowsOptions/gmsaCredentialSpec",
                "/spec/containers/1/securityContext/windowsOptions/gmsaCredentialSpec",
                "/spec/hostname",
            ]
        );
        assert!(mutate(&One, &pod("app", json!({}), json!({})), Some("h".into())).await.unwrap().is_empty());
        let unknown = pod("app", json!({"gmsaCredentialSpecName": "nope"}), json!({}));
        assert_eq!(mutate(&One, &unknown, None).await, Err(Denial::new(404, "cred spec nope does not exist")));
    }

    #[tokio::test]
    async fn a_pod_is_denied_in_the_originals_words() {
        let name = json!({"gmsaCredentialSpecName": "webapp01"});
        let with = |contents: &str| json!({"gmsaCredentialSpecName": "webapp01", "gmsaCredentialSpec": contents});
        let said = [
            validate(&One, &pod("app", name.clone(), json!({})), "ns").await,
            validate(&One, &pod("app", with(r#"{"b": 2, "a": 1}"#), json!({})), "ns").await,
            validate(&One, &pod("stranger", name, json!({})), "ns").await,
            validate(&One, &pod("app", json!({}), with("{}")), "ns").await,
            validate(&One, &pod("app", json!({"gmsaCredentialSpec": "{}"}), json!({})), "ns").await,
        ];
        let lines =
            said.map(|said| said.map_or_else(|denial| format!("{} {}", denial.code, denial.message), |()| "ok".into()));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn settings_do_not_change_after_admission() {
        let before = pod("app", json!({"gmsaCredentialSpecName": "webapp01"}), json!({}));
        let after = pod("app", json!({"gmsaCredentialSpecName": "webapp02", "gmsaCredentialSpec": "{}"}), json!({}));
        assert_eq!(validate_update(&before, &before), Ok(()));
        assert_eq!(
            validate_update(&after, &before).unwrap_err().message,
            "cannot update an existing pod's GMSA settings (GMSA name and contents modified on pod \"p\")"
        );
    }
}
