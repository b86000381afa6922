//! ContainerAdministrator is root: with `runAsNonRoot` the kubelet refuses it, in whatever case it is written.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure, Trouble};
use winconform_manifests::RUN_AS_USER_ADMINISTRATOR_WITH_NON_ROOT_REFUSED as POD;
use winconform_reports::{Verdict, event::Observation};

use super::{
    BASE, PAGE,
    user::{ADMINISTRATOR, Fate, changed, fate, name_user},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/administrator-with-non-root-refused",
    title: "runAsNonRoot keeps ContainerAdministrator from running, however it is spelt",
    statement: "U2",
    passing: "Pods that must not run as root did not run as ContainerAdministrator in two spellings, while one of ContainerUser ran on the same node.",
    silent_on: "Images whose default user is ContainerAdministrator: without runAsUserName the kubelet looks only at users that an image names.",
    creates: &[POD],
    claims: Claims::pods(3),
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes/kubernetes/issues/104958"],
        failures: &[Failure {
            seen: "A container runs as ContainerAdministrator although its pod says runAsNonRoot.",
            advice: "CVE-2021-25749: the kubelet is older than 1.22.14, 1.23.11 or 1.24.5, or has lost the rule; update it.",
        }],
        by_hand: &[
            "kubectl run root --image=IMAGE --overrides='{\"spec\":{\"securityContext\":{\"runAsNonRoot\":true,\"windowsOptions\":{\"runAsUserName\":\"CONTAINERADMINISTRATOR\"}}}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let node = nodes.first().ok_or_else(|| Trouble::Unexpected("no node of this place takes pods".to_owned()))?;
    let twin = changed(&cx, &POD, "twin", node, |_| {})?;
    let shout = ADMINISTRATOR.to_uppercase();
    let plain = changed(&cx, &POD, "plain", node, |spec| name_user(spec, ADMINISTRATOR))?;
    let other = changed(&cx, &POD, "other-case", node, |spec| name_user(spec, &shout))?;
    for pod in [&twin, &plain, &other] {
        cx.create(pod).await?;
    }
    cx.pod_ready(&twin).await?;
    let (plain, other) = futures::join!(fate(&cx, &plain), fate(&cx, &other));
    for (spelt, fate) in [(ADMINISTRATOR, plain?), (&shout, other?)] {
        if fate == Fate::Runs {
            cx.observe(Observation::Identity {
                node: Some(node.name.clone()),
                who: ADMINISTRATOR.to_owned(),
                of_domain: false,
                what: format!("runAsNonRoot with {spelt}"),
                expected: "not to run".to_owned(),
                found: "it runs".to_owned(),
            });
            return Ok(Verdict::Failed(format!("on {} a pod that must not run as root runs as {spelt}", node.name)));
        }
    }
    Ok(Verdict::Passed(format!("refused on {} in both spellings", node.name)))
}
