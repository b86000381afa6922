//! A Windows pod reaches the web server through the node ports of other nodes.

use winconform_harness::{
    Answer, Check, Context, Explain, Extent, Failure, Need, Stage, Use, cluster::Os, probe::judge,
};
use winconform_reports::{Level, Verdict, event::Vantage};

use super::{
    paths::{PAGE, REACHABILITY, TO_A_POD, node_port, other_nodes, pods_here, port_nodes, port_page, settled},
    service::settle_backends,
};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-node-port",
    title: "Windows pods reach the node ports of other nodes",
    statement: "R5",
    passing: "From each node of the target, the ports of the next Windows node and of a Linux node brought the page every time.",
    silent_on: "The port of the pod's own node.",
    level: Level::Extended,
    needs: &[Need::OpenNode, Need::NodePorts],
    uses: &[
        Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled },
        Use::ready(&WIN_WEBSERVER),
    ],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[Failure {
            seen: "The port of another node is dead.",
            advice: "kube-proxy on that node does not forward.",
        }],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -s http://OTHER_NODE_IP:NODE_PORT/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    settle_backends(&cx, cx.ready(&WIN_WEBSERVER)?.as_ref()).await;
    let port = node_port(&cx)?;
    let nodes = port_nodes(&cx);
    let linux = nodes.iter().find(|node| node.os == Os::Linux);
    let mut probes = Vec::new();
    for from in pods_here(&cx, &WINDOWS_POD)? {
        let next = other_nodes(&cx, &from).first().map(|pod| pod.node.clone());
        let next = nodes.iter().find(|node| Some(&node.name) == next.as_ref());
        for node in next.into_iter().chain(linux) {
            let aim = port_page(&cx, node, port);
            probes.push(settled(&cx, &from, Vantage::WindowsPod, aim, PAGE, TO_A_POD));
        }
    }
    if probes.is_empty() {
        return Ok(Verdict::NotApplicable("there is no other node whose port could be asked".to_owned()));
    }
    Ok(judge(&cx.probe(probes).await, "Windows pods must reach the node ports of other nodes"))
}
