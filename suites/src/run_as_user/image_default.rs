//! Without `runAsUserName` the image decides.

use winconform_harness::{Answer, Check, Context, Explain, Failure};
use winconform_manifests::RUN_AS_USER_IMAGE_DEFAULT;

use super::{
    BASE, PAGE,
    user::{ADMINISTRATOR, first_process, judge, start},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/image-default",
    title: "A container whose pod names no user runs as its image's",
    passing: "A Server Core container without runAsUserName said that it is ContainerAdministrator, the user of that image.",
    silent_on: "Images that name another user, as Nano Server does.",
    creates: &[RUN_AS_USER_IMAGE_DEFAULT],
    explain: Explain {
        sources: &[
            PAGE,
            "https://learn.microsoft.com/en-us/virtualization/windowscontainers/manage-containers/container-security",
        ],
        failures: &[Failure {
            seen: "The container runs as another user.",
            advice: "A policy or a webhook of the cluster sets runAsUserName on pods, or the image is not Microsoft's.",
        }],
        by_hand: &["kubectl run default --image=IMAGE -- cmd /c echo %USERNAME%"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let pod = start(&cx, &RUN_AS_USER_IMAGE_DEFAULT).await?;
    let account = first_process(&cx, &pod).await?;
    Ok(judge(&cx, &pod, "the first process", account, ADMINISTRATOR))
}
