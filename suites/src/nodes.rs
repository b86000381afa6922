//! Suite `nodes`: the nodes are healthy, answer, and say truly what they are (N1 to N7).

mod answers;
mod containers_on_node;
mod known_build;
mod os_and_arch_labels;
mod patch_level;
mod ready;
mod system_pods_stable;
mod windows_build_label;

use winconform_harness::Check;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[
    &ready::CHECK,
    &answers::CHECK,
    &os_and_arch_labels::CHECK,
    &windows_build_label::CHECK,
    &known_build::CHECK,
    &containers_on_node::CHECK,
    &patch_level::CHECK,
    &system_pods_stable::CHECK,
];
