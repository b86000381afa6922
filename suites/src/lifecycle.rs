//! Suite `lifecycle`: a node comes back from a reboot with its pods and networks (L1).
//!
//! Asked only with `--allow-disruptive`, last, and of one node for each target.

mod reboot;

use winconform_harness::Check;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[&reboot::CHECK];
