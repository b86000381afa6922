//! A deleted Deployment is gone with its pods, within their grace period and the budget.
//!
//! Windows tears a pod down only after its grace period, and a node whose host compute
//! service hangs never does: its pods stay Terminating until somebody forces them.

use std::time::Duration;

use winconform_harness::{
    Answer, Check, Claims, Context, Explain, Failure, Trouble,
    blame::seconds,
    wait::{WaitError, pod_key},
};
use winconform_manifests::WIN_WEBSERVER_TERMINATES;
use winconform_reports::{Chain, Verdict, event::Observation};

use crate::trial::{TRIAL, exactly};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/terminates",
    title: "A deleted Deployment is gone with its pods in time, without force",
    statement: "D7",
    passing: "The Deployment's pods were gone within their grace period and the terminate budget; the note says after how long.",
    silent_on: "Whether the node has given back their disks and addresses.",
    creates: &[WIN_WEBSERVER_TERMINATES],
    claims: Claims::pods(2),
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",
            "https://github.com/Azure/AKS/issues/1461",
        ],
        failures: &[Failure {
            seen: "A pod stays Terminating.",
            advice: "On its node, look whether containerd and the host compute service answer; `kubectl delete --force` only hides the pod.",
        }],
        by_hand: &["kubectl delete deployment win-webserver", "kubectl get pods --watch"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// The grace period that the manifest gives its pods.
const GRACE: Duration = Duration::from_secs(5);

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let [deployment] = exactly(cx.draft(&WIN_WEBSERVER_TERMINATES, "", &nodes)?)?;
    let deployment = cx.create(&deployment).await?;
    let ready = cx.pods_ready(&deployment).await;
    let pods = ready.map_err(|trouble| Trouble::Fixture {
        fixture: format!("deployment {}", deployment.name()),
        reason: Chain(&trouble).to_string(),
    })?;
    cx.delete(&deployment).await?;
    match cx.gone(&deployment, GRACE).await {
        Ok(took) => {
            cx.phase("gone", took);
            Ok(Verdict::Passed(format!("{} pods were gone after {}", pods.len(), seconds(took))))
        }
        Err(error @ WaitError::TimedOut { .. }) => {
            for pod in cx.own_pods_and_leaving(&deployment) {
                cx.observe(Observation::Node {
                    node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default(),
                    what: format!("deleted pod {}", pod_key(&pod)),
                    expected: "gone after its grace period".to_owned(),
                    found: "still there".to_owned(),
                });
            }
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}
