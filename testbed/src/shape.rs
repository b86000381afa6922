//! Which nodes a testbed has, and what its cluster can do.
//!
//! A shape is a YAML file: one of those that ship with the crate, by name, or
//! the user's own, by path. A file may build on another shape, and several can
//! be stacked with commas (`one-build,no-load-balancer`): see `compose`.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{error::ShapeError, features::Features};

mod compose;
mod error;
mod features;
mod file;
mod rules;
mod shipped;

/// The Kubernetes release of the testbed's control plane, and what its nodes say they run unless the shape says otherwise.
pub const KUBERNETES_VERSION: &str = "v1.37.2";

/// The shape that is used when none is named.
pub const DEFAULT_SHAPE: &str = "default";

/// A cluster of virtual nodes, with everything that its files left to others filled in.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Shape {
    /// What people call it.
    pub name: String,
    /// One sentence on what it is for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Its nodes, in the order in which they get their addresses.
    pub nodes: Vec<NodeShape>,
    /// What the cluster can do.
    pub features: Features,
}

/// One virtual node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeShape {
    /// The node's name, which is also its host name.
    pub name: String,
    /// Its operating system.
    pub os: Os,
    /// Its processor, as Go names it.
    #[serde(default = "amd64")]
    pub arch: String,
    /// `status.nodeInfo.kernelVersion`. On Windows the full build with the
    /// patch level, for example `10.0.20348.5499`, and required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// `status.nodeInfo.osImage`; on Windows the product's name, which follows from the build unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_image: Option<String>,
    /// `status.nodeInfo.containerRuntimeVersion`.
    #[serde(default = "containerd")]
    pub runtime: String,
    /// `status.nodeInfo.kubeletVersion`.
    #[serde(default = "kubelet")]
    pub kubelet: String,
    /// The taints the node registers with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Labels beyond those that a kubelet sets itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Processors, as a Kubernetes quantity.
    #[serde(default = "four")]
    pub cpu: String,
    /// Memory, as a Kubernetes quantity.
    #[serde(default = "sixteen_gib")]
    pub memory: String,
    /// How many pods the node takes.
    #[serde(default = "pods")]
    pub pods: u32,
    /// In a shape with a `size`: how many parts of it are nodes like this one, whose names get numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<u32>,
}

/// A node's operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    /// Windows Server.
    Windows,
    /// Linux.
    Linux,
}

impl Os {
    /// The value of the label `kubernetes.io/os`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Linux => "linux",
        }
    }
}

impl fmt::Display for Os {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// A taint of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// The key.
    pub key: String,
    /// The value; may be empty.
    #[serde(default)]
    pub value: String,
    /// What it does to pods that do not tolerate it.
    pub effect: TaintEffect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TaintEffect {
    /// They are not scheduled here.
    NoSchedule,
    /// They are scheduled here only if nothing else is left.
    PreferNoSchedule,
    /// They are not scheduled here, and those that run here are evicted.
    NoExecute,
}

impl fmt::Display for TaintEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl Shape {
    /// The names of the shapes that ship with the crate.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        shipped::names()
    }

    /// The shape that `text` names: a shipped one or the path of a YAML file, and after commas what is to be
    /// different. A number behind a colon is the size of a shape that has one: `large:200`.
    ///
    /// Anything with a path separator, a dot or an existing file behind it is taken as a path.
    ///
    /// # Errors
    ///
    /// When there is no such shape or file, or when it is not a good shape.
    pub fn find(text: &str) -> Result<Self, ShapeError> {
        compose::find(text)
    }

    /// `text` with its paths made absolute, so that it means the same from everywhere.
    #[must_use]
    pub fn anchored(text: &str) -> String {
        compose::anchored(text)
    }

    /// The shape that a YAML text describes; `origin` is what messages call the text.
    ///
    /// # Errors
    ///
    /// When the text is no YAML, has unknown or missing fields, or describes nodes that could not be.
    pub fn parse(yaml: &str, origin: &str) -> Result<Self, ShapeError> {
        compose::parse(yaml, origin)
    }

    /// The shape's nodes of one operating system.
    pub fn nodes_of(&self, os: Os) -> impl Iterator<Item = &NodeShape> {
        self.nodes.iter().filter(move |node| node.os == os)
    }

    /// The InternalIP of the node at `index` in [`Shape::nodes`]: 10.240.0.10 and up, within 10.240.0.0/16.
    #[must_use]
    pub fn internal_ip(index: usize) -> Ipv4Addr {
        const FIRST: u32 = u32::from_be_bytes([10, 240, 0, 10]);
        Ipv4Addr::from(FIRST + u32::try_from(index.min(rules::MOST_NODES)).unwrap_or_default())
    }
}

impl NodeShape {
    /// The build without its patch level, as the label `node.kubernetes.io/windows-build` has it: `10.0.20348`.
    ///
    /// `None` on Linux. (kubelet `winstats/version.go`, `GetBuild`.)
    #[must_use]
    pub fn windows_build(&self) -> Option<&str> {
        let build = self.build.as_deref().filter(|_| self.os == Os::Windows)?;
        build.rsplit_once('.').map(|(release, _patch)| release)
    }

    /// The minor release of the node's kubelet, for what only some releases do; none for what is no version.
    #[must_use]
    pub fn kubelet_minor(&self) -> Option<u32> {
        self.kubelet.strip_prefix("v1.")?.split('.').next()?.parse().ok()
    }

    /// Whether its runtime is Docker: one handler, and no HostProcess containers on Windows.
    #[must_use]
    pub fn runs_docker(&self) -> bool {
        self.runtime.starts_with("docker://")
    }

    /// What `status.nodeInfo.osImage` says.
    #[must_use]
    pub fn os_image(&self) -> &str {
        if let Some(image) = &self.os_image {
            return image;
        }
        match self.os {
            Os::Linux => "Ubuntu 24.04.3 LTS",
            Os::Windows => match self.windows_build() {
                Some("10.0.17763") => "Windows Server 2019 Datacenter",
                Some("10.0.20348") => "Windows Server 2022 Datacenter",
                Some("10.0.25398") => "Windows Server Datacenter", // the annual channel, version 23H2
                Some("10.0.26100") => "Windows Server 2025 Datacenter",
                _ => "Windows Server Datacenter",
            },
        }
    }

    /// What `status.nodeInfo.kernelVersion` says.
    #[must_use]
    pub fn kernel_version(&self) -> &str {
        self.build.as_deref().unwrap_or("6.8.0-85-generic")
    }
}

fn amd64() -> String {
    "amd64".into()
}

fn containerd() -> String {
    "containerd://2.1.4".into()
}

fn kubelet() -> String {
    KUBERNETES_VERSION.into()
}

fn four() -> String {
    "4".into()
}

fn sixteen_gib() -> String {
    "16776756Ki".into()
}

fn pods() -> u32 {
    110
}

#[cfg(test)]
mod tests;
