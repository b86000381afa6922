//! What Linux' commands and files say, one file each.

pub(super) mod nslookup;
pub(super) mod ping;
pub(super) mod resolv_conf;
