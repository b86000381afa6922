//! The guide: curl the virtual service IP from the Linux node.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, probe::Aim};
use winconform_reports::event::{Destination, Vantage};

use super::{
    paths::{PAGE, REACHABILITY, TO_A_SERVICE, service_ip, settled, the_pod},
    service::probe_service,
};
use crate::fixture::{LINUX_HOST, WIN_WEBSERVER};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/linux-node-to-service-ip",
    title: "A Linux node reaches the web server's Service IP",
    statement: "R3",
    passing: "Every connection from the Linux node to the Service IP brought the page, and every backend was seen.",
    silent_on: "Other Linux nodes, and Services with other settings.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::ready(&LINUX_HOST), Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "Some connections are lost.",
            advice: "One backend is dead behind the Service, or its rules are stale: ask the pods one by one.",
        }],
        by_hand: &["curl http://SERVICE_IP/   # on a Linux node"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let from = the_pod(&cx, &LINUX_HOST)?;
    let aim = Aim::page(Destination::WindowsServiceIp, &service_ip(&cx, &WIN_WEBSERVER)?, 80, None);
    let probe = settled(&cx, &from, Vantage::LinuxNode, aim, PAGE, TO_A_SERVICE);
    let backends = cx.ready(&WIN_WEBSERVER)?;
    probe_service(&cx, vec![probe], "the Linux node must reach the Service IP", &backends).await
}
