//! The command lines of the control plane's parts.

use std::{net::Ipv4Addr, path::Path};

use super::layout::Layout;
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

/// etcd listens on Unix sockets: no port to be taken, and nobody else on the machine can read it.
pub(super) fn etcd(layout: &Layout) -> Vec<String> {
    let clients = unix(&layout.etcd_socket());
    let peers = unix(&layout.etcd_peer_socket());
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

pub(super) fn api_server(layout: &Layout, port: u16) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", layout.pki(name).display());
    vec![
        format!("--etcd-servers={}", unix(&layout.etcd_socket())),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--advertise-address={API_ADDRESS}"),
        format!("--egress-selector-config-file={}", layout.egress_configuration().display()),
        file("tls-cert-file", "apiserver.crt"),
        file("tls-private-key-file", "apiserver.key"),
        file("client-ca-file", "ca.crt"),
        file("kubelet-certificate-authority", "ca.crt"),
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

/// Sends the API server's connections to pods, Services and kubelets to the virtual network.
pub(super) fn egress_configuration(socket: &Path) -> String {
    format!(
        "apiVersion: apiserver.k8s.io/v1beta1
kind: EgressSelectorConfiguration
egressSelections:
- name: cluster
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: {}
",
        // A JSON string is a YAML string, whatever is in it.
        serde_json::Value::from(socket.display().to_string())
    )
}

fn unix(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}
