//! A pod that selects a build by its label lands on a node of that build.
//!
//! No name of a node steers it, only softly, since the label is what is asked about. A
//! label that names another build than its node runs could still win by luck, so it
//! counts whichever node was taken.

use winconform_harness::{
    Answer, Check, Context, Explain, Failure, Scheduling, Trouble, Use,
    cluster::{BUILD_LABEL, NodeFacts, Os},
};
use winconform_manifests::PLACEMENT_BUILD_SELECTOR;
use winconform_reports::{Verdict, event::Observation};

use crate::{
    fixture::WINDOWS_POD,
    trial::{TRIAL, rather_on, spec_of, twin_is_placed},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/build-selector",
    title: "A pod that selects the target's build lands on a node of that build",
    statement: "P5",
    passing: "A pod with the build in its node selector was placed on a node that runs it, and no node carries that label falsely.",
    silent_on: "The patch level, which no label carries.",
    uses: &[Use::submitted(&WINDOWS_POD)],
    creates: &[PLACEMENT_BUILD_SELECTOR],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/#handling-multiple-windows-versions-in-the-same-cluster",
        ],
        failures: &[Failure {
            seen: "No node takes it, or a node carries the label and runs another build.",
            advice: "See `nodes/windows-build-label`: a node whose system was upgraded in place can keep the old label.",
        }],
        by_hand: &[
            "kubectl get nodes --selector kubernetes.io/os=windows --label-columns node.kubernetes.io/windows-build --output wide",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let nodes = cx.open_nodes_here()?;
    let Some(version) = cx.target()?.windows else {
        return Ok(Verdict::NotApplicable("its kernel version names no Windows build".to_owned()));
    };
    if nodes.iter().all(|node| node.build_label().is_none()) {
        return Ok(Verdict::NotApplicable(format!("none of its nodes carries the label {BUILD_LABEL}")));
    }
    let build = version.build_label();
    let mut draft = cx.draft_one(&PLACEMENT_BUILD_SELECTOR, "", &nodes)?;
    let spec = spec_of(&mut draft)?;
    spec.affinity = Some(rather_on(&nodes));
    spec.node_selector.get_or_insert_default().insert(BUILD_LABEL.to_owned(), build.clone());
    let pod = cx.create(&draft).await?;
    match cx.scheduling(&pod).await? {
        Scheduling::Unschedulable { message } => {
            let first = nodes.first().ok_or_else(|| Trouble::Unexpected("there is no node".to_owned()))?;
            twin_is_placed(&cx, &first.name).await?;
            nodes.iter().filter(|node| !node.build_label_is_true()).for_each(|node| observe(&cx, node));
            Ok(Verdict::Failed(format!("no node takes a pod that selects {BUILD_LABEL}={build}: {message}")))
        }
        Scheduling::On(taken) => Ok(judge(&cx, &build, &taken)),
    }
}

fn judge(cx: &Context, build: &str, taken: &str) -> Verdict {
    let false_labels: Vec<&NodeFacts> = (cx.facts().open_nodes(Os::Windows))
        .filter(|node| node.build_label() == Some(build) && !node.build_label_is_true())
        .collect();
    if false_labels.is_empty() {
        return Verdict::Passed(format!("{BUILD_LABEL}={build} led to {taken}"));
    }
    false_labels.iter().for_each(|node| observe(cx, node));
    let names: Vec<String> =
        false_labels.iter().map(|node| format!("{}, which runs {}", node.name, node.kernel_version)).collect();
    Verdict::Failed(format!(
        "{BUILD_LABEL}={build} led to {taken}, and would as well lead to {}",
        names.join(", and to ")
    ))
}

/// The same fact that `nodes/windows-build-label` states, so that one finding accounts for both.
fn observe(cx: &Context, node: &NodeFacts) {
    cx.observe(Observation::Node {
        node: node.name.clone(),
        what: format!("label {BUILD_LABEL}"),
        expected: node.windows.map(|version| version.build_label()).unwrap_or_default(),
        found: node.build_label().unwrap_or("missing").to_owned(),
    });
}
