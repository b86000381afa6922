//! Suite `placement`: labels, taints and tolerations put pods where they can run (P1 to P6).
//!
//! What must not be placed is asked as what must: by a pod, beside a twin that is
//! placed, and until the scheduler, the API server or the kubelet has said so.

mod build_selector;
mod image_matches_build;
mod linux_pod_kept_off;
mod needs_toleration;
mod no_such_build;
mod pod_os_field;
mod selector_and_toleration;
mod stray_linux_pods;
mod unselected_pod;
mod windows_nodes_tainted;

use winconform_harness::Check;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[
    &windows_nodes_tainted::CHECK,
    &linux_pod_kept_off::CHECK,
    &stray_linux_pods::CHECK,
    &unselected_pod::CHECK,
    &needs_toleration::CHECK,
    &selector_and_toleration::CHECK,
    &build_selector::CHECK,
    &no_such_build::CHECK,
    &image_matches_build::CHECK,
    &pod_os_field::CHECK,
];
