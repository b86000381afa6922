use std::path::Path;

use super::*;

fn layout() -> Layout {
    Layout::new(Path::new("/tmp/winconform-testbed-abc")).unwrap()
}

fn pki() -> Pki {
    Pki::new(&[Ipv4Addr::LOCALHOST, API_ADDRESS], [("win-0", Shape::internal_ip(0))].into_iter()).unwrap()
}

#[test]
fn a_kubeconfig_reads_back_with_everything_it_needs_in_itself() {
    let pki = pki();
    let text = kubeconfig::kubeconfig("https://127.0.0.1:6443", &pki.authority, &pki.admin);
    let read = kube::config::Kubeconfig::from_yaml(&text).unwrap();
    assert_eq!(read.current_context.as_deref(), Some(CONTEXT));
    let cluster = read.clusters[0].cluster.as_ref().unwrap();
    assert_eq!(cluster.server.as_deref(), Some("https://127.0.0.1:6443"));
    assert!(cluster.certificate_authority_data.is_some() && cluster.certificate_authority.is_none());
    let user = read.auth_infos[0].auth_info.as_ref().unwrap();
    assert!(user.client_certificate_data.is_some() && user.client_key_data.is_some());
}

#[tokio::test]
async fn the_testbeds_own_client_takes_no_proxy() {
    let pki = pki();
    let text = kubeconfig::kubeconfig("https://127.0.0.1:6443", &pki.authority, &pki.admin);
    client(&text).await.expect("the certificates make a client");
}

#[test]
fn rustls_takes_the_kubelet_certificate_with_its_key() {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
    install_tls_provider();
    let tls = pki().kubelet_tls();
    let chain = CertificateDer::pem_slice_iter(tls.certificate.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).unwrap();
    rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
}

#[test]
fn an_api_server_in_a_container_shows_its_certificate_to_the_virtual_network() {
    let text = flags::egress_configuration(&Egress::Address("host:1".into()), &layout()).unwrap();
    let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let tcp = &read["egressSelections"][0]["connection"]["transport"]["tcp"];
    assert_eq!(tcp["url"], "https://host:1");
    assert_eq!(tcp["tlsConfig"]["tlsServerName"], "winconform-egress");
    assert_eq!(tcp["tlsConfig"]["clientKey"], "/tmp/winconform-testbed-abc/pki/kubelet-client.key");
}

#[test]
fn the_egress_configuration_is_yaml_whatever_the_path() {
    let text = flags::egress_configuration(&Egress::Socket("/tmp/a: \"b\" #c/egress.sock".into()), &layout()).unwrap();
    let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(
        read["egressSelections"][0]["connection"]["transport"]["uds"]["udsName"],
        "/tmp/a: \"b\" #c/egress.sock"
    );
}

#[test]
fn nothing_of_a_testbed_listens_beyond_the_machine_or_on_a_fixed_port() {
    let layout = layout();
    let all = [
        flags::etcd(&layout, Place::Here),
        [flags::api_server(&layout, Place::Here, 12345), flags::through_egress(&layout)].concat(),
        flags::controller_manager(&layout),
        flags::scheduler(&layout),
    ];
    let listening: Vec<String> = all
        .into_iter()
        .flatten()
        .filter(|flag| ["listen", "port", "bind-address"].iter().any(|word| flag.contains(word)))
        .collect();
    insta::assert_snapshot!(listening.join("\n"), @r"
    --listen-client-urls=unix:///tmp/winconform-testbed-abc/etcd.sock
    --listen-peer-urls=unix:///tmp/winconform-testbed-abc/etcd-peer.sock
    --bind-address=127.0.0.1
    --secure-port=12345
    --secure-port=0
    --secure-port=0
    ");
}

#[test]
fn a_directory_too_deep_for_sockets_is_refused_before_anything_starts() {
    let deep = format!("/tmp/{}", "d".repeat(90));
    assert!(Layout::new(Path::new(&deep)).is_err());
}

#[test]
fn only_a_taken_port_is_worth_another_try() {
    let tail = |line: &str| vec!["starting".to_owned(), line.to_owned()];
    assert!(port_was_taken(&tail("listen tcp 127.0.0.1:1: bind: address already in use")));
    assert!(!port_was_taken(&tail("open /x/sa.key: no such file or directory")));
}
