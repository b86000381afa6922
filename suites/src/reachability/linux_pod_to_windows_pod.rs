//! A Linux pod talks to Windows pods by pod IP, without a Service between.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, probe::judge};
use winconform_reports::event::{Destination, Vantage};

use super::paths::{PAGE, REACHABILITY, TO_A_POD, pod_page, servers_here, settled, the_pod};
use crate::fixture::{LINUX_CLIENT, WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/linux-pod-to-windows-pod",
    title: "A Linux pod reaches every Windows pod by its IP",
    statement: "R2",
    passing: "Every connection from the Linux pod to every Windows pod of the target brought the page.",
    silent_on: "Nothing of Services; the other direction is `reachability/windows-pod-to-linux-pod`.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::ready(&LINUX_CLIENT), Use::ready(&WIN_WEBSERVER), Use::settled(&WINDOWS_POD)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[
            Failure {
                seen: "Pods of one node do not answer.",
                advice: "That node's network is broken: look at its network plugin.",
            },
            Failure {
                seen: "Only Linux pods get no answer.",
                advice: "The overlay does not connect the two systems: on VXLAN the VNI must be 4096 or more and the port 4789.",
            },
        ],
        by_hand: &["kubectl exec LINUX_POD -- curl -s http://POD_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let from = the_pod(&cx, &LINUX_CLIENT)?;
    let probes = servers_here(&cx)?
        .iter()
        .map(|pod| {
            let aim = pod_page(Destination::WindowsPodOtherNode, pod);
            settled(&cx, &from, Vantage::LinuxPod, aim, PAGE, TO_A_POD)
        })
        .collect();
    Ok(judge(&cx.probe(probes).await, "the Linux pod must reach every Windows pod"))
}
