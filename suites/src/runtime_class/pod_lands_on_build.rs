//! A pod that chooses nothing but a RuntimeClass runs on the Windows version of that class.

use winconform_harness::{
    Answer, Check, Claims, Context, Explain, Failure, Trouble,
    wait::{Cause, WaitError},
};
use winconform_manifests::RUNTIME_CLASS_POD_LANDS_ON_BUILD;
use winconform_reports::{Chain, Verdict, event::Observation};

use super::class::Drafted;
use crate::trial::{TRIAL, rather_on};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "runtime-class/pod-lands-on-build",
    title: "A pod of a RuntimeClass runs on the Windows version of its class",
    statement: "C2",
    passing: "A pod without selector or toleration of its own became Ready on a node of the build that its class selects.",
    silent_on: "Handlers other than the one the class names.",
    creates: &[RUNTIME_CLASS_POD_LANDS_ON_BUILD],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/containers/runtime-class/",
        ],
        failures: &[
            Failure {
                seen: "FailedCreatePodSandBox: no runtime for the handler is configured.",
                advice: "Name a handler that containerd has on these nodes: `status.runtimeHandlers`, or its config.toml.",
            },
            Failure {
                seen: "The pod runs on another build, or no node takes it.",
                advice: "See `nodes/windows-build-label`: the class selects by that label.",
            },
        ],
        by_hand: &["kubectl get node NODE --output jsonpath='{.status.runtimeHandlers}'", "kubectl describe pod POD"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let mut drafted = Drafted::new(&cx, &RUNTIME_CLASS_POD_LANDS_ON_BUILD, &nodes, None).await?;
    // The class decides; of the nodes it allows, the target's own are preferred.
    drafted.pod_mut()?.spec.get_or_insert_default().affinity = Some(rather_on(&nodes));
    drafted.create_class(&cx).await?;
    let pod = drafted.create_pod(&cx).await?;
    let runs = match cx.pod_ready(&pod).await {
        Ok(pod) => pod,
        Err(Trouble::Wait(error)) => return kept(&cx, error),
        Err(trouble) => return Err(trouble),
    };
    let build = |node: &str| cx.facts().node(node).and_then(|node| node.windows).map(|version| version.build_label());
    let wanted = cx.target()?.windows.map(|version| version.build_label());
    if wanted.is_some() && build(&runs.node) != wanted {
        return Ok(Verdict::Failed(format!(
            "a pod whose class selects build {} runs on {}, which runs {}",
            wanted.unwrap_or_default(),
            runs.node,
            build(&runs.node).unwrap_or_else(|| "another system".to_owned())
        )));
    }
    let handler = drafted.handler();
    Ok(Verdict::Passed(format!("runs on {} by the handler {handler}", runs.node)))
}

/// What keeps the pod: its place and its sandbox are the class's doing, its image is not.
fn kept(cx: &Context, error: WaitError) -> Answer {
    let image = match &error {
        WaitError::Hopeless { cause, .. } => matches!(**cause, Cause::Container { .. }),
        _ => false,
    };
    if !image {
        return Err(error.into());
    }
    let seen: Vec<Observation> = error.observations();
    seen.into_iter().for_each(|observation| cx.observe(observation));
    Ok(Verdict::Undetermined(format!("it was placed, but whether it runs cannot be told: {}", Chain(&error))))
}
