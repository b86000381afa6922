//! Both pods of the web server become Ready on nodes of the target.

use std::time::Duration;

use winconform_harness::{Answer, Check, Context, Explain, Failure, Use};
use winconform_reports::Verdict;

use crate::{fixture::WIN_WEBSERVER, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/pods-ready",
    title: "Both pods become Ready on nodes of the target",
    statement: "D2",
    passing: "Each phase of the pods' start came within its budget, and they run on the target's nodes.",
    silent_on: "Whether the server answers: Windows pods without a readiness probe are Ready before they listen.",
    uses: &[Use::settled(&WIN_WEBSERVER)],
    budget: Duration::from_secs(60),
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/version-compatibility",
        ],
        failures: &[
            Failure {
                seen: "`no match for platform in manifest`, or 0xc0370101.",
                advice: "The image has no variant for this build: use one whose base image is of the node's release.",
            },
            Failure {
                seen: "FailedCreatePodSandBox.",
                advice: "The message names the network plugin, the pause image or the handler: that is where to look.",
            },
            Failure {
                seen: "The pull takes longer than its budget.",
                advice: "Pull the image onto the nodes first, or give `--timeout-scale`; Windows base images take minutes.",
            },
        ],
        by_hand: &["kubectl get pods --selector app=win-webserver --watch", "kubectl describe pod POD"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let ready = match cx.outcome(cx.fixture(&WIN_WEBSERVER)?)? {
        Ok(ready) => ready,
        Err(trouble) => return Ok(cx.judge_trouble(&trouble)),
    };
    let target = cx.target()?;
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
