//! Windows nodes carry the taint that the operator means them to.
//!
//! The guide's `os=windows:NoSchedule` is one of five spellings in the wild, and managed
//! clusters taint nothing at all, so only what the user names is asserted; otherwise the
//! taints that are there are reported.

use std::collections::BTreeMap;

use winconform_harness::{
    Answer, Check, Context, Explain, Failure, Need,
    cluster::{NodeFacts, Taint},
};
use winconform_reports::{Level, Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "placement/windows-nodes-tainted",
    title: "The target's nodes carry the taint that is expected of them",
    statement: "P1",
    passing: "Every node of the target carries the taint that `--expect-taint` names, letter by letter.",
    silent_on: "Whether the taint keeps anything off: `placement/linux-pod-kept-off` asks that.",
    level: Level::Extended,
    needs: &[] as &[Need],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/microsoft/Windows-Containers/issues/103",
        ],
        failures: &[Failure {
            seen: "A node has no taint, or one that differs in a letter's case.",
            advice: "Set it where the node registers (`--register-with-taints`, or the pool's taints), not by hand: a node that is made anew loses it.",
        }],
        by_hand: &[
            "kubectl get nodes --selector kubernetes.io/os=windows --output custom-columns=NAME:.metadata.name,TAINTS:.spec.taints",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let nodes: Vec<&NodeFacts> = cx.facts().nodes_of(cx.place()).collect();
    let Some(expected) = &cx.settings().expected_taint else {
        return Ok(Verdict::NotApplicable(format!(
            "no taint was named with --expect-taint; its nodes carry {}",
            described(&nodes)
        )));
    };
    let bare: Vec<&&NodeFacts> = nodes.iter().filter(|node| !node.taints.contains(expected)).collect();
    for node in &bare {
        cx.observe(Observation::Node {
            node: node.name.clone(),
            what: "taint".to_owned(),
            expected: expected.spelled(),
            found: spelled(node),
        });
    }
    let names: Vec<String> = bare.iter().map(|node| format!("{} ({})", node.name, spelled(node))).collect();
    Ok(match bare.is_empty() {
        true => Verdict::Passed(format!("{} on all {} nodes", expected.spelled(), nodes.len())),
        false => Verdict::Failed(format!("{} is missing on {}", expected.spelled(), names.join(", "))),
    })
}

/// The taints in force, and how many nodes carry each set of them.
fn described(nodes: &[&NodeFacts]) -> String {
    let mut sets: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        *sets.entry(spelled(node)).or_default() += 1;
    }
    let of = |(taints, count): (&String, &usize)| match *count == nodes.len() {
        true => taints.clone(),
        false => format!("{taints} on {count} of {}", nodes.len()),
    };
    sets.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// What a node is tainted with for good, and how far its spelling is the guide's.
fn spelled(node: &NodeFacts) -> String {
    let lasting: Vec<String> = node
        .taints
        .iter()
        .filter(|taint| !taint.is_condition())
        .map(|taint| format!("{}{}", taint.spelled(), remark(taint)))
        .collect();
    if lasting.is_empty() { "no taint".to_owned() } else { lasting.join(" and ") }
}

/// What there is to know of the ways in which platforms spell "this node runs Windows".
fn remark(taint: &Taint) -> &'static str {
    if !taint.value.eq_ignore_ascii_case("windows") {
        return "";
    }
    match (taint.key.as_str(), taint.value.as_str()) {
        ("os", "windows") => " (the guide's)",
        ("os" | "node.kubernetes.io/os", _) => " (not the guide's: a toleration of `os=windows` does not tolerate it)",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;
    use winconform_harness::Facts;

    use super::*;

    fn told(taints: &[serde_json::Value]) -> String {
        let nodes: Vec<Node> = (taints.iter().enumerate())
            .map(|(index, taints)| {
                serde_json::from_value(json!({
                    "metadata": { "name": format!("win-{index}"), "labels": { "kubernetes.io/os": "windows" } },
                    "spec": { "taints": taints }
                }))
                .unwrap()
            })
            .collect();
        let facts = Facts::from_nodes(&nodes);
        described(&facts.nodes.iter().collect::<Vec<_>>())
    }

    #[test]
    fn every_spelling_in_the_wild_is_reported_as_it_stands() {
        let taint = |key: &str, value: &str| json!([{ "key": key, "value": value, "effect": "NoSchedule" }]);
        assert_eq!(told(&[taint("os", "windows")]), "os=windows:NoSchedule (the guide's)");
        for (key, value) in
            [("os", "Windows"), ("node.kubernetes.io/os", "windows"), ("node.kubernetes.io/os", "Windows")]
        {
            assert!(told(&[taint(key, value)]).starts_with(&format!("{key}={value}:NoSchedule (not the guide's")));
        }
        assert_eq!(told(&[json!(null)]), "no taint");
        assert_eq!(told(&[json!(null), taint("gpu", "yes")]), "gpu=yes:NoSchedule on 1 of 2; no taint on 1 of 2");
    }

    #[test]
    fn what_a_nodes_condition_put_there_is_no_taint_of_the_operator() {
        let condition = json!([{ "key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule" }]);
        assert_eq!(told(&[condition]), "no taint");
    }
}
