//! L1: the credential spec arrives in the container.
//!
//! `nltest /parentdomain` repeats what the spec says: it asks neither the account nor a
//! domain controller, and passes with a bogus spec. It is the plumbing that it shows.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure};
use winconform_manifests::GMSA_CREDENTIAL_SPEC_REACHES_CONTAINER as OWN;
use winconform_reports::Verdict;

use super::{BASE, PAGE, ground, member};
use winconform_harness::probe::windows::Netlogon;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/credential-spec-reaches-container",
    title: "The credential spec of a pod reaches its container",
    passing: "nltest /parentdomain in the container named the domain of the credential spec.",
    silent_on: "Whether the account works: this answers without a domain controller, and with a bogus spec.",
    creates: &[OWN],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes/kubernetes/blob/master/test/e2e/windows/gmsa_kubelet.go"],
        failures: &[Failure {
            seen: "1722 RPC_S_SERVER_UNAVAILABLE: the container has no Netlogon, so no credential spec.",
            advice: "Look whether the pod has contents (`gmsa/spec-expanded`), then at the kubelet's and containerd's versions on the node.",
        }],
        by_hand: &["kubectl exec POD -- nltest /parentdomain"],
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
    let output = member::run(&cx, &pod, "nltest /parentdomain").await?;
    let read = Netlogon::read(&output.stdout);
    if read.names_domain(spec.domain()) {
        return Ok(Verdict::Passed(format!("`{}` names {} on {}", spec.name, spec.domain(), pod.node)));
    }
    let found = member::words(&read);
    member::not_who(&cx, &pod, &spec, "nltest /parentdomain", spec.domain(), &found);
    Ok(Verdict::Failed(format!("nltest /parentdomain on {}: {found}, expected {}", pod.node, spec.domain())))
}
