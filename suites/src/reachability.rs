//! Suite `reachability`: who reaches what (R1 to R10).
//!
//! Each check is one row of the guide's list; together they fill the source ×
//! destination matrix. Every connection is a fresh one, since a single request
//! hides one-in-N losses.

mod cluster_services;
mod limitation;
mod linux_node_to_pod;
mod linux_node_to_service_ip;
mod linux_pod_to_service_ip;
mod linux_pod_to_windows_pod;
mod names;
mod node_port_linux_node;
mod node_port_outside;
mod outbound;
mod partially_qualified_name;
mod paths;
mod ping;
mod service;
mod service_name;
mod windows_host_to_own_node_port;
mod windows_host_to_pod;
mod windows_host_to_service_ip;
mod windows_pod_ping_across_nodes;
mod windows_pod_ping_same_node;
mod windows_pod_to_api_server;
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
    &windows_pod_ping_same_node::CHECK,
    &windows_pod_ping_across_nodes::CHECK,
    &linux_pod_to_windows_pod::CHECK,
    &windows_pod_to_linux_pod::CHECK,
    &linux_node_to_service_ip::CHECK,
    &linux_pod_to_service_ip::CHECK,
    &windows_pod_to_service_ip::CHECK,
    &windows_pod_to_own_service_ip::CHECK,
    &windows_pod_to_linux_service_ip::CHECK,
    &windows_pod_to_api_server::CHECK,
    &service_name::CHECK,
    &partially_qualified_name::CHECK,
    &node_port_linux_node::CHECK,
    &node_port_outside::CHECK,
    &windows_pod_to_node_port::CHECK,
    &outbound::CHECK,
    &windows_host_to_service_ip::CHECK,
    &windows_host_to_own_node_port::CHECK,
    &windows_host_to_pod::CHECK,
];
