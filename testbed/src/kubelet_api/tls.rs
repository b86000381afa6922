//! Certificates: what the kubelet shows, and whom it believes.

use std::sync::Arc;

use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use thiserror::Error;

use crate::world::KubeletTls;

/// The kubelet API's certificates cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A text is not the PEM that it should be.
    #[error("the {what} is not valid PEM")]
    Pem {
        /// Which one.
        what: &'static str,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not make a server.
    #[error("certificate and key do not fit")]
    Config(#[source] rustls::Error),
    /// The authority cannot vouch for clients.
    #[error("the client authority cannot be used")]
    Authority(#[source] rustls::server::VerifierBuilderError),
}

/// What the kubelet API of every node serves with: HTTP/1.1 only, since upgrades need it.
///
/// # Errors
///
/// When the certificates are no certificates or do not fit.
pub(crate) fn server_config(tls: &KubeletTls) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = identity(&tls.certificate, &tls.key)?;
    let mut roots = RootCertStore::empty();
    let authorities = CertificateDer::pem_slice_iter(tls.client_ca.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::Pem { what: "client authority", source })?;
    roots.add_parsable_certificates(authorities);
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .allow_unauthenticated() // they are told 401 in HTTP, as a kubelet tells them
        .build()
        .map_err(TlsError::Authority)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// What serves anybody, whoever they are: HTTP/1.1 only.
///
/// # Errors
///
/// When the certificate is none, or the key does not fit.
pub(crate) fn open_server_config(certificate: &str, key: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let (chain, key) = identity(certificate, key)?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Config)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn identity(certificate: &str, key: &str) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let pem = |what| move |source| TlsError::Pem { what, source };
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem("serving certificate"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(pem("serving key"))?;
    Ok((chain, key))
}

/// Whether a verified certificate is the API server's: whether it carries one of those common names.
///
/// The name is looked for as DER writes it: the object identifier 2.5.4.3, a
/// string type, its length, and the text. The testbed's authority has another name.
pub(super) fn is_api_server(certificate: &CertificateDer<'_>) -> bool {
    KubeletTls::CLIENTS.iter().any(|name| is_called(certificate, name.as_bytes()))
}

fn is_called(certificate: &CertificateDer<'_>, name: &[u8]) -> bool {
    const COMMON_NAME: [u8; 5] = [0x06, 0x03, 0x55, 0x04, 0x03];
    const STRING_TYPES: [u8; 2] = [0x0C, 0x13]; // UTF8String, PrintableString
    let expected = COMMON_NAME.len() + 2 + name.len();
    certificate.as_ref().windows(expected).any(|window| {
        let Some((kind, rest)) = window.strip_prefix(&COMMON_NAME).and_then(<[u8]>::split_first) else { return false };
        let Some((&length, text)) = rest.split_first() else { return false };
        STRING_TYPES.contains(kind) && usize::from(length) == name.len() && text == name
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair};

    fn certificate(common_name: &str) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn only_the_api_servers_common_name_is_the_api_server() {
        assert!(is_api_server(&certificate("kube-apiserver-kubelet-client")));
        for other in ["kube-apiserver-kubelet-client2", "admin", "kube-apiserver"] {
            assert!(!is_api_server(&certificate(other)), "{other}");
        }
    }

    #[test]
    fn certificates_that_are_none_are_refused_by_name() {
        let tls = KubeletTls { certificate: "x".into(), key: "x".into(), client_ca: "x".into() };
        assert_eq!(server_config(&tls).unwrap_err().to_string(), "the serving key is not valid PEM");
    }
}
