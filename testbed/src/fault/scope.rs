//! What one effect remembers, and whether it is about a given thing now.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use super::{
    effect::{Destination, Effect, Kind, Origin, Vantage},
    flow::{Flow, Happening, ServiceName, Subject},
    pattern::allows,
    select::PodSelector,
    when::{Own, ServiceSelector, Trigger, When},
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
    /// Things that fitted so far, by what `oneIn` and `probability` count, in the order in which these first came.
    turns: HashMap<String, Turns>,
    /// What was decided for good, where the effect is `sticky`.
    decided: HashMap<String, bool>,
    /// The numbers that pods have in each selector with `nth`, by group.
    numbers: HashMap<(Slot, String), HashMap<String, u64>>,
    /// How often the event that the effect waits for happened: to each, and (under no name) to any.
    happened: HashMap<Option<(Own, String)>, Happened>,
}

/// How often something came along.
#[derive(Debug, Default)]
struct Turns {
    ordinal: u64,
    count: u64,
}

/// How often a trigger was pulled.
#[derive(Debug, Clone, Copy)]
struct Happened {
    times: u32,
    /// When the effect came into force by it.
    since: Option<Instant>,
    last: Instant,
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
        let number = selector.nth.as_ref().map(|nth| nth.matches(self.number((slot, nth.group(pod)), &pod.uid)));
        let age = self.now.saturating_duration_since(pod.started);
        number.unwrap_or(true)
            && selector.younger_than.is_none_or(|span| age < self.clock.scaled(span.0))
            && selector.older_than.is_none_or(|span| age >= self.clock.scaled(span.0))
    }

    fn number(&mut self, among: (Slot, String), uid: &str) -> u64 {
        let numbers = self.memory.numbers.entry(among).or_default();
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
    pub(super) fn bites(&mut self, when: &When, subject: impl FnOnce() -> Subject) -> bool {
        self.memory.considered += 1;
        self.would_bite(when, when.sticky, subject)
    }

    /// Whether the effect bites, without counting; `sticky` things are decided about once.
    pub(super) fn would_bite(&mut self, when: &When, sticky: bool, subject: impl FnOnce() -> Subject) -> bool {
        let chancy = when.one_in.is_some() || when.probability.is_some();
        if !chancy && when.own.is_none() {
            return self.in_force(when, &[]);
        }
        let subject = subject();
        if !self.in_force(when, &subject.about) {
            return false;
        }
        if !chancy {
            return true;
        }
        if !sticky {
            return self.turn(when, &subject.counted_by);
        }
        if let Some(decided) = self.memory.decided.get(&subject.who) {
            return *decided;
        }
        // One count for all: each is decided about only once.
        let decided = self.turn(when, "");
        self.memory.decided.insert(subject.who, decided);
        decided
    }

    /// Whether this is the time that `oneIn` and `probability` mean.
    fn turn(&mut self, when: &When, counted_by: &str) -> bool {
        let known = self.memory.turns.len() as u64;
        let turns =
            (self.memory.turns.entry(counted_by.to_owned())).or_insert_with(|| Turns { ordinal: known, count: 0 });
        turns.count += 1;
        when.one_in.is_none_or(|n| turns.count.is_multiple_of(u64::from(n.max(1))))
            && when.probability.is_none_or(|p| chance(when.seed, turns.ordinal, turns.count) < p)
    }

    fn in_force(&self, when: &When, about: &[(Own, String)]) -> bool {
        let since = self.now.saturating_duration_since(self.injected);
        let passed = |span: super::Span| since >= self.clock.scaled(span.0);
        if when.start.is_some_and(|start| !passed(start)) || when.end.is_some_and(passed) {
            return false;
        }
        if when.after.is_none() {
            return true;
        }
        self.happened_to(when, about).any(|happened| {
            let age = self.now.saturating_duration_since(happened.last);
            when.lasting.is_none_or(|lasting| age < self.clock.scaled(lasting.0))
        })
    }

    /// What the effect waited for, as often as it must have happened.
    fn happened_to(&self, when: &When, about: &[(Own, String)]) -> impl Iterator<Item = &Happened> {
        let whom: Vec<Option<(Own, String)>> = match when.own {
            None => vec![None],
            Some(own) => about.iter().filter(|(kind, _)| *kind == own).cloned().map(Some).collect(),
        };
        whom.into_iter().filter_map(|whom| self.memory.happened.get(&whom)).filter(|happened| happened.since.is_some())
    }

    /// Since when the effect is in force: for what looks back at how things were before.
    pub(super) fn since(&self, when: &When, subject: impl FnOnce() -> Subject) -> Instant {
        if when.after.is_none() {
            return self.injected;
        }
        let about = if when.own.is_some() { subject().about } else { Vec::new() };
        let earliest = self.happened_to(when, &about).filter_map(|happened| happened.since).min();
        earliest.unwrap_or(self.injected)
    }

    /// Notes an event that the effect may wait for, and says whether it does.
    pub(super) fn happened(&mut self, effect: &Effect, happening: &Happening, at: Instant) -> bool {
        if let Happening::PodStarted(pod) = happening {
            self.seen(effect, pod);
        }
        let when = effect.when();
        let fits = match (&when.after, happening) {
            (Some(Trigger::EndpointRemoved(wanted)), Happening::EndpointRemoved(service))
            | (Some(Trigger::EndpointAdded(wanted)), Happening::EndpointAdded(service))
            | (Some(Trigger::ServiceAdded(wanted)), Happening::ServiceAdded(service))
            | (Some(Trigger::ServiceRemoved(wanted)), Happening::ServiceRemoved(service)) => wanted.matches(service),
            (Some(Trigger::PodDeleted(wanted)), Happening::PodDeleted(pod))
            | (Some(Trigger::PodStarted(wanted)), Happening::PodStarted(pod))
            | (Some(Trigger::ContainerRestarted(wanted)), Happening::ContainerRestarted(pod)) => {
                self.pod(Slot::Trigger, wanted, pod)
            }
            (Some(Trigger::NodeRebooted(wanted)), Happening::NodeRebooted(node)) => wanted.matches(node),
            _ => false,
        };
        if fits {
            let enough = when.times.unwrap_or(1);
            // Just before: what looks back wants to see how it was until then.
            let before = at.checked_sub(Duration::from_nanos(1)).unwrap_or(at);
            for whom in std::iter::once(None).chain(happening.whom().into_iter().map(Some)) {
                let known = (self.memory.happened.entry(whom)).or_insert(Happened { times: 0, since: None, last: at });
                known.times = known.times.saturating_add(1);
                known.last = at;
                if known.times >= enough {
                    known.since.get_or_insert(before);
                }
            }
        }
        fits
    }

    /// Numbers a pod in every selector that counts, so that the numbers follow the order in which pods start.
    pub(super) fn seen(&mut self, effect: &Effect, pod: &PodFacts) {
        let slots: [(Slot, Option<&PodSelector>); 2] = match effect {
            Effect::Pod(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Command(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Log(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Identity(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Limits(effect) => [(Slot::Subject, Some(&effect.pods)), (Slot::To, None)],
            Effect::Network(effect) => [(Slot::From, Some(&effect.from.pod)), (Slot::To, Some(&effect.to.pod))],
            Effect::Dns(effect) => [(Slot::From, Some(&effect.from.pod)), (Slot::To, None)],
            Effect::Node(_) | Effect::Image(_) | Effect::Admission(_) | Effect::Api(_) | Effect::Object(_) => {
                [(Slot::Subject, None), (Slot::To, None)]
            }
        };
        for (slot, selector) in slots {
            if let Some(selector) = selector.filter(|selector| selector.nth.is_some()) {
                self.pod(slot, selector, pod);
            }
        }
    }
}

/// A number in 0..1 that follows from these (SplitMix64's finisher).
fn chance(seed: u64, stream: u64, turn: u64) -> f64 {
    let mut z = seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ turn.wrapping_mul(0xd1b5_4a32_d192_ed03);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // 32 bits are exact in a float.
    f64::from((z >> 32) as u32) / f64::from(u32::MAX)
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
