//! The faults in force, asked by everything that simulates.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    Fault,
    asked::{ApiRequest, Review, Who},
    effect::{
        AdmissionEffect, Answer, ApiEffect, CommandEffect, Effect, Ending, Identity, IdentityEffect, ImageEffect,
        LimitsEffect, LogEffect, NodeEffect, NodeEffects, ObjectEffect, PodEffect, Rewrite, Search, Stage, Transfer,
        WrongBackend,
    },
    flow::{Flow, Happening, Subject},
    scope::{Memory, Scope, Slot},
    select::PodSelector,
};
use crate::{
    clock::Clock,
    command::Sequence,
    network::{NodeFacts, PodFacts, Source},
};

/// How often one effect of a fault was asked about, and how often it mattered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counter {
    /// The fault's name.
    pub fault: String,
    /// Which of its effects, from 0.
    pub effect: usize,
    /// What kind of effect that is: `network`, `node`, …
    pub kind: String,
    /// How often something came along that its selectors fit.
    pub considered: u64,
    /// How often it changed an outcome.
    pub applied: u64,
}

/// The faults in force. Clones share them.
///
/// A default board takes the clock of the first network that is made with it.
#[derive(Debug, Clone)]
pub struct FaultBoard {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    clock: OnceLock<Clock>,
    changed: watch::Sender<u64>,
    /// Which version of `changed` each node is at.
    taken_up: watch::Sender<BTreeMap<String, u64>>,
}

#[derive(Debug, Default)]
struct State {
    faults: Vec<Injected>,
    /// The pods there are, in the order in which they started.
    pods: Vec<Arc<PodFacts>>,
    serial: u64,
}

#[derive(Debug)]
struct Injected {
    serial: u64,
    at: Instant,
    existing: HashSet<String>,
    fault: Fault,
    memories: Vec<Memory>,
}

/// Names one effect of one injection, to say later that it changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    serial: u64,
    effect: usize,
}

/// What the network effects in force say about one connection.
#[derive(Debug, Clone, Default)]
pub struct Ruling {
    /// How it ends instead, by the first effect that says so.
    pub ends: Option<(Ending, Mark)>,
    /// How much longer it takes, one entry per effect.
    pub delays: Vec<(Duration, Mark)>,
    /// Which source the other end sees, by the first effect that says so.
    pub source: Option<(Rewrite, Mark)>,
    /// What becomes of the bytes, by the first effect that says so.
    pub transfer: Option<(Transfer, Mark)>,
}

/// What the DNS effects in force say about one question.
#[derive(Debug, Clone, Default)]
pub struct NameRuling {
    /// The answer instead, by the first effect that says so.
    pub answer: Option<(Answer, Mark)>,
    /// How much longer it takes, one entry per effect.
    pub delays: Vec<(Duration, Mark)>,
}

/// How long nodes are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

impl Default for FaultBoard {
    fn default() -> Self {
        let (changed, _) = watch::channel(0);
        let taken_up = watch::Sender::default();
        Self { inner: Arc::new(Inner { state: Mutex::default(), clock: OnceLock::new(), changed, taken_up }) }
    }
}

impl FaultBoard {
    /// A board without faults, whose durations pass on `clock`.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let board = Self::default();
        board.adopt(&clock);
        board
    }

    /// Lets durations pass on `clock`, unless the board has one already.
    pub(crate) fn adopt(&self, clock: &Clock) {
        // One clock for good: durations under way keep their meaning.
        let _ = self.inner.clock.set(clock.clone());
    }

    /// Puts a fault into force, in place of one of the same name.
    pub fn inject(&self, fault: Fault) {
        let at = now();
        self.wake_at_turns(&fault);
        {
            let mut state = self.state();
            state.serial += 1;
            let State { faults, pods, serial } = &mut *state;
            faults.retain(|injected| injected.fault.name != fault.name);
            let mut injected = Injected {
                serial: *serial,
                at,
                existing: pods.iter().map(|pod| pod.uid.clone()).collect(),
                memories: fault.effects.iter().map(|_| Memory::default()).collect(),
                fault,
            };
            for pod in pods.iter() {
                injected.each(self.clock(), |effect, scope, _| scope.seen(effect, pod));
            }
            faults.push(injected);
        }
        self.bump();
    }

    /// Takes a fault out of force, or all of them, and gives back what they counted.
    #[must_use = "the counts say whether the faults proved anything"]
    pub fn heal(&self, name: Option<&str>) -> Vec<Counter> {
        let mut state = self.state();
        let (healed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut state.faults)
            .into_iter()
            .partition(|injected| name.is_none_or(|name| injected.fault.name == name));
        state.faults = kept;
        drop(state);
        self.bump();
        healed.iter().flat_map(Injected::counters).collect()
    }

    /// The names of the faults in force, in the order of their injection.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.state().faults.iter().map(|injected| injected.fault.name.clone()).collect()
    }

    /// The counts of every effect in force.
    #[must_use]
    pub fn counters(&self) -> Vec<Counter> {
        self.state().faults.iter().flat_map(Injected::counters).collect()
    }

    /// Notes that `node` is as the faults of version `version` of [`Self::changed`] want it.
    pub(crate) fn taken_up(&self, node: &str, version: u64) {
        self.inner.taken_up.send_modify(|nodes| {
            nodes.insert(node.to_owned(), version);
        });
    }

    /// Waits until every node is as the faults in force want it, so that whoever injected
    /// one finds it there; a node that cannot post is not waited for for ever.
    pub async fn until_taken_up(&self) {
        let version = *self.inner.changed.borrow();
        let mut nodes = self.inner.taken_up.subscribe();
        let all = nodes.wait_for(|nodes| nodes.values().all(|&taken| taken >= version));
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("not every node has taken up the faults in force");
        }
    }

    /// A number that grows whenever a fault or one of its effects begins or ends: time to ask again.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Tells the effects that wait for something what happened.
    ///
    /// The network reports pods and endpoints; reboots are reported by the node that simulates them.
    pub fn happened(&self, happening: &Happening) {
        self.happened_at(happening, now());
    }

    /// The same, for what happened at a moment that others have noted too.
    pub(crate) fn happened_at(&self, happening: &Happening, at: Instant) {
        let mut wake = Vec::new();
        {
            let mut state = self.state();
            match happening {
                Happening::PodStarted(pod) => state.pods.push(Arc::clone(pod)),
                Happening::PodDeleted(pod) => state.pods.retain(|other| other.uid != pod.uid),
                _ => {}
            }
            for injected in &mut state.faults {
                injected.each(self.clock(), |effect, scope, _| {
                    if scope.happened(effect, happening, at) {
                        wake.push(effect.when().lasting);
                    }
                });
            }
        }
        if !wake.is_empty() {
            self.bump();
            wake.into_iter().flatten().for_each(|span| self.bump_after(span.0));
        }
    }

    /// Everything that is wrong with `node` now. What of it showed is told by `node_changed`.
    #[must_use]
    pub fn node(&self, node: &NodeFacts) -> NodeEffects {
        let mut all = NodeEffects::default();
        self.ask(|effect, scope, _| {
            if let Effect::Node(effect) = effect
                && effect.nodes.matches(node)
            {
                scope.memory.considered += 1;
                if scope.would_bite(&effect.when, true, || Subject::of_node(node)) {
                    all.merge(effect);
                }
            }
        });
        all
    }

    /// Notes that those of the effects on `node` that `showed` picks changed an outcome.
    pub(crate) fn node_changed(&self, node: &NodeFacts, mut showed: impl FnMut(&NodeEffect) -> bool) {
        self.ask(|effect, scope, _| {
            if let Effect::Node(effect) = effect
                && effect.nodes.matches(node)
                && scope.would_bite(&effect.when, true, || Subject::of_node(node))
                && showed(effect)
            {
                scope.memory.applied += 1;
            }
        });
    }
    /// What goes wrong with `pod` at this stage of its life, if anything.
    ///
    /// Ask when the stage is reached, at every retry, and when [`changed`](Self::changed) moves on while the pod is stuck.
    #[must_use]
    pub fn pod(&self, pod: &PodFacts, stage: Stage) -> Option<PodEffect> {
        let mut found = None;
        self.ask(|effect, scope, _| {
            if let Effect::Pod(effect) = effect
                && effect.stage == stage
                && found.is_none()
                && scope.pod(Slot::Subject, &effect.pods, pod)
                && scope.bites(&effect.when, || Subject::of_pod(pod))
            {
                scope.memory.applied += 1;
                found = Some((**effect).clone());
            }
        });
        found
    }

    /// What goes wrong with pulling `image` on `node`, if anything. Ask at every attempt; it counts as applied when that is said.
    #[must_use]
    pub fn image(&self, image: &str, node: &NodeFacts) -> Option<(ImageEffect, Mark)> {
        let mut found = None;
        self.ask(|effect, scope, mark| {
            if let Effect::Image(effect) = effect
                && found.is_none()
                && effect.nodes.matches(node)
                && effect.images.as_ref().is_none_or(|images| images.matches(image))
                && scope.bites(&effect.when, || Subject { counted_by: String::new(), ..Subject::of_node(node) })
            {
                found = Some(((**effect).clone(), mark));
            }
        });
        found
    }

    /// What goes wrong with running `argv` in `pod`, if anything. Ask once per execution.
    ///
    /// A line for a shell is also selected by what it begins with, without its last command.
    #[must_use]
    pub fn command(&self, pod: &PodFacts, argv: &[String]) -> Option<(CommandEffect, Mark)> {
        let line = argv.join(" ");
        let first = Sequence::of(argv).map(|sequence| sequence.first);
        let fits = |effect: &CommandEffect| effect.selects(&line) || first.is_some_and(|first| effect.selects(first));
        self.first_in(pod, |effect| match effect {
            Effect::Command(effect) if effect.programs.is_none() && fits(effect) => Some((&**effect, &effect.pods)),
            _ => None,
        })
    }

    /// What goes wrong with a program in `pod`, whoever starts it, by its name and arguments. It counts as applied when
    /// that is said.
    #[must_use]
    pub fn program(&self, pod: &PodFacts, line: &str) -> Option<(CommandEffect, Mark)> {
        let fits = |effect: &CommandEffect| effect.programs.as_ref().is_some_and(|programs| programs.matches(line));
        self.first_in(pod, |effect| match effect {
            Effect::Command(effect) if fits(effect) => Some((&**effect, &effect.pods)),
            _ => None,
        })
    }

    /// What becomes of a line that a container of `pod` writes, if it is not just kept. It counts as applied when that
    /// is said.
    #[must_use]
    pub fn log(&self, pod: &PodFacts, line: &str) -> Option<(LogEffect, Mark)> {
        let fits = |effect: &LogEffect| effect.lines.as_ref().is_none_or(|lines| lines.matches(line));
        self.first_in(pod, |effect| match effect {
            Effect::Log(effect) if fits(effect) => Some((&**effect, &effect.pods)),
            _ => None,
        })
    }

    /// The objects that faults in force want in the cluster, each with the effect that brings it.
    pub(crate) fn objects(&self) -> Vec<(ObjectEffect, Mark)> {
        let mut wanted = Vec::new();
        self.ask(|effect, scope, mark| {
            if let Effect::Object(effect) = effect
                && scope.would_bite(&effect.when, true, Subject::default)
            {
                wanted.push(((**effect).clone(), mark));
            }
        });
        wanted
    }

    /// Notes that something came along that an effect is about.
    pub(crate) fn considered(&self, mark: Mark) {
        self.remember(mark, |memory| memory.considered += 1);
    }

    /// What is wrong with whom a container is, of these outcomes, if anything. It counts as applied when that is said.
    #[must_use]
    pub fn identity(&self, who: &Who<'_>, outcomes: &[Identity]) -> Option<(IdentityEffect, Mark)> {
        let fits = |effect: &IdentityEffect| outcomes.contains(&effect.outcome) && effect.is_about(who);
        self.first_in(who.pod, |effect| match effect {
            Effect::Identity(effect) if fits(effect) => Some((&**effect, &effect.pods)),
            _ => None,
        })
    }

    /// What `pod`'s containers are held to instead of their limits, if anything. It counts as applied when that is said.
    #[must_use]
    pub fn limits(&self, pod: &PodFacts) -> Option<(LimitsEffect, Mark)> {
        self.first_in(pod, |effect| match effect {
            Effect::Limits(effect) => Some((&**effect, &effect.pods)),
            _ => None,
        })
    }

    /// The first of the effects that `of` picks, each with the pods that it is about, which selects `pod` and bites now.
    fn first_in<E: Clone>(
        &self,
        pod: &PodFacts,
        of: impl Fn(&Effect) -> Option<(&E, &PodSelector)>,
    ) -> Option<(E, Mark)> {
        let mut found = None;
        self.ask(|effect, scope, mark| {
            if found.is_none()
                && let Some((picked, pods)) = of(effect)
                && scope.pod(Slot::Subject, pods, pod)
                && scope.bites(effect.when(), || Subject::of_pod(pod))
            {
                found = Some((picked.clone(), mark));
            }
        });
        found
    }

    /// What goes wrong when a webhook is asked about an object, if anything. It counts as applied when that is said.
    #[must_use]
    pub fn admission(&self, review: &Review<'_>) -> Option<(AdmissionEffect, Mark)> {
        let mut found = None;
        self.ask(|effect, scope, mark| {
            if let Effect::Admission(effect) = effect
                && found.is_none()
                && effect.is_about(review)
                && effect.objects.matches(review)
                && scope.bites(&effect.when, || Subject::of_word(&review.namespace))
            {
                found = Some(((**effect).clone(), mark));
            }
        });
        found
    }

    /// The webhooks that faults in force bring along.
    pub(crate) fn own_webhooks(&self) -> Vec<AdmissionEffect> {
        let state = self.state();
        let effects = state.faults.iter().flat_map(|injected| &injected.fault.effects);
        let own = effects.filter_map(|effect| match effect {
            Effect::Admission(effect) if effect.webhook.is_none() => Some((**effect).clone()),
            _ => None,
        });
        own.collect()
    }

    /// Whether a fault in force looks at what clients send to the API server.
    #[must_use]
    pub fn reads_requests(&self) -> bool {
        let state = self.state();
        let mut effects = state.faults.iter().flat_map(|injected| &injected.fault.effects);
        effects.any(|effect| matches!(effect, Effect::Api(effect) if effect.reads_bodies()))
    }

    /// What goes wrong with a request to the API server, if anything. It counts as applied when that is said.
    ///
    /// A request under way asks again, without being counted again, when [`changed`](Self::changed) moves on.
    #[must_use]
    pub fn api(&self, request: &ApiRequest, under_way: bool) -> Option<(ApiEffect, Mark)> {
        let mut found = None;
        self.ask(|effect, scope, mark| {
            if let Effect::Api(effect) = effect
                && found.is_none()
                && effect.requests.matches(request)
            {
                scope.memory.considered += u64::from(!under_way);
                if scope.would_bite(&effect.when, effect.when.sticky, || Subject::of_word(&request.user_agent)) {
                    found = Some(((**effect).clone(), mark));
                }
            }
        });
        found
    }

    /// Which backends a connection through a Service may get instead of the current ones, and since when.
    ///
    /// The backend is not chosen yet: [`Flow::end`] is empty.
    #[must_use]
    pub fn backend(&self, flow: &Flow) -> Option<(WrongBackend, Instant, Mark)> {
        let mut found = None;
        self.ask(|effect, scope, mark| {
            if let Effect::Network(effect) = effect
                && let Some(backend) = &effect.backend
                && found.is_none()
                && scope.flow(&effect.from, &effect.to, effect.both_ways, flow)
                && scope.bites(&effect.when, || flow.subject())
            {
                found = Some((backend.clone(), scope.since(&effect.when, || flow.subject()), mark));
            }
        });
        found
    }

    /// What becomes of a connection whose end is known. Nothing counts as applied until `applied` says so.
    #[must_use]
    pub fn network(&self, flow: &Flow) -> Ruling {
        let mut ruling = Ruling::default();
        self.ask(|effect, scope, mark| {
            if let Effect::Network(effect) = effect
                && effect.backend.is_none()
                && scope.flow(&effect.from, &effect.to, effect.both_ways, flow)
                && scope.bites(&effect.when, || flow.subject())
            {
                ruling.delays.extend(effect.delay.map(|span| (span.0, mark)));
                ruling.ends = ruling.ends.or(effect.outcome.map(|outcome| (outcome, mark)));
                ruling.source = ruling.source.or(effect.source.map(|source| (source, mark)));
                if ruling.transfer.is_none() {
                    ruling.transfer = effect.transfer.clone().map(|transfer| (transfer, mark));
                }
            }
        });
        ruling
    }

    /// What becomes of a question for a name, which is known by all of `names` (as asked, as completed).
    #[must_use]
    pub fn dns(&self, source: &Source, names: &[String]) -> NameRuling {
        let mut ruling = NameRuling::default();
        self.ask(|effect, scope, mark| {
            if let Effect::Dns(effect) = effect
                && effect.search.is_none()
                && effect.names.as_ref().is_none_or(|wanted| names.iter().any(|name| wanted.matches(name)))
                && scope.origin(&effect.from, source)
                && scope.bites(&effect.when, || Subject {
                    counted_by: names.first().cloned().unwrap_or_default(),
                    ..Subject::of_source(source)
                })
            {
                ruling.delays.extend(effect.delay.map(|span| (span.0, mark)));
                if ruling.answer.is_none() {
                    ruling.answer = effect.answer.clone().map(|answer| (answer, mark));
                }
            }
        });
        ruling
    }

    /// By which list a name is completed, if not by the usual one. It counts as applied when that is said.
    #[must_use]
    pub fn search(&self, source: &Source, names: &[String]) -> Option<(Search, Mark)> {
        let mut found = None;
        self.ask(|effect, scope, mark| {
            if let Effect::Dns(effect) = effect
                && let Some(search) = &effect.search
                && found.is_none()
                && effect.names.as_ref().is_none_or(|wanted| names.iter().any(|name| wanted.matches(name)))
                && scope.origin(&effect.from, source)
                && scope.bites(&effect.when, || Subject {
                    counted_by: names.first().cloned().unwrap_or_default(),
                    ..Subject::of_source(source)
                })
            {
                found = Some((search.clone(), mark));
            }
        });
        found
    }

    /// Notes that an effect changed an outcome.
    pub(crate) fn applied(&self, mark: Mark) {
        self.remember(mark, |memory| memory.applied += 1);
    }

    fn remember(&self, mark: Mark, note: impl FnOnce(&mut Memory)) {
        let mut state = self.state();
        if let Some(injected) = state.faults.iter_mut().find(|injected| injected.serial == mark.serial)
            && let Some(memory) = injected.memories.get_mut(mark.effect)
        {
            note(memory);
        }
    }

    fn ask(&self, mut question: impl FnMut(&Effect, &mut Scope<'_>, Mark)) {
        for injected in &mut self.state().faults {
            injected.each(self.clock(), &mut question);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> &Clock {
        self.inner.clock.get_or_init(|| Clock::new(1.0))
    }

    fn bump(&self) {
        self.inner.changed.send_modify(|version| *version += 1);
    }

    /// Effects that begin and end by themselves are changes too.
    fn wake_at_turns(&self, fault: &Fault) {
        for when in fault.effects.iter().map(Effect::when) {
            for span in [when.start, when.end].into_iter().flatten() {
                self.bump_after(span.0);
            }
        }
    }

    fn bump_after(&self, real: Duration) {
        // Without a runtime nobody can be waiting either.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let board = self.clone();
            runtime.spawn(async move {
                board.clock().pass(real).await;
                board.bump();
            });
        }
    }
}

impl AdmissionEffect {
    /// Whether it is about the webhook that asks: one of the cluster's by name, or its own.
    fn is_about(&self, review: &Review<'_>) -> bool {
        match &self.webhook {
            Some(wanted) => !review.own && wanted.matches(review.webhook),
            None => review.own && self.own_name() == review.webhook,
        }
    }
}

impl Injected {
    fn each(&mut self, clock: &Clock, mut visit: impl FnMut(&Effect, &mut Scope<'_>, Mark)) {
        let now = now();
        for (index, (effect, memory)) in self.fault.effects.iter().zip(&mut self.memories).enumerate() {
            let mut scope = Scope { now, injected: self.at, clock, existing: &self.existing, memory };
            visit(effect, &mut scope, Mark { serial: self.serial, effect: index });
        }
    }

    fn counters(&self) -> Vec<Counter> {
        let effects = self.fault.effects.iter().zip(&self.memories).enumerate();
        effects
            .map(|(index, (effect, memory))| Counter {
                fault: self.fault.name.clone(),
                effect: index,
                kind: effect.name().to_owned(),
                considered: memory.considered,
                applied: memory.applied,
            })
            .collect()
    }
}

/// The time on the runtime's clock, which tests can stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
