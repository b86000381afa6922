//! What a container is to the domain, as its own Netlogon and Kerberos see it.

use std::{
    net::SocketAddrV4,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{CONTROLLER, CredentialSpec, DOMAIN, Directory, FILE_SERVER, KERBEROS, LDAP};
use crate::{
    command::Link,
    fault::{FaultBoard, Identity, TrustStatus, Who},
    network::{DnsError, PodFacts},
};

/// How long a controller is tried, in real time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why a container has no identity in the domain, or cannot use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogonError {
    /// It has no credential spec, so its Netlogon does not run.
    NoCredentialSpec,
    /// The host could not fetch the account's password, so nobody is logged on.
    PasswordUnreadable,
    /// There is no such domain.
    NoSuchDomain,
    /// No controller answers.
    NoLogonServers,
    /// The domain refuses the secure channel.
    TrustLost(TrustStatus),
    /// The domain knows no such service.
    NoSuchService,
    /// The process may not ask.
    AccessDenied,
}

/// A domain controller that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Controller {
    /// Its full name.
    pub(crate) name: &'static str,
}

/// A Kerberos ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// `webapp01$ @ CORP.EXAMPLE`.
    pub(crate) client: String,
    /// `krbtgt/CORP.EXAMPLE @ CORP.EXAMPLE`.
    pub(crate) server: String,
    /// The controller that gave it.
    pub(crate) controller: &'static str,
    /// When.
    pub(crate) since: jiff::Timestamp,
}

/// A container's membership; every process in it has the same.
#[derive(Clone)]
pub(crate) struct Member {
    directory: Option<Directory>,
    spec: Option<Arc<CredentialSpec>>,
    link: Arc<dyn Link>,
    faults: FaultBoard,
    pod: Arc<PodFacts>,
    tickets: Arc<Mutex<Vec<Ticket>>>,
}

impl Member {
    /// The membership of a container that got `spec`. Without a `directory` there is no domain to be in.
    pub(crate) fn new(
        directory: Option<Directory>,
        spec: Option<CredentialSpec>,
        link: Arc<dyn Link>,
        faults: FaultBoard,
        pod: Arc<PodFacts>,
    ) -> Self {
        Self { directory, spec: spec.map(Arc::new), link, faults, pod, tickets: Arc::default() }
    }

    /// The credential spec that the container was started with.
    pub(crate) fn spec(&self) -> Option<&CredentialSpec> {
        self.spec.as_deref()
    }

    pub(super) fn directory(&self) -> Option<&Directory> {
        self.directory.as_ref()
    }

    pub(super) fn link(&self) -> &dyn Link {
        self.link.as_ref()
    }

    /// Whether a fault in force has one of these outcomes for the container; counted as applied.
    pub(super) fn suffers(&self, outcomes: &[Identity]) -> Option<(Identity, TrustStatus)> {
        let account = self.spec.as_ref().map(|spec| spec.account.as_str());
        let who = Who { pod: &self.pod, account, user: None };
        let (effect, mark) = self.faults.identity(&who, outcomes)?;
        self.faults.applied(mark);
        Some((effect.outcome, effect.status.unwrap_or_default()))
    }

    /// The spec of who is logged on.
    ///
    /// # Errors
    ///
    /// When nobody is.
    pub(super) fn logged_on(&self) -> Result<&CredentialSpec, LogonError> {
        let spec = self.spec().ok_or(LogonError::NoCredentialSpec)?;
        let known = self.directory.is_some() && spec.domain.eq_ignore_ascii_case(DOMAIN);
        if known && !Directory::has_account(&spec.account) {
            return Err(LogonError::PasswordUnreadable);
        }
        match self.suffers(&[Identity::PasswordUnreadable]) {
            Some(_) => Err(LogonError::PasswordUnreadable),
            None => Ok(spec),
        }
    }

    /// Finds a controller of the container's domain.
    ///
    /// # Errors
    ///
    /// When nobody is logged on, or none answers.
    async fn controller(&self, port: u16) -> Result<Controller, LogonError> {
        let spec = self.logged_on()?;
        if self.suffers(&[Identity::NoLogonServers]).is_some() {
            return Err(LogonError::NoLogonServers);
        }
        let addresses = match self.link.resolve(&spec.domain).await {
            Ok(addresses) => addresses,
            Err(DnsError::NoSuchName) => return Err(LogonError::NoSuchDomain),
            Err(_) => return Err(LogonError::NoLogonServers),
        };
        let address = addresses.first().ok_or(LogonError::NoSuchDomain)?;
        let connected = self.link.connect(SocketAddrV4::new(*address, port), PATIENCE).await;
        connected.map(|_connection| Controller { name: CONTROLLER }).map_err(|_unreachable| LogonError::NoLogonServers)
    }

    /// The state of Netlogon's secure channel.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn channel(&self) -> Result<Controller, LogonError> {
        let controller = self.controller(LDAP).await?;
        match self.suffers(&[Identity::TrustLost]) {
            Some((_, status)) => Err(LogonError::TrustLost(status)),
            None => Ok(controller),
        }
    }

    /// Gets a Kerberos ticket for a service, `krbtgt` or the like, and keeps it.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn ticket(&self, service: &str) -> Result<Ticket, LogonError> {
        let controller = self.controller(KERBEROS).await?;
        let spec = self.logged_on()?;
        let realm = spec.domain.to_ascii_uppercase();
        let principal = principal(service, &realm).ok_or(LogonError::NoSuchService)?;
        let ticket = Ticket {
            client: format!("{}$ @ {realm}", spec.account),
            server: format!("{principal} @ {realm}"),
            controller: controller.name,
            since: jiff::Timestamp::now(),
        };
        let mut tickets = self.tickets.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|known| known.server != ticket.server);
        tickets.push(ticket.clone());
        Ok(ticket)
    }

    /// The tickets there are.
    pub(crate) fn tickets(&self) -> Vec<Ticket> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Throws the tickets away.
    pub(crate) fn purge(&self) {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The number of the logon session, which stays the same in one container.
    pub(crate) fn logon_id(&self) -> u32 {
        self.pod.uid.bytes().fold(0x51_u32, |hash, byte| hash.wrapping_mul(31).wrapping_add(u32::from(byte))) >> 4
    }
}

/// The service principal that a name stands for, where the domain has it.
fn principal(service: &str, realm: &str) -> Option<String> {
    let lower = service.to_ascii_lowercase();
    let (class, host) = lower.split_once('/').unwrap_or((lower.as_str(), ""));
    let is_host = |known: &str| host == known || known.split('.').next() == Some(host);
    let account = lower.trim_end_matches('$');
    match class {
        "krbtgt" if host.is_empty() || host.eq_ignore_ascii_case(realm) => Some(format!("krbtgt/{realm}")),
        "host" | "cifs" if is_host(CONTROLLER) || is_host(FILE_SERVER) => Some(service.to_owned()),
        "ldap" if is_host(CONTROLLER) => Some(service.to_owned()),
        _ if host.is_empty() && Directory::has_account(account) => Some(service.to_owned()),
        _ => None,
    }
}
