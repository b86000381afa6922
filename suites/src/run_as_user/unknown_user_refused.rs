//! A user that does not exist runs nothing.
//!
//! From containerd 1.6 on the pod's user is also the sandbox's: a pod that names an
//! unknown one has no sandbox and stays Pending (kubernetes/kubernetes#104635). Named
//! by the container alone, under a pod's user that exists, it ends in StartError. On
//! the same node a pod with a user that exists runs.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure, Trouble};
use winconform_manifests::RUN_AS_USER_UNKNOWN_USER_REFUSED as POD;
use winconform_reports::{Verdict, event::Observation};

use super::{
    BASE, PAGE,
    user::{CONTAINER_USER, Fate, changed, fate, name_container_user, name_user},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/unknown-user-refused",
    title: "A user that does not exist runs nothing, named by the pod or by its container",
    statement: "U2",
    passing: "Neither the pod nor the container with an unknown user ran, while a pod with a user that exists ran on the same node.",
    silent_on: "How soon a person learns why: the reason is in events and statuses only.",
    creates: &[POD],
    claims: Claims::pods(3),
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes/kubernetes/issues/104635"],
        failures: &[Failure {
            seen: "A container runs although its user does not exist.",
            advice: "The user is ignored, and everything may run as the image's: see `run-as-user/pod-level`, and keep such nodes from untrusted pods.",
        }],
        by_hand: &[
            "kubectl run nobody --image=IMAGE --overrides='{\"spec\":{\"securityContext\":{\"windowsOptions\":{\"runAsUserName\":\"nobody\"}}}}'",
            "kubectl describe pod nobody",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

/// Nobody's name, within the limits of all rules.
const NOBODY: &str = "winconform-nobody";

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let node = nodes.first().ok_or_else(|| Trouble::Unexpected("no node of this place takes pods".to_owned()))?;
    let twin = changed(&cx, &POD, "twin", node, |_| {})?;
    let of_pod = changed(&cx, &POD, "pod", node, |spec| name_user(spec, NOBODY))?;
    let of_container = changed(&cx, &POD, "container", node, |spec| {
        name_user(spec, CONTAINER_USER);
        name_container_user(spec, NOBODY);
    })?;
    for pod in [&twin, &of_pod, &of_container] {
        cx.create(pod).await?;
    }
    cx.pod_ready(&twin).await?;
    let (of_pod, of_container) = futures::join!(fate(&cx, &of_pod), fate(&cx, &of_container));
    let mut shapes = Vec::new();
    for (who, fate) in [("the pod's", of_pod?), ("the container's", of_container?)] {
        match fate {
            Fate::Runs => {
                cx.observe(Observation::Identity {
                    node: Some(node.name.clone()),
                    who: NOBODY.to_owned(),
                    of_domain: false,
                    what: format!("a container with {who} unknown user"),
                    expected: "not to run".to_owned(),
                    found: "it runs".to_owned(),
                });
                return Ok(Verdict::Failed(format!(
                    "on {} a container runs although {who} user does not exist",
                    node.name
                )));
            }
            Fate::NoSandbox(_) => shapes.push(format!("{who}: no sandbox, Pending")),
            Fate::NotStarted(why) => {
                shapes.push(format!("{who}: {}", why.split(':').next().unwrap_or_default()));
            }
        }
    }
    Ok(Verdict::Passed(format!("refused on {}, {}", node.name, shapes.join("; "))))
}
