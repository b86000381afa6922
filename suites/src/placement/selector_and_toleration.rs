//! With selector and toleration a Windows pod runs: the twin of `placement/needs-toleration`.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure, Need};
use winconform_manifests::PLACEMENT_SELECTOR_AND_TOLERATION;
use winconform_reports::Verdict;

use crate::trial::{TRIAL, placed_and_runs};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/selector-and-toleration",
    title: "A Windows pod with selector and toleration runs",
    statement: "P4",
    passing: "A pod that selects Windows and tolerates the taints of the target's nodes became Ready on one of them.",
    silent_on: "Taints in another spelling than those that stand on the nodes.",
    needs: &[Need::OpenNode, Need::Taint],
    creates: &[PLACEMENT_SELECTOR_AND_TOLERATION],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[
            Failure {
                seen: "No node takes the pod.",
                advice: "Its nodes were cordoned, filled or tainted anew meanwhile: `kubectl describe node NODE`.",
            },
            Failure {
                seen: "The kubelet refuses the pod.",
                advice: "Its reason says what the kubelet and the API server see differently: labels, or the operating system.",
            },
        ],
        by_hand: &["kubectl explain pod.spec.tolerations", "kubectl get pod POD --output wide"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let draft = cx.draft_one(&PLACEMENT_SELECTOR_AND_TOLERATION, "", &nodes)?;
    let pod = cx.create(&draft).await?;
    match placed_and_runs(&cx, &pod).await? {
        Ok(pod) => Ok(Verdict::Passed(format!("runs on {}", pod.node))),
        Err(verdict) => Ok(verdict),
    }
}
