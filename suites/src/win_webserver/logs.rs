//! `kubectl logs` shows what the web server wrote.

use std::time::Duration;

use winconform_harness::{Answer, Budget, Check, Claims, Context, Explain, Failure, Need, Scope, Trouble, Use};
use winconform_reports::{Level, Verdict};

use crate::fixture::WIN_WEBSERVER;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/logs",
    title: "The log of each pod shows that it listens",
    statement: "D6",
    passing: "The line that the guide's server writes when it listens came back as the pod's log.",
    silent_on: "Whether later lines arrive in time.",
    level: Level::Core,
    scope: Scope::Target,
    needs: &[Need::OpenNode],
    uses: &[Use::ready(&WIN_WEBSERVER)],
    creates: &[],
    claims: Claims::NONE,
    budget: Duration::from_secs(240),
    disruptive: false,
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "The line is not in the log although the server answers.",
            advice: "The node's kubelet does not get the container's output: look at containerd's log directory on it.",
        }],
        by_hand: &["kubectl logs --selector app=win-webserver"],
    },
    run: |cx| Box::pin(run(cx)),
};

const LINE: &str = "Listening at http://*:80/";

async fn run(cx: Context) -> Answer {
    let ready = cx.ready(&WIN_WEBSERVER)?;
    let mut silent = Vec::new();
    for (pod, tail) in &ready.logs {
        let found = tail
            .until(cx.budgets().of(Budget::Start), |tail| tail.lines().iter().any(|line| line.contains(LINE)))
            .await;
        let read = match tail.trouble().filter(|_| !found) {
            Some(trouble) => Err(Trouble::Unexpected(format!("the log of {pod} could not be read: {trouble}"))),
            None => Ok(found),
        };
        if cx.seen("the web server's line in a log", read)? {
            continue;
        }
        silent.push(format!("{pod} wrote {:?}", tail.lines().first().cloned().unwrap_or_default()));
    }
    Ok(match silent.is_empty() {
        true => Verdict::Passed(format!("{} logs show `{LINE}`", ready.logs.len())),
        false => Verdict::Failed(format!("no `{LINE}` in the logs: {}", silent.join("; "))),
    })
}
