//! The guide's note: Windows hosts cannot access the IP of Services scheduled on them.
//!
//! A documented limitation, not a universal one (Antrea's proxyAll lifts it), so there
//! are three outcomes. The host shows first, against the pod on it, that it can probe
//! at all: a host that reaches nothing proves no limitation.

use winconform_harness::{
    Answer, Check, Context, Explain, Failure, Use,
    probe::{Aim, HttpProbe},
};
use winconform_reports::{
    Level,
    event::{Destination, Vantage},
};

use super::{
    limitation::{Limitation, inconclusive, is_closed, judge_limitation},
    paths::{PAGE, REACHABILITY, pod_page, pods_here, service_ip, settled},
};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_HOST, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-host-to-service-ip",
    title: "A Windows host does not reach the Service IP, as documented",
    statement: "R7",
    passing: "Present: hosts that reach the pods on them do not reach the Service IP. Lifted: they do.",
    silent_on: "Services without a backend on the host's node.",
    level: Level::Limitation,
    uses: &[Use::ready(&WINDOWS_HOST), Use::settled(&WINDOWS_POD), Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/microsoft/SDN/blob/master/Kubernetes/windows/test_k8s_1.18/ValidateKubernetes.Pester.tests.ps1",
        ],
        failures: &[
            Failure {
                seen: "Lifted: hosts reach the Service IP.",
                advice: "Nothing to do: some networks (Antrea's proxyAll) offer more than the guide. `--expect-limitation` makes it red.",
            },
            Failure {
                seen: "Inconclusive: a host does not even reach the pod on it.",
                advice: "See `reachability/windows-host-to-pod`.",
            },
        ],
        by_hand: &["kubectl exec HOST_PROCESS_POD -- curl.exe -s http://SERVICE_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

const TRIES: u32 = 3;

const NO_SERVICE_IP: Limitation = Limitation {
    who: "hosts",
    lifted: "reach the Service IP",
    present: "hosts reach their pods but not the Service IP",
    shows: is_closed,
};

async fn run(cx: Context) -> Answer {
    let (hosts, pods) = (pods_here(&cx, &WINDOWS_HOST)?, pods_here(&cx, &WINDOWS_POD)?);
    let mut controls = Vec::new();
    for (from, to) in hosts.iter().flat_map(|host| pods.iter().map(move |pod| (host, pod))) {
        if from.node == to.node {
            let aim = pod_page(Destination::WindowsPodSameNode, to);
            controls.push(settled(&cx, from, Vantage::WindowsHost, aim, PAGE, TRIES));
        }
    }
    // Only hosts that have shown that they can probe are asked.
    let answered = cx.probe(controls.clone()).await;
    let able: Vec<HttpProbe> = answered
        .iter()
        .zip(controls)
        .filter(|(probed, _)| probed.cell.answered > 0)
        .map(|(_, control)| control)
        .collect();
    if able.is_empty() {
        return Ok(inconclusive(&answered, "no host reaches even the pod on it"));
    }
    let ip = service_ip(&cx, &WIN_WEBSERVER)?;
    let questions = able
        .into_iter()
        .map(|control| HttpProbe {
            aim: Aim::page(Destination::WindowsServiceIp, &ip, 80, None),
            // Nothing is waited for: the control has shown that the network is there.
            settle: None,
            ..control
        })
        .collect();
    Ok(judge_limitation(&cx.probe(questions).await, &NO_SERVICE_IP))
}
