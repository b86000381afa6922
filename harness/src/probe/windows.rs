//! What Windows' own commands print, one file a command.
//!
//! Labels follow the system's language and sentences change between versions, so a
//! parser looks for what stays: numbers, addresses, error ids, and where lines begin.

pub(super) mod ipconfig;
mod klist;
mod nltest;
pub(super) mod nslookup;
pub(super) mod ping;
pub(super) mod resolve_dns_name;
mod whoami;

pub use self::{
    klist::{Klist, Ticket},
    nltest::{Netlogon, Status},
    whoami::Account,
};
