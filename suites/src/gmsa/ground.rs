//! What the cluster has for the suite: the custom resource, a credential spec, the webhook.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, PodSpec};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, GroupVersionKind, ListParams},
};
use serde_json::Value;
use winconform_harness::{Admission, Context, Trouble, cluster::NodeFacts, wait::pause};
use winconform_manifests::{Kind, Manifest, Object};
use winconform_reports::Verdict;

/// The webhook's name, as its own manifests give it.
pub(super) const WEBHOOK: &str = "admission-webhook.windows-gmsa.sigs.k8s.io";

/// How often a pod is tried again while the API server does not know yet what was just allowed.
const TRIES: u32 = 8;

/// A credential spec of the cluster.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spec {
    /// The resource's name.
    pub(super) name: String,
    /// Its contents.
    pub(super) contents: Value,
}

impl Spec {
    fn text(&self, pointer: &str) -> &str {
        self.contents.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// The domain's name in DNS.
    pub(super) fn domain(&self) -> &str {
        self.text("/DomainJoinConfig/DnsName")
    }

    /// The account's name, without `$`.
    pub(super) fn account(&self) -> &str {
        let of_machine = self.text("/DomainJoinConfig/MachineAccountName");
        let account = self.text("/ActiveDirectoryConfig/GroupManagedServiceAccounts/0/Name");
        if account.is_empty() { of_machine } else { account }.trim_end_matches('$')
    }

    /// Whether its domain can stand in a command line.
    fn is_usable(&self) -> bool {
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || ".-_".contains(c));
        plain(self.domain()) && !self.account().is_empty()
    }
}

/// The credential spec to use, or the verdict where there is none.
///
/// # Errors
///
/// When the API server refuses or is lost, or the spec that was named does not exist.
pub(super) async fn spec(cx: &Context) -> Result<Result<Spec, Verdict>, Trouble> {
    let specs = match specs(cx).await? {
        Ok(specs) => specs,
        Err(verdict) => return Ok(Err(verdict)),
    };
    let wanted = cx.settings().gmsa_spec.as_deref();
    let spec = match wanted {
        Some(name) => specs.into_iter().find(|spec| spec.name == name).ok_or_else(|| {
            Trouble::Unexpected(format!(
                "--gmsa-spec names `{name}`, and the cluster has no credential spec of that name"
            ))
        })?,
        None => match specs.into_iter().next() {
            Some(spec) => spec,
            None => {
                let reason = "the cluster has the custom resource for credential specs, but no credential spec";
                return Ok(Err(Verdict::NotApplicable(reason.to_owned())));
            }
        },
    };
    match spec.is_usable() {
        true => Ok(Ok(spec)),
        false => Ok(Err(Verdict::Undetermined(format!(
            "the credential spec `{}` names no domain or no account, so nothing can be asked of it; --gmsa-spec takes another",
            spec.name
        )))),
    }
}

/// All credential specs by name, or the verdict where there can be none.
///
/// # Errors
///
/// When the API server refuses or is lost.
pub(super) async fn specs(cx: &Context) -> Result<Result<Vec<Spec>, Verdict>, Trouble> {
    let kind = GroupVersionKind::gvk("windows.k8s.io", "v1", "GMSACredentialSpec");
    let resource = ApiResource::from_gvk_with_plural(&kind, "gmsacredentialspecs");
    let api: Api<DynamicObject> = Api::all_with(cx.client(), &resource);
    let list = match cx.seen("the credential specs", api.list(&ListParams::default()).await) {
        Ok(list) => list,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let reason = "the cluster has no credential specs: the custom resource gmsacredentialspecs.windows.k8s.io is not installed";
            return Ok(Err(Verdict::NotApplicable(reason.to_owned())));
        }
        Err(error) => return Err(Trouble::api("list credential specs", error)),
    };
    let mut specs: Vec<Spec> = list
        .items
        .into_iter()
        .map(|object| Spec {
            name: object.metadata.name.clone().unwrap_or_default(),
            contents: object.data.get("credspec").cloned().unwrap_or_default(),
        })
        .collect();
    specs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Ok(specs))
}

/// Makes a service account that may use the spec; gives back its name.
///
/// # Errors
///
/// When the API server refuses it or is lost.
pub(super) async fn leave(cx: &Context, manifest: &Manifest, spec: &Spec, node: &NodeFacts) -> Result<String, Trouble> {
    let mut account = String::new();
    for mut object in cx.draft(manifest, "", &[node])? {
        if object.pod_spec().is_some() {
            continue;
        }
        let name = object.name().to_owned();
        match &mut object.kind {
            Kind::Role(role) => {
                for rule in role.rules.iter_mut().flatten() {
                    rule.resource_names = Some(vec![spec.name.clone()]);
                }
            }
            Kind::RoleBinding(binding) => {
                binding.role_ref.name.clone_from(&name);
                for subject in binding.subjects.iter_mut().flatten() {
                    subject.name.clone_from(&name);
                    subject.namespace = Some(cx.namespace().to_owned());
                }
            }
            _ => {}
        }
        cx.create(&object).await?;
        account = name;
    }
    Ok(account)
}

/// What makes the pods of `manifest`, with a credential spec and a service account (none: the namespace's own).
///
/// # Errors
///
/// When the manifest cannot be placed, or makes no pod.
pub(super) fn pod(
    cx: &Context,
    manifest: &Manifest,
    name: &str,
    nodes: &[&NodeFacts],
    spec: &str,
    account: Option<&str>,
) -> Result<Object, Trouble> {
    let drafted = cx.draft(manifest, name, nodes)?;
    let mut object = drafted
        .into_iter()
        .find(|object| object.pod_spec().is_some())
        .ok_or_else(|| Trouble::Unexpected(format!("{} makes no pod", manifest.path)))?;
    if let Some(pod) = object.pod_spec_mut() {
        name_spec(pod, spec);
        pod.service_account_name = account.map(str::to_owned);
    }
    Ok(object)
}

/// A pod as the one that makes pods would make it, to be tried.
///
/// # Errors
///
/// When it makes none.
pub(super) fn one_of(object: &Object) -> Result<Object, Trouble> {
    let kind = object.kind_name();
    let spec = object.pod_spec().ok_or_else(|| Trouble::Unexpected(format!("a {kind} makes no pod")))?;
    let mut metadata = object.metadata().clone();
    metadata.name = Some(format!("{}-tried", object.name()));
    Ok(Object { kind: Kind::Pod(Box::new(Pod { metadata, spec: Some(spec.clone()), ..Pod::default() })) })
}

fn name_spec(pod: &mut PodSpec, spec: &str) {
    let context = pod.security_context.get_or_insert_default();
    context.windows_options.get_or_insert_default().gmsa_credential_spec_name = Some(spec.to_owned());
}

/// Tries a pod whose service account was allowed a moment ago (dry run), and gives the API server's
/// authorizer its time to know: while it does not, the webhook says 403.
///
/// # Errors
///
/// When the API server is lost, or a webhook cannot be reached.
pub(super) async fn tried(cx: &Context, pod: &Object) -> Result<Admission, Trouble> {
    let mut tries = 0;
    loop {
        tries += 1;
        match cx.dry_run(pod).await? {
            Admission::Rejected(status) if status.code == 403 && tries < TRIES => {
                pause(Duration::from_millis(125) * tries).await;
            }
            answer => return Ok(answer),
        }
    }
}

/// The control of the checks that want a refusal: a pod that must be let in, and the verdict where it is not.
///
/// # Errors
///
/// When the API server is lost, or a webhook cannot be reached.
pub(super) async fn let_in(cx: &Context, twin: &Object) -> Result<Option<Verdict>, Trouble> {
    Ok(match tried(cx, twin).await? {
        Admission::Accepted(_) => None,
        Admission::Rejected(status) => Some(Verdict::Undetermined(format!(
            "a pod that may use the credential spec is refused as well, so a refusal proves nothing: {}",
            status.message
        ))),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(contents: Value) -> Spec {
        Spec { name: "s".into(), contents }
    }

    #[test]
    fn a_spec_names_its_domain_and_its_account_or_cannot_be_asked_about() {
        let good = spec(json!({
            "DomainJoinConfig": {"DnsName": "corp.example", "MachineAccountName": "WebApp01"},
            "ActiveDirectoryConfig": {"GroupManagedServiceAccounts": [{"Name": "WebApp01$", "Scope": "CORP"}]},
        }));
        assert_eq!((good.domain(), good.account(), good.is_usable()), ("corp.example", "WebApp01", true));
        for contents in
            [json!(null), json!({}), json!({"DomainJoinConfig": {"DnsName": "a & del", "MachineAccountName": "x"}})]
        {
            assert!(!spec(contents).is_usable());
        }
    }
}
