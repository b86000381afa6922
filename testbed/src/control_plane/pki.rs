//! The certificates and keys of a testbed, made new for each and forgotten with it.

use std::net::{IpAddr, Ipv4Addr};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType,
};
use thiserror::Error;

use crate::{admission, api_front, world::KubeletTls};

/// The person at the testbed, and the group that makes them an administrator.
pub(crate) const ADMIN: (&str, Option<&str>) = ("winconform-testbed-admin", Some("system:masters"));
/// The user that the controller manager is.
pub(crate) const CONTROLLER_MANAGER: &str = "system:kube-controller-manager";
/// The user that the scheduler is.
pub(crate) const SCHEDULER: &str = "system:kube-scheduler";

/// A certificate or a key could not be made.
#[derive(Debug, Error)]
#[error("the certificate of {subject} could not be made")]
pub struct PkiError {
    subject: String,
    source: rcgen::Error,
}

/// Who a certificate speaks for, and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// All certificates and keys of one testbed.
pub(crate) struct Pki {
    /// The certificate of the authority that signed all others.
    pub(crate) authority: String,
    /// Serves the API.
    pub(crate) api_server: Identity,
    /// The API server, as a client of kubelets.
    pub(crate) kubelet_client: Identity,
    /// Serves every virtual kubelet.
    pub(crate) kubelet: Identity,
    /// The person at the testbed, a cluster administrator.
    pub(crate) admin: Identity,
    /// What stands in front of the API server.
    pub(crate) front: Identity,
    /// The webhook for credential specs.
    gmsa_webhook: Identity,
    /// kube-controller-manager.
    pub(crate) controller_manager: Identity,
    /// kube-scheduler.
    pub(crate) scheduler: Identity,
    /// Signs the tokens of service accounts.
    pub(crate) service_account_key: String,
    /// Verifies them.
    pub(crate) service_account_public_key: String,
}

impl Pki {
    /// Makes the certificates for an API server that is reached at `api_addresses`
    /// and for nodes of these names and addresses.
    pub(crate) fn new<'a>(
        api_addresses: &[Ipv4Addr],
        nodes: impl Iterator<Item = (&'a str, Ipv4Addr)>,
    ) -> Result<Self, PkiError> {
        let authority = Authority::new()?;
        let service_account = key("service accounts")?;

        let mut api_names = names(&[
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ])?;
        api_names.extend(api_addresses.iter().map(|address| SanType::IpAddress(IpAddr::V4(*address))));

        let mut kubelet_names = names(&[EGRESS])?;
        for (name, address) in nodes {
            kubelet_names.extend(names(&[name])?);
            kubelet_names.push(SanType::IpAddress(IpAddr::V4(address)));
        }

        Ok(Self {
            api_server: authority.server("kube-apiserver", api_names)?,
            kubelet: authority.server("kubelet", kubelet_names)?,
            kubelet_client: authority.client(KubeletTls::CLIENT, None)?,
            admin: authority.client(ADMIN.0, ADMIN.1)?,
            front: authority.client(api_front::NAME, None)?,
            gmsa_webhook: authority.server("gmsa-webhook", names(&admission::SERVER_NAMES)?)?,
            controller_manager: authority.client(CONTROLLER_MANAGER, None)?,
            scheduler: authority.client(SCHEDULER, None)?,
            service_account_key: service_account.serialize_pem(),
            service_account_public_key: service_account.public_key_pem(),
            authority: authority.issuer.pem(),
        })
    }

    /// What webhooks of the testbed's own serve with, on this machine.
    pub(crate) fn webhook_tls(&self) -> KubeletTls {
        KubeletTls {
            certificate: self.api_server.certificate.as_str().into(),
            key: self.api_server.key.as_str().into(),
            client_ca: self.authority.as_str().into(),
        }
    }

    /// What the webhook for credential specs serves with.
    pub(crate) fn gmsa_webhook_tls(&self) -> KubeletTls {
        KubeletTls {
            certificate: self.gmsa_webhook.certificate.as_str().into(),
            key: self.gmsa_webhook.key.as_str().into(),
            client_ca: self.authority.as_str().into(),
        }
    }

    /// What the virtual kubelets serve and trust.
    pub(crate) fn kubelet_tls(&self) -> KubeletTls {
        KubeletTls {
            certificate: self.kubelet.certificate.as_str().into(),
            key: self.kubelet.key.as_str().into(),
            client_ca: self.authority.as_str().into(),
        }
    }
}

/// The name of the virtual network's entrance, where the API server comes through TLS: its certificate is the kubelets'.
pub(crate) const EGRESS: &str = "winconform-egress";

/// What kubelets serve with that join a control plane of somebody else's, whose `authority` signs its API server's
/// client certificate. Their own certificate nobody has to know: clusters that are joined do not check it.
pub(crate) fn kubelet_alone(nodes: &[String], address: Ipv4Addr, authority: String) -> Result<KubeletTls, PkiError> {
    let own = Authority::new()?;
    let mut alternatives = names(&nodes.iter().map(String::as_str).collect::<Vec<_>>())?;
    alternatives.push(SanType::IpAddress(IpAddr::V4(address)));
    let identity = own.server("kubelet", alternatives)?;
    Ok(KubeletTls { certificate: identity.certificate.into(), key: identity.key.into(), client_ca: authority.into() })
}

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self, PkiError> {
        const NAME: &str = "winconform-testbed-ca";
        let mut params = params(NAME, None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let issuer = CertifiedIssuer::self_signed(params, key(NAME)?).map_err(failed(NAME))?;
        Ok(Self { issuer })
    }

    fn server(&self, name: &str, alternatives: Vec<SanType>) -> Result<Identity, PkiError> {
        let mut params = params(name, None);
        params.subject_alt_names = alternatives;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(name, params)
    }

    /// A client certificate; Kubernetes reads the user from the common name and the groups from the organisation.
    fn client(&self, user: &str, group: Option<&str>) -> Result<Identity, PkiError> {
        let mut params = params(user, group);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(user, params)
    }

    fn sign(&self, subject: &str, mut params: CertificateParams) -> Result<Identity, PkiError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = key(subject)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed(subject))?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

fn params(user: &str, group: Option<&str>) -> CertificateParams {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, user);
    if let Some(group) = group {
        name.push(DnType::OrganizationName, group);
    }
    let mut params = CertificateParams::default(); // valid whatever the machine's clock says
    params.distinguished_name = name;
    params
}

fn key(subject: &str) -> Result<KeyPair, PkiError> {
    KeyPair::generate().map_err(failed(subject))
}

fn names(names: &[&str]) -> Result<Vec<SanType>, PkiError> {
    names.iter().map(|name| (*name).to_owned().try_into().map(SanType::DnsName).map_err(failed(name))).collect()
}

fn failed(subject: &str) -> impl Fn(rcgen::Error) -> PkiError + '_ {
    move |source| PkiError { subject: subject.to_owned(), source }
}
