//! Group managed service accounts: from admission (L0) over the container (L1) and its secure channel (L2) to Kerberos
//! (L3) and a file share (L4).
//!
//! Nothing of Active Directory is ever made: the suite uses a credential spec that the
//! cluster has (`--gmsa-spec`, or the first one), and a share that it is given.

use winconform_harness::{
    Check, Explain,
    cluster::{Permission, may},
};
use winconform_reports::Level;

use crate::trial::TRIAL;

mod crd_and_webhook;
mod credential_spec_reaches_container;
mod denied_without_use;
mod ground;
mod kerberos_ticket;
mod many_pods_keep_trust;
mod member;
mod secure_channel;
mod smb_share;
mod spec_expanded;
mod unknown_spec_rejected;

/// The checks, in report order.
pub const CHECKS: &[&Check] = &[
    &crd_and_webhook::CHECK,
    &spec_expanded::CHECK,
    &denied_without_use::CHECK,
    &unknown_spec_rejected::CHECK,
    &credential_spec_reaches_container::CHECK,
    &secure_channel::CHECK,
    &kerberos_ticket::CHECK,
    &smb_share::CHECK,
    &many_pods_keep_trust::CHECK,
];

/// Where the promises are written down.
const PAGE: &str = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-gmsa/";
/// What to look at when an account does not work in a container.
const TROUBLESHOOTING: &str =
    "https://learn.microsoft.com/en-us/virtualization/windowscontainers/manage-containers/gmsa-troubleshooting";

/// Seeing which credential specs there are.
const SEES_SPECS: Permission = may("list", "windows.k8s.io", "gmsacredentialspecs");
/// Giving leave to use one to a service account: nobody can give what they do not have.
const USES_SPECS: Permission = may("use", "windows.k8s.io", "gmsacredentialspecs");

/// What the checks of this suite have in common; each names the rest.
const BASE: Check = Check {
    statement: "A1",
    level: Level::Extended,
    asks: &[SEES_SPECS, USES_SPECS],
    explain: Explain { sources: &[PAGE], failures: &[], by_hand: &[] },
    ..TRIAL
};
