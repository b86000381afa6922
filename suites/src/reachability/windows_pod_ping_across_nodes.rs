//! The guide: ping between pods, here across hosts.
//!
//! The same ring as over TCP: each node asks and is asked, every pair of builds is covered.

use winconform_harness::{
    Answer, Check, Context, Explain, Extent, Failure, Need, Stage, Trouble, Use, probe::PingProbe,
};
use winconform_reports::{Level, event::Destination};

use super::{
    paths::{REACHABILITY, other_nodes, pods_here},
    ping::ping_pairs,
};
use crate::fixture::WINDOWS_POD;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-ping-across-nodes",
    title: "Windows pods ping Windows pods on other nodes",
    statement: "R2",
    passing: "From each node of the target, the next node's pod and one pod of each other target answered pings.",
    silent_on: "TCP, which `reachability/windows-pod-to-pod-across-nodes` asks, and pings beyond the cluster.",
    level: Level::Extended,
    needs: &[Need::OpenNode, Need::TwoWindowsNodes],
    uses: &[Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled }],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[Failure {
            seen: "Pings are lost, and TCP between the same pods works.",
            advice: "A firewall or security group between the nodes, or a policy of the CNI, drops ICMP.",
        }],
        by_hand: &["kubectl exec WINDOWS_POD -- ping -n 4 IP_OF_A_POD_ON_ANOTHER_NODE"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let mut pairs = Vec::new();
    for from in pods_here(&cx, &WINDOWS_POD)? {
        let others = other_nodes(&cx, &from);
        pairs.extend(others.iter().map(|to| PingProbe::between(&from, to, Destination::PingOtherNode)));
    }
    if pairs.is_empty() {
        return Err(Trouble::Unexpected("no pod came up on any other Windows node".to_owned()));
    }
    ping_pairs(&cx, pairs, "Windows pods must answer pings from other nodes").await
}
