//! The Deployment scales to three and back, and its Service follows.
//!
//! Many incidents show only when backends change: rules that keep a backend which is
//! gone, pods that start after a change and reach nothing, connections reset while the
//! last pods go. So connections are made before, during and after, from pods that were
//! there and from pods that come later. A backend that goes serves on for ten seconds, as
//! pods do that must not lose a request, so that nothing excuses a lost connection.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use winconform_harness::{
    Answer, Budget, Check, Claims, Context, Explain, Failure, Trouble, Use, cluster::NodeFacts, probe::PodRef,
    wait::Look,
};
use winconform_manifests::{Kind, Object, WIN_WEBSERVER_SCALES};
use winconform_reports::{Verdict, VerdictKind};

use super::traffic::{Round, Traffic};
use crate::{
    fixture::WINDOWS_POD,
    trial::{TRIAL, exactly, not_up},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/scales",
    title: "The Deployment scales to three and back, and its Service follows",
    statement: "D7",
    passing: "After each change every connection from old and new pods was answered, new backends got some and removed ones none; the note has the loss before, during and after.",
    silent_on: "Connections that were open when a backend went.",
    uses: &[Use::submitted(&WINDOWS_POD)],
    creates: &[WIN_WEBSERVER_SCALES],
    claims: Claims::pods(5),
    explain: Explain {
        sources: &[
            "https://github.com/kubernetes/kubernetes/issues/112836",
            "https://github.com/kubernetes/kubernetes/issues/137381",
            "https://github.com/kubernetes/kubernetes/issues/113841",
        ],
        failures: &[
            Failure {
                seen: "After the scale-down a part of the connections is lost.",
                advice: "kube-proxy keeps rules of backends that are gone: look for errors of HNS in its log on the node they start from.",
            },
            Failure {
                seen: "The new backend gets no connection.",
                advice: "Rules do not follow: restart kube-proxy on the node, and compare `hnsdiag list loadbalancers` with the EndpointSlice.",
            },
            Failure {
                seen: "Only pods that started after the change lose connections.",
                advice: "Endpoints of the host network were used again while their rules were still there: a known defect of kube-proxy from 1.31 on.",
            },
        ],
        by_hand: &[
            "kubectl scale deployment win-webserver --replicas=3",
            "kubectl exec WINDOWS_POD -- cmd /c \"for /l %i in (1,1,50) do curl.exe -s -o NUL -m 5 http://SERVICE_IP/\"",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// Sources that were there before; more would only ask the same nodes again.
const OLD_SOURCES: usize = 4;
/// Sources that start while backends go.
const FRESH_SOURCES: usize = 2;

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let [service, deployment, _] = exactly(cx.draft(&WIN_WEBSERVER_SCALES, "", &nodes)?)?;
    let service = cx.create(&service).await?;
    let deployment = cx.create(&deployment).await?;
    let first = cx.pods_ready(&deployment).await.map_err(|trouble| not_up(&deployment, &trouble))?;
    let mut sources = cx.pods_here_at_last(&WINDOWS_POD).await;
    sources.truncate(OLD_SOURCES);
    if sources.is_empty() {
        cx.ready(&WINDOWS_POD)?;
    }
    let mut traffic = Traffic::new(&cx, service_ip(&service)?);
    traffic.follow(&first);
    traffic.settle(&sources, &first).await;
    let (before, _) = traffic.until_followed(&sources, &first).await;
    if before.verdict.kind() != VerdictKind::Passed {
        // Not scaling's fault: suite `reachability` judges Services that stand still.
        let reason = before.verdict.reason();
        return Ok(Verdict::Undetermined(format!("nothing can be scaled that does not work before: {reason}")));
    }

    cx.scale(&deployment, 3).await?;
    let three = cx.pods_ready_of(&deployment, 3).await?;
    traffic.follow(&three);
    traffic.settle(&sources, &three).await;
    let (grown, took) = traffic.until_followed(&sources, &three).await;
    cx.phase("rules followed the scale-up", took);
    if grown.verdict.kind() != VerdictKind::Passed {
        return Ok(failed("after the third backend came", &grown));
    }

    cx.scale(&deployment, 2).await?;
    let leaving = one_leaves(&cx, &deployment, &three).await?;
    // They start while the backend goes, so that nobody waits for one after the other.
    let starting = create_fresh(&cx, &nodes).await?;
    let during = traffic.now(&sources).await;
    if during.lost * 2 > during.tried {
        during.report(&cx);
        return Ok(failed(&format!("while {leaving} went"), &during));
    }
    let fresh = ready(&cx, &starting).await?;
    let rest: Vec<PodRef> = three.into_iter().filter(|pod| pod.name != leaving).collect();
    is_gone(&cx, &deployment, &leaving).await?;
    sources.extend(fresh.iter().cloned());
    let (after, took) = traffic.until_followed(&sources, &rest).await;
    cx.phase("rules followed the scale-down", took);
    if after.verdict.kind() != VerdictKind::Passed {
        return Ok(failed(&format!("after {leaving} was gone"), &after));
    }
    Ok(Verdict::Passed(format!(
        "to three and back: before {}, with three {}, while one went {}, after {} ({} old and {} fresh pods asked)",
        before.words(),
        grown.words(),
        during.words(),
        after.words(),
        sources.len() - fresh.len(),
        fresh.len()
    )))
}

/// The verdict of a round that did not go well, with when that was.
fn failed(when: &str, round: &Round) -> Verdict {
    let text = format!("{when}, {}: {}", round.words(), round.verdict.reason());
    match round.verdict.kind() {
        VerdictKind::Undetermined => Verdict::Undetermined(text),
        _ => Verdict::Failed(text),
    }
}

fn service_ip(service: &Object) -> Result<String, Trouble> {
    let ip = match &service.kind {
        Kind::Service(service) => service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone()),
        _ => None,
    };
    ip.filter(|ip| !ip.is_empty() && ip != "None")
        .ok_or_else(|| Trouble::Unexpected("the Service has no IP".to_owned()))
}

/// The pod that was asked to go.
async fn one_leaves(cx: &Context, deployment: &Object, three: &[PodRef]) -> Result<String, Trouble> {
    let leaving = cx
        .wait("the pod that goes", || {
            let staying: BTreeSet<String> =
                cx.own_pods(deployment).iter().filter_map(|pod| pod.metadata.name.clone()).collect();
            match three.iter().find(|pod| !staying.contains(&pod.name)) {
                Some(pod) => Look::Ready(pod.name.clone()),
                None => Look::NotYet(Budget::Api, "none of the three was asked to go".to_owned()),
            }
        })
        .await?;
    Ok(leaving)
}

/// Waits until that pod is gone altogether.
async fn is_gone(cx: &Context, deployment: &Object, name: &str) -> Result<(), Trouble> {
    cx.wait(&format!("the end of pod {name}"), || {
        let there = cx.own_pods_and_leaving(deployment).iter().any(|pod| pod.metadata.name.as_deref() == Some(name));
        if there { Look::NotYet(Budget::Terminate, "it is terminating".to_owned()) } else { Look::Ready(()) }
    })
    .await?;
    Ok(())
}

/// Pods that start after backends have come and gone.
async fn create_fresh(cx: &Context, nodes: &[&NodeFacts]) -> Result<Vec<Object>, Trouble> {
    let one = async |(number, node): (usize, &&NodeFacts)| {
        let [_, _, pod] = exactly(cx.draft(&WIN_WEBSERVER_SCALES, &format!("fresh-{number}"), &[node])?)?;
        cx.create(&pod).await
    };
    try_join_all(nodes.iter().cycle().take(FRESH_SOURCES).enumerate().map(one)).await
}

async fn ready(cx: &Context, pods: &[Object]) -> Result<Vec<PodRef>, Trouble> {
    let one = async |pod: &Object| cx.pod_ready(pod).await.map_err(|trouble| not_up(pod, &trouble));
    try_join_all(pods.iter().map(one)).await
}
