//! Suite `reachability`: who reaches what (R1, R2, R3, R5, R7, R9).
//!
//! Each check is one row of the guide's list; together they fill the source ×
//! destination matrix. Every connection is a fresh one, since a single request
//! hides one-in-N losses.

mod linux_node_to_pod;
mod linux_node_to_service_ip;
mod linux_pod_to_service_ip;
mod linux_pod_to_windows_pod;
mod node_port_linux_node;
mod node_port_outside;
mod paths;
mod service;
mod windows_host_to_pod;
mod windows_host_to_service_ip;
mod windows_pod_to_linux_pod;
mod windows_pod_to_linux_service_ip;
mod windows_pod_to_node_port;
mod windows_pod_to_own_service_ip;
mod windows_pod_to_pod_across_nodes;
mod windows_pod_to_pod_same_node;
mod windows_pod_to_service_ip;

use winconform_harness::Check;

pub(crate) use self::paths::PAGE;

/// The suite's checks, in report order.
pub const CHECKS: &[&Check] = &[
    &linux_node_to_pod::CHECK,
    &windows_pod_to_pod_same_node::CHECK,
    &windows_pod_to_pod_across_nodes::CHECK,
    &linux_pod_to_windows_pod::CHECK,
    &windows_pod_to_linux_pod::CHECK,
    &linux_node_to_service_ip::CHECK,
    &linux_pod_to_service_ip::CHECK,
    &windows_pod_to_service_ip::CHECK,
    &windows_pod_to_own_service_ip::CHECK,
    &windows_pod_to_linux_service_ip::CHECK,
    &node_port_linux_node::CHECK,
    &node_port_outside::CHECK,
    &windows_pod_to_node_port::CHECK,
    &windows_host_to_service_ip::CHECK,
    &windows_host_to_pod::CHECK,
];
