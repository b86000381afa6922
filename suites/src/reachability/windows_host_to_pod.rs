//! A Windows host reaches the pods on it.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Trouble, Use, probe::judge};
use winconform_reports::event::{Destination, Vantage};

use super::paths::{PAGE, REACHABILITY, TO_A_POD, pod_page, pods_here, settled};
use crate::fixture::{WINDOWS_HOST, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-host-to-pod",
    title: "Windows hosts reach the pods that run on them",
    statement: "R9",
    passing: "Every connection from each node's host to the pod on it brought the page.",
    silent_on: "Pods on other nodes, which some networks do not offer to hosts.",
    uses: &[Use::ready(&WINDOWS_HOST), Use::settled(&WINDOWS_POD)],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/services-networking/windows-networking/"],
        failures: &[Failure {
            seen: "The host does not reach a pod on it.",
            advice: "The host's own network is broken: look at the HNS networks and the management address on that node.",
        }],
        by_hand: &["kubectl exec HOST_PROCESS_POD -- curl.exe -s http://POD_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let (hosts, pods) = (pods_here(&cx, &WINDOWS_HOST)?, pods_here(&cx, &WINDOWS_POD)?);
    let mut probes = Vec::new();
    for (from, to) in hosts.iter().flat_map(|host| pods.iter().map(move |pod| (host, pod))) {
        if from.node == to.node {
            let aim = pod_page(Destination::WindowsPodSameNode, to);
            probes.push(settled(&cx, from, Vantage::WindowsHost, aim, PAGE, TO_A_POD));
        }
    }
    if probes.is_empty() {
        return Err(Trouble::Unexpected("no node runs both a host pod and an ordinary one".to_owned()));
    }
    Ok(judge(&cx.probe(probes).await, "a Windows host must reach the pods on it"))
}
