//! Where pods without a node selector land, on a cluster with untainted Windows nodes.
//!
//! As many pods as there are nodes, spread as production spreads replicas: a single one
//! would show only where the scheduler's dice fell.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{Affinity, PodAffinityTerm, PodAntiAffinity, WeightedPodAffinityTerm};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Need, Scheduling, Scope, Trouble,
    cluster::{NodeFacts, Os},
    wait::Look,
};
use winconform_manifests::{Object, PLACEMENT_UNSELECTED_POD};
use winconform_reports::{Level, Verdict, event::Observation};

use crate::trial::{TRIAL, spec_of};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/unselected-pod",
    title: "Where pods land that select no node, and what becomes of them",
    statement: "P3",
    passing: "The note says how many of a few Linux pods without a selector went to Windows nodes, and what their kubelets made of them.",
    silent_on: "Images that exist for both systems, which would run there.",
    level: Level::Info,
    scope: Scope::Cluster,
    needs: &[Need::LinuxNode, Need::UntaintedNode],
    creates: &[PLACEMENT_UNSELECTED_POD],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/OneUptime/oneuptime/pull/3057",
        ],
        failures: &[Failure {
            seen: "Linux pods land on Windows nodes and are refused there.",
            advice: "Taint the Windows nodes (`os=windows:NoSchedule`), or give every Linux workload the node selector `kubernetes.io/os: linux`.",
        }],
        by_hand: &[
            "kubectl create deployment anywhere --image=registry.k8s.io/pause:3.10 --replicas=6",
            "kubectl get pods --selector app=anywhere --output wide",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const MOST: usize = 6;
const WORD: (&str, &str) = ("winconform.io/spread", "unselected-pod");

async fn run(cx: Context) -> Answer {
    let linux = cx.facts().open_nodes(Os::Linux).next();
    let linux = linux.ok_or_else(|| Trouble::Unexpected("no Linux node takes pods".to_owned()))?;
    let open = cx.facts().nodes.iter().filter(|node| node.is_open()).count().clamp(1, MOST);
    let mut landed = Vec::new();
    for number in 0..open {
        let pod = cx.create(&draft(&cx, linux, number)?).await?;
        let place = cx.scheduling(&pod).await?;
        landed.push((pod, place));
    }
    let mut windows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut elsewhere, mut nowhere) = (0, 0);
    for (pod, place) in &landed {
        match place {
            Scheduling::Unschedulable { .. } => nowhere += 1,
            Scheduling::On(node) if cx.facts().node(node).is_some_and(|node| node.os == Os::Windows) => {
                windows.entry(fate(&cx, pod).await?).or_default().insert(node.clone());
            }
            Scheduling::On(_) => elsewhere += 1,
        }
    }
    let bare: Vec<&str> = (cx.facts().open_nodes(Os::Windows))
        .filter(|node| !node.keeps_pods_off())
        .map(|node| node.name.as_str())
        .collect();
    for node in bare.iter().filter(|_| !windows.is_empty()) {
        cx.observe(Observation::Node {
            node: (*node).to_owned(),
            what: "taint".to_owned(),
            expected: "one that keeps Linux pods off".to_owned(),
            found: "none that does".to_owned(),
        });
    }
    let mut told = vec![format!("no taint keeps pods off the windows nodes {}", bare.join(", "))];
    for (fate, nodes) in &windows {
        told.push(format!("Linux pods went to {} and {fate}", nodes.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    if windows.is_empty() {
        told.push("this time no Linux pod went there".to_owned());
    }
    told.push(format!("{elsewhere} of {open} went to Linux nodes"));
    if nowhere > 0 {
        told.push(format!("{nowhere} to none"));
    }
    Ok(Verdict::Passed(told.join("; ")))
}

/// A Linux pod as they were written before there were Windows nodes, but for saying its system:
/// so a Windows kubelet refuses it at once, whatever its image is.
fn draft(cx: &Context, linux: &NodeFacts, number: usize) -> Result<Object, Trouble> {
    let mut draft = cx.draft_one(&PLACEMENT_UNSELECTED_POD, &number.to_string(), &[linux])?;
    let word = BTreeMap::from([(WORD.0.to_owned(), WORD.1.to_owned())]);
    draft.metadata_mut().labels.get_or_insert_default().extend(word.clone());
    let spec = spec_of(&mut draft)?;
    spec.node_selector = None;
    spec.tolerations = None;
    spec.affinity = Some(Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: PodAffinityTerm {
                    label_selector: Some(LabelSelector { match_labels: Some(word), ..LabelSelector::default() }),
                    topology_key: "kubernetes.io/hostname".to_owned(),
                    ..PodAffinityTerm::default()
                },
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    });
    Ok(draft)
}

/// What the kubelet of a Windows node makes of such a pod.
async fn fate(cx: &Context, pod: &Object) -> Result<String, Trouble> {
    let fate = cx
        .wait(&format!("what becomes of pod {}", pod.name()), || {
            let Some(now) = cx.own_pod(pod) else { return Look::Ready("were removed".to_owned()) };
            let status = now.status.clone().unwrap_or_default();
            match status.phase.as_deref() {
                Some("Failed") => Look::Ready(format!("were refused there ({})", status.reason.unwrap_or_default())),
                Some("Running" | "Succeeded") => Look::Ready("run there".to_owned()),
                other => Look::NotYet(Budget::Sandbox, format!("it is {}", other.unwrap_or("new"))),
            }
        })
        .await;
    match fate {
        Ok(fate) => Ok(fate),
        Err(error @ winconform_harness::wait::WaitError::ApiLost { .. }) => Err(error.into()),
        Err(_) => Ok("stay there without running".to_owned()),
    }
}
