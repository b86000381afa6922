//! A container's `runAsUserName` goes before its pod's.

use winconform_harness::{Answer, Check, Context, Explain, Failure};
use winconform_manifests::RUN_AS_USER_CONTAINER_OVERRIDES_POD;

use super::{
    BASE, PAGE,
    user::{ADMINISTRATOR, first_process, judge, start},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/container-overrides-pod",
    title: "A container's own user goes before its pod's",
    passing: "In a pod of ContainerUser, the container that names ContainerAdministrator said that it is that user.",
    silent_on: "Init containers.",
    creates: &[RUN_AS_USER_CONTAINER_OVERRIDES_POD],
    explain: Explain {
        sources: &[PAGE],
        failures: &[Failure {
            seen: "The container runs as the pod's user.",
            advice: "Look at the container's security context as the API server has it: a webhook may have removed it.",
        }],
        by_hand: &[
            "kubectl get pod POD -o jsonpath='{.spec.containers[*].securityContext.windowsOptions.runAsUserName}'",
            "kubectl logs POD",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let pod = start(&cx, &RUN_AS_USER_CONTAINER_OVERRIDES_POD).await?;
    let account = first_process(&cx, &pod).await?;
    Ok(judge(&cx, &pod, "the container's first process", account, ADMINISTRATOR))
}
