//! The guide: curl the virtual service IP from individual pods, here Windows ones.
//!
//! A kube-proxy that stopped leaves its node Ready and its pods without any Service
//! (Azure/AgentBaker#6925), so every node of the target is asked from.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Use, probe::Aim};
use winconform_reports::event::{Destination, Vantage};

use super::{
    paths::{PAGE, REACHABILITY, TO_A_SERVICE, pods_here, service_ip, settled},
    service::probe_service,
};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-service-ip",
    title: "Windows pods on every node reach the web server's Service IP",
    statement: "R3",
    passing: "Every connection from a pod on each node to the Service IP brought the page, and each node's pod saw every backend.",
    silent_on: "A pod that reaches itself through its own Service: `reachability/windows-pod-to-own-service-ip` asks that.",
    uses: &[Use::settled(&WINDOWS_POD), Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/kubernetes/kubernetes/issues/112836",
        ],
        failures: &[
            Failure {
                seen: "Pods on one node get no answer, and pod IPs work.",
                advice: "kube-proxy on that node is dead or does not program rules.",
            },
            Failure {
                seen: "One in N connections is lost from everywhere.",
                advice: "A backend is dead or its rule is stale.",
            },
        ],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -s http://SERVICE_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let ip = service_ip(&cx, &WIN_WEBSERVER)?;
    let probes = pods_here(&cx, &WINDOWS_POD)?
        .iter()
        .map(|from| {
            let aim = Aim::page(Destination::WindowsServiceIp, &ip, 80, None);
            settled(&cx, from, Vantage::WindowsPod, aim, PAGE, TO_A_SERVICE)
        })
        .collect();
    let backends = cx.ready(&WIN_WEBSERVER)?;
    probe_service(&cx, probes, "Windows pods must reach the Service IP", &backends).await
}
