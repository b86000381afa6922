//! Container users: `runAsUserName`.

use winconform_harness::{Check, Claims, Explain};

use crate::trial::TRIAL;

mod administrator_with_non_root_refused;
mod container_overrides_pod;
mod exec_runs_as_user;
mod image_default;
mod malformed_name_rejected;
mod pod_level;
mod unknown_user_refused;
mod user;

/// The checks, in report order.
pub const CHECKS: &[&Check] = &[
    &pod_level::CHECK,
    &container_overrides_pod::CHECK,
    &image_default::CHECK,
    &exec_runs_as_user::CHECK,
    &malformed_name_rejected::CHECK,
    &unknown_user_refused::CHECK,
    &administrator_with_non_root_refused::CHECK,
];

/// Where the promises are written down.
const PAGE: &str = "https://kubernetes.io/docs/tasks/configure-pod-container/configure-runasusername/";

/// What the checks of this suite have in common; each names the rest.
const BASE: Check = Check {
    statement: "U1",
    claims: Claims::pods(1),
    explain: Explain { sources: &[PAGE], failures: &[], by_hand: &[] },
    ..TRIAL
};
