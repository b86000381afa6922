//! The command lines of the control plane's parts.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use super::{layout::Layout, pki::EGRESS};
use crate::api_front;

/// The API server's address inside the cluster. Virtual: the network leads it to the real one.
pub const API_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 240, 0, 1);

/// The port of the API server at [`API_ADDRESS`] that the Service `kubernetes` is meant to lead to.
///
/// The API server advertises the port that it really listens on, which differs from run to run.
pub const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 1);

/// Where pods get their addresses from; a /24 per node.
pub const POD_RANGE: &str = "10.244.0.0/16";

/// Where Services get their addresses from.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";

/// Where the parts run, which decides how they find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Processes of this machine.
    Here,
    /// Containers that share a network of their own.
    Containers,
}

impl Place {
    /// Where etcd listens for clients and for peers: here on Unix sockets, so that there is no port to be taken and
    /// nobody else on the machine can read it.
    fn etcd(self, layout: &Layout) -> (String, String) {
        match self {
            Self::Here => (unix(&layout.etcd_socket()), unix(&layout.etcd_peer_socket())),
            Self::Containers => ("http://127.0.0.1:2379".into(), "http://127.0.0.1:2380".into()),
        }
    }
}

pub(super) fn etcd(layout: &Layout, place: Place) -> Vec<String> {
    let (clients, peers) = place.etcd(layout);
    vec![
        "--name=testbed".into(),
        format!("--data-dir={}", layout.etcd_data().display()),
        "--unsafe-no-fsync".into(), // what a testbed stores is not worth a disk's wait
        "--log-level=warn".into(),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=testbed={peers}"),
    ]
}

/// What makes the API server believe what stands in front of it about its clients.
pub(super) fn behind_front(layout: &Layout) -> Vec<String> {
    vec![
        format!("--requestheader-client-ca-file={}", layout.pki("ca.crt").display()),
        format!("--requestheader-allowed-names={}", api_front::NAME),
        format!("--requestheader-username-headers={}", api_front::USER_HEADER),
        format!("--requestheader-group-headers={}", api_front::GROUP_HEADER),
    ]
}

pub(super) fn api_server(layout: &Layout, place: Place, port: u16) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", layout.pki(name).display());
    let bind = if place == Place::Here { "127.0.0.1" } else { "0.0.0.0" };
    vec![
        format!("--etcd-servers={}", place.etcd(layout).0),
        format!("--bind-address={bind}"),
        format!("--secure-port={port}"),
        format!("--advertise-address={API_ADDRESS}"),
        file("tls-cert-file", "apiserver.crt"),
        file("tls-private-key-file", "apiserver.key"),
        file("client-ca-file", "ca.crt"),
        file("kubelet-client-certificate", "kubelet-client.crt"),
        file("kubelet-client-key", "kubelet-client.key"),
        // The default begins with the host name, which costs a DNS question.
        "--kubelet-preferred-address-types=InternalIP".into(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".into(),
        file("service-account-key-file", "sa.pub"),
        file("service-account-signing-key-file", "sa.key"),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
        "--authorization-mode=Node,RBAC".into(),
        "--enable-admission-plugins=NodeRestriction".into(),
        "--allow-privileged=true".into(),
    ]
}

pub(super) fn controller_manager(layout: &Layout) -> Vec<String> {
    let mut flags = vec![
        format!("--kubeconfig={}", layout.kubeconfig("controller-manager").display()),
        format!("--service-account-private-key-file={}", layout.pki("sa.key").display()),
        format!("--root-ca-file={}", layout.pki("ca.crt").display()),
        "--use-service-account-credentials=true".into(),
        format!("--cluster-cidr={POD_RANGE}"),
        "--allocate-node-cidrs=true".into(),
        "--node-cidr-mask-size=24".into(),
        format!("--service-cluster-ip-range={SERVICE_RANGE}"),
    ];
    flags.extend(client_flags());
    flags
}

pub(super) fn scheduler(layout: &Layout) -> Vec<String> {
    let mut flags = vec![format!("--kubeconfig={}", layout.kubeconfig("scheduler").display())];
    flags.extend(client_flags());
    flags
}

/// What the two clients of the API server share.
fn client_flags() -> [String; 4] {
    [
        "--leader-elect=false".into(),
        "--secure-port=0".into(), // nobody asks them anything, so there is no port to be taken
        // The default rate costs five seconds of every start, and caps scheduling at 50 pods a second.
        "--kube-api-qps=1000".into(),
        "--kube-api-burst=2000".into(),
    ]
}

/// What makes the API server send its connections to pods, Services and kubelets to the virtual network. Without it
/// the API server dials them itself, and believes whatever certificate a kubelet shows, as kubeadm sets it up.
pub(super) fn through_egress(layout: &Layout) -> Vec<String> {
    vec![
        format!("--egress-selector-config-file={}", layout.egress_configuration().display()),
        format!("--kubelet-certificate-authority={}", layout.pki("ca.crt").display()),
    ]
}

/// How the API server finds the virtual network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Egress {
    /// On a Unix socket of this machine.
    Socket(PathBuf),
    /// At a host and a port, from a container.
    Address(String),
    /// Not at all: it dials the real network.
    None,
}

/// Sends the API server's connections to pods, Services and kubelets to the virtual network.
pub(super) fn egress_configuration(egress: &Egress, layout: &Layout) -> Option<String> {
    // A JSON string is a YAML string, whatever is in it.
    let transport = match egress {
        Egress::Socket(socket) => {
            format!("uds:\n        udsName: {}", serde_json::Value::from(socket.display().to_string()))
        }
        Egress::Address(address) => {
            let text = |value: String| serde_json::Value::from(value);
            let file = |name: &str| text(layout.pki(name).display().to_string());
            format!(
                "tcp:\n        url: {}\n        tlsConfig: {{caBundle: {}, clientCert: {}, clientKey: {}, tlsServerName: {EGRESS}}}",
                text(format!("https://{address}")),
                file("ca.crt"),
                file("kubelet-client.crt"),
                file("kubelet-client.key")
            )
        }
        Egress::None => return None,
    };
    Some(format!(
        "apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      {transport}
"
    ))
}

fn unix(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
