//! Several pods of one account keep the trust of their domain, all at once and again and again.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure, Trouble};
use winconform_manifests::GMSA_MANY_PODS_KEEP_TRUST as OWN;
use winconform_reports::Verdict;

use super::{BASE, PAGE, TROUBLESHOOTING, ground, member};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/many-pods-keep-trust",
    title: "Pods that share an account keep their trust side by side",
    statement: "A3",
    passing: "Every status of nltest /sc_verify was 0 in each of four pods of one credential spec, asked at once, three times.",
    silent_on: "Trust that is lost after hours.",
    creates: &[OWN],
    claims: Claims::pods(4),
    explain: Explain {
        sources: &[PAGE, TROUBLESHOOTING, "https://github.com/microsoft/Windows-Containers/issues/405"],
        failures: &[Failure {
            seen: "Some pods lose their trust while others have it.",
            advice: "Pods of one Deployment have the same first 15 characters of their host names; the webhook's RANDOM_HOSTNAME (0.10) tells them apart.",
        }],
        by_hand: &["kubectl exec POD -- nltest /sc_verify:DOMAIN", "kubectl exec POD -- hostname"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

/// How often all pods are asked.
const ROUNDS: usize = 3;

async fn run(cx: Context) -> Answer {
    let spec = match ground::spec(&cx).await? {
        Ok(spec) => spec,
        Err(verdict) => return Ok(verdict),
    };
    let nodes = cx.open_nodes_here()?;
    let first = nodes.first().ok_or_else(|| Trouble::Unexpected("no node of this place takes pods".to_owned()))?;
    let account = ground::leave(&cx, &OWN, &spec, first).await?;
    let deployment = ground::pod(&cx, &OWN, "", &nodes, &spec.name, Some(&account))?;
    // A ReplicaSet that is refused tries again only after a while, so the authorizer must know the account first.
    ground::tried(&cx, &ground::one_of(&deployment)?).await?;
    cx.create(&deployment).await?;
    let pods = cx.pods_ready(&deployment).await?;
    let question = format!("/sc_verify:{}", spec.domain());
    let mut lost = Vec::new();
    for round in 1..=ROUNDS {
        let answers = futures::future::join_all(pods.iter().map(|pod| member::nltest(&cx, pod, &question))).await;
        for (pod, answer) in pods.iter().zip(answers) {
            let read = answer?;
            if !read.is_good() {
                let found = member::words(&read);
                member::not_who(
                    &cx,
                    pod,
                    &spec,
                    "nltest /sc_verify among pods of one account",
                    "every status 0",
                    &found,
                );
                lost.push(format!("{} on {} in round {round}: {found}", pod.name, pod.node));
            }
        }
        if !lost.is_empty() {
            break;
        }
    }
    Ok(match lost.is_empty() {
        true => Verdict::Passed(format!("{} pods of `{}` kept their trust in {ROUNDS} rounds", pods.len(), spec.name)),
        false => {
            Verdict::Failed(format!("{} of {} pods lost their trust: {}", lost.len(), pods.len(), lost.join("; ")))
        }
    })
}
