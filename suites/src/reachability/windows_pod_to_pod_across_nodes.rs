//! Windows pods on different nodes talk to each other by pod IP.
//!
//! The paths form a ring over all Windows nodes, and one more to each other target:
//! each node is source and destination, and every pair of builds is covered.

use winconform_harness::{Answer, Check, Context, Explain, Extent, Failure, Need, Stage, Trouble, Use, probe::judge};
use winconform_reports::event::{Destination, Vantage};

use super::paths::{PAGE, REACHABILITY, TO_A_POD, other_nodes, pod_page, pods_here, settled};
use crate::fixture::WINDOWS_POD;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-pod-across-nodes",
    title: "Windows pods reach Windows pods on other nodes",
    statement: "R2",
    passing: "From each node of the target, the next node's pod and one pod of each other target brought the page every time.",
    silent_on: "Pairs of nodes beyond the ring, and nothing of Services.",
    needs: &[Need::OpenNode, Need::TwoWindowsNodes],
    uses: &[Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled }],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/microsoft/Windows-Containers/issues/516",
        ],
        failures: &[
            Failure {
                seen: "All pairs with one node are dead.",
                advice: "That node's network is broken; compare its patch level with the others'.",
            },
            Failure {
                seen: "All pairs of two builds are dead.",
                advice: "Look for an update that breaks the network plugin on one of them.",
            },
        ],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -s http://OTHER_POD_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let mut probes = Vec::new();
    for from in pods_here(&cx, &WINDOWS_POD)? {
        for to in other_nodes(&cx, &from) {
            let aim = pod_page(Destination::WindowsPodOtherNode, &to);
            probes.push(settled(&cx, &from, Vantage::WindowsPod, aim, PAGE, TO_A_POD));
        }
    }
    if probes.is_empty() {
        return Err(Trouble::Unexpected("no pod came up on any other Windows node".to_owned()));
    }
    Ok(judge(&cx.probe(probes).await, "Windows pods must reach pods on other nodes"))
}
