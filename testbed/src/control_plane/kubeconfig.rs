//! Kubeconfig files.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::pki::Identity;

/// The name of the cluster, the user and the context in the files written here.
pub const CONTEXT: &str = "winconform-testbed";

/// A kubeconfig that holds everything it needs in itself.
pub(crate) fn kubeconfig(server: &str, authority: &str, identity: &Identity) -> String {
    let encoded = |pem: &str| STANDARD.encode(pem);
    format!(
        "apiVersion: v1
kind: Config
current-context: {CONTEXT}
clusters:
- name: {CONTEXT}
  cluster:
    server: {server}
    certificate-authority-data: {authority}
users:
- name: {CONTEXT}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {CONTEXT}
  context:
    cluster: {CONTEXT}
    user: {CONTEXT}
",
        authority = encoded(authority),
        certificate = encoded(&identity.certificate),
        key = encoded(&identity.key),
    )
}
