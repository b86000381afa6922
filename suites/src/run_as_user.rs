//! Container users: `runAsUserName`.

use std::time::Duration;

use winconform_harness::{Check, Claims, Explain, Need, Scope, Trouble};
use winconform_reports::Level;

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
    id: "",
    title: "",
    statement: "U1",
    passing: "",
    silent_on: "",
    level: Level::Core,
    scope: Scope::Target,
    needs: &[Need::OpenNode],
    uses: &[],
    creates: &[],
    claims: Claims::pods(1),
    // Its waits have budgets of their own; this one is for what nobody thought of.
    budget: Duration::from_secs(3600),
    disruptive: false,
    explain: Explain { sources: &[PAGE], failures: &[], by_hand: &[] },
    run: |_| Box::pin(async { Err(Trouble::Unexpected("a template was asked".to_owned())) }),
};
