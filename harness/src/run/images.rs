//! Which images a plan needs on which nodes, known before anything is created.

use std::collections::{BTreeMap, BTreeSet};

use winconform_manifests::{Manifest, Role};

use super::plan::Plan;
use crate::{
    cluster::{Facts, NodeFacts, Os},
    image::{ImageSource, image_on},
};

/// An image that a run pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededImage {
    /// What is pulled, after the user's mappings.
    pub image: String,
    /// What that stands for, where it is published.
    pub published: String,
    /// The operating system of the nodes that pull it.
    pub os: Os,
    /// Their processors.
    pub archs: BTreeSet<String>,
    /// The targets that pull it; none for Linux images.
    pub targets: BTreeSet<String>,
    /// The nodes that may pull it.
    pub nodes: BTreeSet<String>,
    /// The fixtures and checks whose pods run it.
    pub users: BTreeSet<String>,
    /// Whether it can run there at all: one check asks about an image that cannot.
    pub runs: bool,
}

/// The images of a plan, and what has none.
#[derive(Debug, Clone, Default)]
pub struct NeededImages {
    /// By name.
    pub images: Vec<NeededImage>,
    /// Why a node has no image, each once.
    pub without: BTreeSet<String>,
}

impl NeededImages {
    /// Of every planned fixture and of every object that a check makes for itself.
    #[must_use]
    pub fn of(plan: &Plan, facts: &Facts, source: &ImageSource) -> Self {
        let mut found: BTreeMap<String, NeededImage> = BTreeMap::new();
        let mut needed = Self::default();
        let mut add = |user: &str, manifest: &Manifest, nodes: &[&NodeFacts]| {
            for written in images_in(manifest) {
                for node in nodes_for(&written, nodes, facts) {
                    let image = image_on(&written, node, source);
                    let published = image_on(&written, node, &ImageSource::default());
                    match image {
                        Ok(image) => {
                            let entry = found.entry(image.clone()).or_insert_with(|| NeededImage {
                                published: published.unwrap_or_else(|_none| image.clone()),
                                image,
                                os: node.os,
                                archs: BTreeSet::new(),
                                targets: BTreeSet::new(),
                                nodes: BTreeSet::new(),
                                users: BTreeSet::new(),
                                runs: false,
                            });
                            entry.runs |= written.parse() != Ok(Role::OtherRelease);
                            entry.archs.insert(node.arch.clone());
                            entry.targets.extend(node.target.clone());
                            entry.nodes.insert(node.name.clone());
                            entry.users.insert(user.to_owned());
                        }
                        Err(why) => drop(needed.without.insert(why)),
                    }
                }
            }
        };
        for (key, planned) in &plan.fixtures {
            add(key.name, &planned.fixture.manifest, &planned.nodes.iter().collect::<Vec<_>>());
        }
        for planned in plan.asked() {
            let here: Vec<&NodeFacts> = facts.nodes_of(&planned.id.place).filter(|node| node.is_open()).collect();
            for manifest in planned.check.creates {
                add(planned.check.id, manifest, &here);
            }
        }
        needed.images = found.into_values().collect();
        needed
    }

    /// The images of each node, as far as they run there.
    pub(crate) fn by_node(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut by_node: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for needed in self.images.iter().filter(|needed| needed.runs) {
            for node in &needed.nodes {
                by_node.entry(node).or_default().push(&needed.image);
            }
        }
        by_node
    }
}

/// The images in a manifest as they are written, roles among them.
fn images_in(manifest: &Manifest) -> BTreeSet<String> {
    let objects = manifest.objects().unwrap_or_default();
    let pods = objects.iter().filter_map(|object| object.pod_spec());
    let containers = pods.flat_map(|pod| pod.init_containers.iter().flatten().chain(&pod.containers));
    containers.filter_map(|container| container.image.clone()).collect()
}

/// The nodes that run an image: of those a pod may go to, the ones of its operating system.
///
/// A check's own Linux pod goes to a Linux node, wherever the check is asked.
fn nodes_for<'a>(written: &str, nodes: &[&'a NodeFacts], facts: &'a Facts) -> Vec<&'a NodeFacts> {
    let os = match written.parse::<Role>() {
        Ok(Role::LinuxClient | Role::LinuxServer) => Some(Os::Linux),
        Ok(Role::WinWebserver | Role::WindowsClient | Role::WindowsHost | Role::Iis | Role::OtherRelease) => {
            Some(Os::Windows)
        }
        Err(_a_name) => None,
    };
    let Some(os) = os else { return nodes.to_vec() };
    let fitting: Vec<&NodeFacts> = nodes.iter().copied().filter(|node| node.os == os).collect();
    match fitting.is_empty() && os == Os::Linux {
        true => facts.open_nodes(Os::Linux).take(1).collect(),
        false => fitting,
    }
}
