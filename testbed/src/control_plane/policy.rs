//! What the cluster's owner forbids.
//!
//! The API server itself refuses: a ValidatingAdmissionPolicy, as platform teams
//! write them, so that no label of a namespace lifts it as it would a level of
//! Pod Security.

use std::time::Duration;

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::Pod,
};
use kube::{Api, Client, api::PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

/// The policy's name.
const NAME: &str = "no-host-process";

/// How often the API server is asked whether it enforces a new policy. There is no event to wait for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Whether any container of the pod `object` is a HostProcess container, in the API server's language.
const HAS_HOST_PROCESS: &str = "(has(object.spec.securityContext) && has(object.spec.securityContext.windowsOptions) \
     && object.spec.securityContext.windowsOptions.?hostProcess.orValue(false)) \
     || object.spec.containers.exists(c, c.?securityContext.?windowsOptions.?hostProcess.orValue(false)) \
     || object.spec.?initContainers.orValue([]).exists(c, c.?securityContext.?windowsOptions.?hostProcess.orValue(false)) \
     || object.spec.?ephemeralContainers.orValue([]).exists(c, c.?securityContext.?windowsOptions.?hostProcess.orValue(false))";

/// Forbids HostProcess containers in every namespace, and returns when the API server refuses them.
///
/// # Errors
///
/// When the API server does not take the policy, or answers with anything but a refusal or a leave.
pub(super) async fn forbid_host_process(client: &Client) -> kube::Result<()> {
    let policy: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    policy.create(&PostParams::default(), &object(policy_object())?).await?;
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    bindings.create(&PostParams::default(), &object(binding())?).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let (question, pod) = (PostParams { dry_run: true, ..PostParams::default() }, object(host_process_pod())?);
    let mut ask = interval(ASK_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ask.tick().await;
        match pods.create(&question, &pod).await {
            Ok(_) => {}
            Err(kube::Error::Api(refused)) if refused.code == 403 && refused.message.contains(NAME) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn object<T: DeserializeOwned>(value: Value) -> kube::Result<T> {
    serde_json::from_value(value).map_err(kube::Error::SerdeError)
}

fn policy_object() -> Value {
    json!({
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"],
            }]},
            "validations": [{
                "expression": format!("!({HAS_HOST_PROCESS})"),
                "message": "hostProcess containers are disallowed by cluster policy",
                "reason": "Forbidden",
            }],
        },
    })
}

fn binding() -> Value {
    json!({"metadata": {"name": NAME}, "spec": {"policyName": NAME, "validationActions": ["Deny"]}})
}

fn host_process_pod() -> Value {
    json!({
        "metadata": {"generateName": "is-it-forbidden-"},
        "spec": {
            "hostNetwork": true,
            "securityContext": {"windowsOptions": {"hostProcess": true}},
            "containers": [{"name": "host", "image": "registry.k8s.io/pause:3.10.2"}],
        },
    })
}
