//! What a fault must hold beyond its types.

use std::collections::HashSet;

use super::{
    effect::{
        Admission, AdmissionEffect, ApiEffect, CommandEffect, DnsEffect, Effect, Identity, IdentityEffect,
        NetworkEffect, NodeEffect, NodeInfo, ObjectEffect, Outcome, PodEffect, Stage, Transport,
    },
    file::Fault,
    select::PodSelector,
    when::{Trigger, When},
};

/// The first rule that a fault breaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offence {
    /// The effect at fault, by its place in the list.
    pub(super) effect: Option<usize>,
    /// What is wrong.
    pub(super) reason: String,
}

pub(super) fn check(fault: &Fault) -> Result<(), Offence> {
    let whole = |reason: String| Err(Offence { effect: None, reason });
    let name = &fault.name;
    let good = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    if name.is_empty() || !name.bytes().all(good) || name.starts_with('-') || name.ends_with('-') {
        return whole(format!("`{name}` is not a name (lower-case letters, digits and hyphens)"));
    }
    if fault.effects.is_empty() {
        return whole("a fault has at least one effect".into());
    }
    for (index, effect) in fault.effects.iter().enumerate() {
        check_effect(effect)
            .map_err(|reason| Offence { effect: Some(index), reason: format!("{}: {reason}", effect.name()) })?;
    }
    Ok(())
}

fn check_effect(effect: &Effect) -> Result<(), String> {
    check_when(effect.when())?;
    match effect {
        Effect::Node(effect) => check_node(effect),
        Effect::Pod(effect) => check_selector(&effect.pods).and_then(|()| check_pod(effect)),
        Effect::Image(effect) => {
            let ways = [effect.missing, effect.any_version, effect.os_version.is_some(), effect.error.is_some()];
            match ways.into_iter().filter(|way| *way).count() {
                0 if effect.delay.is_none() => {
                    changes_nothing("`missing`, `osVersion`, `anyVersion`, `error` or `delay`")
                }
                0 | 1 => Ok(()),
                _ => Err("`missing`, `osVersion`, `anyVersion` and `error` exclude each other".into()),
            }
        }
        Effect::Command(effect) => check_selector(&effect.pods).and_then(|()| check_command(effect)),
        Effect::Log(effect) => {
            check_selector(&effect.pods)?;
            match (effect.lost, effect.delay) {
                (false, None) => changes_nothing("`lost` or `delay`"),
                (true, Some(_)) => Err("a line that is lost comes at no time".into()),
                _ => Ok(()),
            }
        }
        Effect::Network(effect) => {
            check_selector(&effect.from.pod)?;
            check_selector(&effect.to.pod)?;
            check_network(effect)
        }
        Effect::Dns(effect) => check_selector(&effect.from.pod).and_then(|()| check_dns(effect)),
        Effect::Admission(effect) => check_admission(effect),
        Effect::Api(effect) => check_api(effect),
        Effect::Identity(effect) => check_selector(&effect.pods).and_then(|()| check_identity(effect)),
        Effect::Object(effect) => check_object(effect),
        Effect::Limits(effect) => {
            check_selector(&effect.pods)?;
            match (&effect.cpu, &effect.memory) {
                (None, None) => changes_nothing("`cpu` or `memory`"),
                _ => Ok(()),
            }
        }
    }
}

fn check_command(effect: &CommandEffect) -> Result<(), String> {
    let answers = effect.stdout.is_some() || effect.stderr.is_some() || effect.exit_code.is_some();
    if !answers && !effect.hang && effect.delay.is_none() && effect.transport.is_none() {
        return changes_nothing("`stdout`, `stderr`, `exitCode`, `hang`, `delay` or `transport`");
    }
    let cuts = matches!(effect.transport, Some(Transport::LostInTheMiddle | Transport::OutputCut));
    if effect.after.is_some() && !cuts {
        return Err("`after` is for `transport: lostInTheMiddle` and `outputCut`".into());
    }
    if effect.hang && answers {
        return Err("a command that hangs has no output and no exit code".into());
    }
    if effect.programs.is_some() && (effect.commands.is_some() || effect.transport.is_some()) {
        return Err("`programs` goes without `commands`, and without `transport`, which is of whole commands".into());
    }
    Ok(())
}

fn check_dns(effect: &DnsEffect) -> Result<(), String> {
    let answers = effect.answer.is_some() || effect.delay.is_some();
    match effect.search {
        None if !answers => changes_nothing("`answer`, `delay` or `search`"),
        Some(_) if answers => Err("`search` goes into an effect of its own".into()),
        _ => Ok(()),
    }
}

fn check_object(effect: &ObjectEffect) -> Result<(), String> {
    for pointer in ["/apiVersion", "/kind", "/metadata/name"] {
        if effect.text(pointer).is_empty() {
            return Err(format!("its manifest has no {}", pointer.trim_start_matches('/').replace('/', ".")));
        }
    }
    Ok(())
}

fn changes_nothing(choices: &str) -> Result<(), String> {
    Err(format!("it changes nothing; give {choices}"))
}

fn check_when(when: &When) -> Result<(), String> {
    if when.one_in == Some(0) {
        return Err("`oneIn` counts from 1".into());
    }
    if when.times == Some(0) {
        return Err("`times` counts from 1".into());
    }
    if when.probability.is_some_and(|chance| !(chance > 0.0 && chance <= 1.0)) {
        return Err("a `probability` is above 0 and at most 1".into());
    }
    if when.seed != 0 && when.probability.is_none() {
        return Err("`seed` needs a `probability`".into());
    }
    if when.sticky && when.probability.is_none() && when.one_in.is_none() {
        return Err("`sticky` needs `oneIn` or a `probability`".into());
    }
    if when.lasting.is_some() && when.after.is_none() {
        return Err("`for` needs an `after` (from the injection on, it is `end`)".into());
    }
    if (when.own.is_some() || when.times.is_some()) && when.after.is_none() {
        return Err("`own` and `times` need an `after`".into());
    }
    if let (Some(start), Some(end)) = (when.start, when.end)
        && start >= end
    {
        return Err(format!("it ends ({end}) before it starts ({start})"));
    }
    match &when.after {
        Some(Trigger::PodDeleted(pods) | Trigger::PodStarted(pods) | Trigger::ContainerRestarted(pods)) => {
            check_selector(pods)
        }
        _ => Ok(()),
    }
}

fn check_selector(pods: &PodSelector) -> Result<(), String> {
    let Some(nth) = &pods.nth else { return Ok(()) };
    let numbers = [nth.only, nth.every, nth.from, nth.to];
    if numbers.contains(&Some(0)) {
        return Err("`nth` counts from 1".into());
    }
    if numbers.iter().all(Option::is_none) {
        return Err("`nth` needs `only`, `every`, `from` or `to`".into());
    }
    Ok(())
}

fn check_admission(effect: &AdmissionEffect) -> Result<(), String> {
    let denies = effect.outcome == Admission::Denies;
    if effect.outcome == Admission::Answers && effect.delay.is_none() {
        return changes_nothing("an `outcome` or a `delay`");
    }
    if (effect.code.is_some() || effect.message.is_some()) && !denies {
        return Err("`code` and `message` are for `outcome: denies`".into());
    }
    if effect.code.is_some_and(|code| !(400..=599).contains(&code)) {
        return Err("`code` is an HTTP code from 400 to 599".into());
    }
    if effect.patch.is_some() != (effect.outcome == Admission::Patches) {
        return Err("`patch` and `outcome: patches` belong together".into());
    }
    if effect.webhook.is_some() && (effect.name.is_some() || effect.failure_policy.is_some()) {
        return Err("`name` and `failurePolicy` are for a webhook of the fault's own".into());
    }
    if effect.webhook.is_none() && effect.outcome == Admission::Ignores {
        return Err("a webhook of the fault's own has nothing to ignore; `webhook` names the cluster's".into());
    }
    if effect.own_name().split('.').count() < 3 || effect.own_name().contains('/') {
        return Err(format!("`{}` is not the name of a webhook, like `policy.example.com`", effect.own_name()));
    }
    if effect.objects.resources.is_empty() || effect.objects.operations.is_empty() {
        return Err("`objects` needs resources and operations".into());
    }
    Ok(())
}

fn check_identity(effect: &IdentityEffect) -> Result<(), String> {
    if effect.user.is_some() && effect.outcome != Identity::UserIgnored {
        return Err("`user` is for `outcome: userIgnored`".into());
    }
    if effect.status.is_some() && effect.outcome != Identity::TrustLost {
        return Err("`status` is for `outcome: trustLost`".into());
    }
    if effect.accounts.is_some() && !effect.outcome.is_of_domain() {
        return Err("`accounts` are of the domain; Windows users are selected by `users`".into());
    }
    Ok(())
}

fn check_api(effect: &ApiEffect) -> Result<(), String> {
    let ways = [effect.status.is_some(), effect.connection.is_some(), effect.watch.is_some(), effect.patch.is_some()];
    match ways.into_iter().filter(|way| *way).count() {
        0 if effect.delay.is_none() => changes_nothing("`status`, `connection`, `watch`, `patch` or `delay`"),
        0 | 1 if effect.status.is_none() && (effect.message.is_some() || effect.retry_after.is_some()) => {
            Err("`message` and `retryAfter` are for a `status`".into())
        }
        _ if effect.status.is_some_and(|status| !(400..=599).contains(&status)) => {
            Err("`status` is an HTTP code from 400 to 599".into())
        }
        0 | 1 if effect.patch.as_ref().is_some_and(|patch| json_patch(patch).is_none()) => {
            Err("`patch` is a list of steps of a JSON Patch (`op`, `path`, `value`)".into())
        }
        0 | 1 => Ok(()),
        _ => Err("`status`, `connection`, `watch` and `patch` exclude each other".into()),
    }
}

/// The steps as a JSON Patch, where they are one.
fn json_patch(steps: &[serde_json::Value]) -> Option<json_patch::Patch> {
    serde_json::from_value(serde_json::Value::Array(steps.to_vec())).ok()
}

fn check_node(effect: &NodeEffect) -> Result<(), String> {
    let kinds: HashSet<_> = effect.conditions.iter().map(|condition| &condition.kind).collect();
    if kinds.len() < effect.conditions.len() {
        return Err("it sets a condition twice".into());
    }
    for (name, quantity) in &effect.resources {
        if !["cpu", "memory", "ephemeral-storage", "pods"].contains(&name.as_str()) {
            return Err(format!("`{name}` is no resource of nodes here: cpu, memory, ephemeral-storage, pods"));
        }
        if !quantity.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(format!("`{quantity}` is not a quantity, like `2Gi`"));
        }
    }
    let changes = !effect.conditions.is_empty()
        || !effect.labels.is_empty()
        || !effect.taints.is_empty()
        || !effect.remove_taints.is_empty()
        || effect.node_info != NodeInfo::default()
        || effect.unschedulable.is_some()
        || !effect.resources.is_empty()
        || effect.lease_stopped
        || effect.kubelet.is_some()
        || effect.handlers.is_some()
        || !effect.events.is_empty();
    if changes { Ok(()) } else { changes_nothing("conditions, labels, taints, nodeInfo, `leaseStopped`, …") }
}

fn check_pod(effect: &PodEffect) -> Result<(), String> {
    match (effect.outcome, effect.stage) {
        (Outcome::Proceeds, _) if effect.delay.is_none() && effect.events.is_empty() => {
            changes_nothing("an `outcome`, a `delay` or events")
        }
        (Outcome::Exits, stage) if stage != Stage::Run => Err("only a running container `exits`: `stage: run`".into()),
        (Outcome::Fails, Stage::Run) => Err("a running container that fails `exits`".into()),
        (Outcome::Fails, Stage::Stop) => Err("a pod that does not stop is `stuck`".into()),
        (outcome, stage) if effect.exit_code.is_some() && !has_exit_code(outcome, stage) => {
            Err("`exitCode` is for containers that fail to start or exit".into())
        }
        _ => Ok(()),
    }
}

fn has_exit_code(outcome: Outcome, stage: Stage) -> bool {
    outcome == Outcome::Exits || (outcome, stage) == (Outcome::Fails, Stage::Start)
}

fn check_network(effect: &NetworkEffect) -> Result<(), String> {
    if let Some(transfer) = &effect.transfer {
        if transfer.outcome.is_none() && transfer.delay.is_none() {
            return Err("`transfer` needs an `outcome` or a `delay`".into());
        }
        if effect.outcome.is_some() {
            return Err("a connection with an `outcome` of its own has no `transfer`".into());
        }
    }
    let ends =
        effect.outcome.is_some() || effect.delay.is_some() || effect.source.is_some() || effect.transfer.is_some();
    match (&effect.backend, ends) {
        (None, false) => changes_nothing("`outcome`, `delay`, `backend`, `source` or `transfer`"),
        (Some(_), true) => Err("`backend` goes into an effect of its own".into()),
        (Some(_), false) if effect.both_ways => Err("`backend` has no way back".into()),
        (Some(_), false) if !effect.to.pod.is_empty() || effect.to.place.is_some() => {
            Err("`backend` is asked before one is chosen, so `to` cannot name its pod or place".into())
        }
        _ => Ok(()),
    }
}
