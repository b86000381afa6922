//! Load balancers.
//!
//! From: Services of type LoadBalancer whose rules a node never gets, because another
//! process holds the health check's port (kubernetes/community#8883); addresses that
//! lead nowhere after the Service was made anew (microsoft/Windows-Containers#103).

use super::{
    Answer, Confidence, Facts, Finding, Layer,
    facts::{Probe, is_service, proof},
    grouped,
};
use crate::event::Destination;

/// One finding for each address that does not lead to its Service.
pub(super) fn dead(facts: &Facts<'_>) -> Vec<Finding> {
    let probes = facts.probes_where(|cell| cell.destination == Destination::LoadBalancer);
    grouped(probes.iter().map(|probe| (probe.cell.address.as_str(), *probe)))
        .into_iter()
        .filter(|(_, ways)| ways.iter().any(|probe| probe.answer != Answer::Open))
        .map(|(address, ways)| {
            let troubled: Vec<Probe<'_>> = ways.iter().filter(|probe| probe.answer != Answer::Open).copied().collect();
            let service = facts.service(address);
            let services_work =
                facts.probes.iter().any(|probe| is_service(probe.cell.destination) && probe.answer == Answer::Open);
            let dead = troubled.iter().all(|probe| matches!(probe.answer, Answer::Dead | Answer::Refused));
            let what = if dead { "leads nowhere" } else { "loses a part of the connections" };
            let finding = Finding::new(
                Layer::LoadBalancer,
                service,
                if services_work { Confidence::Likely } else { Confidence::Possible },
                format!("the load balancer's address {address} of {service} {what}"),
            );
            let finding = match services_work {
                true => finding,
                false => finding.or(Layer::ServiceIp, service, "the Service behind it answers nowhere"),
            };
            finding
                .on(facts.backed_by(service))
                .advise("kubectl describe service: events of the cloud's controller, and the health check's port")
                .advise("on the nodes: Get-HnsPolicyList for the address; kube-proxy's log for a port that is taken")
                .proven_by(proof(&troubled))
                .accounts_for(facts.checks_of(&troubled))
        })
        .collect()
}
