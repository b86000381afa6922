//! Without leave to `use` a credential spec, no pod gets it.

use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope};
use winconform_manifests::GMSA_DENIED_WITHOUT_USE as OWN;
use winconform_reports::{Verdict, event::Observation};

use super::{BASE, PAGE, ground};
use crate::trial::any_windows_node;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/denied-without-use",
    title: "A service account without leave to use a credential spec is denied it",
    statement: "A2",
    passing: "A pod of a service account without leave was refused with 403, and one of an account with leave was let in (dry runs).",
    silent_on: "Who else may use the credential spec.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[OWN],
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes-sigs/windows-gmsa"],
        failures: &[Failure {
            seen: "The pod is let in.",
            advice: "Any pod can be anybody: the validating half of the webhook is missing, or a ClusterRoleBinding lets every service account use the spec.",
        }],
        by_hand: &[
            "kubectl auth can-i use gmsacredentialspecs.windows.k8s.io/SPEC --as system:serviceaccount:NAMESPACE:default",
        ],
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
    // The namespace is ours, so nobody has given its default account leave but for the whole cluster.
    let stranger = ground::pod(&cx, &OWN, "", &[node], &spec.name, None)?;
    let found = match cx.dry_run(&stranger).await? {
        Admission::Rejected(status) if status.code == 403 => {
            return Ok(Verdict::Passed(format!("denied the credential spec `{}` with 403", spec.name)));
        }
        Admission::Rejected(status) => {
            return Ok(Verdict::Undetermined(format!(
                "refused with {}, not for want of leave: {}",
                status.code, status.message
            )));
        }
        Admission::Accepted(_) => "it is let in",
    };
    cx.observe(Observation::Identity {
        node: None,
        who: spec.name.clone(),
        of_domain: true,
        what: "a pod of a service account without leave".to_owned(),
        expected: "403".to_owned(),
        found: found.to_owned(),
    });
    Ok(Verdict::Failed(format!("a pod whose service account may not use `{}` is let in", spec.name)))
}
