//! Each pod serves the guide's page, and counts its callers.
//!
//! Asked from the pod itself at its own IP, so that only the server is judged and
//! no network between pods.

use std::time::Duration;

use winconform_harness::{
    Answer, Check, Context, Explain, Failure, Use,
    probe::{Outcome, Probed, judge},
};
use winconform_reports::{Verdict, VerdictKind};

use super::own_page::own_page;
use crate::{fixture::WIN_WEBSERVER, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/serves-page",
    title: "Each pod serves the guide's page and counts its callers",
    statement: "D4",
    passing: "Each pod answered with the page on its own IP, and the caller count grew with each answer.",
    silent_on: "Whether anyone else reaches it: suite `reachability` asks that.",
    uses: &[Use::ready(&WIN_WEBSERVER)],
    budget: Duration::from_secs(300),
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "The pod's own IP refuses or times out from inside the pod.",
            advice: "The server did not start to listen: read its log; an image user without administrator rights may not listen on port 80.",
        }],
        by_hand: &["kubectl exec POD -- curl.exe -s http://POD_IP/"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let ready = cx.ready(&WIN_WEBSERVER)?;
    let probes = (ready.pods.iter()).map(|pod| own_page(&cx, pod, 3)).collect();
    let probed = cx.probe(probes).await;
    let verdict = judge(&probed, "each pod must serve its page");
    if verdict.kind() != VerdictKind::Passed {
        return Ok(verdict);
    }
    for one in &probed {
        let counts = caller_counts(one);
        if !counts.windows(2).all(|pair| pair[0] < pair[1]) {
            return Ok(Verdict::Failed(format!(
                "{} serves its page, but its caller count does not grow: {counts:?}",
                one.cell.address
            )));
        }
    }
    Ok(verdict)
}

/// The sum of all callers' counts on each page, in order.
fn caller_counts(probed: &Probed) -> Vec<u64> {
    let count = |outcome: &Outcome| match outcome {
        Outcome::Answered { body, .. } => body
            .split("callerCount ")
            .skip(1)
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u64>().ok())
            .sum(),
        _ => 0,
    };
    probed.transfers.iter().map(|transfer| count(&transfer.outcome)).collect()
}
