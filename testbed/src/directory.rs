//! A miniature Active Directory: one domain, its controller, its group managed
//! service accounts, and a file server.
//!
//! The domain stands beyond the cluster, on addresses of the virtual network's
//! outside, so whatever cuts a container off from there cuts it off from its
//! domain. What a container is to the domain follows from the credential spec
//! that its runtime gave it (`Member`); `nltest`, `klist` and file shares ask
//! nothing else.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError},
};

use futures::future::{BoxFuture, FutureExt};

pub(crate) use self::{
    credential_spec::{CredentialSpec, SpecError},
    member::{Controller, LogonError, Member, Ticket},
    share::{FileError, Unc},
};
use crate::network::{Connection, ListenGuard, Network};

mod credential_spec;
mod member;
mod share;

/// The domain's name in DNS.
pub const DOMAIN: &str = "corp.example";
/// Its domain controller.
const CONTROLLER: &str = "dc01.corp.example";
/// Its file server.
const FILE_SERVER: &str = "files.corp.example";
/// The share of the file server that the accounts may read and write.
const SHARE: &str = "conformance";
/// The share as programs name it.
pub const SHARE_PATH: &str = r"\\files.corp.example\conformance";
/// The group managed service accounts, whose passwords all Windows nodes may read.
const ACCOUNTS: [&str; 2] = ["webapp01", "webapp02"];

/// From TEST-NET-2 (RFC 5737): nobody's, and beyond the cluster.
const CONTROLLER_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
const FILE_SERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);

/// Where they answer.
const KERBEROS: u16 = 88;
const LDAP: u16 = 389;
const SMB: u16 = 445;

/// The domain: its servers on the network, and the files of its share. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directory {
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    _servers: Arc<Vec<ListenGuard>>,
}

impl Directory {
    /// Opens the domain's servers on the network.
    pub(crate) fn open(network: &Network) -> Self {
        let servers = [
            (CONTROLLER, CONTROLLER_ADDRESS, KERBEROS),
            (DOMAIN, CONTROLLER_ADDRESS, LDAP), // members find a controller by the domain's own name
            (FILE_SERVER, FILE_SERVER_ADDRESS, SMB),
        ];
        let open = |(name, address, port)| {
            network.listen_outside(Some(name), SocketAddrV4::new(address, port), Arc::new(hear_out))
        };
        Self { files: Arc::default(), _servers: Arc::new(servers.into_iter().map(open).collect()) }
    }

    pub(crate) fn has_account(name: &str) -> bool {
        ACCOUNTS.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    fn files(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Vec<u8>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is said on these connections is decided elsewhere; that they can be made is what counts.
fn hear_out(connection: Connection) -> BoxFuture<'static, ()> {
    async move { drop(connection) }.boxed()
}
