//! Windows pods reach the API server through its Service.
//!
//! Its backends are addresses of nodes, or of machines beyond them, not of pods, and
//! some networks translated only the latter (sig-windows-tools#84, kubernetes#79359).

use winconform_harness::{
    Answer, Check, Context, Explain, Failure, Use,
    probe::{Aim, Expect, judge},
};
use winconform_reports::event::{Destination, Vantage};

use super::{
    cluster_services::api_server,
    paths::{REACHABILITY, TO_A_POD, pods_here, settled},
};
use crate::fixture::WINDOWS_POD;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-api-server",
    title: "Windows pods on every node reach the API server by its Service IP",
    statement: "R3",
    passing: "Every connection from a pod on each node to the Service `kubernetes` was opened.",
    silent_on: "What the API server answers there: nothing is asked of it.",
    uses: &[Use::settled(&WINDOWS_POD)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/",
            "https://github.com/kubernetes-sigs/sig-windows-tools/issues/84",
            "https://github.com/kubernetes/kubernetes/issues/79359",
        ],
        failures: &[Failure {
            seen: "This Service is dead from Windows pods, and others work.",
            advice: "The network does not carry connections from pods to addresses of nodes: see the overlay's rules for outbound NAT, and the Service's endpoints.",
        }],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -k https://kubernetes.default.svc.cluster.local/version"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let service = api_server(&cx).await?;
    cx.name_service("kubernetes", &service.host);
    let probes = pods_here(&cx, &WINDOWS_POD)?
        .iter()
        .map(|from| {
            let aim = Aim::port(Destination::ApiServer, &service);
            settled(&cx, from, Vantage::WindowsPod, aim, Expect::Open, TO_A_POD)
        })
        .collect();
    Ok(judge(&cx.probe(probes).await, "Windows pods must reach the API server's Service"))
}
