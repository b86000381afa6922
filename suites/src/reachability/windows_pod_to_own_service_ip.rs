//! A backend reaches the Service that it is itself a backend of (hairpin).
//!
//! With direct server return this failed only when a pod was sent to itself: one in
//! N connections, and only from backends (Azure/AKS#2608, projectcalico/calico#5522).

use winconform_harness::{Answer, Check, Context, Explain, Failure, Use, probe::Aim};
use winconform_reports::event::{Destination, Vantage};

use super::{
    paths::{PAGE, REACHABILITY, TO_A_SERVICE, service_ip, settled},
    service::probe_service,
};
use crate::fixture::WIN_WEBSERVER;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-own-service-ip",
    title: "A backend reaches its own Service IP, and itself through it",
    statement: "R3",
    passing: "Every connection from each backend to its own Service IP brought the page, and each saw every backend, itself included.",
    silent_on: "Services with session affinity or local traffic policy.",
    uses: &[Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &["https://github.com/Azure/AKS/issues/2608", "https://github.com/projectcalico/calico/issues/5522"],
        failures: &[Failure {
            seen: "About one in N connections is lost, and only from backends.",
            advice: "A pod cannot reach itself through its Service: with DSR the network plugin must turn loopback DSR on.",
        }],
        by_hand: &["kubectl exec POD -- curl.exe -s http://SERVICE_IP/   # many times, from a pod behind the Service"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let ip = service_ip(&cx, &WIN_WEBSERVER)?;
    let backends = cx.ready(&WIN_WEBSERVER)?;
    let probes = (backends.pods.iter())
        .map(|from| {
            let aim = Aim::page(Destination::OwnServiceIp, &ip, 80, None);
            settled(&cx, from, Vantage::WindowsPod, aim, PAGE, TO_A_SERVICE)
        })
        .collect();
    probe_service(&cx, probes, "a backend must reach its own Service IP", &backends).await
}
