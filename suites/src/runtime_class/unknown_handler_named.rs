//! A handler that the node's runtime does not have keeps the pod, and is named in its events.
//!
//! This is what becomes of the guide's own `handler: docker` on a node with containerd.

use k8s_openapi::api::core::v1::Affinity;
use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Trouble, Use, placement::pinned_to, wait::Look,
};
use winconform_manifests::RUNTIME_CLASS_UNKNOWN_HANDLER_NAMED;
use winconform_reports::{Verdict, event::Observation};

use super::class::Drafted;
use crate::{fixture::WINDOWS_POD, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "runtime-class/unknown-handler-named",
    title: "A handler that the node does not have is named in the pod's events",
    statement: "C3",
    passing: "The pod got no sandbox (FailedCreatePodSandBox), the event names the handler, and a pod without it runs on that node.",
    silent_on: "Which handlers the node does have.",
    uses: &[Use::settled(&WINDOWS_POD)],
    creates: &[RUNTIME_CLASS_UNKNOWN_HANDLER_NAMED],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/containers/runtime-class/#setup",
            "https://github.com/NVIDIA/gpu-operator/issues/413",
        ],
        failures: &[
            Failure {
                seen: "The pod runs.",
                advice: "The node's runtime takes any handler for its default one, so a RuntimeClass means nothing there.",
            },
            Failure {
                seen: "No event names the handler.",
                advice: "The kubelet's log on that node says what happened to the pod.",
            },
        ],
        by_hand: &["kubectl describe pod POD"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let able = cx.ready_here(&WINDOWS_POD).find_map(|(_, ready)| ready.pods.first().cloned());
    let Some(twin) = able else {
        cx.ready(&WINDOWS_POD)?;
        return Err(Trouble::Unexpected("no pod runs on any node of the target".to_owned()));
    };
    let node = cx.facts().node(&twin.node).ok_or_else(|| Trouble::Unexpected(format!("{} is gone", twin.node)))?;
    // Our own word, not an English one: it stands in the event in every language.
    let handler = "winconform-unknown".to_owned();
    let mut drafted = Drafted::new(&cx, &RUNTIME_CLASS_UNKNOWN_HANDLER_NAMED, &[node], Some(handler.clone())).await?;
    drafted.pod_mut()?.spec.get_or_insert_default().affinity =
        Some(Affinity { node_affinity: Some(pinned_to(&[node])), ..Affinity::default() });
    drafted.create_class(&cx).await?;
    let pod = drafted.create_pod(&cx).await?;
    let verdict = cx
        .wait(&format!("word of the handler {handler}"), || {
            let Some(now) = cx.own_pod(&pod) else {
                return Look::NotYet(Budget::Schedule, "the pod is not there".to_owned());
            };
            let status = now.status.clone().unwrap_or_default();
            if status.phase.as_deref() == Some("Running") {
                return Look::Ready(None);
            }
            let events = cx.events_of(&now);
            let refused = status.reason.iter().chain(&status.message).any(|text| text.contains(&handler));
            let named = |event: &&std::sync::Arc<k8s_openapi::api::core::v1::Event>| {
                event.type_.as_deref() == Some("Warning")
                    && event.message.as_deref().is_some_and(|message| message.contains(&handler))
            };
            match events.iter().find(named) {
                Some(event) => Look::Ready(Some(event.reason.clone().unwrap_or_default())),
                None if refused => Look::Ready(status.reason),
                None if now.spec.as_ref().is_some_and(|spec| spec.node_name.is_some()) => {
                    let last = events.last().and_then(|event| event.message.clone()).unwrap_or_default();
                    Look::NotYet(Budget::Sandbox, format!("no event names the handler; the last one says: {last}"))
                }
                None => Look::NotYet(Budget::Schedule, "the pod has no node".to_owned()),
            }
        })
        .await?;
    Ok(match verdict {
        Some(reason) => Verdict::Passed(format!("{reason} on {} names the handler", node.name)),
        None => {
            cx.observe(Observation::Node {
                node: node.name.clone(),
                what: "a handler that is not configured".to_owned(),
                expected: "refused by the runtime".to_owned(),
                found: "taken for another".to_owned(),
            });
            Verdict::Failed(format!(
                "{} runs a pod by the handler {handler}, which no runtime has configured",
                node.name
            ))
        }
    })
}
