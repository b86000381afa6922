//! What containers ask for and may use, against what their node has.

use std::collections::BTreeMap;

use k8s_openapi::{
    api::core::v1::{Container, Pod, PodSpec},
    apimachinery::pkg::api::resource::Quantity,
};

use super::cell::Cell;
use crate::{
    command::Allowance,
    fault::{Limit, LimitsEffect},
    shape::{NodeShape, Os},
};

const MIB: u64 = 1 << 20;

/// A quantity in thousandths of its unit; none for what is none.
///
/// The notation is that of `k8s.io/apimachinery/pkg/api/resource`: a number with a decimal exponent or a suffix.
pub(crate) fn thousandths(quantity: &str) -> Option<u64> {
    let at = quantity.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(quantity.len());
    let (number, suffix) = quantity.split_at(at);
    let number: f64 = number.parse().ok()?;
    let binary = |power: i32| 1024_f64.powi(power);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        exponent => 10_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    let value = (number * factor * 1000.0).ceil();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in range")]
    (0.0..=9e18).contains(&value).then_some(value as u64)
}

type Resources = Option<BTreeMap<String, Quantity>>;

fn amount(resources: &Resources, name: &str) -> Option<u64> {
    thousandths(&resources.as_ref()?.get(name)?.0)
}

/// What a container of a pod may use, and what faults make of that.
pub(super) fn granted(cell: &Cell, container: &Container) -> Allowance {
    let shape = &cell.host.shape;
    let own = allowance(container, shape, None);
    let Some((effect, mark)) = cell.host.world.faults.limits(&cell.facts()) else { return own };
    let granted = allowance(container, shape, Some(&effect));
    if granted != own {
        cell.host.world.faults.applied(mark);
    }
    granted
}

/// What a container's processes may use, and what its own system takes of it.
///
/// The idle numbers are those of a Server Core container on AKS (`kubectl top`): its services take some tens of
/// megabytes before any program runs.
fn allowance(container: &Container, node: &NodeShape, wrong: Option<&LimitsEffect>) -> Allowance {
    let limits = container.resources.as_ref().and_then(|resources| resources.limits.clone());
    let of_node = thousandths(&node.cpu).unwrap_or(1000);
    // A limit that the pod does not have cannot be mistaken.
    let held = |name: &str, instead: Option<&Limit>| {
        amount(&limits, name).and_then(|own| instead.map_or(Some(own), Limit::thousandths))
    };
    let cpu = held("cpu", wrong.and_then(|wrong| wrong.cpu.as_ref()));
    let memory = held("memory", wrong.and_then(|wrong| wrong.memory.as_ref()));
    #[expect(clippy::cast_precision_loss, reason = "no node has so many cores")]
    let cores = cpu.unwrap_or(of_node).min(of_node) as f64 / 1000.0;
    let memory = memory.map(|thousandths| thousandths / 1000);
    match node.os {
        Os::Windows => Allowance { cores, memory, idle_cores: 0.003, idle_memory: 48 * MIB },
        Os::Linux => Allowance { cores, memory, idle_cores: 0.0, idle_memory: 2 * MIB },
    }
}

/// A resource that a node has too little of for one more pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shortage {
    /// `cpu`, `memory` or `pods`.
    pub(crate) resource: &'static str,
    /// The numbers are in the kubelet's units: thousandths for processors, else whole ones.
    pub(crate) requested: u64,
    /// What the pods that run here have asked for.
    pub(crate) used: u64,
    /// What the node has for pods.
    pub(crate) capacity: u64,
}

/// What one more pod does not get, beside those that are there.
pub(crate) fn shortage(
    pod: &PodSpec,
    present: &[std::sync::Arc<Pod>],
    allocatable: &BTreeMap<String, Quantity>,
) -> Option<Shortage> {
    let units = |resource: &str, thousandths: u64| if resource == "cpu" { thousandths } else { thousandths / 1000 };
    let capacity = |resource: &str| {
        let quantity = allocatable.get(resource).and_then(|quantity| thousandths(&quantity.0));
        units(resource, quantity.unwrap_or(u64::MAX))
    };
    let pods = u64::try_from(present.len()).unwrap_or(u64::MAX);
    if pods + 1 > capacity("pods") {
        return Some(Shortage { resource: "pods", requested: 1, used: pods, capacity: capacity("pods") });
    }
    ["cpu", "memory"].into_iter().find_map(|resource| {
        let requested = units(resource, request(pod, resource));
        let specs = present.iter().filter_map(|pod| pod.spec.as_ref());
        let used = specs.map(|spec| units(resource, request(spec, resource))).sum();
        let capacity = capacity(resource);
        (requested > 0 && requested + used > capacity).then_some(Shortage { resource, requested, used, capacity })
    })
}

/// What a pod asks for: its containers together, or its greediest init container, and its overhead.
fn request(pod: &PodSpec, resource: &str) -> u64 {
    let of = |container: &Container| {
        let requests = container.resources.as_ref().and_then(|resources| resources.requests.clone());
        amount(&requests, resource).unwrap_or(0)
    };
    let all: u64 = pod.containers.iter().map(of).sum();
    let greediest = pod.init_containers.iter().flatten().map(of).max().unwrap_or(0);
    all.max(greediest) + amount(&pod.overhead, resource).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use serde_json::json;

    #[test]
    fn quantities_are_read_in_all_their_notations() {
        for (text, expected) in [
            ("1", Some(1000)),
            ("100m", Some(100)),
            ("0.1", Some(100)),
            ("1e3", Some(1_000_000)),
            ("800Mi", Some(838_860_800_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("2k", Some(2_000_000)),
            ("100n", Some(1)),
            ("", None),
            ("-1", None),
            ("lots", None),
            ("1Xi", None),
            ("1e999", None),
        ] {
            assert_eq!(thousandths(text), expected, "{text}");
        }
    }

    fn pod(cpu: &str, memory: &str) -> Pod {
        serde_json::from_value(json!({"spec": {"containers": [
            {"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": "1", "memory": "800Mi"}}},
        ]}}))
        .unwrap()
    }

    #[test]
    fn a_node_has_no_room_for_more_than_it_can_allocate() {
        let allocatable: BTreeMap<String, Quantity> =
            serde_json::from_value(json!({"cpu": "3860m", "memory": "1Gi", "pods": "3"})).unwrap();
        let present = [Arc::new(pod("2", "500Mi"))];
        let short = |pod: &Pod, present: &[Arc<Pod>]| {
            shortage(pod.spec.as_ref().unwrap(), present, &allocatable).map(|short| (short.resource, short.used))
        };
        assert_eq!(short(&pod("1860m", "500Mi"), &present), None);
        assert_eq!(short(&pod("1861m", "500Mi"), &present), Some(("cpu", 2000)));
        assert_eq!(short(&pod("1", "600Mi"), &present), Some(("memory", 500 * MIB)));
        let full = vec![present[0].clone(); 3];
        assert_eq!(short(&pod("0", "0"), &full), Some(("pods", 3)));
    }

    #[test]
    fn limits_bound_what_a_container_may_use_and_the_node_bounds_the_rest() {
        let shape = crate::shape::Shape::find("one-build").unwrap();
        let mut container = pod("100m", "300Mi").spec.unwrap().containers.remove(0);
        let limited = allowance(&container, &shape.nodes[0], None);
        assert_eq!((limited.cores, limited.memory), (1.0, Some(800 * MIB)));
        let lost = LimitsEffect { cpu: Some(Limit::Dropped), ..LimitsEffect::default() };
        let lost = allowance(&container, &shape.nodes[0], Some(&lost));
        assert_eq!((lost.cores, lost.memory), (4.0, Some(800 * MIB)));
        let mistaken = LimitsEffect { memory: Some(Limit::Quantity("300Mi".to_owned())), ..LimitsEffect::default() };
        let held = allowance(&container, &shape.nodes[0], Some(&mistaken));
        assert_eq!((held.cores, held.memory), (1.0, Some(300 * MIB)));
        container.resources = None;
        for wrong in [None, Some(&mistaken)] {
            let free = allowance(&container, &shape.nodes[0], wrong);
            assert_eq!((free.cores, free.memory), (4.0, None), "where no limit is, none is mistaken");
        }
    }
}
