//! The labels `kubernetes.io/os` and `kubernetes.io/arch` are there and true.

use std::time::Duration;

use winconform_harness::{Answer, Check, Context, Explain, Failure, Scope};
use winconform_reports::{Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/os-and-arch-labels",
    title: "The labels for operating system and architecture say what the node is",
    statement: "N3",
    passing: "Both labels are there and agree with what the node's kubelet reports.",
    silent_on: "Whether anything selects by them.",
    scope: Scope::EveryNode,
    needs: &[],
    budget: Duration::from_secs(30),
    explain: Explain {
        sources: &["https://kubernetes.io/docs/reference/labels-annotations-taints/"],
        failures: &[Failure {
            seen: "A label is missing or names another system than `status.nodeInfo`.",
            advice: "The kubelet sets both at registration: look for whatever overwrites node labels, and set them back.",
        }],
        by_hand: &["kubectl get nodes --label-columns kubernetes.io/os,kubernetes.io/arch --output wide"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let node = cx.node()?;
    let mut wrong = Vec::new();
    for (label, expected) in [("kubernetes.io/os", node.os.as_str()), ("kubernetes.io/arch", node.arch.as_str())] {
        let found = node.labels.get(label);
        if found.map(String::as_str) == Some(expected) && !expected.is_empty() {
            continue;
        }
        let found = found.cloned().unwrap_or_else(|| "missing".to_owned());
        wrong.push(format!("label {label} is {found}, but the kubelet reports `{expected}`"));
        cx.observe(Observation::Node {
            node: node.name.clone(),
            what: format!("label {label}"),
            expected: expected.to_owned(),
            found,
        });
    }
    Ok(match wrong.is_empty() {
        true => Verdict::Passed(format!("{}/{}", node.os.as_str(), node.arch)),
        false => Verdict::Failed(wrong.join("; ")),
    })
}
