//! Pods that a check makes to see what becomes of them.
//!
//! "Stays unscheduled" proves something only beside a pod that was placed: the twin
//! is the pod that every Windows node has anyway ([`WINDOWS_POD`]), pinned in the same
//! way, with the tolerations that are needed.

use std::time::Duration;

use k8s_openapi::api::core::v1::{
    Affinity, NodeAffinity, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, PreferredSchedulingTerm,
};
use winconform_harness::{
    Answer, Budget, Check, Claims, Context, Explain, Facts, Need, Scheduling, Scope, Trouble,
    cluster::{NodeFacts, Os},
    probe::PodRef,
    run::State,
    wait::{Cause, Look, WaitError, untolerated},
};
use winconform_manifests::{Kind, Object};
use winconform_reports::{Chain, Level, Verdict, event::Observation};

use crate::fixture::WINDOWS_POD;

/// What checks with pods of their own have in common; each names the rest.
pub(crate) const TRIAL: Check = Check {
    id: "",
    title: "",
    statement: "",
    passing: "",
    silent_on: "",
    level: Level::Core,
    scope: Scope::Target,
    needs: &[Need::OpenNode],
    uses: &[],
    creates: &[],
    claims: Claims::NONE,
    // Its waits have budgets of their own; this one is for what nobody thought of.
    budget: Duration::from_secs(3600),
    disruptive: false,
    asks: &[],
    looks_at: &[],
    explain: Explain { sources: &[], failures: &[], by_hand: &[] },
    run: |_| Box::pin(async { Err(Trouble::Unexpected("a template was asked".to_owned())) }),
};

/// The pod in an object, to be changed.
///
/// # Errors
///
/// When it makes none: a manifest of ours holds another kind than its check takes it for.
pub(crate) fn spec_of(object: &mut Object) -> Result<&mut PodSpec, Trouble> {
    let kind = object.kind_name();
    object.pod_spec_mut().ok_or_else(|| Trouble::Unexpected(format!("a {kind} makes no pod")))
}

/// The objects of a manifest that has as many.
///
/// # Errors
///
/// When it has more or fewer.
pub(crate) fn exactly<const N: usize>(objects: Vec<Object>) -> Result<[Object; N], Trouble> {
    let count = objects.len();
    objects.try_into().map_err(|_all| Trouble::Unexpected(format!("the manifest has {count} objects, not {N}")))
}

/// The pods of an object that a check needs for its question did not start: other checks judge that.
pub(crate) fn not_up(object: &Object, trouble: &Trouble) -> Trouble {
    let fixture = format!("{} {}", object.kind_name(), object.name());
    Trouble::Fixture { fixture, reason: Chain(trouble).to_string() }
}

/// The Windows node that stands for all, where a question is not about a build.
///
/// # Errors
///
/// When none takes pods any more.
pub(crate) fn any_windows_node(cx: &Context) -> Result<&NodeFacts, Trouble> {
    let mut open = cx.facts().open_nodes(Os::Windows);
    open.next().ok_or_else(|| Trouble::Unexpected("no Windows node takes pods".to_owned()))
}

/// Softly to these nodes: nothing is kept from others that fit as well.
pub(crate) fn rather_on(nodes: &[&NodeFacts]) -> Affinity {
    let term = |node: &&NodeFacts| PreferredSchedulingTerm {
        weight: 100,
        preference: NodeSelectorTerm {
            match_fields: Some(vec![NodeSelectorRequirement {
                key: "metadata.name".to_owned(),
                operator: "In".to_owned(),
                values: Some(vec![node.name.clone()]),
            }]),
            ..NodeSelectorTerm::default()
        },
    };
    Affinity {
        node_affinity: Some(NodeAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(nodes.iter().map(term).collect()),
            ..NodeAffinity::default()
        }),
        ..Affinity::default()
    }
}

/// Waits until the twin on a node was placed there.
///
/// # Errors
///
/// When it was not: then nothing follows from a pod that stays unscheduled.
pub(crate) async fn twin_is_placed(cx: &Context, node: &str) -> Result<(), Trouble> {
    let of_node = cx.fixtures_here(&WINDOWS_POD).find(|live| live.key.place.node() == Some(node));
    let Some(twin) = of_node else {
        return Err(Trouble::Unexpected(format!("there is no pod on {node} to compare with")));
    };
    let not_placed = |reason| Trouble::Fixture { fixture: twin.key.to_string(), reason };
    let placed = cx
        .wait(&format!("a node for {}", twin.key), || {
            let bound = |pod: &Pod| pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(node));
            match (cx.pods_of(twin).iter().any(|pod| bound(pod)), twin.state()) {
                (true, _) => Look::Ready(Ok(())),
                (false, State::Failed(trouble)) => Look::Ready(Err(Chain(trouble.as_ref()).to_string())),
                (false, _) => Look::NotYet(Budget::Schedule, "the pod to compare with has no node".to_owned()),
            }
        })
        .await;
    match placed {
        Ok(placed) => placed.map_err(not_placed),
        Err(lost @ WaitError::ApiLost { .. }) => Err(lost.into()),
        Err(error) => Err(not_placed(Chain(&error).to_string())),
    }
}

/// Creates a pod without the toleration it needs on any of `nodes`, and judges what becomes of it.
///
/// Which taint keeps it off is computed from the pod as it was admitted, never read
/// from the scheduler's message, which since 1.34 does not name it.
pub(crate) async fn kept_off(cx: &Context, draft: &Object, nodes: &[&NodeFacts]) -> Answer {
    let pod = cx.create(draft).await?;
    for node in nodes {
        if taints_against(&pod, node, cx.facts()).is_empty() {
            return Ok(Verdict::Undetermined(format!(
                "the pod had no toleration when it was sent, and came back with one for every taint of {}: a policy \
                 of the cluster adds it",
                node.name
            )));
        }
    }
    let names = |nodes: &[&NodeFacts]| nodes.iter().map(|node| node.name.clone()).collect::<Vec<_>>().join(", ");
    match cx.scheduling(&pod).await? {
        Scheduling::On(taken) => {
            let against =
                cx.facts().node(&taken).map(|node| taints_against(&pod, node, cx.facts())).unwrap_or_default();
            cx.observe(Observation::Node {
                node: taken.clone(),
                what: format!("taint {}", against.join(", ")),
                expected: "kept to".to_owned(),
                found: "passed over".to_owned(),
            });
            Ok(Verdict::Failed(format!(
                "the pod was bound to {taken}, although it does not tolerate {}",
                against.join(", ")
            )))
        }
        Scheduling::Unschedulable { .. } => {
            for node in nodes {
                twin_is_placed(cx, &node.name).await?;
            }
            let mut against: Vec<String> =
                nodes.iter().flat_map(|node| taints_against(&pod, node, cx.facts())).collect();
            against.sort();
            against.dedup();
            Ok(Verdict::Passed(format!("kept off {} by {}", names(nodes), against.join(", "))))
        }
    }
}

/// The taints of a node that a pod does not tolerate.
fn taints_against(pod: &Object, node: &NodeFacts, facts: &Facts) -> Vec<String> {
    match &pod.kind {
        Kind::Pod(pod) => untolerated(pod, std::slice::from_ref(&node.name), facts),
        _ => Vec::new(),
    }
}

/// Waits until a pod runs. A pod that no node takes, or that its kubelet refuses, is the
/// verdict of a check about places; what keeps it from running later is another check's.
///
/// # Errors
///
/// When the API server is lost.
pub(crate) async fn placed_and_runs(cx: &Context, pod: &Object) -> Result<Result<PodRef, Verdict>, Trouble> {
    let error = match cx.pod_ready(pod).await {
        Ok(pod) => return Ok(Ok(pod)),
        Err(Trouble::Wait(error)) => error,
        Err(trouble) => return Err(trouble),
    };
    for observation in error.observations() {
        cx.observe(observation);
    }
    let not_placed = match &error {
        WaitError::Hopeless { cause, .. } => matches!(**cause, Cause::Unschedulable { .. } | Cause::Refused { .. }),
        WaitError::TimedOut { budget, .. } => *budget == Budget::Schedule,
        _ => false,
    };
    let text = Chain(&error).to_string();
    match not_placed {
        true => Ok(Err(Verdict::Failed(text))),
        false if matches!(error, WaitError::ApiLost { .. }) => Err(error.into()),
        false => Ok(Err(Verdict::Undetermined(format!("it was placed, but whether it runs cannot be told: {text}")))),
    }
}
