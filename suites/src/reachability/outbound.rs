//! The guide: curl external IPs from inside the pod.
//!
//! TCP and never ping, which Windows does not offer beyond the cluster. From every pod,
//! since outbound rules can be missing in one pod and present in its neighbour
//! (projectcalico/calico#12862).
//!
//! Whom to ask? Nobody can know an address on the internet that every cluster lets its
//! pods reach. Where the user names none, it is the API server itself, if it stands
//! beyond the cluster's nodes: every node must reach it to be one.

use winconform_harness::{
    Answer, Check, Context, Explain, Extent, Failure, Stage, Trouble, Use,
    probe::{Aim, Expect, HostPort, HttpProbe, PodRef, Probed, judge},
};
use winconform_reports::{
    Level, Verdict,
    event::{Destination, Vantage},
};

use super::{
    cluster_services::api_server_itself,
    paths::{REACHABILITY, servers_here, settled},
};
use crate::fixture::{LINUX_CLIENT, WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/outbound",
    title: "Every Windows pod reaches an address outside the cluster",
    statement: "R6",
    passing: "Every TCP connection from every pod of ours on the target to the address outside was opened.",
    silent_on: "Other addresses than the one asked, and what is said over the connection.",
    level: Level::Extended,
    uses: &[
        Use::ready(&WIN_WEBSERVER),
        Use::settled(&WINDOWS_POD),
        Use { fixture: &LINUX_CLIENT, extent: Extent::Everywhere, stage: Stage::Settled },
    ],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
            "https://github.com/projectcalico/calico/issues/12862",
        ],
        failures: &[
            Failure {
                seen: "Some pods get out, their neighbours do not.",
                advice: "Make the pod anew: one whose network was set up beside its image's pull can lack its outbound rule.",
            },
            Failure {
                seen: "A part of the connections is lost.",
                advice: "Source ports run out: on the node (`netstat -an`), or at the load balancer that the nodes go out by.",
            },
            Failure {
                seen: "No pod of a node gets out.",
                advice: "The node's own way out, and the OutBoundNAT policy of its endpoints in HNS.",
            },
        ],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -v telnet://HOST:PORT"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

/// Enough to see one in four lost.
const CONNECTIONS: u32 = 12;

async fn run(cx: Context) -> Answer {
    let told = cx.settings().outbound.clone();
    let targets = if told.is_empty() { beyond_the_nodes(&cx).await? } else { told.clone() };
    if targets.is_empty() {
        return Ok(Verdict::NotApplicable(
            "no address outside the cluster is known: give --outbound HOST:PORT".to_owned(),
        ));
    }
    let windows = servers_here(&cx)?;
    let linux: Vec<PodRef> = cx.ready_everywhere(&LINUX_CLIENT).flat_map(|(_, ready)| ready.pods.clone()).collect();
    let from = |pods: &[PodRef], vantage| -> Vec<HttpProbe> {
        let ways = pods.iter().flat_map(|pod| targets.iter().map(move |target| (pod, target)));
        ways.map(|(pod, target)| {
            // Whoever is out there can bear all of us at once.
            let aim = Aim::port(Destination::Internet, target).in_queue(format!("{} of {}", target, pod.name));
            settled(&cx, pod, vantage, aim, Expect::Open, CONNECTIONS)
        })
        .collect()
    };
    let questions = from(&windows, Vantage::WindowsPod);
    let count = questions.len();
    let probed = cx.probe(questions.into_iter().chain(from(&linux, Vantage::LinuxPod)).collect()).await;
    let (windows, linux) = probed.split_at(count);
    let nobody = |probed: &[Probed]| probed.iter().all(|probed| probed.cell.answered == 0);
    if told.is_empty() && nobody(windows) && nobody(linux) && windows.iter().any(|probed| probed.cell.tried > 0) {
        let targets = targets.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let text = format!("no pod reaches the API server's own address ({targets}), which nobody promised");
        return Ok(match linux.is_empty() {
            // Nothing tells a cluster whose pods do not get out from one that keeps this address to its nodes.
            true => Verdict::Undetermined(format!("{text}: give --outbound HOST:PORT")),
            false => Verdict::NotApplicable(format!("{text}, on Linux neither: give --outbound HOST:PORT")),
        });
    }
    Ok(judge(windows, "every Windows pod must get out of the cluster"))
}

/// The API server's own addresses, where they are none of the nodes'.
async fn beyond_the_nodes(cx: &Context) -> Result<Vec<HostPort>, Trouble> {
    let is_a_nodes = |address: &HostPort| {
        cx.facts().nodes.iter().any(|node| node.internal_ip.as_deref() == Some(address.host.as_str()))
    };
    let mut addresses = api_server_itself(cx).await?;
    addresses.retain(|address| !is_a_nodes(address));
    addresses.truncate(1);
    Ok(addresses)
}
