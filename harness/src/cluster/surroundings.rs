//! What a run notes of the cluster because a comparison wants to know: who runs it, and what runs on every node.
//!
//! None of it decides anything in a run, so what we may not look at is left out.

use k8s_openapi::api::{
    apps::v1::DaemonSet,
    core::v1::{Container, Node},
};
use kube::{Api, Client, ResourceExt, api::ListParams};
use winconform_reports::event::{SystemRole, SystemWorkload};

use super::permissions::{Permission, may};

/// Names of pod networks, as they stand in those of their DaemonSets.
const NETWORKS: &[&str] =
    &["calico", "flannel", "antrea", "cilium", "azure-cns", "azure-ip-masq", "aws-node", "kube-router", "weave", "ovn"];

/// Who runs the cluster, from what its nodes say.
pub(super) fn provider(nodes: &[Node]) -> Option<String> {
    const PROVIDERS: &[(&str, &str)] = &[
        ("kubernetes.azure.com/cluster", "Azure Kubernetes Service"),
        ("eks.amazonaws.com/nodegroup", "Amazon EKS"),
        ("cloud.google.com/gke-nodepool", "Google Kubernetes Engine"),
    ];
    let labelled = |label: &str| nodes.iter().any(|node| node.labels().contains_key(label));
    if let Some((_, name)) = PROVIDERS.iter().find(|(label, _)| labelled(label)) {
        return Some((*name).to_owned());
    }
    // `azure:///subscriptions/…`, `aws:///eu-west-1a/i-0123…`
    let id = nodes.iter().find_map(|node| node.spec.as_ref()?.provider_id.clone())?;
    id.split_once("://").map(|(scheme, _)| scheme.to_owned()).filter(|scheme| !scheme.is_empty())
}

/// What this asks for. A run goes without it, and then names no network plugin.
pub(super) const ASKS: &[Permission] = &[may("list", "apps", "daemonsets")];

/// The DaemonSets of `kube-system`; none where we may not list them.
pub(super) async fn system(client: &Client) -> Vec<SystemWorkload> {
    let sets: Api<DaemonSet> = Api::namespaced(client.clone(), "kube-system");
    let Ok(found) = sets.list(&ListParams::default()).await else { return Vec::new() };
    let mut system: Vec<SystemWorkload> = found.items.iter().map(workload).collect();
    system.sort_by(|a, b| a.name.cmp(&b.name));
    system
}

fn workload(set: &DaemonSet) -> SystemWorkload {
    let name = set.name_any();
    let containers = set.spec.template.spec.iter().flat_map(|pod| &pod.containers);
    let role = if name.contains("kube-proxy") {
        Some(SystemRole::KubeProxy)
    } else {
        NETWORKS.iter().any(|network| name.contains(network)).then_some(SystemRole::Cni)
    };
    SystemWorkload {
        role,
        images: containers.clone().filter_map(|container| container.image.clone()).collect(),
        mode: containers.clone().find_map(proxy_mode),
        name,
    }
}

/// `--proxy-mode=kernelspace`, where a command line says so.
fn proxy_mode(container: &Container) -> Option<String> {
    let words = container.command.iter().chain(&container.args).flatten();
    words.flat_map(|words| words.split_whitespace()).find_map(|word| {
        let mode = word.trim_start_matches('-').strip_prefix("proxy-mode=")?;
        Some(mode.trim_matches(['"', '\'']).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_provider_is_what_the_nodes_say_of_themselves() {
        let node = |value| serde_json::from_value::<Node>(value).unwrap();
        let aks = node(json!({ "metadata": { "labels": { "kubernetes.azure.com/cluster": "mc" } } }));
        assert_eq!(provider(&[Node::default(), aks]).as_deref(), Some("Azure Kubernetes Service"));
        let aws = node(json!({ "spec": { "providerID": "aws:///eu-west-1a/i-0" } }));
        assert_eq!(provider(&[aws]).as_deref(), Some("aws"));
        assert_eq!(provider(&[Node::default()]), None);
    }

    #[test]
    fn a_daemon_set_is_known_by_its_name_and_its_command_line() {
        let set = |name: &str, command: &str| {
            let container = json!({ "name": "a", "image": "registry/it:v1", "command": ["pwsh", "-c", command] });
            let spec = json!({ "selector": {}, "template": { "spec": { "containers": [container] } } });
            workload(&serde_json::from_value(json!({ "metadata": { "name": name }, "spec": spec })).unwrap())
        };
        let proxy = set("kube-proxy-windows", "kube-proxy.exe --proxy-mode=kernelspace --v=4");
        assert_eq!((proxy.role, proxy.mode.as_deref()), (Some(SystemRole::KubeProxy), Some("kernelspace")));
        let network = set("calico-node-windows", "node.ps1");
        assert_eq!((network.role, network.mode), (Some(SystemRole::Cni), None));
        assert_eq!(network.images, ["registry/it:v1"]);
        assert_eq!(set("node-exporter", "").role, None);
    }
}
