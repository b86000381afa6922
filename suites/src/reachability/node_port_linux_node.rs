//! The guide: curl the node port from the Linux node; here the port of every node.
//!
//! Also of nodes without a backend (kubernetes-sigs/sig-windows-tools#279: the port
//! worked only where a pod ran). Each Windows node runs at least our own pod: without
//! any, Windows forwards nothing, which Microsoft documents.

use winconform_harness::{Answer, Check, Context, Explain, Extent, Failure, Need, Stage, Use, probe::judge};
use winconform_reports::event::Vantage;

use super::{
    paths::{PAGE, REACHABILITY, TO_A_POD, node_port, port_nodes, port_page, settled, the_pod},
    service::settle_backends,
};
use crate::fixture::{LINUX_HOST, WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/node-port-linux-node",
    title: "A Linux node reaches the web server on the node port of every node",
    statement: "R5",
    passing: "Every connection from the Linux node to the port of every node that takes pods brought the page.",
    silent_on: "Access from outside the cluster, and nodes that take no pods.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[
        Use::ready(&LINUX_HOST),
        Use::ready(&WIN_WEBSERVER),
        Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled },
    ],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/projectcalico/calico/issues/7305",
        ],
        failures: &[
            Failure {
                seen: "The port of one node is dead.",
                advice: "kube-proxy on that node does not forward: look at its log there.",
            },
            Failure {
                seen: "Only nodes without a backend are dead.",
                advice: "That node does not forward to other nodes' pods: look at externalTrafficPolicy and at the network plugin.",
            },
        ],
        by_hand: &["curl http://NODE_IP:NODE_PORT/   # on a Linux node"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    settle_backends(&cx, cx.ready(&WIN_WEBSERVER)?.as_ref()).await;
    let (from, port) = (the_pod(&cx, &LINUX_HOST)?, node_port(&cx)?);
    let probes = port_nodes(&cx)
        .into_iter()
        .map(|node| {
            let aim = port_page(&cx, node, port);
            settled(&cx, &from, Vantage::LinuxNode, aim, PAGE, TO_A_POD)
        })
        .collect();
    Ok(judge(&cx.probe(probes).await, "the node port of every node must lead to the web server"))
}
