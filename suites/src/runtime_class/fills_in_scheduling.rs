//! The API server writes the class's node selector and tolerations into its pods.

use k8s_openapi::api::core::v1::{PodSpec, Toleration};
use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope};
use winconform_manifests::RUNTIME_CLASS_FILLS_IN_SCHEDULING;
use winconform_reports::Verdict;

use super::class::Drafted;
use crate::trial::{TRIAL, any_windows_node};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "runtime-class/fills-in-scheduling",
    title: "The API server fills the class's selector and tolerations into the pod",
    statement: "C1",
    passing: "A pod that names nothing but its class came back with the class's node selector and tolerations.",
    silent_on: "Whether the pod can run there: `runtime-class/pod-lands-on-build` asks that.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[RUNTIME_CLASS_FILLS_IN_SCHEDULING],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/containers/runtime-class/#scheduling",
        ],
        failures: &[Failure {
            seen: "The pod comes back without the selector or the tolerations.",
            advice: "The admission plug-in RuntimeClass is off (kube-apiserver --disable-admission-plugins), or a policy undoes its work.",
        }],
        by_hand: &[
            "kubectl run filled --image=IMAGE --dry-run=server --output yaml --overrides='{\"spec\":{\"runtimeClassName\":\"CLASS\"}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let node = any_windows_node(&cx)?;
    let drafted = Drafted::new(&cx, &RUNTIME_CLASS_FILLS_IN_SCHEDULING, &[node], None).await?;
    drafted.create_class(&cx).await?;
    let made = match cx.dry_run(drafted.pod()).await? {
        Admission::Accepted(made) => made,
        Admission::Rejected(status) => {
            return Ok(Verdict::Undetermined(format!("the cluster refuses a pod of the class: {}", status.message)));
        }
    };
    let wanted = drafted.scheduling();
    let spec = made.pod_spec().cloned().unwrap_or_default();
    let missing = missing(&spec, &wanted);
    Ok(match missing.is_empty() {
        true => Verdict::Passed(format!(
            "{} selector entries and {} tolerations filled in",
            wanted.node_selector.map_or(0, |selector| selector.len()),
            wanted.tolerations.map_or(0, |tolerations| tolerations.len())
        )),
        false => Verdict::Failed(format!("the pod came back without {}", missing.join(", "))),
    })
}

/// What the class says and the pod does not.
fn missing(spec: &PodSpec, wanted: &k8s_openapi::api::node::v1::Scheduling) -> Vec<String> {
    let selector = spec.node_selector.clone().unwrap_or_default();
    let unselected = wanted.node_selector.iter().flatten().filter(|(key, value)| selector.get(*key) != Some(value));
    let mut missing: Vec<String> = unselected.map(|(key, value)| format!("the selector {key}={value}")).collect();
    let tolerations = spec.tolerations.clone().unwrap_or_default();
    let untolerated = wanted.tolerations.iter().flatten().filter(|wanted| !tolerations.contains(wanted));
    missing.extend(untolerated.map(spelled));
    missing
}

fn spelled(toleration: &Toleration) -> String {
    let part = |part: &Option<String>| part.clone().unwrap_or_default();
    format!("the toleration {}={}:{}", part(&toleration.key), part(&toleration.value), part(&toleration.effect))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_not_filled_in_is_named() {
        let wanted = serde_json::from_value(json!({
            "nodeSelector": { "kubernetes.io/os": "windows" },
            "tolerations": [{ "key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule" }]
        }))
        .unwrap();
        let spec = |value| -> PodSpec { serde_json::from_value(value).unwrap() };
        assert_eq!(
            missing(&spec(json!({ "containers": [] })), &wanted),
            ["the selector kubernetes.io/os=windows", "the toleration os=windows:NoSchedule"]
        );
        let filled = spec(json!({
            "containers": [], "nodeSelector": { "kubernetes.io/os": "windows", "other": "x" },
            "tolerations": [{ "key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule" }]
        }));
        assert_eq!(missing(&filled, &wanted), Vec::<String>::new());
    }
}
