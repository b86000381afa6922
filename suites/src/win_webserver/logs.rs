//! `kubectl logs` shows what the web server wrote.

use std::time::Duration;

use futures::future::join_all;
use winconform_harness::{Answer, Budget, Check, Context, Explain, Failure, Trouble, Use, probe::PodRef, run::LogTail};
use winconform_reports::{Verdict, event::Observation};

use super::own_page::own_page;
use crate::{fixture::WIN_WEBSERVER, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/logs",
    title: "The log of each pod shows that it listens",
    statement: "D6",
    passing: "The line that the guide's server writes when it listens came back as the pod's log.",
    silent_on: "Whether later lines arrive in time.",
    uses: &[Use::ready(&WIN_WEBSERVER)],
    budget: Duration::from_secs(600),
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "The line is not in the log although the server answers.",
            advice: "The node's kubelet does not get the container's output: look at containerd's log directory on it.",
        }],
        by_hand: &["kubectl logs --selector app=win-webserver"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const LINE: &str = "Listening at http://*:80/";

async fn run(cx: Context) -> Answer {
    let ready = cx.ready(&WIN_WEBSERVER)?;
    let shows = async |tail: &LogTail| {
        tail.until(cx.budgets().of(Budget::Start), |tail| tail.lines().iter().any(|line| line.contains(LINE))).await
    };
    let shown = join_all(ready.logs.values().map(shows)).await;
    let mut silent = Vec::new();
    for ((pod, tail), found) in ready.logs.iter().zip(shown) {
        let read = match tail.trouble().filter(|_| !found) {
            Some(trouble) => Err(Trouble::Unexpected(format!("the log of {pod} could not be read: {trouble}"))),
            None => Ok(found),
        };
        if cx.seen("the web server's line in a log", read)? {
            continue;
        }
        silent.push(format!("{pod} wrote {:?}", tail.lines().first().cloned().unwrap_or_default()));
        if let Some(pod) = ready.pods.iter().find(|known| known.name == *pod) {
            blame_node(&cx, pod).await;
        }
    }
    Ok(match silent.is_empty() {
        true => Verdict::Passed(format!("{} logs show `{LINE}`", ready.logs.len())),
        false => Verdict::Failed(format!("no `{LINE}` in the logs: {}", silent.join("; "))),
    })
}

/// A server that answers has written its line: what lost it is the node's. One that does not may never have begun.
async fn blame_node(cx: &Context, pod: &PodRef) {
    if cx.try_out(&[own_page(cx, pod, 1)]).await.iter().any(|probed| probed.cell.answered > 0) {
        cx.observe(Observation::Node {
            node: pod.node.clone(),
            what: "the log of a container that answers".to_owned(),
            expected: "whole".to_owned(),
            found: format!("without its first line (pod {})", pod.name),
        });
    }
}
