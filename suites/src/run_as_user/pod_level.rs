//! A pod's `runAsUserName` is the user of its processes.

use winconform_harness::{Answer, Check, Context, Explain, Failure};
use winconform_manifests::RUN_AS_USER_POD_LEVEL;

use super::{
    BASE, PAGE,
    user::{CONTAINER_USER, first_process, judge, start},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/pod-level",
    title: "A container runs as the user that its pod names",
    passing: "The first process of a pod with runAsUserName ContainerUser said that it is ContainerUser.",
    silent_on: "What that user may do, and users that an image brings along.",
    creates: &[RUN_AS_USER_POD_LEVEL],
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes/kubernetes/issues/104958"],
        failures: &[
            Failure {
                seen: "The process runs as ContainerAdministrator.",
                advice: "The user is lost between the pod's spec and the process: compare the versions of kubelet and containerd with nodes where it works.",
            },
            Failure {
                seen: "The pod does not start, with 0x52e.",
                advice: "The node cannot log the user on (Windows-Containers 490): look at the base image and the patch level of the host.",
            },
        ],
        by_hand: &[
            "kubectl run user --image=IMAGE --overrides='{\"spec\":{\"securityContext\":{\"windowsOptions\":{\"runAsUserName\":\"ContainerUser\"}}}}' -- cmd /c echo %USERNAME%",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let pod = start(&cx, &RUN_AS_USER_POD_LEVEL).await?;
    let account = first_process(&cx, &pod).await?;
    Ok(judge(&cx, &pod, "the first process", account, CONTAINER_USER))
}
