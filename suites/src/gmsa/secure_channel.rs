//! L2: the container has a secure channel to its domain.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure};
use winconform_manifests::GMSA_SECURE_CHANNEL as OWN;
use winconform_reports::Verdict;

use super::{BASE, PAGE, TROUBLESHOOTING, ground, member};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/secure-channel",
    title: "The container's secure channel to its domain can be verified",
    statement: "A3",
    passing: "Every status of nltest /sc_verify in the container was 0.",
    silent_on: "Kerberos, which has a way of its own to the domain; other pods of the same account.",
    creates: &[OWN],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &[PAGE, TROUBLESHOOTING, "https://github.com/microsoft/SDN/issues/339"],
        failures: &[
            Failure {
                seen: "1311 ERROR_NO_LOGON_SERVERS or 1355 ERROR_NO_SUCH_DOMAIN.",
                advice: "The pod does not find or reach a domain controller: DNS, and ports 53, 88, 389 and 445 to it.",
            },
            Failure {
                seen: "1722 RPC_S_SERVER_UNAVAILABLE.",
                advice: "Nobody is logged on: on the node, does Test-ADServiceAccount say True for the account?",
            },
            Failure {
                seen: "5, 1786 or 1787.",
                advice: "The domain refuses the channel: nltest /sc_reset:DOMAIN; several pods with one host name and account disturb each other (Windows-Containers 405).",
            },
        ],
        by_hand: &["kubectl exec POD -- nltest /sc_verify:DOMAIN"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let spec = match ground::spec(&cx).await? {
        Ok(spec) => spec,
        Err(verdict) => return Ok(verdict),
    };
    let pod = member::start(&cx, &OWN, &spec).await?;
    let question = format!("/sc_verify:{}", spec.domain());
    let first = member::nltest(&cx, &pod, &question).await?;
    if first.is_good() {
        let controller = first.controller.unwrap_or_else(|| "a controller".to_owned());
        return Ok(Verdict::Passed(format!("`{}` on {} trusts {controller}", spec.name, pod.node)));
    }
    // What the documentation says to do; a channel that comes back by it is one, and that it had to is told.
    let reset = member::run(&cx, &pod, &format!("nltest /sc_reset:{}", spec.domain())).await?;
    drop(reset);
    let second = member::nltest(&cx, &pod, &question).await?;
    let found = member::words(&first);
    if second.is_good() {
        return Ok(Verdict::Passed(format!(
            "`{}` on {}, but only after nltest /sc_reset: at first {found}",
            spec.name, pod.node
        )));
    }
    member::not_who(&cx, &pod, &spec, "nltest /sc_verify", "every status 0", &found);
    Ok(Verdict::Failed(format!("nltest {question} on {}: {found}", pod.node)))
}
