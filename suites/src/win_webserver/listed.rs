//! The pods are listed from outside the nodes, as the guide does with `kubectl get pods`.

use std::{collections::BTreeSet, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::ListParams};
use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Trouble, Use,
    placement::FIXTURE_LABEL,
    wait::{Look, WaitError},
};
use winconform_reports::{Chain, Verdict, event::Observation};

use crate::{fixture::WIN_WEBSERVER, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/listed",
    title: "Two pods are listed, with IPs of their own, as the Deployment counts them",
    statement: "D3",
    passing: "A list shows two running pods with different IPs, and the Deployment counts two ready replicas.",
    silent_on: "Whether those IPs can be reached.",
    uses: &[Use::ready(&WIN_WEBSERVER)],
    budget: Duration::from_secs(120),
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[
            Failure {
                seen: "Fewer or more pods than the Deployment wants, or two with one IP.",
                advice: "Two pods of one IP mean a confused address allocation: look at the network plugin on their nodes.",
            },
            Failure {
                seen: "The pods run, and the Deployment does not count them.",
                advice: "The controller manager does not follow: look at its log, and who holds its lease.",
            },
        ],
        by_hand: &["kubectl get pods --selector app=win-webserver --output wide"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const REPLICAS: usize = 2;

async fn run(cx: Context) -> Answer {
    let slug = cx.fixture(&WIN_WEBSERVER)?.key.slug();
    let pods: Api<Pod> = Api::namespaced(cx.client(), cx.namespace());
    let own = ListParams::default().labels(&format!("{FIXTURE_LABEL}={slug}"));
    let listed = cx.seen("the web server's pods", pods.list(&own).await);
    let listed = listed.map_err(|error| Trouble::api("list the web server's pods", error))?;
    if let Some(wrong) = wrong(&listed.items) {
        return Ok(Verdict::Failed(wrong));
    }
    // The Deployment's count follows its pods by a moment.
    let counted = cx
        .wait(&format!("deployment {slug}"), || {
            let ready = cx.deployments().peek(|deployments| {
                deployments.get(cx.namespace(), &slug).and_then(|deployment| deployment.status.as_ref()?.ready_replicas)
            });
            match ready.and_then(|ready| usize::try_from(ready).ok()) {
                Some(REPLICAS) => Look::Ready(()),
                other => Look::NotYet(Budget::Api, format!("it counts {} ready replicas", other.unwrap_or(0))),
            }
        })
        .await;
    match counted {
        Ok(()) => Ok(Verdict::Passed(format!("{REPLICAS} pods listed, and the Deployment counts them ready"))),
        // The pods run, and whoever should have counted them did not.
        Err(error @ WaitError::TimedOut { .. }) => {
            let object = format!("the count of deployment {slug}");
            cx.observe(Observation::Idle { part: "kube-controller-manager".to_owned(), object });
            Ok(Verdict::Failed(Chain(&error).to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is wrong with the list, if anything.
fn wrong(pods: &[Pod]) -> Option<String> {
    let alive: Vec<&Pod> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    if alive.len() != REPLICAS {
        return Some(format!("expected {REPLICAS} pods in the list, got {}", alive.len()));
    }
    let status = |pod: &&Pod| pod.status.clone().unwrap_or_default();
    let ips: BTreeSet<String> = alive.iter().filter_map(|pod| status(pod).pod_ip).collect();
    if ips.len() != REPLICAS {
        return Some(format!("{REPLICAS} pods share the IPs {ips:?}"));
    }
    let phases: Vec<String> = alive.iter().filter_map(|pod| status(pod).phase).collect();
    (phases.iter().any(|phase| phase != "Running")).then(|| format!("the pods are listed as {}", phases.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(ip: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({ "status": { "podIP": ip, "phase": phase } })).unwrap()
    }

    #[test]
    fn two_running_pods_with_their_own_ips_are_right_and_nothing_else_is() {
        let right = [pod("10.244.1.2", "Running"), pod("10.244.2.2", "Running")];
        assert_eq!(wrong(&right), None);
        assert!(wrong(&right[..1]).is_some());
        assert!(wrong(&[pod("10.244.1.2", "Running"), pod("10.244.1.2", "Running")]).is_some());
        assert!(wrong(&[pod("10.244.1.2", "Running"), pod("10.244.2.2", "Pending")]).is_some());
    }
}
