//! Commands run by exec are the container's user, too.

use winconform_harness::{Answer, Check, Context, Explain, Failure};
use winconform_manifests::RUN_AS_USER_EXEC_RUNS_AS_USER;
use winconform_reports::Verdict;

use super::{
    BASE, PAGE,
    user::{ASK, CONTAINER_USER, judge, of_command, start},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/exec-runs-as-user",
    title: "Commands run in a container are its user's",
    passing: "In a pod of ContainerUser, %USERNAME% and whoami of commands run by exec said ContainerUser.",
    silent_on: "Probes and hooks that run commands.",
    creates: &[RUN_AS_USER_EXEC_RUNS_AS_USER],
    explain: Explain {
        sources: &[PAGE],
        failures: &[Failure {
            seen: "The command runs as ContainerAdministrator although the container does not.",
            advice: "containerd's shim on the node takes the image's user for commands: compare its version with nodes where it works.",
        }],
        by_hand: &["kubectl exec POD -- cmd /s /c \"echo %USERNAME%\"", "kubectl exec POD -- whoami"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let pod = start(&cx, &RUN_AS_USER_EXEC_RUNS_AS_USER).await?;
    let variable = of_command(&cx, &pod, ASK).await?;
    let verdict = judge(&cx, &pod, "%USERNAME% of a command", variable, CONTAINER_USER);
    if !matches!(verdict, Verdict::Passed(_)) {
        return Ok(verdict);
    }
    // The variable is what the process was told; whoami asks Windows.
    let token = of_command(&cx, &pod, "whoami").await?;
    Ok(judge(&cx, &pod, "whoami", token, CONTAINER_USER))
}
