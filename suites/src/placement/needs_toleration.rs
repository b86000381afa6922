//! A Windows pod needs the toleration besides the selector.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, cluster::NodeFacts};
use winconform_manifests::PLACEMENT_NEEDS_TOLERATION;
use winconform_reports::Verdict;

use crate::{
    fixture::WINDOWS_POD,
    trial::{TRIAL, kept_off, spec_of},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/needs-toleration",
    title: "A Windows pod without the toleration stays unscheduled",
    statement: "P4",
    passing: "A pod that selects Windows and tolerates nothing was not placed on the target's tainted nodes; its twin was.",
    silent_on: "Nodes of the target that carry no taint.",
    needs: &[Need::OpenNode, Need::Taint],
    uses: &[Use::submitted(&WINDOWS_POD)],
    creates: &[PLACEMENT_NEEDS_TOLERATION],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[
            Failure {
                seen: "The pod was bound to a tainted node.",
                advice: "Something goes past the taint: a second scheduler, or a policy that sets nodeName.",
            },
            Failure {
                seen: "The pod comes back with a toleration that it was not sent with.",
                advice: "A mutating policy adds it, so the taint protects nothing; look for it with `kubectl get mutatingwebhookconfigurations`.",
            },
        ],
        by_hand: &[
            "kubectl run windows --image=IMAGE --overrides='{\"spec\":{\"nodeSelector\":{\"kubernetes.io/os\":\"windows\"}}}'",
            "kubectl get pod windows --output jsonpath='{.status.conditions}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let mut nodes: Vec<&NodeFacts> = cx.open_nodes_here()?;
    nodes.retain(|node| node.keeps_pods_off());
    if nodes.is_empty() {
        return Ok(Verdict::NotApplicable("none of its tainted nodes takes pods".to_owned()));
    }
    let mut draft = cx.draft_one(&PLACEMENT_NEEDS_TOLERATION, "", &nodes)?;
    spec_of(&mut draft)?.tolerations = None;
    kept_off(&cx, &draft, &nodes).await
}
