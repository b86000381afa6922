//! A Windows pod talks to a Linux pod by pod IP, without a Service between.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, probe::judge};
use winconform_reports::event::{Destination, Vantage};

use super::paths::{LINUX_PAGE, REACHABILITY, TO_A_POD, linux_page, pods_here, settled, the_pod};
use crate::fixture::{LINUX_SERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-linux-pod",
    title: "Windows pods on every node reach a Linux pod by its IP",
    statement: "R2",
    passing: "Every connection from a pod on each node of the target to the Linux server brought its answer.",
    silent_on: "Nothing of Services: `reachability/windows-pod-to-linux-service-ip` asks that.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::settled(&WINDOWS_POD), Use::ready(&LINUX_SERVER)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[
            Failure {
                seen: "Pods on one node get no answer.",
                advice: "That node's way out is broken: look at its network plugin.",
            },
            Failure { seen: "No Windows pod gets an answer.", advice: "The overlay does not connect the two systems." },
        ],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -s http://LINUX_POD_IP:8080/hostname"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

/// Where the Linux server listens.
const PORT: i32 = 8080;

async fn run(cx: Context) -> Answer {
    let server = the_pod(&cx, &LINUX_SERVER)?;
    let probes = pods_here(&cx, &WINDOWS_POD)?
        .iter()
        .map(|from| {
            let aim = linux_page(Destination::LinuxPod, &server.ip, PORT, Some(server.node.clone()));
            settled(&cx, from, Vantage::WindowsPod, aim, LINUX_PAGE, TO_A_POD)
        })
        .collect();
    Ok(judge(&cx.probe(probes).await, "Windows pods must reach the Linux pod"))
}
