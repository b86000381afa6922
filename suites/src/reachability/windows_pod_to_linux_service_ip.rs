//! Windows pods reach a Service whose backend is a Linux pod, as most cluster services are.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Use, probe::judge};
use winconform_reports::event::{Destination, Vantage};

use super::paths::{LINUX_PAGE, REACHABILITY, TO_A_POD, linux_page, pods_here, service_ip, settled};
use crate::fixture::{LINUX_SERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/windows-pod-to-linux-service-ip",
    title: "Windows pods on every node reach a Linux Service IP",
    statement: "R3",
    passing: "Every connection from a pod on each node to the Linux server's Service IP brought its answer.",
    silent_on: "Name resolution, which is a Service of its own.",
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::settled(&WINDOWS_POD), Use::ready(&LINUX_SERVER)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/Azure/AgentBaker/pull/6925",
        ],
        failures: &[Failure {
            seen: "Pods on one node get no answer, and the pod's IP works.",
            advice: "kube-proxy on that node is dead or does not program rules: look at its log there.",
        }],
        by_hand: &["kubectl exec WINDOWS_POD -- curl.exe -s http://LINUX_SERVICE_IP/hostname"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let ip = service_ip(&cx, &LINUX_SERVER)?;
    let probes = pods_here(&cx, &WINDOWS_POD)?
        .iter()
        .map(|from| {
            let aim = linux_page(Destination::LinuxServiceIp, &ip, 80, None);
            settled(&cx, from, Vantage::WindowsPod, aim, LINUX_PAGE, TO_A_POD)
        })
        .collect();
    Ok(judge(&cx.probe(probes).await, "Windows pods must reach the Linux Service"))
}
