//! A rebooted node comes back, and pods that were on it work as those do that come later.
//!
//! A patched or new build is rebooted before anything else, and what breaks then is the
//! network: pods that started before their plug-in, a host network that was lost.
//!
//! Only a node without pods of others is rebooted: they would be ended without being
//! asked, and no disruption budget would be heeded. The node is cordoned meanwhile, which
//! the runner lifts whatever becomes of the check; nothing else of it is changed.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use k8s_openapi::api::core::v1::{Pod, Toleration};
use kube::{Api, ResourceExt, api::ListParams};
use winconform_harness::{
    Answer, Budget, Check, Claims, Context, Explain, Failure, Need, Trouble, Use,
    blame::seconds,
    cluster::NodeFacts,
    placement::RUN_LABEL,
    probe::{Aim, ExecError, Expect, HttpProbe, PodRef, Probed, judge},
    wait::{Look, pod_key},
};
use winconform_manifests::{Kind, LIFECYCLE_REBOOT, Object};
use winconform_reports::{
    Chain, Level, Verdict, VerdictKind,
    event::{Destination, Observation, Vantage},
};

use crate::{
    fixture::{LINUX_CLIENT, LINUX_HOST, LINUX_SERVER, WINDOWS_HOST},
    reachability::PAGE,
    trial::{TRIAL, exactly, spec_of},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "lifecycle/reboot",
    title: "A rebooted node comes back, and old and new pods on it work",
    statement: "L1",
    passing: "The node rebooted (its bootID changed), renewed its Lease, and a pod from before and one from after it are reached by IP, Service and node port, and reach others.",
    silent_on: "Nodes with pods of others, which are not rebooted, and volumes.",
    level: Level::Extended,
    needs: &[Need::OpenNode, Need::LinuxNode],
    uses: &[Use::ready(&WINDOWS_HOST), Use::ready(&LINUX_CLIENT), Use::ready(&LINUX_HOST), Use::ready(&LINUX_SERVER)],
    creates: &[LIFECYCLE_REBOOT],
    claims: Claims { pods: 2, exclusive: true },
    disruptive: true,
    explain: Explain {
        sources: &[
            "https://github.com/tigera/operator/issues/3193",
            "https://github.com/Azure/azure-container-networking/issues/283",
        ],
        failures: &[
            Failure {
                seen: "The node does not come back within the reboot budget.",
                advice: "Look at its console; Windows may be installing updates (`--timeout-scale` gives it longer), or services of the node do not start by themselves.",
            },
            Failure {
                seen: "The pod from before the reboot is Ready and not reached, the one from after it is.",
                advice: "It started before the network plug-in: delete it, and have the kubelet wait for the plug-in.",
            },
            Failure {
                seen: "Neither is reached.",
                advice: "The host network was lost with the reboot: look for `hnsCall failed` in the events, and make it anew with the plug-in's script.",
            },
        ],
        by_hand: &[
            "kubectl drain NODE --ignore-daemonsets",
            "kubectl exec HOST_PROCESS_POD -- shutdown /r /t 5 /f",
            "kubectl get node NODE --watch",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// The label by which the Service finds its pods, before and after.
const WORD: &str = "winconform.io/reboot";
/// What the Linux server says: its own name.
const LINUX_PAGE: Expect = Expect::Text("linux-server");
const CONNECTIONS: u32 = 6;

async fn run(cx: Context) -> Answer {
    let (node, host) = match free_node(&cx).await? {
        Ok(found) => found,
        Err(verdict) => return Ok(verdict),
    };
    let [mut service, mut old] = exactly(cx.draft(&LIFECYCLE_REBOOT, "", &[node])?)?;
    mark(&mut service, node);
    mark(&mut old, node);
    let service = cx.create(&service).await?;
    let old = cx.create(&old).await?;
    let first = cx.pod_ready(&old).await.map_err(|trouble| Trouble::Fixture {
        fixture: format!("pod {}", old.name()),
        reason: Chain(&trouble).to_string(),
    })?;
    // What worked before the reboot says nothing of how things are after it, so the matrix is not told of it.
    let probed = cx.try_out(&ways(&cx, node, &service, std::slice::from_ref(&first))?).await;
    let before = judge(&probed, "everything must work before");
    if before.kind() != VerdictKind::Passed {
        cx.report(&probed);
        return Ok(Verdict::Undetermined(format!("not rebooted, since {}", before.reason())));
    }
    let was = running_container(&cx, &old);
    cx.cordon(&node.name).await?;
    let from = Instant::now();
    reboot(&cx, node, &host).await?;
    cx.phase("back", from.elapsed());
    let came_back = from.elapsed();
    let old = runs_again(&cx, &old, was).await?;
    let fresh = fresh_pod(&cx, node).await?;
    cx.phase("pods back", from.elapsed());
    let pods = [("from before it", old), ("from after it", fresh)];
    let ways = ways(&cx, node, &service, &pods.clone().map(|(_, pod)| pod))?;
    // The Service answers as soon as one of the two does, which says nothing of the other's network.
    let to_pods = ways.iter().filter(|way| way.aim.destination == Destination::WindowsPodOtherNode);
    cx.await_network(&to_pods.cloned().collect::<Vec<_>>()).await;
    let probed = cx.try_out(&ways).await;
    let verdict = judge(&probed, &format!("pods on {} must work after its reboot", node.name));
    Ok(match verdict {
        Verdict::Passed(text) => {
            cx.report(&probed);
            Verdict::Passed(format!("{} was back after {}; {text}", node.name, seconds(came_back)))
        }
        // Told as a fact of its own: beside ways of other checks, from before the reboot, its ways would mislead.
        Verdict::Failed(text) => {
            cx.observe(Observation::Node {
                node: node.name.clone(),
                what: "the network of its pods after a reboot".to_owned(),
                expected: "as before".to_owned(),
                found: pods.map(|(when, pod)| format!("{} for the pod {when}", how(&ways, &probed, &pod))).join(", "),
            });
            Verdict::Failed(text)
        }
        other => other,
    })
}

/// How the ways to and from a pod are.
fn how(ways: &[HttpProbe], probed: &[Probed], pod: &PodRef) -> &'static str {
    let address = format!("//{}:", pod.ip);
    let about = |way: &HttpProbe| way.from.name == pod.name || way.aim.base.contains(&address);
    let of_pod: Vec<&Probed> = ways.iter().zip(probed).filter(|(way, _)| about(way)).map(|(_, one)| one).collect();
    let answered = of_pod.iter().filter(|one| one.cell.answered == one.cell.tried).count();
    match answered {
        0 => "dead",
        some if some < of_pod.len() => "broken",
        _ => "well",
    }
}

/// A node of the target on which nobody else's pods run, and our pod on its host.
async fn free_node(cx: &Context) -> Result<Result<(&NodeFacts, PodRef), Verdict>, Trouble> {
    let hosts: Vec<PodRef> = cx.ready_here(&WINDOWS_HOST).flat_map(|(_, ready)| ready.pods.clone()).collect();
    let pods: Api<Pod> = Api::all(cx.client());
    let mut taken = Vec::new();
    for node in cx.open_nodes_here()? {
        let Some(host) = hosts.iter().find(|host| host.node == node.name) else { continue };
        let on_it = ListParams::default().fields(&format!("spec.nodeName={}", node.name));
        let listed = pods.list(&on_it).await.map_err(|error| Trouble::api("list the pods of a node", error))?;
        let others: Vec<String> = listed.items.iter().filter(|pod| would_suffer(pod)).map(pod_key).collect();
        match others.first() {
            None => return Ok(Ok((node, host.clone()))),
            Some(first) => taken.push(format!("{} ({first} and {} more)", node.name, others.len() - 1)),
        }
    }
    Ok(Err(Verdict::NotApplicable(format!(
        "pods of others run on every node of the target, and would be ended without being asked: {}; move them with \
         `kubectl drain`, then `kubectl uncordon`",
        taken.join(", ")
    ))))
}

/// Whether a pod is somebody's who would notice: not ours, not over, and not one that belongs to the node.
fn would_suffer(pod: &Pod) -> bool {
    let by = |kind: &str| pod.owner_references().iter().any(|owner| owner.kind == kind);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let over = matches!(phase, Some("Succeeded" | "Failed"));
    !(pod.labels().contains_key(RUN_LABEL) || over || by("DaemonSet") || by("Node"))
}

/// Has the Service find the pod.
fn mark(object: &mut Object, node: &NodeFacts) {
    let word = BTreeMap::from([(WORD.to_owned(), winconform_harness::placement::slug(&node.name))]);
    if let Kind::Service(service) = &mut object.kind {
        service.spec.get_or_insert_default().selector = Some(word);
        return;
    }
    object.metadata_mut().labels.get_or_insert_default().extend(word);
}

/// Every way to these pods, and from them.
fn ways(cx: &Context, node: &NodeFacts, service: &Object, pods: &[PodRef]) -> Result<Vec<HttpProbe>, Trouble> {
    let the = |fixture| -> Result<PodRef, Trouble> {
        let ready = cx.ready(fixture)?;
        ready.pods.first().cloned().ok_or_else(|| Trouble::Unexpected("a fixture has no pod".to_owned()))
    };
    let (client, linux_node, server) = (the(&LINUX_CLIENT)?, the(&LINUX_HOST)?, the(&LINUX_SERVER)?);
    let Kind::Service(service) = &service.kind else {
        return Err(Trouble::Unexpected("the Service is none".to_owned()));
    };
    let spec = service.spec.clone().unwrap_or_default();
    let ip = spec.cluster_ip.unwrap_or_default();
    let port = spec.ports.iter().flatten().find_map(|port| port.node_port);
    let linux_service = cx.service_of(cx.fixture(&LINUX_SERVER)?);
    let linux_ip = linux_service.and_then(|service| service.spec.as_ref()?.cluster_ip.clone());
    let settle = Some(cx.budgets().inside(Budget::Datapath));
    let way = |from: &PodRef, vantage, aim, expect| HttpProbe {
        from: from.clone(),
        vantage,
        aim,
        expect,
        connections: CONNECTIONS,
        settle,
    };
    let service_ip = Aim::page(Destination::WindowsServiceIp, &ip, 80, None);
    let mut ways = vec![way(&client, Vantage::LinuxPod, service_ip, PAGE)];
    if let (Some(port), Some(address)) = (port, &node.internal_ip) {
        let aim = Aim::page(Destination::NodePort, address, port, Some(node.name.clone()));
        ways.push(way(&linux_node, Vantage::LinuxNode, aim, PAGE));
    }
    for pod in pods {
        let to = Aim::page(Destination::WindowsPodOtherNode, &pod.ip, 80, Some(pod.node.clone()));
        ways.push(way(&client, Vantage::LinuxPod, to, PAGE));
        let name = |destination, host: &str, port| Aim {
            path: "/hostname".to_owned(),
            ..Aim::page(destination, host, port, Some(server.node.clone()))
        };
        ways.push(way(pod, Vantage::WindowsPod, name(Destination::LinuxPod, &server.ip, 8080), LINUX_PAGE));
        if let Some(ip) = &linux_ip {
            ways.push(way(pod, Vantage::WindowsPod, name(Destination::LinuxServiceIp, ip, 80), LINUX_PAGE));
        }
    }
    Ok(ways)
}

/// The container that runs in a pod of ours, by its id.
fn running_container(cx: &Context, pod: &Object) -> Option<String> {
    let pod = cx.own_pod(pod)?;
    pod.status.as_ref()?.container_statuses.as_ref()?.first()?.container_id.clone()
}

/// Reboots the node, once, and waits until it is back: another bootID, Ready, and a Lease that is renewed.
async fn reboot(cx: &Context, node: &NodeFacts, host: &PodRef) -> Result<(), Trouble> {
    let boot = boot_of(cx, &node.name);
    let leases = cx.leases().await;
    let command = ["shutdown.exe", "/r", "/f", "/t", "5"].map(str::to_owned);
    match cx.exec_once(host, &command, Duration::from_secs(15)).await {
        Ok(output) if output.exit_code == 0 => {}
        Ok(output) => {
            return Err(Trouble::Unexpected(format!(
                "{} would not reboot: `shutdown /r` ended with {} {}",
                node.name,
                output.exit_code,
                output.stderr.trim()
            )));
        }
        // The node may have gone down before it could answer; whether it did is seen next.
        Err(ExecError::Lost { .. } | ExecError::TimedOut { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    cx.wait(&format!("the reboot of {}", node.name), || {
        let now = boot_of(cx, &node.name);
        if now.0 == boot.0 {
            return Look::NotYet(Budget::Reboot, "its bootID is still the old one".to_owned());
        }
        match now.1 {
            true => Look::Ready(()),
            false => Look::NotYet(Budget::Reboot, "it has booted, and is not Ready".to_owned()),
        }
    })
    .await?;
    let renewed = || leases.peek(|leases| leases.get("kube-node-lease", &node.name)?.spec.as_ref()?.renew_time.clone());
    let then = renewed();
    cx.wait(&format!("the Lease of {}", node.name), || match renewed() != then {
        true => Look::Ready(()),
        false => Look::NotYet(Budget::Heartbeat, "it was not renewed since the reboot".to_owned()),
    })
    .await?;
    Ok(())
}

/// A node's bootID, and whether it is Ready.
fn boot_of(cx: &Context, node: &str) -> (String, bool) {
    let node = cx.nodes().peek(|nodes| nodes.get("", node).cloned());
    let status = node.as_ref().and_then(|node| node.status.clone()).unwrap_or_default();
    let conditions = status.conditions.unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    (status.node_info.map(|info| info.boot_id).unwrap_or_default(), ready)
}

/// Waits until a pod from before the reboot runs in a new container, and is Ready.
async fn runs_again(cx: &Context, pod: &Object, was: Option<String>) -> Result<PodRef, Trouble> {
    cx.wait(&format!("pod {} after the reboot", pod.name()), || match running_container(cx, pod) {
        Some(now) if Some(&now) != was.as_ref() => Look::Ready(()),
        Some(_) => Look::NotYet(Budget::Start, "its container is still the one from before".to_owned()),
        None => Look::NotYet(Budget::Start, "it has no container".to_owned()),
    })
    .await?;
    cx.pod_ready(pod).await
}

/// A pod that starts after the reboot, past our own cordon.
async fn fresh_pod(cx: &Context, node: &NodeFacts) -> Result<PodRef, Trouble> {
    let [_, mut pod] = exactly(cx.draft(&LIFECYCLE_REBOOT, "fresh", &[node])?)?;
    mark(&mut pod, node);
    spec_of(&mut pod)?.tolerations.get_or_insert_default().push(Toleration {
        key: Some("node.kubernetes.io/unschedulable".to_owned()),
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    });
    let pod = cx.create(&pod).await?;
    cx.pod_ready(&pod).await
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(labels: Value, owner: &str, phase: &str) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": "p", "labels": labels,
                "ownerReferences": [{ "apiVersion": "v1", "kind": owner, "name": "o", "uid": "u" }]
            },
            "status": { "phase": phase }
        }))
        .unwrap()
    }

    #[test]
    fn only_somebodys_pod_that_still_runs_keeps_a_node_from_being_rebooted() {
        assert!(would_suffer(&pod(json!({}), "ReplicaSet", "Running")));
        assert!(would_suffer(&pod(json!({}), "StatefulSet", "Pending")));
        assert!(!would_suffer(&pod(json!({}), "ReplicaSet", "Succeeded")));
        assert!(!would_suffer(&pod(json!({}), "DaemonSet", "Running")));
        assert!(!would_suffer(&pod(json!({}), "Node", "Running")));
        assert!(!would_suffer(&pod(json!({ (RUN_LABEL): "r" }), "ReplicaSet", "Running")));
    }
}
