//! Where our pods go: filled into typed objects, for nodes known by name.
//!
//! Every pod of ours names its operating system, selects os and arch, tolerates
//! just the taints that stand on its nodes, and is pinned to them by node
//! affinity on `metadata.name`: no label carries the patch level, and a
//! `nodeName` would go past the scheduler, whose work is being judged.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::{
    api::core::v1::{
        Affinity, LocalObjectReference, NodeAffinity, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm,
        PodAffinityTerm, PodAntiAffinity, PodOS, PodSpec, Toleration, WeightedPodAffinityTerm,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use winconform_manifests::{Kind, Object};

use crate::{
    cluster::{NodeFacts, Taint},
    image::{ImageSource, image_on},
};

/// The label that carries the run's id, on everything we create.
pub const RUN_LABEL: &str = "winconform.io/run";
/// The label that tells one fixture's objects from another's.
pub const FIXTURE_LABEL: &str = "winconform.io/fixture";
/// The field's standard label for who made an object.
pub const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "winconform");

/// What an object is completed with.
#[derive(Debug)]
pub struct Placing<'a> {
    /// The namespace it goes to.
    pub namespace: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// The fixture's name and place as one word, unique in the run.
    pub slug: &'a str,
    /// The nodes its pods are meant for: alike, at least one.
    pub nodes: &'a [&'a NodeFacts],
    /// Where their images come from.
    pub images: &'a ImageSource,
}

/// Completes an object: name, labels, and for pods where they go and what they run.
///
/// # Errors
///
/// A sentence, where a node has no image for a role of the pod.
pub fn place(object: &mut Object, placing: &Placing<'_>) -> Result<(), String> {
    let own = [(RUN_LABEL, placing.run), (FIXTURE_LABEL, placing.slug), MANAGED_BY];
    let labelled = |labels: &mut Option<BTreeMap<String, String>>| {
        let labels = labels.get_or_insert_default();
        labels.extend(own.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    };
    let namespace = (!object.is_cluster_scoped()).then(|| placing.namespace.to_owned());
    let metadata = object.metadata_mut();
    metadata.namespace = namespace;
    metadata.name = Some(placing.slug.to_owned());
    labelled(&mut metadata.labels);
    if let Some(metadata) = object.pod_metadata_mut() {
        labelled(&mut metadata.labels);
    }
    let selector = BTreeMap::from([(FIXTURE_LABEL.to_owned(), placing.slug.to_owned())]);
    match &mut object.kind {
        Kind::Service(service) => {
            if let Some(spec) = &mut service.spec {
                spec.selector = Some(selector);
            }
        }
        Kind::Deployment(deployment) => {
            deployment.spec.selector = LabelSelector { match_labels: Some(selector), ..LabelSelector::default() };
        }
        _ => {}
    }
    match object.pod_spec_mut() {
        Some(pod) => place_pod(pod, placing),
        None => Ok(()),
    }
}

fn place_pod(pod: &mut PodSpec, placing: &Placing<'_>) -> Result<(), String> {
    let Some(first) = placing.nodes.first() else {
        return Err("there is no node to place it on".to_owned());
    };
    pod.os = Some(PodOS { name: first.os.as_str().to_owned() });
    pod.node_selector = Some(BTreeMap::from([
        ("kubernetes.io/os".to_owned(), first.os.as_str().to_owned()),
        ("kubernetes.io/arch".to_owned(), first.arch.clone()),
    ]));
    // A node that lacks a label we select by would never be tried; the nodes suite says so instead.
    if let Some(selector) = &mut pod.node_selector {
        selector.retain(|key, value| placing.nodes.iter().all(|node| node.labels.get(key) == Some(value)));
    }
    pod.tolerations = Some(tolerations(placing.nodes));
    pod.affinity = Some(Affinity {
        node_affinity: Some(pinned_to(placing.nodes)),
        pod_anti_affinity: (placing.nodes.len() > 1).then(|| spread_over_hosts(placing.slug)),
        ..Affinity::default()
    });
    for container in pod.init_containers.iter_mut().flatten().chain(&mut pod.containers) {
        container.image = container.image.take().map(|image| image_on(&image, first, placing.images)).transpose()?;
    }
    if let Some(secret) = &placing.images.pull_secret {
        pod.image_pull_secrets = Some(vec![LocalObjectReference { name: secret.name.clone() }]);
    }
    Ok(())
}

/// Just the taints that are there; those that Kubernetes sets for a node's condition stay untolerated.
fn tolerations(nodes: &[&NodeFacts]) -> Vec<Toleration> {
    let taints: BTreeSet<&Taint> =
        nodes.iter().flat_map(|node| &node.taints).filter(|taint| !taint.is_condition()).collect();
    taints
        .into_iter()
        .map(|taint| Toleration {
            key: Some(taint.key.clone()),
            operator: Some("Equal".to_owned()),
            value: Some(taint.value.clone()),
            effect: Some(taint.effect.clone()),
            ..Toleration::default()
        })
        .collect()
}

/// Just on these nodes. One term for each: a `matchFields` requirement takes a single value.
#[must_use]
pub fn pinned_to(nodes: &[&NodeFacts]) -> NodeAffinity {
    let term = |node: &&NodeFacts| NodeSelectorTerm {
        match_fields: Some(vec![NodeSelectorRequirement {
            key: "metadata.name".to_owned(),
            operator: "In".to_owned(),
            values: Some(vec![node.name.clone()]),
        }]),
        ..NodeSelectorTerm::default()
    };
    NodeAffinity {
        required_during_scheduling_ignored_during_execution: Some(NodeSelector {
            node_selector_terms: nodes.iter().map(term).collect(),
        }),
        ..NodeAffinity::default()
    }
}

fn spread_over_hosts(slug: &str) -> PodAntiAffinity {
    PodAntiAffinity {
        preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
            weight: 100,
            pod_affinity_term: PodAffinityTerm {
                label_selector: Some(LabelSelector {
                    match_labels: Some(BTreeMap::from([(FIXTURE_LABEL.to_owned(), slug.to_owned())])),
                    ..LabelSelector::default()
                }),
                topology_key: "kubernetes.io/hostname".to_owned(),
                ..PodAffinityTerm::default()
            },
        }]),
        ..PodAntiAffinity::default()
    }
}

/// A name as one word that Kubernetes takes for objects and label values: lower
/// case, at most 52 characters (a Deployment's pods add 11), told apart by a
/// short hash where something had to be cut.
#[must_use]
pub fn slug(name: &str) -> String {
    const LIMIT: usize = 52;
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    if plain.len() <= LIMIT {
        return plain.to_owned();
    }
    // FNV-1a: short, stable between releases, and nobody attacks it.
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{}-{hash:08x}", plain[..LIMIT - 9].trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use winconform_manifests::WIN_WEBSERVER;

    use super::*;
    use crate::cluster::Facts;

    fn facts() -> Facts {
        let node = |name: &str, taints: serde_json::Value| {
            serde_json::from_value::<k8s_openapi::api::core::v1::Node>(json!({
                "metadata": { "name": name, "labels": { "kubernetes.io/os": "windows", "kubernetes.io/arch": "amd64" } },
                "spec": { "taints": taints },
                "status": { "nodeInfo": {
                    "operatingSystem": "windows", "architecture": "amd64", "kernelVersion": "10.0.20348.5499",
                    "osImage": "", "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
                    "bootID": "", "machineID": "", "systemUUID": ""
                } }
            }))
            .unwrap()
        };
        Facts::from_nodes(&[
            node("win-0", json!([{ "key": "os", "value": "Windows", "effect": "NoSchedule" }])),
            node("win-1", json!([{ "key": "node.kubernetes.io/not-ready", "effect": "NoSchedule" }])),
        ])
    }

    #[test]
    fn a_placed_deployment_knows_its_nodes_their_taints_and_its_image() {
        let facts = facts();
        let nodes: Vec<&NodeFacts> = facts.nodes.iter().collect();
        let mut object = WIN_WEBSERVER.objects().unwrap().remove(1);
        let placing = Placing {
            namespace: "ns",
            run: "r1",
            slug: "win-webserver-x",
            nodes: &nodes,
            images: &ImageSource::default(),
        };
        place(&mut object, &placing).unwrap();
        let mut pod = object.pod_spec().unwrap().clone();
        for container in &mut pod.containers {
            container.command = None;
        }
        insta::assert_json_snapshot!(pod);
    }

    #[test]
    fn long_names_stay_apart_when_they_are_cut() {
        let long = "win-webserver-aks-npwin-12345678-vmss000000.internal.cloudapp.net";
        let (a, b) = (slug(&format!("{long}1")), slug(&format!("{long}2")));
        assert!(a.len() <= 52 && b.len() <= 52);
        assert_ne!(a, b);
        assert_eq!(slug("win-webserver@10.0.20348.5499"), "win-webserver-10-0-20348-5499");
    }
}
