//! The custom resource is there, and the webhook answers for it.

use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope, Trouble};
use winconform_manifests::GMSA_CRD_AND_WEBHOOK as OWN;
use winconform_reports::Verdict;

use super::{
    BASE, PAGE, SEES_SPECS,
    ground::{self, WEBHOOK},
};
use crate::trial::any_windows_node;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/crd-and-webhook",
    title: "Credential specs have their custom resource, and the webhook answers for them",
    passing: "The custom resource can be listed, and a pod that names a credential spec nobody has was refused (dry run).",
    silent_on: "Whether the credential specs are good ones.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[OWN],
    asks: &[SEES_SPECS],
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes-sigs/windows-gmsa"],
        failures: &[
            Failure {
                seen: "Pods cannot be created: failed calling webhook.",
                advice: "The webhook's pods or its certificate: with failurePolicy Fail every pod of the cluster waits for it (windows-gmsa 54, 153).",
            },
            Failure {
                seen: "A pod with a credential spec that nobody has is let in.",
                advice: "The webhook is not registered, or the namespace is excluded: kubectl get mutatingwebhookconfigurations.",
            },
        ],
        by_hand: &[
            "kubectl get crd gmsacredentialspecs.windows.k8s.io",
            "kubectl run none --image=IMAGE --dry-run=server --overrides='{\"spec\":{\"securityContext\":{\"windowsOptions\":{\"gmsaCredentialSpecName\":\"nobody-has-this\"}}}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let specs = match ground::specs(&cx).await? {
        Ok(specs) => specs,
        Err(verdict) => return Ok(verdict),
    };
    let pod = ground::pod(&cx, &OWN, "", &[any_windows_node(&cx)?], "winconform-nobody-has-this", None)?;
    match cx.dry_run(&pod).await {
        Ok(Admission::Rejected(status)) => Ok(Verdict::Passed(format!(
            "{} credential specs; an unknown one is refused with {}",
            specs.len(),
            status.code
        ))),
        Ok(Admission::Accepted(_)) => {
            cx.observe(winconform_reports::event::Observation::Refused {
                request: "admit a pod with an unknown credential spec".to_owned(),
                code: 200,
                reason: "Accepted".to_owned(),
                message: format!("admission webhook \"{WEBHOOK}\" was not asked"),
            });
            Ok(Verdict::Failed(format!(
                "a pod with a credential spec that nobody has is let in: no webhook {WEBHOOK} answers for our namespace"
            )))
        }
        // These words are the API server's own, and name the webhook that it could not reach.
        Err(Trouble::Api { action, error }) => {
            let unreachable = format!("failed calling webhook \"{WEBHOOK}\"");
            let trouble = Trouble::Api { action, error };
            match winconform_reports::Chain(&trouble).to_string() {
                text if text.contains(&unreachable) => {
                    cx.judge_trouble(&trouble);
                    Ok(Verdict::Failed(text))
                }
                _ => Err(trouble),
            }
        }
        Err(trouble) => Err(trouble),
    }
}
