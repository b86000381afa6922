//! The Host Networking Service: networks, endpoints and load balancers of a node.
//!
//! `hnsdiag`, and the objects of the HNS module for PowerShell.

use super::{
    Exit, Io, Session,
    machine::{LoadBalancer, Picture, Sandbox, guid},
};

/// `hnsdiag list networks|endpoints|loadbalancers|all`.
pub(super) fn hnsdiag(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let words: Vec<String> = arguments.iter().map(|word| word.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some(machine) = &session.machine else {
        io.stderr.text("HNS failed with error : Access is denied. \r\n");
        return 5;
    };
    let picture = machine.look();
    let text = match words.as_slice() {
        ["list", "networks", ..] => networks(&picture),
        ["list", "endpoints", ..] => endpoints(&picture),
        ["list", "loadbalancers", ..] => load_balancers(&picture),
        ["list", "all", ..] => networks(&picture) + &endpoints(&picture) + &load_balancers(&picture),
        _ => {
            io.stdout.text("Usage: hnsdiag list [networks|endpoints|loadbalancers|namespaces|all]\r\n");
            return 1;
        }
    };
    io.stdout.text(text);
    0
}

/// The id of a network by its name.
pub(super) fn network_id(picture: &Picture, network: &str) -> String {
    guid(&["hns-network", &picture.name, network])
}

/// The id of the endpoint with an address.
pub(super) fn endpoint_id(picture: &Picture, address: std::net::Ipv4Addr) -> String {
    guid(&["hns-endpoint", &picture.name, &address.to_string()])
}

/// The endpoints that HNS has: of the pods here, and of backends elsewhere.
pub(super) fn all_endpoints(picture: &Picture) -> Vec<(String, std::net::Ipv4Addr, bool)> {
    let local = picture
        .sandboxes
        .iter()
        .filter(|sandbox| sandbox.ready)
        .filter_map(|sandbox: &Sandbox| Some((format!("{}_vxlan0", sandbox.id), sandbox.ip?, false)));
    let mut all: Vec<_> = local.collect();
    for (backend, here) in picture.load_balancers.iter().flat_map(|balancer| &balancer.backends) {
        if !here && !all.iter().any(|(_, known, _)| known == backend.ip()) {
            all.push(("Ethernet".to_owned(), *backend.ip(), true));
        }
    }
    all
}

fn networks(picture: &Picture) -> String {
    let mut text = format!(
        "Network : {}\r\n    Name             : External\r\n    Type             : Overlay\r\n    Subnet Address   : 192.168.255.0/30\r\n    Gateway          : 192.168.255.1\r\n\r\n",
        network_id(picture, "External")
    );
    if let Some(range) = &picture.pod_range {
        let network = format!(
            "Network : {}\r\n    Name             : vxlan0\r\n    Type             : Overlay\r\n    Subnet Address   : {range}\r\n    Gateway          : {}\r\n\r\n",
            network_id(picture, "vxlan0"),
            gateway(range)
        );
        text += &network;
    }
    text
}

/// The first address of a range.
pub(super) fn gateway(range: &str) -> String {
    let network = range.split('/').next().unwrap_or(range);
    network.rsplit_once('.').map_or_else(|| network.to_owned(), |(prefix, _)| format!("{prefix}.1"))
}

fn endpoints(picture: &Picture) -> String {
    let one = |(name, address, remote): (String, std::net::Ipv4Addr, bool)| {
        format!(
            "Endpoint : {}\r\n    Name             : {name}\r\n    IP Address       : {address}\r\n    Virtual Network Name: vxlan0\r\n    Is Remote        : {remote}\r\n\r\n",
            endpoint_id(picture, address),
        )
    };
    all_endpoints(picture).into_iter().map(one).collect()
}

fn load_balancers(picture: &Picture) -> String {
    let one = |balancer: &LoadBalancer| {
        let addresses = balancer.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let ids = balancer.backends.iter().map(|(backend, _)| endpoint_id(picture, *backend.ip()));
        let inside = balancer.backends.first().map_or(balancer.port, |(backend, _)| backend.port());
        format!(
            "LoadBalancer : {}\r\n    Virtual IPs      : {addresses}\r\n    Protocol         : {}\r\n    External Port    : {}\r\n    Internal Port    : {inside}\r\n    Endpoints        : {}\r\n\r\n",
            guid(&["hns-lb", &picture.name, &balancer.service, &addresses]),
            balancer.protocol,
            balancer.port,
            ids.collect::<Vec<_>>().join(", "),
        )
    };
    picture.load_balancers.iter().map(one).collect()
}
