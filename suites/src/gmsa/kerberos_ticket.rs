//! L3: the container gets Kerberos tickets as its account.

use winconform_harness::{
    Answer, Check, Claims, Context, Explain, Failure,
    probe::{Output, windows::Klist},
};
use winconform_manifests::GMSA_KERBEROS_TICKET as OWN;
use winconform_reports::Verdict;

use super::{BASE, PAGE, TROUBLESHOOTING, ground, member};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/kerberos-ticket",
    title: "The container gets a Kerberos ticket as its account",
    statement: "A3",
    passing: "klist get krbtgt in the container brought a ticket of the credential spec's account.",
    silent_on: "The secure channel, which is Netlogon's; services that the account may use.",
    creates: &[OWN],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &[PAGE, TROUBLESHOOTING],
        failures: &[
            Failure {
                seen: "0xc000005e STATUS_NO_LOGON_SERVERS.",
                advice: "The pod reaches no domain controller on port 88 (TCP and UDP).",
            },
            Failure {
                seen: "0xc000005f STATUS_NO_SUCH_LOGON_SESSION.",
                advice: "Nobody is logged on: the node cannot read the account's password, or the container has no credential spec.",
            },
        ],
        by_hand: &["kubectl exec POD -- klist get krbtgt"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

/// `STATUS_NO_LOGON_SERVERS`: a network that is still coming up explains it.
const NO_LOGON_SERVERS: u32 = 0xc000_005e;

async fn run(cx: Context) -> Answer {
    let spec = match ground::spec(&cx).await? {
        Ok(spec) => spec,
        Err(verdict) => return Ok(verdict),
    };
    let pod = member::start(&cx, &OWN, &spec).await?;
    let is_young = |output: &Output| Klist::read(&output.stdout).failure == Some(NO_LOGON_SERVERS);
    let read = Klist::read(&member::settled(&cx, &pod, "klist get krbtgt", is_young).await?.stdout);
    let account = spec.account();
    let is_own = |client: &str| client.trim_end_matches('$').eq_ignore_ascii_case(account);
    let found = match (read.failure, read.tickets.first()) {
        (None, Some(ticket)) if read.tickets.iter().any(|ticket| is_own(&ticket.client)) => {
            return Ok(Verdict::Passed(format!("a ticket of {account}$ @ {} on {}", ticket.realm, pod.node)));
        }
        (Some(status), _) => format!("{status:#x} {}", Klist::name(status)),
        (None, Some(ticket)) => format!("a ticket of {} @ {}", ticket.client, ticket.realm),
        (None, None) => "no ticket and no error".to_owned(),
    };
    member::not_who(&cx, &pod, &spec, "klist get krbtgt", &format!("a ticket of {account}$"), &found);
    Ok(Verdict::Failed(format!("klist get krbtgt on {}: {found}", pod.node)))
}
