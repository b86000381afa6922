//! The patch level of every Windows node, and pools that mix them.
//!
//! The build label stops before it, so two nodes of one pool can look alike and behave
//! differently: one monthly update has broken pod networks on every node it reached
//! (KB5040437).

use std::{collections::BTreeMap, time::Duration};

use winconform_harness::{
    Answer, Check, Context, Explain, Facts, Failure, Scope,
    cluster::{NodeFacts, Os},
};
use winconform_reports::{Level, Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/patch-level",
    title: "The patch level of each Windows node, and pools that mix them",
    statement: "N7",
    passing: "The note has every patch level with its nodes, and names the nodes whose pool has a newer one.",
    silent_on: "Whether a patch level is the latest that was published.",
    level: Level::Info,
    scope: Scope::Cluster,
    needs: &[],
    budget: Duration::from_secs(30),
    explain: Explain {
        sources: &[
            "https://github.com/Azure/AKS/issues/1465",
            "https://github.com/microsoft/Windows-Containers/issues/516",
        ],
        failures: &[Failure {
            seen: "Nodes of one pool run different patch levels.",
            advice: "Let the pool's image upgrade finish, or update the nodes that stayed behind; until then compare results by target, which keeps the levels apart.",
        }],
        by_hand: &[
            "kubectl get nodes --selector kubernetes.io/os=windows --output custom-columns=NAME:.metadata.name,KERNEL:.status.nodeInfo.kernelVersion",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// Labels by which platforms call a pool of nodes, each with one image.
const POOL_LABELS: &[&str] = &[
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "cloud.google.com/gke-nodepool",
    "node.openshift.io/os_id",
    "pool",
];

async fn run(cx: Context) -> Answer {
    let mut told = vec![levels(cx.facts())];
    for mixed in mixed_pools(cx.facts()) {
        for (node, found) in &mixed.behind {
            cx.observe(Observation::Node {
                node: node.clone(),
                what: "patch level".to_owned(),
                expected: mixed.newest.clone(),
                found: found.clone(),
            });
        }
        let behind: Vec<String> = mixed.behind.iter().map(|(node, found)| format!("{node} ({found})")).collect();
        told.push(format!("{} mixes patch levels: {} behind {}", mixed.pool, behind.join(", "), mixed.newest));
    }
    Ok(Verdict::Passed(told.join("; ")))
}

/// Every patch level with its nodes.
fn levels(facts: &Facts) -> String {
    let mut by_version: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for node in windows(facts) {
        by_version.entry(&node.kernel_version).or_default().push(&node.name);
    }
    let of = |(version, nodes): (&&str, &Vec<&str>)| match version.is_empty() {
        true => format!("no version from {}", nodes.join(", ")),
        false => format!("{version} on {}", nodes.join(", ")),
    };
    by_version.iter().map(of).collect::<Vec<_>>().join("; ")
}

/// A pool in which some nodes are behind.
#[derive(Debug, PartialEq, Eq)]
struct Mixed {
    pool: String,
    newest: String,
    behind: Vec<(String, String)>,
}

fn mixed_pools(facts: &Facts) -> Vec<Mixed> {
    // One pool has one build; without a label the build is what tells pools apart.
    let mut pools: BTreeMap<(String, u32), Vec<(u32, &NodeFacts)>> = BTreeMap::new();
    for node in windows(facts) {
        let Some(version) = node.windows else { continue };
        let named = POOL_LABELS.iter().find_map(|label| node.labels.get(*label));
        let pool = named.map_or_else(|| format!("build {}", version.build_label()), |name| format!("pool {name}"));
        pools.entry((pool, version.build)).or_default().push((version.revision.unwrap_or(0), node));
    }
    let mut mixed = Vec::new();
    for ((pool, _), mut nodes) in pools {
        nodes.sort_by_key(|(revision, _)| std::cmp::Reverse(*revision));
        let Some((newest, first)) = nodes.first().copied() else { continue };
        let behind: Vec<(String, String)> = (nodes.iter())
            .filter(|(revision, _)| *revision < newest)
            .map(|(_, node)| (node.name.clone(), node.kernel_version.clone()))
            .collect();
        if !behind.is_empty() {
            mixed.push(Mixed { pool, newest: first.kernel_version.clone(), behind });
        }
    }
    mixed
}

fn windows(facts: &Facts) -> impl Iterator<Item = &NodeFacts> {
    facts.nodes.iter().filter(|node| node.os == Os::Windows)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;

    use super::*;

    fn facts(nodes: &[(&str, &str, &str)]) -> Facts {
        let node = |(name, kernel, pool): &(&str, &str, &str)| -> Node {
            serde_json::from_value(json!({
                "metadata": { "name": name, "labels": { "agentpool": pool } },
                "status": { "nodeInfo": {
                    "operatingSystem": "windows", "architecture": "amd64", "kernelVersion": kernel, "osImage": "",
                    "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "", "bootID": "",
                    "machineID": "", "systemUUID": ""
                } }
            }))
            .unwrap()
        };
        Facts::from_nodes(&nodes.iter().map(node).collect::<Vec<_>>())
    }

    #[test]
    fn a_node_behind_its_own_pool_is_named_and_one_of_another_pool_is_not() {
        let facts =
            facts(&[("a0", "10.0.20348.5499", "a"), ("a1", "10.0.20348.2113", "a"), ("b0", "10.0.20348.2113", "b")]);
        let mixed = mixed_pools(&facts);
        assert_eq!(mixed.len(), 1);
        assert_eq!(mixed[0].pool, "pool a");
        assert_eq!(mixed[0].behind, [("a1".to_owned(), "10.0.20348.2113".to_owned())]);
        assert_eq!(levels(&facts), "10.0.20348.2113 on a1, b0; 10.0.20348.5499 on a0");
    }

    #[test]
    fn patch_levels_are_numbers_of_any_length() {
        let facts = facts(&[("a0", "10.0.26100.32995", "a"), ("a1", "10.0.26100.7462", "a")]);
        assert_eq!(mixed_pools(&facts)[0].behind[0].0, "a1");
    }
}
