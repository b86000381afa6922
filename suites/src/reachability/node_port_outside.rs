//! The guide: curl the node port from outside the cluster, which is where winconform runs.
//!
//! Most clouds keep node ports behind a firewall. Where no node answers at all and
//! nobody said that they should (`--outside-proxy`), that is not the cluster's fault.

use winconform_harness::{
    Answer, Check, Context, Explain, Extent, Failure, Need, Stage, Use,
    probe::{Aim, judge},
};
use winconform_reports::{Level, Verdict};

use super::{
    paths::{PAGE, REACHABILITY, TO_A_POD, node_port, port_nodes, port_page},
    service::settle_backends,
};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/node-port-outside",
    title: "The node port of every node is reached from outside",
    statement: "R5",
    passing: "Every connection from where winconform runs to the port of every node brought the page.",
    silent_on: "Access from anywhere else.",
    level: Level::Extended,
    needs: &[Need::OpenNode, Need::OutsideAccess],
    uses: &[
        Use::ready(&WIN_WEBSERVER),
        Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled },
    ],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "The port is dead from outside and alive from inside.",
            advice: "A firewall or security group in between keeps it out; most clouds do.",
        }],
        by_hand: &["curl http://NODE_EXTERNAL_IP:NODE_PORT/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    settle_backends(&cx, cx.ready(&WIN_WEBSERVER)?.as_ref()).await;
    let port = node_port(&cx)?;
    let aims: Vec<Aim> = port_nodes(&cx)
        .into_iter()
        .filter_map(|node| {
            let inside = cx.has_outside_proxy().then_some(node.internal_ip.as_deref()).flatten();
            let address = node.external_ip.as_deref().or(inside)?;
            Some(port_page(&cx, node, port).at(address, port))
        })
        .collect();
    if aims.is_empty() {
        return Ok(Verdict::NotApplicable("no node has an address that can be reached from outside".to_owned()));
    }
    let probed = cx.probe_outside(&aims, &PAGE, TO_A_POD).await;
    let silent = probed.iter().all(|probed| probed.cell.timed_out == probed.cell.tried);
    if silent && !cx.has_outside_proxy() {
        return Ok(Verdict::NotApplicable(
            "no node port answers from here: probably a firewall (give --outside-proxy where they should)".to_owned(),
        ));
    }
    Ok(judge(&probed, "the node port of every node must lead to the web server from outside"))
}
