//! Why no node takes a pod that chose its nodes by labels: computed, never read from the scheduler's message.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use winconform_harness::{Facts, cluster::NodeFacts, wait::untolerated};

/// Why no node takes the pod, once the scheduler has said that none does.
pub(super) fn unfit(pod: &Pod, facts: &Facts) -> Option<String> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let said = conditions.iter().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    })?;
    let selector = pod.spec.as_ref()?.node_selector.clone().unwrap_or_default();
    let selected: Vec<&NodeFacts> = facts.nodes.iter().filter(|node| carries_all(node, &selector)).collect();
    if selected.is_empty() {
        return Some(format!("no node carries {}", wanted(&selector, facts)));
    }
    // One node whose taints it tolerates would be enough.
    let kept_off: Vec<Vec<String>> =
        selected.iter().map(|node| untolerated(pod, std::slice::from_ref(&node.name), facts)).collect();
    if kept_off.iter().all(|taints| !taints.is_empty()) {
        let mut taints: Vec<String> = kept_off.into_iter().flatten().collect();
        taints.sort();
        taints.dedup();
        return Some(format!(
            "the pod has no toleration for {}, which every node it selects carries",
            taints.join(", ")
        ));
    }
    Some(said.message.clone().unwrap_or_else(|| "the scheduler finds no node".to_owned()))
}

fn carries_all(node: &NodeFacts, selector: &BTreeMap<String, String>) -> bool {
    selector.iter().all(|(key, value)| node.labels.get(key) == Some(value))
}

/// The labels that no node carries; all of them where each is carried, but never together.
fn wanted(selector: &BTreeMap<String, String>, facts: &Facts) -> String {
    let carried =
        |key: &str, value: &str| facts.nodes.iter().any(|node| node.labels.get(key).is_some_and(|own| own == value));
    let missing: Vec<String> = selector
        .iter()
        .filter(|(key, value)| !carried(key, value))
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    match missing.is_empty() {
        true => selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" and "),
        false => missing.join(" and "),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;

    use super::*;

    fn facts() -> Facts {
        let node = |name: &str, build: &str| -> Node {
            serde_json::from_value(json!({
                "metadata": { "name": name, "labels": { "kubernetes.io/os": "windows", "build": build } },
                "spec": { "taints": [{ "key": "os", "value": "windows", "effect": "NoSchedule" }] },
                "status": { "nodeInfo": {
                    "operatingSystem": "windows", "architecture": "amd64", "kernelVersion": "10.0.20348.1",
                    "osImage": "", "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
                    "bootID": "", "machineID": "", "systemUUID": ""
                } }
            }))
            .unwrap()
        };
        Facts::from_nodes(&[node("win-0", "a"), node("win-1", "b")])
    }

    fn pod(selector: serde_json::Value, tolerations: serde_json::Value) -> Pod {
        serde_json::from_value(json!({
            "spec": { "containers": [], "nodeSelector": selector, "tolerations": tolerations },
            "status": { "conditions": [
                { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes" }
            ] }
        }))
        .unwrap()
    }

    #[test]
    fn a_missing_toleration_is_computed_from_the_nodes_the_pod_selects() {
        let said = unfit(&pod(json!({ "kubernetes.io/os": "windows" }), json!([])), &facts()).unwrap();
        assert_eq!(said, "the pod has no toleration for os=windows:NoSchedule, which every node it selects carries");
    }

    #[test]
    fn a_label_that_no_node_carries_is_named_alone() {
        let said = unfit(&pod(json!({ "kubernetes.io/os": "windows", "build": "c" }), json!([])), &facts()).unwrap();
        assert_eq!(said, "no node carries build=c");
    }

    #[test]
    fn a_pod_that_fits_by_all_we_know_is_explained_by_the_scheduler() {
        let tolerant = json!([{ "key": "os", "operator": "Equal", "value": "windows", "effect": "NoSchedule" }]);
        let said = unfit(&pod(json!({ "build": "a" }), tolerant), &facts()).unwrap();
        assert_eq!(said, "0/2 nodes");
        let mut unspoken = pod(json!({}), json!([]));
        unspoken.status = None;
        assert_eq!(unfit(&unspoken, &facts()), None);
    }
}
