//! What the user is told before anything is created.

use std::{collections::BTreeSet, fmt::Write};

use winconform_harness::{
    Facts,
    cluster::{Os, product_of},
    run::Plan,
};

/// Which cluster, and which nodes.
#[must_use]
pub fn introduction(facts: &Facts) -> String {
    let cluster = &facts.cluster;
    let mut text = match cluster.server.is_empty() {
        true => "the cluster will have".to_owned(),
        false => {
            format!("cluster: context `{}`, Kubernetes {} at {}", cluster.context, cluster.version, cluster.server)
        }
    };
    for target in &facts.targets {
        let product = target.windows.and_then(|version| product_of(version.build)).map_or("unknown build", |p| p.name);
        let _ = write!(text, "\n  {} ({product}): {}", target.name, listed(&target.nodes));
    }
    let linux: Vec<String> =
        facts.nodes.iter().filter(|node| node.os == Os::Linux).map(|node| node.name.clone()).collect();
    if !linux.is_empty() {
        let _ = write!(text, "\n  Linux: {}", listed(&linux));
    }
    for node in &facts.nodes {
        if let Some(why) = node.closed_because() {
            let _ = write!(text, "\n  {} {why}: no pod of ours goes there", node.name);
        }
    }
    text
}

/// What a run creates and removes, and that it touches nothing else.
#[must_use]
pub fn what_is_created(plan: &Plan, run: Option<&str>) -> String {
    if plan.asks_nothing() {
        return "nothing will be created".to_owned();
    }
    let run = run.unwrap_or("RUN");
    let nodes: BTreeSet<String> =
        plan.fixtures.values().flat_map(|planned| planned.nodes.iter().map(|node| node.name.clone())).collect();
    let nodes: Vec<String> = nodes.into_iter().collect();
    let pods = match plan.pods() {
        0 => "no pods".to_owned(),
        1 => format!("1 pod, on {}", listed(&nodes)),
        pods => format!("{pods} pods, on {}", listed(&nodes)),
    };
    let cluster_wide: BTreeSet<&str> = (plan.asked())
        .flat_map(|planned| planned.check.creates)
        .filter_map(|manifest| manifest.objects().ok())
        .flatten()
        .filter(winconform_manifests::Object::is_cluster_scoped)
        .map(|object| object.resource().1)
        .collect();
    let cluster_wide = match cluster_wide.is_empty() {
        true => String::new(),
        false => format!(
            ", and for the whole cluster {} called winconform-{run}-…",
            cluster_wide.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    format!(
        "will create, and remove at the end: the namespaces winconform-{run} and winconform-{run}-host with \
         {pods}{cluster_wide}; nothing else is changed"
    )
}

/// What to do with a cluster that has no Windows node.
#[must_use]
pub fn without_windows_nodes(facts: &Facts) -> String {
    let nodes = facts.nodes.len();
    let context = &facts.cluster.context;
    let join = match context.is_empty() {
        true => String::new(),
        false => format!("\n  virtual Windows nodes in it: `winconform testbed join --context {context}`"),
    };
    format!(
        "this cluster has no Windows node ({nodes} other node{}): nothing here concerns it. There are ways on:\n  \
         a pool that is scaled to zero: `--wait-for-nodes 1` asks its autoscaler for a node and waits{join}\n  \
         another cluster: `--context NAME`\n  the embedded one: `winconform run --testbed`",
        if nodes == 1 { "" } else { "s" }
    )
}

/// Names, as many as one reads.
fn listed(names: &[String]) -> String {
    match names.len() {
        0..=6 => names.join(", "),
        count => format!("{} and {} more", names.iter().take(5).cloned().collect::<Vec<_>>().join(", "), count - 5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_names_the_first_are_told() {
        let names: Vec<String> = (0..9).map(|n| format!("win-{n}")).collect();
        assert_eq!(listed(&names), "win-0, win-1, win-2, win-3, win-4 and 4 more");
        assert_eq!(listed(&names[..2]), "win-0, win-1");
    }
}
