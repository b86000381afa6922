//! The addresses of a testbed, all of them virtual.

use std::net::{Ipv4Addr, SocketAddrV4};

/// Where the API server says it is (`--advertise-address`, `--secure-port`).
pub const API_SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 240, 0, 1), 6443);

/// The Service IP at which pods expect their DNS server.
pub const DNS_SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);

/// The servers behind it, on machines of the control plane.
pub const DNS_SERVERS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 240, 0, 2), Ipv4Addr::new(10, 240, 0, 3)];

/// What listeners see of clients from beyond the cluster whose address is kept (TEST-NET-1, RFC 5737).
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// The cluster's domain.
pub const CLUSTER_DOMAIN: &str = "cluster.local";

/// The load balancer address number `index`, where none can be a loopback address.
pub(super) fn virtual_load_balancer(index: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 250, 0, index)
}
