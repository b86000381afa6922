//! The guide: curl the virtual service IP from individual pods, here a Linux one.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, probe::Aim};
use winconform_reports::event::{Destination, Vantage};

use super::{
    paths::{PAGE, REACHABILITY, TO_A_SERVICE, service_ip, settled, the_pod},
    service::probe_service,
};
use crate::fixture::{LINUX_CLIENT, WIN_WEBSERVER};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/linux-pod-to-service-ip",
    title: "A Linux pod reaches the web server's Service IP",
    statement: "R3",
    passing: "Every connection from the Linux pod to the Service IP brought the page, and every backend was seen.",
    silent_on: "Other Linux nodes, and Services with other settings.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::ready(&LINUX_CLIENT), Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "Some connections are lost.",
            advice: "One backend is dead behind the Service, or its rules are stale: ask the pods one by one.",
        }],
        by_hand: &["kubectl exec LINUX_POD -- curl -s http://SERVICE_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let from = the_pod(&cx, &LINUX_CLIENT)?;
    let aim = Aim::page(Destination::WindowsServiceIp, &service_ip(&cx, &WIN_WEBSERVER)?, 80, None);
    let probe = settled(&cx, &from, Vantage::LinuxPod, aim, PAGE, TO_A_SERVICE);
    let backends = cx.ready(&WIN_WEBSERVER)?;
    probe_service(&cx, vec![probe], "the Linux pod must reach the Service IP", &backends).await
}
