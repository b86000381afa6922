//! The guide, statement by statement: what a cluster either keeps or breaks.
//!
//! Said in our own words, after the Kubernetes guide for running Windows containers
//! and the pages it leads to. Each check names its statement; a test fails when a
//! statement has no check, or a check no statement.

use winconform_harness::Check;

/// A promise of the guide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// Its id, for example `R7`.
    pub id: &'static str,
    /// The part of the guide it stands in.
    pub part: &'static str,
    /// What it promises.
    pub says: &'static str,
}

impl Statement {
    /// The checks that ask about it, in report order.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> {
        let id = self.id;
        crate::all().into_iter().filter(move |check| check.statement == id)
    }
}

/// The statement of that id.
#[must_use]
pub fn statement(id: &str) -> Option<&'static Statement> {
    GUIDE.iter().find(|statement| statement.id == id)
}

const fn says(id: &'static str, part: &'static str, says: &'static str) -> Statement {
    Statement { id, part, says }
}

const NODES: &str = "nodes";
const DEPLOY: &str = "deploying the web server";
const REACH: &str = "reachability";
const PLACE: &str = "taints, tolerations and builds";
const CLASS: &str = "RuntimeClass and IIS";
const USERS: &str = "container users";
const GMSA: &str = "group managed service accounts";
const LIFE: &str = "observing and rebooting";

/// Every statement, in the guide's order.
pub const GUIDE: &[Statement] = &[
    says("N1", NODES, "All nodes are healthy."),
    says("N2", NODES, "A node that is Ready runs pods, commands in them, and gives their logs."),
    says("N3", NODES, "Every node carries the labels of its operating system and architecture."),
    says(
        "N4",
        NODES,
        "The windows-build label holds the major, minor and build number, set by the kubelet since 1.17.",
    ),
    says(
        "N5",
        NODES,
        "Each Windows Server release has its build: 2019 is 10.0.17763, 2022 is 10.0.20348, 2025 is 10.0.26100.",
    ),
    says("N6", NODES, "The node itself runs the containers of the pods, two for each pod with the pause container."),
    says("N7", NODES, "(Mixed patch levels and restarting system pods are the commonest hidden causes.)"),
    says("D1", DEPLOY, "The web server's NodePort Service and Deployment of two can be created."),
    says("D2", DEPLOY, "Both pods become Ready."),
    says("D3", DEPLOY, "The pods are listed from the control plane."),
    says("D4", DEPLOY, "The web server answers with its page and counts its callers."),
    says("D5", DEPLOY, "A Service may map a port to another port of the container."),
    says("D6", DEPLOY, "The container writes that it listens."),
    says("D7", DEPLOY, "(A Deployment that is deployed correctly can be scaled, and its pods go away.)"),
    says("R1", REACH, "A Linux node reaches the pods by their IPs."),
    says("R2", REACH, "Pods reach pods, also on other hosts, also by ping."),
    says("R3", REACH, "The Service IP leads to the pods, from a Linux node and from pods."),
    says("R4", REACH, "The Service's name is found and leads to the Service."),
    says("R5", REACH, "The node port is reached from a Linux node and from outside the cluster."),
    says("R6", REACH, "Pods reach addresses outside the cluster."),
    says("R7", REACH, "A limitation: Windows hosts do not reach the IP of Services; only pods do."),
    says("R8", REACH, "A limitation: a node does not reach its own node port."),
    says("R9", REACH, "A host reaches the pods that run on it."),
    says(
        "R10",
        REACH,
        "A limitation: of the DNS suffixes only the first is tried; a name with a dot must be fully qualified.",
    ),
    says("P1", PLACE, "Windows nodes can register with a taint, for example os=windows:NoSchedule."),
    says("P2", PLACE, "Such a taint keeps everything off that does not tolerate it, Linux pods included."),
    says("P3", PLACE, "A pod without a node selector may land on any node."),
    says("P4", PLACE, "A Windows pod needs both the node selector and the toleration."),
    says("P5", PLACE, "The Windows version of a pod must match its node's; the build label selects it."),
    says("P6", PLACE, "A pod says its operating system in spec.os, and is held to it."),
    says("C1", CLASS, "A RuntimeClass carries the node selector and the toleration for its pods."),
    says("C2", CLASS, "Pods of a RuntimeClass land on the Windows version it selects."),
    says("C3", CLASS, "A RuntimeClass must exist, must not contradict the pod, and needs a handler on the node."),
    says("C4", CLASS, "IIS runs in a Deployment with limits and requests."),
    says("C5", CLASS, "A Service of type LoadBalancer publishes it."),
    says("U1", USERS, "A container can run as another user than its image's default."),
    says("U2", USERS, "User names follow rules, and a user that does not exist runs nothing."),
    says("A1", GMSA, "Pods can be given a group managed service account."),
    says("A2", GMSA, "A service account needs leave to use a credential spec."),
    says("A3", GMSA, "The container carries that identity to the domain and its resources."),
    says("O1", LIFE, "Workloads are observed by their standard output."),
    says("L1", LIFE, "(A patched node is rebooted; its pods and networks come back.)"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_check_belongs_to_a_statement_of_the_guide() {
        for check in crate::all() {
            assert!(statement(check.statement).is_some(), "{} names the statement `{}`", check.id, check.statement);
        }
    }

    #[test]
    fn every_statement_of_the_guide_has_a_check() {
        for statement in GUIDE {
            assert!(statement.checks().next().is_some(), "no check asks {}: {}", statement.id, statement.says);
        }
    }

    #[test]
    fn no_statement_stands_twice() {
        let ids: BTreeSet<&str> = GUIDE.iter().map(|statement| statement.id).collect();
        assert_eq!(ids.len(), GUIDE.len());
    }
}
