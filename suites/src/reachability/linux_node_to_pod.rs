//! The guide's first test: curl the pods' port 80 from the Linux control plane node.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, probe::judge};
use winconform_reports::event::{Destination, Vantage};

use super::paths::{PAGE, REACHABILITY, TO_A_POD, pod_page, servers_here, settled, the_pod};
use crate::fixture::{LINUX_HOST, WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/linux-node-to-pod",
    title: "A Linux node reaches every Windows pod by its IP",
    statement: "R1",
    passing: "Every connection from the Linux node's own network to every pod's port 80 brought the page.",
    silent_on: "Whether other Linux nodes reach them, and nothing of Services.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::ready(&LINUX_HOST), Use::ready(&WIN_WEBSERVER), Use::settled(&WINDOWS_POD)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/tasks/debug/debug-cluster/windows/",
        ],
        failures: &[
            Failure {
                seen: "Pods of one node do not answer.",
                advice: "That node's network is broken: look at its network plugin and, on virtual machines, at MAC spoofing.",
            },
            Failure {
                seen: "No Windows pod answers.",
                advice: "The Linux node has no route to the Windows nodes' pod ranges.",
            },
        ],
        by_hand: &["curl http://POD_IP/   # on a Linux node"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let from = the_pod(&cx, &LINUX_HOST)?;
    let probes = servers_here(&cx)?
        .iter()
        .map(|pod| {
            let aim = pod_page(Destination::WindowsPodOtherNode, pod);
            settled(&cx, &from, Vantage::LinuxNode, aim, PAGE, TO_A_POD)
        })
        .collect();
    Ok(judge(&cx.probe(probes).await, "the Linux node must reach every Windows pod"))
}
