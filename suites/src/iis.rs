//! Suite `iis`: the guide's IIS deploys, keeps to its limits, and is published (C4, C5).

mod deploys;
mod load_balancer;
mod resources_applied;

use winconform_harness::Check;
use winconform_harness::probe::Expect;

/// What IIS says before anybody gave it a site.
const IIS_PAGE: Expect = Expect::Text("IIS Windows Server");

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[&deploys::CHECK, &resources_applied::CHECK, &load_balancer::CHECK];
