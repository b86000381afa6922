//! What is said over the control socket: one JSON value per line.

use std::{net::SocketAddr, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    fault::{Counter, Fault},
    shape::Os,
};

/// A question to a testbed: `"status"`, `{"inject": {…}}`, `{"heal": null}`, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// What is running.
    Status,
    /// Put a fault into force, in place of one of the same name.
    Inject(Box<Fault>),
    /// Take a fault out of force, or with `null` all of them.
    Heal(Option<String>),
    /// How often the effects in force were considered and applied.
    Counters,
    /// Heal everything, remove what came since the first time this was asked, and register all nodes anew.
    Reset,
    /// Somebody still uses this testbed: start counting its idle time anew.
    Touch,
    /// End the testbed.
    Stop,
}

/// The testbed's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Counters`]; to [`Request::Heal`] with the final counts of what was healed.
    Counters(Vec<Counter>),
    /// It is done (or, for [`Request::Stop`], begun).
    Done,
    /// It was not possible, or the request was not understood.
    Error(String),
}

/// A running testbed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The testbed's process.
    pub pid: u32,
    /// Whether all nodes are Ready and schedulable.
    pub ready: bool,
    /// The name of its shape.
    pub shape: String,
    /// The version of its control plane: `v1.37.2`.
    pub kubernetes: String,
    /// How many seconds it makes of one real second.
    pub latency: f64,
    /// A kubeconfig for it.
    pub kubeconfig: PathBuf,
    /// The HTTP proxy that is the outside vantage.
    pub outside_proxy: SocketAddr,
    /// Its nodes.
    pub nodes: Vec<NodeStatus>,
    /// Whether `api` effects can be seen: whether something stands in front of its API server.
    #[serde(default)]
    pub api_front: bool,
    /// The names of the faults in force.
    pub faults: Vec<String>,
}

/// One of the testbed's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its operating system.
    pub os: Os,
    /// On Windows the whole build.
    pub build: Option<String>,
}
