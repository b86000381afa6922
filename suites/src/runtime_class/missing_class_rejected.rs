//! A pod of a RuntimeClass that does not exist is rejected when it is created.

use k8s_openapi::api::node::v1::RuntimeClass;
use kube::{Api, api::ListParams};
use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope, Trouble};
use winconform_manifests::RUNTIME_CLASS_MISSING_CLASS_REJECTED;
use winconform_reports::Verdict;

use super::class::Drafted;
use crate::trial::{TRIAL, any_windows_node};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "runtime-class/missing-class-rejected",
    title: "A pod of a RuntimeClass that does not exist is rejected",
    statement: "C3",
    passing: "The API server refused the pod (dry run), and takes the same pod with a class that exists.",
    silent_on: "A class that is deleted while its pods run.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[RUNTIME_CLASS_MISSING_CLASS_REJECTED],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/containers/runtime-class/#usage",
            "https://github.com/canonical/microk8s/issues/2359",
        ],
        failures: &[Failure {
            seen: "The API server takes the pod.",
            advice: "The admission plug-in RuntimeClass is off: such pods will wait on their nodes for ever instead.",
        }],
        by_hand: &[
            "kubectl run none --image=IMAGE --dry-run=server --overrides='{\"spec\":{\"runtimeClassName\":\"no-such-class\"}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let node = any_windows_node(&cx)?;
    let mut drafted = Drafted::new(&cx, &RUNTIME_CLASS_MISSING_CLASS_REJECTED, &[node], None).await?;
    drafted.create_class(&cx).await?;
    if let Err(verdict) = drafted.twin_is_taken(&cx).await? {
        return Ok(verdict);
    }
    let missing = format!("{}-missing", drafted.class_name());
    drafted.pod_mut()?.spec.get_or_insert_default().runtime_class_name = Some(missing.clone());
    match cx.dry_run(drafted.pod()).await? {
        Admission::Rejected(status) => Ok(Verdict::Passed(format!("refused with {}", status.code))),
        Admission::Accepted(_) => {
            let classes: Api<RuntimeClass> = Api::all(cx.client());
            let called = ListParams::default().fields(&format!("metadata.name={missing}"));
            let found =
                classes.list_metadata(&called).await.map_err(|error| Trouble::api("look for the class", error))?;
            Ok(match found.items.first() {
                None => {
                    Verdict::Failed(format!("the API server takes a pod of the class {missing}, which does not exist"))
                }
                Some(_) => Verdict::Undetermined(format!("somebody has made a class that is called {missing}")),
            })
        }
    }
}
