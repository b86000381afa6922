//! What every part of a running testbed can reach.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::{clock::Clock, directory::Directory, fault::FaultBoard, join::Joined, network::Network, shape::Shape};

/// The certificates a virtual kubelet serves and trusts, in PEM.
///
/// One serving certificate holds the InternalIPs and names of all nodes: the
/// API server dials kubelets by InternalIP, for which TLS sends no server name
/// a certificate could be chosen by.
#[derive(Clone)]
pub struct KubeletTls {
    /// The serving certificate.
    pub certificate: Arc<str>,
    /// Its private key (PKCS #8).
    pub key: Arc<str>,
    /// The authority that signed the API server's client certificate, whose
    /// common name is [`KubeletTls::CLIENT`].
    pub client_ca: Arc<str>,
}

impl KubeletTls {
    /// The common name of the only client a virtual kubelet answers.
    pub const CLIENT: &'static str = "kube-apiserver-kubelet-client";

    /// The names that API servers show a kubelet: kubeadm's (and kind's, minikube's, ours), and k3s'.
    pub const CLIENTS: [&'static str; 2] = [Self::CLIENT, "system:apiserver"];
}

impl std::fmt::Debug for KubeletTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KubeletTls").finish_non_exhaustive() // never the key
    }
}

/// The parts of one testbed, handed to everything that runs inside it.
#[derive(Clone)]
pub struct World {
    /// A client of the real API server, as a cluster administrator.
    pub client: kube::Client,
    /// Lets simulated time pass.
    pub clock: Clock,
    /// Which nodes there are, and what the cluster can do.
    pub shape: Arc<Shape>,
    /// What every simulated connection goes through.
    pub network: Network,
    /// The domain, where the shape has one.
    pub(crate) directory: Option<Directory>,
    /// Which defects are in force.
    pub faults: FaultBoard,
    /// What the kubelet API serves and trusts.
    pub kubelet_tls: KubeletTls,
    /// What is different where the control plane is somebody else's.
    pub joined: Option<Joined>,
    /// Cancelled when the testbed ends.
    pub cancel: CancellationToken,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("shape", &self.shape.name).field("clock", &self.clock).finish_non_exhaustive()
    }
}
