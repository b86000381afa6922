//! Containers that are somebody else than they should be.
//!
//! From: users taken for another (CVE-2021-25749); credential specs that do not reach
//! the container (kubernetes.io, configure GMSA); pods of one account that lose their
//! domain's trust (microsoft/Windows-Containers#405); controllers that cannot be reached
//! while the command says "completed successfully" (microsoft/SDN#339).

use super::{Confidence, Facts, Finding, Layer, grouped, node::dedup};
use crate::{clean, event::Observation};

/// One finding for each user or account.
pub(super) fn wrong(facts: &Facts<'_>) -> Vec<Finding> {
    let seen = facts.observations().filter_map(|(wrong, seen)| match seen {
        Observation::Identity { node, who, of_domain, what, expected, found } => {
            let on = node.as_ref().map(|node| format!("{node}: ")).unwrap_or_default();
            let words = clean::one_line(&format!("{on}{what}: {found}, expected {expected}"));
            Some(((*of_domain, who.clone()), (node.clone(), wrong.name.clone(), words)))
        }
        _ => None,
    });
    grouped(seen)
        .into_iter()
        .map(|((of_domain, who), seen)| {
            let nodes = dedup(seen.iter().filter_map(|(node, ..)| node.clone()));
            let checks = dedup(seen.iter().map(|(_, check, _)| check.clone()));
            finding(facts, of_domain, who, &nodes)
                .on(nodes)
                .proven_by(dedup(seen.iter().map(|(.., words)| words.clone())).into_iter().take(4))
                .accounts_for(checks)
        })
        .collect()
}

fn finding(facts: &Facts<'_>, of_domain: bool, who: String, nodes: &[String]) -> Finding {
    // Where some nodes have it and others have not, the nodes are what to look at.
    let elsewhere = facts.ran_on.iter().any(|node| !nodes.iter().any(|wrong| wrong == node));
    let place = match nodes {
        [] => String::new(),
        [node] => format!(" on {node}"),
        _ if elsewhere => format!(" on {}", nodes.join(", ")),
        _ => " on every node that was asked".to_owned(),
    };
    match of_domain {
        true => {
            let summary =
                format!("containers with the credential spec {who} are not who they should be to the domain{place}");
            Finding::new(Layer::Identity, who, Confidence::Likely, summary)
                .advise("on the node: Test-ADServiceAccount for the account, and whether its domain controllers answer")
                .advise("in the pod: nltest /parentdomain (did the spec arrive), nltest /sc_reset:DOMAIN (does the channel come back)")
        }
        false => {
            let summary = format!("containers do not run as the user {who}{place}");
            Finding::new(Layer::User, who, Confidence::Certain, summary)
                .advise("the versions of the kubelet and of containerd on these nodes; what stands between the pod's spec and the process")
        }
    }
}
