//! A credential spec that does not exist is nobody's.

use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope};
use winconform_manifests::GMSA_UNKNOWN_SPEC_REJECTED as OWN;
use winconform_reports::{Verdict, event::Observation};

use super::{BASE, PAGE, ground};
use crate::trial::any_windows_node;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/unknown-spec-rejected",
    title: "A pod that names a credential spec nobody has is refused",
    statement: "A2",
    passing: "A pod with the name of no credential spec was refused with 404, and one with a credential spec was let in (dry runs).",
    silent_on: "Credential specs that exist and are no good.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[OWN],
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes-sigs/windows-gmsa"],
        failures: &[Failure {
            seen: "The pod is let in.",
            advice: "Its container would run without any identity: the mutating half of the webhook is missing.",
        }],
        by_hand: &["kubectl get gmsacredentialspecs"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let spec = match ground::spec(&cx).await? {
        Ok(spec) => spec,
        Err(verdict) => return Ok(verdict),
    };
    let node = any_windows_node(&cx)?;
    let account = ground::leave(&cx, &OWN, &spec, node).await?;
    let twin = ground::pod(&cx, &OWN, "twin", &[node], &spec.name, Some(&account))?;
    if let Some(verdict) = ground::let_in(&cx, &twin).await? {
        return Ok(verdict);
    }
    let unknown = "winconform-nobody-has-this";
    let pod = ground::pod(&cx, &OWN, "", &[node], unknown, Some(&account))?;
    match cx.dry_run(&pod).await? {
        // Older webhooks look at the leave first, which nobody has for what does not exist.
        Admission::Rejected(status) if matches!(status.code, 403 | 404) => {
            Ok(Verdict::Passed(format!("refused with {}", status.code)))
        }
        Admission::Rejected(status) => {
            Ok(Verdict::Undetermined(format!("refused with {}: {}", status.code, status.message)))
        }
        Admission::Accepted(_) => {
            cx.observe(Observation::Identity {
                node: None,
                who: spec.name.clone(),
                of_domain: true,
                what: "a pod with a credential spec nobody has".to_owned(),
                expected: "404".to_owned(),
                found: "it is let in".to_owned(),
            });
            Ok(Verdict::Failed("a pod with a credential spec that nobody has is let in".to_owned()))
        }
    }
}
