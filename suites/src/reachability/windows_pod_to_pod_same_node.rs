//! Two Windows pods on one node talk to each other by pod IP.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Use, probe::judge};
use winconform_reports::{
    Verdict,
    event::{Destination, Vantage},
};

use super::paths::{PAGE, REACHABILITY, TO_A_POD, pod_page, pods_here, settled};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-pod-same-node",
    title: "Windows pods reach Windows pods on their own node",
    statement: "R2",
    passing: "On each node of the target that runs the web server, the node's own pod got the page from it, and it from the node's own.",
    silent_on: "Nodes of the target on which no pod of the web server runs.",
    uses: &[Use::ready(&WIN_WEBSERVER), Use::settled(&WINDOWS_POD)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[Failure {
            seen: "Pods of one node do not reach each other.",
            advice: "The HNS network of that node is broken: look at its network plugin.",
        }],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -s http://POD_IP_ON_THE_SAME_NODE/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let (own, servers) = (pods_here(&cx, &WINDOWS_POD)?, pods_here(&cx, &WIN_WEBSERVER)?);
    let mut probes = Vec::new();
    for (a, b) in own.iter().flat_map(|a| servers.iter().map(move |b| (a, b))).filter(|(a, b)| a.node == b.node) {
        for (from, to) in [(a, b), (b, a)] {
            let aim = pod_page(Destination::WindowsPodSameNode, to);
            probes.push(settled(&cx, from, Vantage::WindowsPod, aim, PAGE, TO_A_POD));
        }
    }
    if probes.is_empty() {
        return Ok(Verdict::NotApplicable("no node runs two Windows pods of ours".to_owned()));
    }
    Ok(judge(&cx.probe(probes).await, "Windows pods on one node must reach each other"))
}
