//! What the control socket can ask of the testbed.

use std::net::SocketAddr;

use super::ending::Ending;
use crate::{
    control::{self, NodeStatus, Status},
    progress::Info,
    shape::Shape,
};

/// Answers for a testbed that is ready.
pub(super) struct Handlers {
    status: Status,
    ending: Ending,
}

impl Handlers {
    pub(super) fn new(info: &Info, outside_proxy: SocketAddr, shape: &Shape, api_front: bool, ending: Ending) -> Self {
        let nodes = shape.nodes.iter().map(|node| NodeStatus {
            name: node.name.clone(),
            os: node.os,
            build: node.build.clone(),
        });
        let status = Status {
            pid: info.pid,
            ready: true, // the socket opens when the nodes are
            shape: info.shape.clone(),
            kubernetes: info.version.clone(),
            latency: info.latency.factor(),
            kubeconfig: info.kubeconfig.clone(),
            outside_proxy,
            nodes: nodes.collect(),
            api_front,
            faults: Vec::new(), // the server fills them in
        };
        Self { status, ending }
    }
}

impl control::Handlers for Handlers {
    fn status(&self) -> Status {
        self.status.clone()
    }

    fn touch(&self) {
        self.ending.touch();
    }

    fn stop(&self) {
        self.ending.begin();
    }
}
