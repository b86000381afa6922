//! The faults in force, asked by everything that simulates.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{CommandEffect, Effect, Fault, ImageEffect, NodeEffects, PodEffect, Stage};
use crate::{
    clock::Clock,
    network::{NodeFacts, PodFacts},
};

/// How often one effect of a fault was asked about, and how often it mattered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counter {
    /// The fault's name.
    pub fault: String,
    /// Which of its effects, from 0.
    pub effect: usize,
    /// How often something that its selectors fit came along.
    pub considered: u64,
    /// How often it changed an outcome.
    pub applied: u64,
}

/// The faults in force. Clones share them.
#[derive(Debug, Clone)]
pub struct FaultBoard {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    faults: Mutex<Vec<Injected>>,
    changed: watch::Sender<u64>,
}

#[derive(Debug)]
struct Injected {
    fault: Fault,
    counts: Vec<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    considered: AtomicU64,
    applied: AtomicU64,
}

impl Default for FaultBoard {
    fn default() -> Self {
        Self::new(Clock::new(1.0))
    }
}

impl FaultBoard {
    /// A board without faults, whose durations pass on `clock`.
    #[must_use]
    pub fn new(_clock: Clock) -> Self {
        let (changed, _) = watch::channel(0);
        Self { inner: Arc::new(Inner { faults: Mutex::default(), changed }) }
    }

    /// Puts a fault into force, in place of one of the same name.
    pub fn inject(&self, fault: Fault) {
        let counts = fault.effects.iter().map(|_| Counts::default()).collect();
        {
            let mut faults = self.faults();
            faults.retain(|injected| injected.fault.name != fault.name);
            faults.push(Injected { fault, counts });
        }
        self.bump();
    }

    /// Takes a fault out of force, or all of them; says how many.
    pub fn heal(&self, name: Option<&str>) -> usize {
        let mut faults = self.faults();
        let before = faults.len();
        faults.retain(|injected| name.is_some_and(|name| injected.fault.name != name));
        let healed = before - faults.len();
        drop(faults);
        self.bump();
        healed
    }

    /// A number that grows whenever a fault begins or ends.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// The counts of every effect in force.
    #[must_use]
    pub fn counters(&self) -> Vec<Counter> {
        let faults = self.faults();
        faults
            .iter()
            .flat_map(|injected| {
                injected.counts.iter().enumerate().map(|(effect, counts)| Counter {
                    fault: injected.fault.name.clone(),
                    effect,
                    considered: counts.considered.load(Ordering::Relaxed),
                    applied: counts.applied.load(Ordering::Relaxed),
                })
            })
            .collect()
    }

    /// Everything that is wrong with `node` now.
    #[must_use]
    pub fn node(&self, node: &NodeFacts) -> NodeEffects {
        let mut all = NodeEffects::default();
        self.each(|effect| match effect {
            Effect::Node(effect) if effect.nodes.matches(node) => {
                all.merge(effect);
                true
            }
            _ => false,
        });
        all
    }

    /// What goes wrong with `pod` at this stage of its life, if anything. Ask when the stage is reached (and again at every retry).
    #[must_use]
    pub fn pod(&self, pod: &PodFacts, stage: Stage) -> Option<PodEffect> {
        let mut found = None;
        self.each(|effect| match effect {
            Effect::Pod(effect) if found.is_none() && effect.stage == stage && effect.pods.matches(pod) => {
                found = Some(effect.clone());
                true
            }
            _ => false,
        });
        found
    }

    /// What goes wrong with pulling `image` on `node`, if anything.
    #[must_use]
    pub fn image(&self, image: &str, node: &NodeFacts) -> Option<ImageEffect> {
        let mut found = None;
        self.each(|effect| match effect {
            Effect::Image(effect)
                if found.is_none()
                    && effect.nodes.matches(node)
                    && effect.images.as_ref().is_none_or(|images| images.matches(image)) =>
            {
                found = Some(effect.clone());
                true
            }
            _ => false,
        });
        found
    }

    /// What goes wrong with running `argv` in `pod`, if anything.
    #[must_use]
    pub fn command(&self, pod: &PodFacts, argv: &[String]) -> Option<CommandEffect> {
        let line = argv.join(" ");
        let mut found = None;
        self.each(|effect| match effect {
            Effect::Command(effect)
                if found.is_none()
                    && effect.pods.matches(pod)
                    && effect.commands.as_ref().is_none_or(|commands| commands.matches(&line)) =>
            {
                found = Some(effect.clone());
                true
            }
            _ => false,
        });
        found
    }

    fn each(&self, mut apply: impl FnMut(&Effect) -> bool) {
        for injected in self.faults().iter() {
            for (effect, counts) in injected.fault.effects.iter().zip(&injected.counts) {
                if apply(effect) {
                    counts.considered.fetch_add(1, Ordering::Relaxed);
                    counts.applied.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn faults(&self) -> std::sync::MutexGuard<'_, Vec<Injected>> {
        self.inner.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.inner.changed.send_modify(|version| *version += 1);
    }
}
