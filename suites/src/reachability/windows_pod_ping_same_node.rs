//! The guide: ping between pods, here on one node.
//!
//! Only inside the cluster: ICMP beyond it is not offered on Windows. A ping is no
//! connection, so a part of it may be lost; most of it must come back.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Use, probe::PingProbe};
use winconform_reports::{Level, Verdict, event::Destination};

use super::{
    paths::{REACHABILITY, pods_here},
    ping::ping_pairs,
};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-ping-same-node",
    title: "Windows pods ping Windows pods on their own node",
    statement: "R2",
    passing: "On each node of the target that runs the web server, its pod and the node's own pod answered each other's pings.",
    silent_on: "TCP, which `reachability/windows-pod-to-pod-same-node` asks, and pings beyond the cluster.",
    level: Level::Extended,
    uses: &[Use::ready(&WIN_WEBSERVER), Use::settled(&WINDOWS_POD)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[Failure {
            seen: "Pings are lost, and TCP between the same pods works.",
            advice: "A policy of the CNI or Windows' firewall drops ICMP on that node.",
        }],
        by_hand: &["kubectl exec WINDOWS_POD -- ping -n 4 IP_OF_A_POD_ON_THE_SAME_NODE"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let (own, servers) = (pods_here(&cx, &WINDOWS_POD)?, pods_here(&cx, &WIN_WEBSERVER)?);
    let mut pairs = Vec::new();
    for (a, b) in own.iter().flat_map(|a| servers.iter().map(move |b| (a, b))).filter(|(a, b)| a.node == b.node) {
        for (from, to) in [(a, b), (b, a)] {
            pairs.push(PingProbe::between(from, to, Destination::PingSameNode));
        }
    }
    if pairs.is_empty() {
        return Ok(Verdict::NotApplicable("no node runs two Windows pods of ours".to_owned()));
    }
    ping_pairs(&cx, pairs, "Windows pods on one node must answer each other's pings").await
}
