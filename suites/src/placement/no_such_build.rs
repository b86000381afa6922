//! A pod that selects a build which no node has stays unscheduled.

use winconform_harness::{
    Answer, Check, Context, Explain, Facts, Failure, Need, Scheduling, Scope, Use, cluster::BUILD_LABEL,
};
use winconform_manifests::PLACEMENT_NO_SUCH_BUILD;
use winconform_reports::Verdict;

use crate::{
    fixture::WINDOWS_POD,
    trial::{TRIAL, any_windows_node, spec_of, twin_is_placed},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/no-such-build",
    title: "A pod that selects a build no node has stays unscheduled",
    statement: "P5",
    passing: "The pod was not placed, and its twin without that selector was.",
    silent_on: "Builds that nodes have: `placement/build-selector` asks for those.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    uses: &[Use::submitted(&WINDOWS_POD)],
    creates: &[PLACEMENT_NO_SUCH_BUILD],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/#handling-multiple-windows-versions-in-the-same-cluster",
        ],
        failures: &[Failure {
            seen: "The pod was bound to a node.",
            advice: "Something goes past its selector: a second scheduler, or a policy that changes pods.",
        }],
        by_hand: &[
            "kubectl run none --image=IMAGE --overrides='{\"spec\":{\"nodeSelector\":{\"node.kubernetes.io/windows-build\":\"10.0.99999\"}}}'",
            "kubectl get pod none --output jsonpath='{.status.conditions}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let node = any_windows_node(&cx)?;
    let build = missing_build(cx.facts());
    let mut draft = cx.draft_one(&PLACEMENT_NO_SUCH_BUILD, "", &[node])?;
    spec_of(&mut draft)?.node_selector.get_or_insert_default().insert(BUILD_LABEL.to_owned(), build.clone());
    let pod = cx.create(&draft).await?;
    match cx.scheduling(&pod).await? {
        Scheduling::On(taken) => Ok(Verdict::Failed(format!(
            "the pod selects {BUILD_LABEL}={build}, which no node carries, and was bound to {taken}"
        ))),
        Scheduling::Unschedulable { .. } => {
            twin_is_placed(&cx, &node.name).await?;
            Ok(Verdict::Passed(format!("no node carries {BUILD_LABEL}={build}, and none took the pod")))
        }
    }
}

/// A build that no node's label names, whatever is written there.
fn missing_build(facts: &Facts) -> String {
    let taken = |build: &String| facts.nodes.iter().any(|node| node.build_label() == Some(build));
    (1..=99_999).rev().map(|number| format!("10.0.{number}")).find(|build| !taken(build)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_build_is_one_that_no_label_names() {
        let node = serde_json::from_value(json!({
            "metadata": { "name": "win-0", "labels": { "kubernetes.io/os": "windows", BUILD_LABEL: "10.0.99999" } }
        }))
        .unwrap();
        assert_eq!(missing_build(&Facts::from_nodes([&node])), "10.0.99998");
        assert_eq!(missing_build(&Facts::default()), "10.0.99999");
    }
}
