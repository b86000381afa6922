//! A line that a container writes now is soon in its log.
//!
//! The line is our own request, which the web server prints. `win-webserver/logs` looks
//! at the first line only, which may have been read long after it was written.

use std::time::Instant;

use winconform_harness::{Answer, Budget, Check, Context, Explain, Failure, Use, blame::seconds};
use winconform_reports::{Level, Verdict};

use super::own_page::own_page;
use crate::{fixture::WIN_WEBSERVER, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/log-arrives",
    title: "A line that the container writes now is soon in its log",
    statement: "O1",
    passing: "The note says how long after a request its line was in the log that `kubectl logs --follow` gives.",
    silent_on: "Logs that Windows programs write to files or to the event log: LogMonitor in the image brings those.",
    level: Level::Info,
    uses: &[Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/#capturing-logs-from-workloads"],
        failures: &[Failure {
            seen: "The line does not arrive, or late.",
            advice: "The node's disk is slow or full, or the kubelet does not follow the container's log file: look at its log.",
        }],
        by_hand: &["kubectl logs POD --follow", "kubectl exec POD -- curl.exe -s http://POD_IP/look-for-me"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let ready = cx.ready(&WIN_WEBSERVER)?;
    let (mut slowest, mut silent) = (None, Vec::new());
    for pod in &ready.pods {
        let Some(tail) = ready.logs.get(&pod.name) else { continue };
        let probed = cx.try_out(&[own_page(&cx, pod, 1)]).await;
        let Some(nonce) = probed.first().filter(|one| one.cell.answered > 0).map(|one| one.nonce.clone()) else {
            let found = probed.first().and_then(|one| one.cell.example.as_deref()).unwrap_or("it was not asked");
            return Ok(Verdict::Undetermined(format!(
                "{} did not answer the request whose line is looked for: {found}",
                pod.name
            )));
        };
        let from = Instant::now();
        if tail.until(cx.budgets().of(Budget::Api), |tail| !tail.arrived(&nonce).is_empty()).await {
            slowest = slowest.max(Some(from.elapsed()));
        } else if let Some(trouble) = tail.trouble() {
            return Ok(Verdict::Undetermined(format!("the log of {} could not be read: {trouble}", pod.name)));
        } else {
            silent.push(format!("{} on {}", pod.name, pod.node));
        }
    }
    if let Some(slowest) = slowest {
        cx.phase("line in the log", slowest);
    }
    Ok(Verdict::Passed(match (silent.is_empty(), slowest) {
        (true, Some(slowest)) => {
            format!("{} logs had the line at most {} after the answer", ready.pods.len(), seconds(slowest))
        }
        (true, None) => "there was no log to look at".to_owned(),
        (false, _) => format!("the line did not arrive in the logs of {}", silent.join(", ")),
    }))
}
