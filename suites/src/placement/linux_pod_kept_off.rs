//! A tainted Windows node takes no Linux pod, pinned to it as that may be.
//!
//! Pinned by node affinity, since a pod that may go anywhere could land elsewhere by
//! luck. Should it be taken all the same, the kubelet refuses it for its system: it
//! never runs.

use k8s_openapi::api::core::v1::PodOS;
use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Scope, Use};
use winconform_manifests::PLACEMENT_LINUX_POD_KEPT_OFF;

use crate::{
    fixture::WINDOWS_POD,
    trial::{TRIAL, kept_off, spec_of},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/linux-pod-kept-off",
    title: "The node's taint keeps a Linux pod off that does not tolerate it",
    statement: "P2",
    passing: "A Linux pod pinned to the node stayed unscheduled, and a pod that tolerates its taints was placed there.",
    silent_on: "Pods that tolerate everything, as many DaemonSets do: `placement/stray-linux-pods` looks for those.",
    scope: Scope::WindowsNode,
    needs: &[Need::OpenNode, Need::Taint],
    uses: &[Use::submitted(&WINDOWS_POD)],
    creates: &[PLACEMENT_LINUX_POD_KEPT_OFF],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/OneUptime/oneuptime/pull/3057",
        ],
        failures: &[Failure {
            seen: "The pod was bound to the node.",
            advice: "Something goes past the taint: a second scheduler, or a policy that sets nodeName. See who bound it: `kubectl get events`.",
        }],
        by_hand: &[
            "kubectl run linux --image=registry.k8s.io/pause:3.10 --overrides='{\"spec\":{\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":[{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"NODE\"]}]}]}}}}}'",
            "kubectl get pod linux --output jsonpath='{.status.conditions}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let node = cx.node()?;
    let mut draft = cx.draft_one(&PLACEMENT_LINUX_POD_KEPT_OFF, "", &[node])?;
    let spec = spec_of(&mut draft)?;
    spec.os = Some(PodOS { name: "linux".to_owned() });
    spec.node_selector = None;
    spec.tolerations = None;
    kept_off(&cx, &draft, &[node]).await
}
