//! Waiting for Windows nodes that are not there yet (`--wait-for-nodes`).
//!
//! A pool that was scaled to zero has no node to look at, and an autoscaler adds one
//! only for a pod that waits. So pods that want such nodes are put into a namespace
//! of their own, which goes as soon as the nodes are there.

use std::{collections::BTreeMap, fmt, str::FromStr};

use k8s_openapi::{
    api::core::v1::{
        Affinity, Container, LocalObjectReference, Node, Pod, PodAffinityTerm, PodAntiAffinity, PodOS, PodSpec,
        Toleration,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::{Api, Client, api::PostParams, runtime::watcher};
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use winconform_reports::Chain;

use super::namespaces;
use crate::{
    budgets::{Budget, Budgets},
    cluster::{ApiError, Facts, Os},
    image::ImageSource,
    placement::{MANAGED_BY, RUN_LABEL},
    wait::{Look, Signal, WaitError, Watched, until},
};

/// Never runs for long: it is there to be waited for.
const PAUSE: &str = "mcr.microsoft.com/oss/kubernetes/pause:3.10.1";

/// Which Windows nodes a run waits for before it looks at the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedNodes {
    /// So many that take pods.
    Count(u16),
    /// One that takes pods and whose version begins so.
    Target(String),
}

/// The text names no nodes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is neither a number of nodes nor the beginning of a Windows version, for example 2 or 10.0.20348")]
pub struct WantedNodesError(String);

impl FromStr for WantedNodes {
    type Err = WantedNodesError;

    fn from_str(text: &str) -> Result<Self, WantedNodesError> {
        let is_version = text.starts_with("10.") && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        match text.parse::<u16>() {
            Ok(count) if count > 0 => Ok(Self::Count(count)),
            Err(_) if is_version => Ok(Self::Target(text.trim_end_matches('.').to_owned())),
            _ => Err(WantedNodesError(text.to_owned())),
        }
    }
}

impl fmt::Display for WantedNodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(1) => f.write_str("a Windows node that takes pods"),
            Self::Count(count) => write!(f, "{count} Windows nodes that take pods"),
            Self::Target(version) => write!(f, "a node of Windows {version} that takes pods"),
        }
    }
}

impl WantedNodes {
    /// Nothing once they are there; else what is there.
    pub(super) fn missing(&self, facts: &Facts) -> Option<String> {
        let open: Vec<_> = facts.open_nodes(Os::Windows).collect();
        let there = match self {
            Self::Count(count) => open.len() >= usize::from(*count),
            Self::Target(version) => open.iter().any(|node| node.kernel_version.starts_with(version.as_str())),
        };
        let windows = facts.nodes.iter().filter(|node| node.os == Os::Windows).count();
        (!there).then(|| format!("{} of {windows} Windows nodes take pods", open.len()))
    }

    fn pods(&self) -> u16 {
        match self {
            Self::Count(count) => *count,
            Self::Target(_) => 1,
        }
    }

    /// The labels of the nodes that an autoscaler is to add.
    fn selector(&self) -> BTreeMap<String, String> {
        let mut labels = vec![("kubernetes.io/os", "windows".to_owned())];
        if let Self::Target(version) = self {
            let parts: Vec<&str> = version.split('.').take(3).collect();
            // The label has three numbers; a shorter version cannot be asked for.
            if parts.len() == 3 {
                labels.push(("node.kubernetes.io/windows-build", parts.join(".")));
            }
        }
        labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// Waits until the nodes are there.
///
/// # Errors
///
/// When they do not come within their budget, or the API server is lost.
pub(super) async fn wait(
    client: &Client,
    wanted: &WantedNodes,
    run: &str,
    images: &ImageSource,
    budgets: Budgets,
) -> Result<(), WaitError> {
    let stop = CancellationToken::new();
    let _stopped_with_us = stop.clone().drop_guard();
    let signal = Signal::default();
    let nodes: Watched<Node> =
        Watched::start("nodes", Api::all(client.clone()), watcher::Config::default(), &signal, stop);
    let look = || {
        nodes.peek(|nodes| {
            if !nodes.is_complete() {
                return Look::NotYet(Budget::Api, "the nodes are not listed yet".to_owned());
            }
            match wanted.missing(&Facts::from_nodes(nodes.all().map(AsRef::as_ref))) {
                None => Look::Ready(()),
                Some(seen) => Look::NotYet(Budget::Nodes, seen),
            }
        })
    };
    let namespace = format!("winconform-{run}-wanted");
    if matches!(look(), Look::NotYet(..))
        && let Err(error) = ask(client, wanted, run, &namespace, images).await
    {
        // Somebody else may add nodes all the same.
        tracing::warn!(error = %Chain(&error), "no autoscaler could be asked for nodes");
    }
    let came = until(&signal, budgets, &wanted.to_string(), look).await;
    if let Some(left) = namespaces::remove_one(client, &namespace, None).await {
        tracing::warn!(left, "the pods that asked for nodes could not be removed");
    }
    came
}

/// Creates pods that want such nodes, each one of its own.
async fn ask(
    client: &Client,
    wanted: &WantedNodes,
    run: &str,
    namespace: &str,
    images: &ImageSource,
) -> Result<(), ApiError> {
    namespaces::create_one(client, namespace, run, false).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    for index in 0..wanted.pods() {
        let pod = pod(&format!("wanted-{index}"), wanted, run, images);
        pods.create(&PostParams::default(), &pod).await?;
    }
    Ok(())
}

fn pod(name: &str, wanted: &WantedNodes, run: &str, images: &ImageSource) -> Pod {
    let own = BTreeMap::from([(RUN_LABEL, run), MANAGED_BY].map(|(key, value)| (key.to_owned(), value.to_owned())));
    let apart = PodAffinityTerm {
        label_selector: Some(LabelSelector { match_labels: Some(own.clone()), ..LabelSelector::default() }),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    Pod {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(own), ..ObjectMeta::default() },
        spec: Some(PodSpec {
            os: Some(PodOS { name: Os::Windows.as_str().to_owned() }),
            node_selector: Some(wanted.selector()),
            // Which taints the nodes will carry is not known yet.
            tolerations: Some(vec![Toleration { operator: Some("Exists".to_owned()), ..Toleration::default() }]),
            affinity: Some(Affinity {
                pod_anti_affinity: Some(PodAntiAffinity {
                    required_during_scheduling_ignored_during_execution: Some(vec![apart]),
                    ..PodAntiAffinity::default()
                }),
                ..Affinity::default()
            }),
            image_pull_secrets: images
                .pull_secret
                .as_ref()
                .map(|secret| vec![LocalObjectReference { name: secret.name.clone() }]),
            automount_service_account_token: Some(false),
            termination_grace_period_seconds: Some(0),
            containers: vec![Container {
                name: "wanted".to_owned(),
                image: Some(images.of(PAUSE)),
                ..Container::default()
            }],
            ..PodSpec::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_counts_nodes_and_a_version_names_their_build() {
        assert_eq!("2".parse(), Ok(WantedNodes::Count(2)));
        assert_eq!("10.0.20348".parse(), Ok(WantedNodes::Target("10.0.20348".to_owned())));
        for bad in ["0", "-1", "", "win", "10", "99999999"] {
            let read = bad.parse::<WantedNodes>();
            assert!(read.is_err() || bad == "10", "{bad}: {read:?}");
        }
    }

    #[test]
    fn a_pod_that_wants_a_build_selects_its_label() {
        let wanted = WantedNodes::Target("10.0.20348.5499".to_owned());
        let pod = pod("wanted-0", &wanted, "r1", &ImageSource::default());
        let selector = pod.spec.unwrap().node_selector.unwrap();
        assert_eq!(selector["node.kubernetes.io/windows-build"], "10.0.20348");
        assert!(!WantedNodes::Count(1).selector().contains_key("node.kubernetes.io/windows-build"));
    }
}
