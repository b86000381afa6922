//! What must be there for a question to make sense.
//!
//! A need that is not met makes the check *not applicable*, with the observed
//! reason; it never makes it pass or fail.

use winconform_reports::Place;

use crate::{
    cluster::{Facts, NodeFacts, Os},
    settings::Settings,
};

/// Something a check needs of the cluster or of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A Linux node that takes pods.
    LinuxNode,
    /// A Windows node that takes pods, whichever.
    WindowsNode,
    /// A second Windows node that takes pods.
    TwoWindowsNodes,
    /// The place's own nodes take pods: at least one is ready, not cordoned and has room.
    OpenNode,
    /// A way from where winconform runs to the nodes' ports.
    OutsideAccess,
    /// A way from the place's nodes to each other's ports.
    NodePorts,
    /// A taint on the place's nodes that keeps pods off.
    Taint,
    /// A Windows node that takes pods and has no such taint.
    UntaintedNode,
    /// The user's leave to publish an address.
    LoadBalancerAllowed,
}

impl Need {
    /// A word for lists: `linux-node`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LinuxNode => "linux-node",
            Self::WindowsNode => "windows-node",
            Self::TwoWindowsNodes => "two-windows-nodes",
            Self::OpenNode => "open-node",
            Self::OutsideAccess => "outside-access",
            Self::NodePorts => "node-ports",
            Self::Taint => "taint",
            Self::UntaintedNode => "untainted-node",
            Self::LoadBalancerAllowed => "allow-load-balancer",
        }
    }

    /// Why the need is not met, or nothing where it is.
    #[must_use]
    pub fn missing(self, facts: &Facts, place: &Place, settings: &Settings) -> Option<String> {
        match self {
            Self::LinuxNode if facts.open_nodes(Os::Linux).next().is_none() => {
                Some("no Linux node takes pods".to_owned())
            }
            Self::WindowsNode if facts.open_nodes(Os::Windows).next().is_none() => {
                Some("no Windows node takes pods".to_owned())
            }
            Self::TwoWindowsNodes => match facts.open_nodes(Os::Windows).count() {
                0 => Some("no Windows node takes pods".to_owned()),
                1 => Some("only one Windows node takes pods, so there is no other to reach".to_owned()),
                _ => None,
            },
            Self::OpenNode => closed_reason(facts, place),
            Self::OutsideAccess | Self::NodePorts if facts.nodes_of(place).any(NodeFacts::is_apart) => {
                Some("no network leads to the ports of virtual nodes that joined another cluster".to_owned())
            }
            Self::OutsideAccess
                if !settings.outside_proxy && !facts.nodes.iter().any(|node| node.external_ip.is_some()) =>
            {
                Some("no node has an external address, and no --outside-proxy was given".to_owned())
            }
            Self::Taint if !facts.nodes_of(place).any(NodeFacts::keeps_pods_off) => {
                Some("no taint keeps pods off its nodes".to_owned())
            }
            Self::UntaintedNode if facts.open_nodes(Os::Windows).all(NodeFacts::keeps_pods_off) => {
                Some("a taint keeps pods off every Windows node".to_owned())
            }
            Self::LoadBalancerAllowed if !settings.allow_load_balancer => {
                Some("it publishes an address, and --allow-load-balancer was not given".to_owned())
            }
            Self::LinuxNode
            | Self::WindowsNode
            | Self::OutsideAccess
            | Self::NodePorts
            | Self::Taint
            | Self::UntaintedNode
            | Self::LoadBalancerAllowed => None,
        }
    }
}

fn closed_reason(facts: &Facts, place: &Place) -> Option<String> {
    let nodes: Vec<&NodeFacts> = facts.nodes_of(place).collect();
    if nodes.iter().any(|node| node.is_open()) {
        return None;
    }
    let reasons: Vec<String> =
        nodes.iter().filter_map(|node| Some(format!("{} {}", node.name, node.closed_because()?))).collect();
    Some(if reasons.is_empty() { "there is no such node".to_owned() } else { reasons.join("; ") })
}
