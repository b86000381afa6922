//! What the control socket can ask of the testbed.

use std::net::SocketAddr;

use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

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
    /// Where resets are asked for; none where the cluster is somebody else's.
    resets: Option<mpsc::Sender<Reset>>,
}

/// Somebody waits for the testbed to be as it was.
pub(super) type Reset = oneshot::Sender<Result<(), String>>;

impl Handlers {
    pub(super) fn new(
        info: &Info,
        outside_proxy: SocketAddr,
        shape: &Shape,
        api_front: bool,
        ending: Ending,
        resets: Option<mpsc::Sender<Reset>>,
    ) -> Self {
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
        Self { status, ending, resets }
    }
}

impl control::Handlers for Handlers {
    fn status(&self) -> Status {
        self.status.clone()
    }

    fn reset(&self) -> BoxFuture<'static, Result<(), String>> {
        let resets = self.resets.clone();
        Box::pin(async move {
            let Some(resets) = resets else {
                return Err("its control plane is somebody else's, and is not reset".to_owned());
            };
            let (done, is_done) = oneshot::channel();
            let lost = || "the testbed ends".to_owned();
            resets.send(done).await.map_err(|_ended| lost())?;
            is_done.await.map_err(|_ended| lost())?
        })
    }

    fn touch(&self) {
        self.ending.touch();
    }

    fn stop(&self) {
        self.ending.begin();
    }
}
