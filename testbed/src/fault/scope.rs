//! What one effect remembers, and whether it is about a given thing now.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use super::{
    effect::{Destination, Effect, Kind, Origin, Vantage},
    flow::{Flow, Happening, ServiceName},
    pattern::allows,
    select::PodSelector,
    when::{ServiceSelector, Trigger, When},
};
use crate::{
    clock::Clock,
    network::{PodFacts, Source},
};

/// What one effect in force has seen so far.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// How often something came along that the selectors fit.
    pub(super) considered: u64,
    /// How often the effect changed an outcome.
    pub(super) applied: u64,
    /// Things that fitted so far, by what `oneIn` counts.
    turns: HashMap<String, u32>,
    /// The numbers that pods have in each selector with `nth`.
    numbers: HashMap<Slot, HashMap<String, u64>>,
    /// When the event that the effect waits for last happened.
    triggered: Option<Instant>,
}

/// A place for a pod selector in an effect; each numbers its own pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Slot {
    Subject,
    From,
    To,
    Trigger,
}

/// One effect in force, being asked.
pub(super) struct Scope<'a> {
    pub(super) now: Instant,
    pub(super) injected: Instant,
    pub(super) clock: &'a Clock,
    /// The pods that were there when the fault was injected.
    pub(super) existing: &'a HashSet<String>,
    pub(super) memory: &'a mut Memory,
}

impl Scope<'_> {
    /// Whether `selector` means `pod` now.
    pub(super) fn pod(&mut self, slot: Slot, selector: &PodSelector, pod: &PodFacts) -> bool {
        if !selector.matches(pod) || selector.existing.is_some_and(|wanted| wanted != self.existing.contains(&pod.uid))
        {
            return false;
        }
        // A pod is numbered when it is first seen, whatever its age.
        let number = selector.nth.map(|nth| nth.matches(self.number(slot, &pod.uid)));
        let age = self.now.saturating_duration_since(pod.started);
        number.unwrap_or(true)
            && selector.younger_than.is_none_or(|span| age < self.clock.scaled(span.0))
            && selector.older_than.is_none_or(|span| age >= self.clock.scaled(span.0))
    }

    fn number(&mut self, slot: Slot, uid: &str) -> u64 {
        let numbers = self.memory.numbers.entry(slot).or_default();
        let next = numbers.len() as u64 + 1;
        *numbers.entry(uid.to_owned()).or_insert(next)
    }

    /// Whether `origin` means `source`.
    pub(super) fn origin(&mut self, origin: &Origin, source: &Source) -> bool {
        let vantage = match source {
            Source::Outside => Vantage::Outside,
            Source::ApiServer => Vantage::ApiServer,
            _ if source.on_host_network() => Vantage::Node,
            _ => Vantage::Pod,
        };
        if origin.vantage.as_ref().is_some_and(|wanted| !wanted.holds(&vantage))
            || !origin.node.is_empty() && !source.node().is_some_and(|node| origin.node.matches(node))
        {
            return false;
        }
        origin.pod.is_empty() || source.pod().is_some_and(|pod| self.pod_of_flow(Slot::From, &origin.pod, pod))
    }

    /// Whether `destination` means what `flow` goes to.
    pub(super) fn destination(&mut self, destination: &Destination, flow: &Flow) -> bool {
        let Destination { kind, service, address, port, protocol, node, pod, place, local_backend, more_services_than } =
            destination;
        let on = flow.named_node.as_ref().or(flow.end.node.as_ref());
        kind.as_ref().is_none_or(|wanted| flow.kinds.iter().any(|kind| wanted.holds(kind)))
            && service.as_ref().is_none_or(|wanted| flow.service.as_ref().is_some_and(|own| wanted.matches(own)))
            && address.as_ref().is_none_or(|wanted| wanted.matches(&flow.to.ip().to_string()))
            && port.as_ref().is_none_or(|wanted| wanted.holds(&flow.to.port()))
            && protocol.is_none_or(|wanted| wanted == flow.protocol)
            && (node.is_empty() || on.is_some_and(|on| node.matches(on)))
            && place.as_ref().is_none_or(|wanted| flow.place().is_some_and(|place| wanted.holds(&place)))
            && local_backend.is_none_or(|wanted| wanted == flow.local_backend)
            && more_services_than.is_none_or(|limit| flow.services > limit)
            && (pod.is_empty() || flow.end.pod.as_ref().is_some_and(|end| self.pod_of_flow(Slot::To, pod, end)))
    }

    /// Pods on the host's network share the node's datapath, so a rule about pods means them only when it says so.
    fn pod_of_flow(&mut self, slot: Slot, selector: &PodSelector, pod: &PodFacts) -> bool {
        (!pod.host_network || selector.host_network == Some(true)) && self.pod(slot, selector, pod)
    }

    /// Whether `from` and `to` mean `flow`, or with `both_ways` its way back.
    pub(super) fn flow(&mut self, from: &Origin, to: &Destination, both_ways: bool, flow: &Flow) -> bool {
        if self.origin(from, &flow.source) && self.destination(to, flow) {
            return true;
        }
        both_ways
            && flow.reversed().is_some_and(|back| {
                // The way back has no destination port of its own, and is to a pod whatever address the way there named.
                let to = Destination { port: None, address: None, kind: pods_too(to), ..to.clone() };
                self.origin(from, &back.source) && self.destination(&to, &back)
            })
    }

    /// Counts one thing that the selectors fit, and says whether the effect bites this time.
    pub(super) fn bites(&mut self, when: &When, counted_by: impl FnOnce() -> String) -> bool {
        self.memory.considered += 1;
        if !self.in_force(when) {
            return false;
        }
        let Some(one_in) = when.one_in else { return true };
        let turn = self.memory.turns.entry(counted_by()).or_default();
        *turn = (*turn + 1) % one_in.max(1);
        *turn == 0
    }

    fn in_force(&self, when: &When) -> bool {
        let since = self.now.saturating_duration_since(self.injected);
        let passed = |span: super::Span| since >= self.clock.scaled(span.0);
        if when.start.is_some_and(|start| !passed(start)) || when.end.is_some_and(passed) {
            return false;
        }
        if when.after.is_none() {
            return true;
        }
        self.memory.triggered.is_some_and(|at| {
            when.lasting.is_none_or(|lasting| self.now.saturating_duration_since(at) < self.clock.scaled(lasting.0))
        })
    }

    /// Notes an event that the effect may wait for.
    pub(super) fn happened(&mut self, effect: &Effect, happening: &Happening) {
        if let Happening::PodStarted(pod) = happening {
            self.seen(effect, pod);
        }
        let fits = match (&effect.when().after, happening) {
            (Some(Trigger::EndpointRemoved(wanted)), Happening::EndpointRemoved(service))
            | (Some(Trigger::EndpointAdded(wanted)), Happening::EndpointAdded(service)) => wanted.matches(service),
            (Some(Trigger::PodDeleted(wanted)), Happening::PodDeleted(pod))
            | (Some(Trigger::PodStarted(wanted)), Happening::PodStarted(pod)) => self.pod(Slot::Trigger, wanted, pod),
            (Some(Trigger::NodeRebooted(wanted)), Happening::NodeRebooted(node)) => wanted.matches(node),
            _ => false,
        };
        if fits {
            self.memory.triggered = Some(self.now);
        }
    }

    /// Numbers a pod in every selector that counts, so that the numbers follow the order in which pods start.
    pub(super) fn seen(&mut self, effect: &Effect, pod: &PodFacts) {
        let slots: [(Slot, Option<&PodSelector>); 2] = match effect {
            Effect::Pod(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Command(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Network(effect) => [(Slot::From, Some(&effect.from.pod)), (Slot::To, Some(&effect.to.pod))],
            Effect::Dns(effect) => [(Slot::From, Some(&effect.from.pod)), (Slot::To, None)],
            Effect::Node(_) | Effect::Image(_) => [(Slot::Subject, None), (Slot::To, None)],
        };
        for (slot, selector) in slots {
            if let Some(selector) = selector.filter(|selector| selector.nth.is_some()) {
                self.pod(slot, selector, pod);
            }
        }
    }
}

/// A destination's kinds for the way back, where a Service's backend is simply a pod.
fn pods_too(to: &Destination) -> Option<super::effect::Kinds> {
    let kinds = to.kind.as_ref()?;
    let through_service = [Kind::Service, Kind::NodePort, Kind::LoadBalancer].iter().any(|kind| kinds.holds(kind));
    (!through_service).then(|| kinds.clone())
}

impl ServiceSelector {
    /// Whether the Service is meant.
    #[must_use]
    pub fn matches(&self, service: &ServiceName) -> bool {
        allows(self.name.as_ref(), &service.name) && allows(self.namespace.as_ref(), &service.namespace)
    }
}
