//! `spec.os` is held to: by the API server, which refuses Linux-only fields, and by the
//! kubelet, which refuses a pod for the other system.
//!
//! One pod with every such field is tried (dry run), and the API server's own list of
//! causes says which it refuses. The refused pod runs the image of its twin, so that
//! nothing but its `spec.os` can be the reason.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{
    Capabilities, PodOS, PodSecurityContext, SELinuxOptions, SeccompProfile, SecurityContext, Sysctl,
};
use kube::core::Status;
use winconform_harness::{
    Admission, Answer, Check, Context, Explain, Failure, Need, Scope, Trouble, Use,
    cluster::NodeFacts,
    wait::{Cause, WaitError},
};
use winconform_manifests::{Object, PLACEMENT_POD_OS_FIELD};
use winconform_reports::{Chain, Verdict, event::Observation};

use crate::{
    fixture::WINDOWS_POD,
    trial::{TRIAL, any_windows_node, spec_of, twin_is_placed},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/pod-os-field",
    title: "A pod is held to the operating system that it names",
    statement: "P6",
    passing: "The API server refused each Linux-only field of a Windows pod, and a kubelet of each target refused a Linux pod (PodOSNotSupported).",
    silent_on: "Pods that do not name their operating system.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    uses: &[Use::submitted(&WINDOWS_POD)],
    creates: &[PLACEMENT_POD_OS_FIELD],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/intro/#compatibility-v1-pod-spec-containers",
            "https://kubernetes.io/docs/concepts/workloads/pods/#pod-os",
        ],
        failures: &[
            Failure {
                seen: "The API server takes a Linux-only field.",
                advice: "Its version is older than the field's check (1.25), or a policy removes the field on its way in.",
            },
            Failure {
                seen: "The kubelet takes a Linux pod.",
                advice: "Its version is older than 1.24, or it does not say truly what it runs: see `nodes/os-and-arch-labels`.",
            },
        ],
        by_hand: &[
            "kubectl run refused --image=IMAGE --dry-run=server --overrides='{\"spec\":{\"os\":{\"name\":\"windows\"},\"hostPID\":true}}'",
            "kubectl run refused --image=IMAGE --overrides='{\"spec\":{\"os\":{\"name\":\"linux\"},\"nodeName\":\"NODE\"}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// The fields that a Windows pod must not set, as the API server calls them. Left out are
/// those that a server drops unseen where their feature is off.
const FIELDS: &[&str] = &[
    "spec.hostPID",
    "spec.hostIPC",
    "spec.securityContext.seLinuxOptions",
    "spec.securityContext.seccompProfile",
    "spec.securityContext.fsGroup",
    "spec.securityContext.fsGroupChangePolicy",
    "spec.securityContext.sysctls",
    "spec.shareProcessNamespace",
    "spec.securityContext.runAsUser",
    "spec.securityContext.runAsGroup",
    "spec.securityContext.supplementalGroups",
    "spec.containers[0].securityContext.seLinuxOptions",
    "spec.containers[0].securityContext.seccompProfile",
    "spec.containers[0].securityContext.capabilities",
    "spec.containers[0].securityContext.readOnlyRootFilesystem",
    "spec.containers[0].securityContext.privileged",
    "spec.containers[0].securityContext.allowPrivilegeEscalation",
    "spec.containers[0].securityContext.runAsUser",
    "spec.containers[0].securityContext.runAsGroup",
];

async fn run(cx: Context) -> Answer {
    let refused = match fields_refused(&cx).await? {
        Ok(count) => count,
        Err(verdict) => return Ok(verdict),
    };
    let mut nodes = Vec::new();
    for target in &cx.facts().targets {
        let open = target.nodes.iter().filter_map(|name| cx.facts().node(name)).find(|node| node.is_open());
        nodes.extend(open);
    }
    for node in &nodes {
        if let Some(verdict) = taken_by_kubelet(&cx, node).await? {
            return Ok(verdict);
        }
    }
    let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
    Ok(Verdict::Passed(format!(
        "{refused} Linux-only fields refused by the API server, a Linux pod refused by the kubelets of {}",
        names.join(", ")
    )))
}

/// How many fields the API server refused, or the verdict where it did not refuse them all.
async fn fields_refused(cx: &Context) -> Result<Result<usize, Verdict>, Trouble> {
    let node = any_windows_node(cx)?;
    let plain = cx.draft_one(&PLACEMENT_POD_OS_FIELD, "fields", &[node])?;
    let mut full = plain.clone();
    set_all(&mut full)?;
    let (plain, full) = (cx.dry_run(&plain).await?, cx.dry_run(&full).await?);
    let status = match (&plain, full) {
        (Admission::Rejected(status), _) => {
            return Ok(Err(Verdict::Undetermined(format!(
                "the cluster refuses even a plain Windows pod: {}",
                status.message
            ))));
        }
        (Admission::Accepted(kept), Admission::Accepted(_))
            if kept.pod_spec().is_some_and(|spec| spec.os.is_none()) =>
        {
            return Ok(Err(Verdict::NotApplicable(
                "this API server does not know spec.os, or a policy removes it".to_owned(),
            )));
        }
        (_, Admission::Accepted(_)) => {
            return Ok(Err(Verdict::Failed(
                "the API server takes a Windows pod in which every Linux-only field is set".to_owned(),
            )));
        }
        (_, Admission::Rejected(status)) => status,
    };
    let named = fields_named(&status);
    if named.is_empty() {
        return Ok(Err(Verdict::Undetermined(format!(
            "a policy of the cluster refuses the pod before its fields are looked at: {}",
            status.message
        ))));
    }
    let taken: Vec<&str> = FIELDS.iter().copied().filter(|field| !is_named(field, &named)).collect();
    Ok(match taken.is_empty() {
        true => Ok(FIELDS.len()),
        false => Err(Verdict::Failed(format!(
            "the API server takes Linux-only fields of a Windows pod: {}",
            taken.join(", ")
        ))),
    })
}

/// The fields that a refusal names as forbidden.
fn fields_named(status: &Status) -> BTreeSet<String> {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.map(|cause| cause.field.clone()).filter(|field| !field.is_empty()).collect()
}

/// Whether a field, or one inside it, is among those named.
fn is_named(field: &str, named: &BTreeSet<String>) -> bool {
    named.iter().any(|name| name == field || name.strip_prefix(field).is_some_and(|rest| rest.starts_with(['[', '.'])))
}

/// Sets every field that a Windows pod must not set.
fn set_all(pod: &mut Object) -> Result<(), Trouble> {
    let selinux = || SELinuxOptions { level: Some("s0:c1,c2".to_owned()), ..SELinuxOptions::default() };
    let seccomp = || SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() };
    let spec = spec_of(pod)?;
    spec.host_pid = Some(true);
    spec.host_ipc = Some(true);
    spec.share_process_namespace = Some(true);
    spec.security_context = Some(PodSecurityContext {
        se_linux_options: Some(selinux()),
        seccomp_profile: Some(seccomp()),
        fs_group: Some(1000),
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        sysctls: Some(vec![Sysctl { name: "kernel.shm_rmid_forced".to_owned(), value: "1".to_owned() }]),
        run_as_user: Some(1000),
        run_as_group: Some(1000),
        supplemental_groups: Some(vec![1000]),
        ..PodSecurityContext::default()
    });
    for container in &mut spec.containers {
        container.security_context = Some(SecurityContext {
            se_linux_options: Some(selinux()),
            seccomp_profile: Some(seccomp()),
            capabilities: Some(Capabilities { add: Some(vec!["NET_RAW".to_owned()]), ..Capabilities::default() }),
            read_only_root_filesystem: Some(true),
            privileged: Some(true),
            allow_privilege_escalation: Some(true),
            run_as_user: Some(1000),
            run_as_group: Some(1000),
            ..SecurityContext::default()
        });
    }
    Ok(())
}

/// The verdict where the node's kubelet does not refuse a Linux pod for its system.
async fn taken_by_kubelet(cx: &Context, node: &NodeFacts) -> Result<Option<Verdict>, Trouble> {
    let mut draft = cx.draft_one(&PLACEMENT_POD_OS_FIELD, &node.name, &[node])?;
    let spec = spec_of(&mut draft)?;
    spec.os = Some(PodOS { name: "linux".to_owned() });
    spec.node_selector = None;
    let pod = cx.create(&draft).await?;
    let took = |what: String| {
        cx.observe(Observation::Node {
            node: node.name.clone(),
            what: "what the kubelet makes of a pod for Linux".to_owned(),
            expected: "a refusal (PodOSNotSupported)".to_owned(),
            found: what.clone(),
        });
        Ok(Some(Verdict::Failed(format!("the kubelet of {} does not refuse a pod for Linux: {what}", node.name))))
    };
    match cx.pod_ready_or_cause(&pod).await {
        Ok(Ok(_)) => took("it runs".to_owned()),
        Ok(Err(Cause::Refused { reason, .. })) if reason == "PodOSNotSupported" => {
            twin_is_placed(cx, &node.name).await?;
            Ok(None)
        }
        Ok(Err(cause @ (Cause::Container { .. } | Cause::Sandbox { .. }))) => took(cause.to_string()),
        Ok(Err(cause)) => Ok(Some(Verdict::Undetermined(format!("the pod did not get as far: {cause}")))),
        Err(Trouble::Wait(error @ WaitError::TimedOut { .. })) => {
            Ok(Some(Verdict::Undetermined(format!("the kubelet has said nothing: {}", Chain(&error)))))
        }
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_read_by_the_fields_it_names_not_by_its_text() {
        let status: Status = serde_json::from_value(json!({
            "status": "Failure", "code": 422, "reason": "Invalid", "message": "…",
            "details": { "causes": [
                { "reason": "FieldValueForbidden", "message": "…", "field": "spec.hostPID" },
                { "reason": "FieldValueForbidden", "message": "…", "field": "spec.securityContext.sysctls[0].name" },
                { "reason": "FieldValueForbidden", "message": "…", "field": "" }
            ] }
        }))
        .unwrap();
        let named = fields_named(&status);
        assert!(is_named("spec.hostPID", &named) && is_named("spec.securityContext.sysctls", &named));
        assert!(!is_named("spec.hostIPC", &named) && !is_named("spec.host", &named));
    }
}
