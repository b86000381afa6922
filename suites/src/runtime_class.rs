//! Suite `runtime-class`: a RuntimeClass takes its pods to one Windows version (C1 to C3).
//!
//! Each check makes a class of its own. Its name carries the run's id, so it meets nobody
//! else's; the handler is one that the nodes have.

mod class;
mod conflicting_selector_rejected;
mod fills_in_scheduling;
mod missing_class_rejected;
mod pod_lands_on_build;
mod unknown_handler_named;

use winconform_harness::Check;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[
    &fills_in_scheduling::CHECK,
    &pod_lands_on_build::CHECK,
    &missing_class_rejected::CHECK,
    &conflicting_selector_rejected::CHECK,
    &unknown_handler_named::CHECK,
];
