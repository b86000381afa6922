//! How a testbed is asked for, and the arguments that say so to its process.

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{
    clock::{Latency, LatencyError},
    control_plane::{Acquisition, ContainerOptions},
    join::JoinOptions,
    shape::DEFAULT_SHAPE,
};

/// What a testbed is to be like.
#[derive(Debug, Clone, PartialEq)]
pub struct ServeOptions {
    /// A shape that ships with the crate, or the path of a YAML file.
    pub shape: String,
    /// The scale of the latencies.
    pub latency: Latency,
    /// Where the control plane is; otherwise it is found, downloaded or built.
    pub control_plane_dir: Option<PathBuf>,
    /// Where downloads and builds are kept, in place of the user's cache.
    pub cache_dir: Option<PathBuf>,
    /// Where Kubernetes' releases are, in place of the official site (a mirror).
    pub kubernetes_site: Option<String>,
    /// Where etcd's releases are, in place of the official site (a mirror).
    pub etcd_site: Option<String>,
    /// The Go command to build with, in place of `go` in the `PATH`.
    pub go: Option<PathBuf>,
    /// Whether something stands in front of the API server, so that `api` effects are seen.
    pub api_front: bool,
    /// The name under which a standing testbed is listed.
    pub name: Option<String>,
    /// The directory of the list of standing testbeds, in place of the user's.
    pub registry: Option<PathBuf>,
    /// Whether the testbed outlives the one who started it.
    pub detached: bool,
    /// After how long without use a testbed ends.
    pub exit_when_idle: Option<Duration>,
    /// Whether the testbed's directory with its logs stays when it ends.
    pub keep_state: bool,
    /// Whether the control plane runs in containers, and in which.
    pub containers: Option<ContainerOptions>,
    /// Whether there is a control plane and nothing else: no nodes, and no network of ours that it must use.
    pub control_plane_only: bool,
    /// The control plane of somebody else's that the nodes join, in place of one of their own.
    pub join: Option<JoinOptions>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            shape: DEFAULT_SHAPE.into(),
            latency: Latency::default(),
            control_plane_dir: None,
            cache_dir: None,
            kubernetes_site: None,
            etcd_site: None,
            go: None,
            api_front: false,
            name: None,
            registry: None,
            detached: false,
            exit_when_idle: None,
            keep_state: false,
            containers: None,
            control_plane_only: false,
            join: None,
        }
    }
}

/// The arguments do not describe a testbed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// There is no such argument.
    #[error("there is no argument `{0}`")]
    Unknown(String),
    /// The argument needs a value.
    #[error("`{0}` needs a value")]
    NoValue(String),
    /// The latency is no good.
    #[error("the latency is no good")]
    Latency(#[from] LatencyError),
    /// The address is no good.
    #[error("`{text}` is no IPv4 address")]
    Address {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: std::net::AddrParseError,
    },
    /// The number of seconds is no good.
    #[error("`{text}` is not a number of seconds")]
    Seconds {
        /// What was given.
        text: String,
        /// What is wrong with it.
        source: std::num::ParseIntError,
    },
}

impl ServeOptions {
    /// The arguments that [`ServeOptions::from_args`] reads back.
    #[must_use]
    pub fn to_args(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let (containers, join) = (self.containers.clone().unwrap_or_default(), self.join.clone().unwrap_or_default());
        let values = [
            ("--shape", Some(self.shape.clone())),
            ("--latency", Some(self.latency.to_string())),
            ("--control-plane-dir", path(&self.control_plane_dir)),
            ("--cache-dir", path(&self.cache_dir)),
            ("--kubernetes-site", self.kubernetes_site.clone()),
            ("--etcd-site", self.etcd_site.clone()),
            ("--go", path(&self.go)),
            ("--name", self.name.clone()),
            ("--registry", path(&self.registry)),
            ("--container-engine", path(&containers.engine)),
            ("--control-plane-image", containers.image),
            ("--join-kubeconfig", path(&join.kubeconfig)),
            ("--join-context", join.context),
            ("--join-address", join.address.map(|address| address.to_string())),
            ("--exit-when-idle", self.exit_when_idle.map(|idle| idle.as_secs().to_string())),
        ];
        let flags = [
            ("--containers", self.containers.is_some()),
            ("--join", self.join.is_some()),
            ("--control-plane-only", self.control_plane_only),
            ("--api-front", self.api_front),
            ("--detached", self.detached),
            ("--keep-state", self.keep_state),
        ];
        let values = values.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        values.chain(flags.into_iter().filter(|(_, set)| *set).map(|(name, _)| name.to_owned())).collect()
    }

    /// Reads `--name=value`, `--name value` and `--flag`.
    ///
    /// # Errors
    ///
    /// Which argument is unknown, lacks its value, or has one that is no good.
    pub fn from_args(arguments: &[String]) -> Result<Self, OptionsError> {
        let mut options = Self::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let (name, attached) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (argument.as_str(), None),
            };
            let mut value = || {
                attached
                    .clone()
                    .or_else(|| arguments.next().cloned())
                    .ok_or_else(|| OptionsError::NoValue(name.to_owned()))
            };
            match name {
                "--shape" => options.shape = value()?,
                "--latency" => options.latency = value()?.parse()?,
                "--control-plane-dir" => options.control_plane_dir = Some(value()?.into()),
                "--cache-dir" => options.cache_dir = Some(value()?.into()),
                "--kubernetes-site" => options.kubernetes_site = Some(value()?),
                "--etcd-site" => options.etcd_site = Some(value()?),
                "--go" => options.go = Some(value()?.into()),
                "--name" => options.name = Some(value()?),
                "--registry" => options.registry = Some(value()?.into()),
                "--exit-when-idle" => options.exit_when_idle = Some(seconds(&value()?)?),
                "--api-front" => options.api_front = true,
                "--containers" => drop(options.containers.get_or_insert_default()),
                "--container-engine" => options.containers.get_or_insert_default().engine = Some(value()?.into()),
                "--control-plane-image" => options.containers.get_or_insert_default().image = Some(value()?),
                "--control-plane-only" => options.control_plane_only = true,
                "--join" => drop(options.join.get_or_insert_default()),
                "--join-kubeconfig" => options.join.get_or_insert_default().kubeconfig = Some(value()?.into()),
                "--join-context" => options.join.get_or_insert_default().context = Some(value()?),
                "--join-address" => options.join.get_or_insert_default().address = Some(address(&value()?)?),
                "--detached" => options.detached = true,
                "--keep-state" => options.keep_state = true,
                _ => return Err(OptionsError::Unknown(argument.clone())),
            }
        }
        Ok(options)
    }

    /// Where to look for the control plane.
    #[must_use]
    pub fn acquisition(&self) -> Acquisition {
        let usual = Acquisition::usual();
        let site = |given: &Option<String>, usual: String| {
            given.as_ref().map_or(usual, |site| site.trim_end_matches('/').to_owned())
        };
        Acquisition {
            directory: self.control_plane_dir.clone(),
            cache: self.cache_dir.clone().unwrap_or(usual.cache),
            kubernetes_site: site(&self.kubernetes_site, usual.kubernetes_site),
            etcd_site: site(&self.etcd_site, usual.etcd_site),
            go: self.go.clone().unwrap_or(usual.go),
            assets: usual.assets,
            platform: usual.platform,
        }
    }
}

fn address(text: &str) -> Result<Ipv4Addr, OptionsError> {
    text.parse().map_err(|source| OptionsError::Address { text: text.to_owned(), source })
}

fn seconds(text: &str) -> Result<Duration, OptionsError> {
    let seconds = text.parse().map_err(|source| OptionsError::Seconds { text: text.to_owned(), source })?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_read_back_from_their_arguments() {
        let all = ServeOptions {
            shape: "my shape.yaml".into(),
            latency: Latency::REAL,
            control_plane_dir: Some("/opt/a=b".into()),
            cache_dir: Some("/cache".into()),
            kubernetes_site: Some("http://mirror".into()),
            etcd_site: Some("http://mirror/etcd".into()),
            go: Some("/usr/local/go/bin/go".into()),
            api_front: true,
            name: Some("mine".into()),
            registry: Some("/list".into()),
            detached: true,
            exit_when_idle: Some(Duration::from_secs(90)),
            keep_state: true,
            containers: Some(ContainerOptions { engine: Some("podman".into()), image: Some("r/cp:1".into()) }),
            control_plane_only: true,
            join: Some(JoinOptions {
                kubeconfig: Some("/k".into()),
                context: Some("kind-x".into()),
                address: "172.18.0.1".parse().ok(),
            }),
        };
        for options in [all, ServeOptions::default()] {
            assert_eq!(ServeOptions::from_args(&options.to_args()).unwrap(), options);
        }
    }

    #[test]
    fn a_value_may_follow_its_name() {
        let arguments = ["--shape", "one-build"].map(String::from);
        assert_eq!(ServeOptions::from_args(&arguments).unwrap().shape, "one-build");
    }

    #[test]
    fn arguments_that_make_no_sense_are_named() {
        let refused = |arguments: &[&str]| {
            let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
            crate::progress::chain(&ServeOptions::from_args(&arguments).unwrap_err())
        };
        insta::assert_snapshot!([
            refused(&["--shap=x"]),
            refused(&["--shape"]),
            refused(&["--latency=slow"]),
            refused(&["--exit-when-idle=soon"]),
        ].join("\n"), @r"
        there is no argument `--shap=x`
        `--shape` needs a value
        the latency is no good: `slow` is not a latency: `fast` (a tenth of real time), `real`, or a factor from 0 to 100
        `soon` is not a number of seconds: invalid digit found in string
        ");
    }
}
