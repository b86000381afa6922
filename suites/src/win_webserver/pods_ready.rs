//! Both pods of the web server become Ready on nodes of the target.

use std::time::Duration;

use winconform_harness::{Answer, Check, Context, Need, Scope, Use, run::State};
use winconform_reports::{Level, Verdict};

use crate::fixture::WIN_WEBSERVER;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/pods-ready",
    title: "Both pods become Ready on nodes of the target",
    statement: "D2",
    passing: "Each phase of the pods' start came within its budget, and they run on the target's nodes.",
    silent_on: "Whether the server answers: Windows pods without a readiness probe are Ready before they listen.",
    level: Level::Core,
    scope: Scope::Target,
    needs: &[Need::OpenNode],
    uses: &[Use::settled(&WIN_WEBSERVER)],
    budget: Duration::from_secs(60),
    disruptive: false,
    run: |cx| Box::pin(run(cx)),
};

async fn run(cx: Context) -> Answer {
    if let State::Failed(trouble) = cx.fixture(&WIN_WEBSERVER)?.state() {
        return Ok(cx.judge_trouble(&trouble));
    }
    let target = cx.target()?;
    let ready = cx.ready(&WIN_WEBSERVER)?;
    let astray: Vec<String> = (ready.pods.iter())
        .filter(|pod| !target.nodes.contains(&pod.node))
        .map(|pod| format!("{} runs on {}", pod.name, pod.node))
        .collect();
    if !astray.is_empty() {
        return Ok(Verdict::Failed(format!("{}, which is no node of {}", astray.join("; "), target.name)));
    }
    let mut nodes: Vec<&str> = ready.pods.iter().map(|pod| pod.node.as_str()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    Ok(Verdict::Passed(format!("{} pods Ready on {}", ready.pods.len(), nodes.join(", "))))
}
