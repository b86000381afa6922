//! Today's guide: the node port does not work from the node itself.
//!
//! A documented limitation, so there are three outcomes. Two controls stand beside the
//! question: the host reaches the pod on it, and the port works from elsewhere. Without
//! the second, a dead port would pass for the limitation.

use winconform_harness::{
    Answer, Check, Context, Explain, Extent, Failure, Stage, Use,
    probe::{HttpProbe, PodRef},
};
use winconform_reports::{
    Level,
    event::{Destination, Vantage},
};

use super::{
    limitation::{Limitation, inconclusive, is_closed, judge_limitation},
    paths::{PAGE, REACHABILITY, node_port, pod_page, pods_here, port_nodes, port_page, settled},
    service::settle_backends,
};
use crate::fixture::{LINUX_HOST, WIN_WEBSERVER, WINDOWS_HOST, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-host-to-own-node-port",
    title: "A Windows host does not reach its own node port, as documented",
    statement: "R8",
    passing: "Present: hosts do not reach the node port at their own address, which works from elsewhere. Lifted: they do.",
    silent_on: "Node ports of other nodes, and pods that ask their own node's.",
    level: Level::Limitation,
    uses: &[
        Use::ready(&WINDOWS_HOST),
        Use::ready(&WIN_WEBSERVER),
        Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled },
        Use { fixture: &LINUX_HOST, extent: Extent::Everywhere, stage: Stage::Settled },
    ],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
            "https://learn.microsoft.com/en-us/virtualization/windowscontainers/kubernetes/common-problems",
        ],
        failures: &[
            Failure {
                seen: "Lifted: hosts reach their own node port.",
                advice: "Nothing to do: updates of 2020 and later, and some networks, offer more than the guide. `--expect-limitation` makes it red.",
            },
            Failure {
                seen: "Inconclusive: the port does not work from elsewhere either.",
                advice: "See `reachability/node-port-linux-node`.",
            },
        ],
        by_hand: &["kubectl exec HOST_PROCESS_POD -- curl.exe -s http://IP_OF_ITS_NODE:NODE_PORT/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

const TRIES: u32 = 3;

const OWN_PORT: Limitation = Limitation {
    who: "hosts",
    lifted: "reach their own node port",
    present: "hosts reach their pods but not their own node port",
    shows: is_closed,
};

/// A host, and what shows that its own port could be reached.
struct Asked {
    host_to_pod: HttpProbe,
    elsewhere: Option<HttpProbe>,
    question: HttpProbe,
}

async fn run(cx: Context) -> Answer {
    let backends = cx.ready(&WIN_WEBSERVER)?;
    settle_backends(&cx, &backends).await;
    let asked = questions(&cx)?;
    let mut controls: Vec<HttpProbe> = asked.iter().map(|asked| asked.host_to_pod.clone()).collect();
    controls.extend(asked.iter().filter_map(|asked| asked.elsewhere.clone()));
    let answered = cx.probe(controls).await;
    let (hosts, elsewhere) = answered.split_at(asked.len());
    let mut elsewhere = elsewhere.iter();
    let mut able = Vec::new();
    for (asked, host) in asked.iter().zip(hosts) {
        let port_works = asked.elsewhere.is_none() || elsewhere.next().is_some_and(|port| port.cell.answered > 0);
        if host.cell.answered > 0 && port_works {
            able.push(asked.question.clone());
        }
    }
    if able.is_empty() {
        let why = "no host reaches the pod on it and has a node port that works from elsewhere";
        return Ok(inconclusive(&answered, why));
    }
    Ok(judge_limitation(&cx.probe(able).await, &OWN_PORT))
}

fn questions(cx: &Context) -> Result<Vec<Asked>, winconform_harness::Trouble> {
    let (hosts, pods, port) = (pods_here(cx, &WINDOWS_HOST)?, pods_here(cx, &WINDOWS_POD)?, node_port(cx)?);
    let linux: Vec<PodRef> = cx.ready_everywhere(&LINUX_HOST).flat_map(|(_, ready)| ready.pods.clone()).collect();
    let windows: Vec<PodRef> = cx.ready_everywhere(&WINDOWS_POD).flat_map(|(_, ready)| ready.pods.clone()).collect();
    let mut asked = Vec::new();
    for node in port_nodes(cx) {
        let on_it = |pod: &&PodRef| pod.node == node.name;
        let (Some(host), Some(pod)) = (hosts.iter().find(on_it), pods.iter().find(on_it)) else { continue };
        let page = || port_page(cx, node, port);
        let from = linux.first().map(|pod| (pod, Vantage::LinuxNode));
        let from = from.or_else(|| Some((windows.iter().find(|pod| !on_it(pod))?, Vantage::WindowsPod)));
        let own = pod_page(Destination::WindowsPodSameNode, pod);
        let mut own_port = page();
        own_port.destination = Destination::OwnNodePort;
        asked.push(Asked {
            host_to_pod: settled(cx, host, Vantage::WindowsHost, own, PAGE, TRIES),
            elsewhere: from.map(|(from, vantage)| settled(cx, from, vantage, page(), PAGE, TRIES)),
            question: HttpProbe {
                // Nothing is waited for: the controls have shown that the network is there.
                settle: None,
                ..settled(cx, host, Vantage::WindowsHost, own_port, PAGE, TRIES)
            },
        });
    }
    Ok(asked)
}
