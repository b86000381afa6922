//! One pod on one node: what its tasks share.

use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodStatus};
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::{
    state::{Slot, State},
    status, user,
};
use crate::{
    command::Meter,
    fault::{Outcome, PodEffect, Stage},
    image,
    network::PodFacts,
    node::{Host, Kind},
    shape::Os,
};

/// One pod on one node.
pub(crate) struct Cell {
    pub(crate) host: Arc<Host>,
    pod: watch::Receiver<Arc<Pod>>,
    state: Mutex<State>,
    changed: Notify,
    posted: tokio::sync::Mutex<Option<PodStatus>>,
    facts: Mutex<Option<Arc<PodFacts>>>,
    /// Which sandbox of the pod this is, from 0.
    attempt: AtomicU32,
    ordinal: u64,
    /// Whether packets get through yet.
    pub(super) network_up: watch::Sender<bool>,
    /// Set when the containers are to end, with how long they may take.
    pub(super) stop: watch::Sender<Option<Duration>>,
}

impl Cell {
    /// A pod that was just seen.
    pub(super) fn new(host: Arc<Host>, pod: watch::Receiver<Arc<Pod>>) -> Self {
        let state = State::new(pod.borrow().spec.as_ref().unwrap_or(&PodSpec::default()));
        let ordinal = host.next_ordinal();
        Self {
            host,
            pod,
            state: Mutex::new(state),
            changed: Notify::new(),
            posted: tokio::sync::Mutex::default(),
            facts: Mutex::default(),
            attempt: AtomicU32::new(0),
            ordinal,
            network_up: watch::Sender::new(false),
            stop: watch::Sender::new(None),
        }
    }

    /// The newest version of the object.
    pub(crate) fn pod(&self) -> Arc<Pod> {
        self.pod.borrow().clone()
    }

    /// Follows the object.
    pub(super) fn updates(&self) -> watch::Receiver<Arc<Pod>> {
        self.pod.clone()
    }

    /// `metadata.uid`.
    pub(crate) fn uid(&self) -> String {
        self.pod().metadata.uid.clone().unwrap_or_default()
    }

    /// `metadata.name`.
    pub(crate) fn name(&self) -> String {
        self.pod().metadata.name.clone().unwrap_or_default()
    }

    /// `metadata.namespace`.
    pub(crate) fn namespace(&self) -> String {
        self.pod().metadata.namespace.clone().unwrap_or_default()
    }

    pub(crate) fn is_named(&self, namespace: &str, name: &str) -> bool {
        let pod = self.pod.borrow();
        pod.metadata.name.as_deref() == Some(name) && pod.metadata.namespace.as_deref() == Some(namespace)
    }

    /// The operating system it runs on.
    pub(crate) fn os(&self) -> Os {
        self.host.shape.os
    }

    /// The pod as the kubelet's texts name it: `name_namespace(uid)`.
    pub(crate) fn full_name(&self) -> String {
        format!("{}_{}({})", self.name(), self.namespace(), self.uid())
    }

    /// The id that containerd gives the pod's sandbox.
    pub(crate) fn sandbox_id(&self) -> String {
        image::digest(&["sandbox", &self.uid(), &self.attempt().to_string()])
    }

    /// Looks at the state.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether it holds what it asks for: it was taken, and is not over.
    pub(crate) fn is_admitted(&self) -> bool {
        let phase = self.pod().status.as_ref().and_then(|status| status.phase.clone());
        let over = matches!(phase.as_deref(), Some("Succeeded" | "Failed"));
        self.read(|state| state.admitted && state.failed.is_none()) && !over
    }

    /// Changes the state, and has the status posted.
    pub(crate) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_one();
        result
    }

    /// A container's definition.
    pub(crate) fn container(&self, slot: Slot) -> Option<Container> {
        slot.of(&self.pod()).cloned()
    }

    /// The containers that run, with what they use.
    pub(crate) fn meters(&self) -> Vec<(String, Meter)> {
        let pod = self.pod();
        let of = |state: &State, slot: Slot| {
            let session = state.record(slot)?.session.as_ref()?;
            Some((slot.of(&pod)?.name.clone(), session.meter.clone()))
        };
        self.read(|state| state.slots().filter_map(|slot| of(state, slot)).collect())
    }

    /// The slot of a container by name.
    pub(crate) fn slot(&self, name: &str) -> Option<Slot> {
        let pod = self.pod();
        self.read(|state| state.slots().find(|slot| slot.of(&pod).is_some_and(|container| container.name == name)))
    }

    /// Reports an event about the pod.
    pub(super) fn event(&self, kind: Kind, reason: &str, message: impl Into<String>) {
        self.host.recorder.pod(&self.pod(), None, kind, reason, message);
    }

    /// Reports an event about one of its containers.
    pub(super) fn container_event(&self, slot: Slot, kind: Kind, reason: &str, message: impl Into<String>) {
        let pod = self.pod();
        let path = slot.of(&pod).map(|container| slot.field_path(&container.name));
        self.host.recorder.pod(&pod, path, kind, reason, message);
    }

    /// What the network and the faults know; before there is an address, with none.
    pub(crate) fn facts(&self) -> Arc<PodFacts> {
        self.settled().clone().unwrap_or_else(|| Arc::new(self.facts_at(Ipv4Addr::UNSPECIFIED)))
    }

    /// Fixes the address that the pod has from now on.
    pub(super) fn settle(&self, ip: Ipv4Addr) -> Arc<PodFacts> {
        self.settled().get_or_insert_with(|| Arc::new(self.facts_at(ip))).clone()
    }

    fn settled(&self) -> MutexGuard<'_, Option<Arc<PodFacts>>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the address up; the next sandbox is another one.
    pub(super) fn unsettle(&self) {
        self.network_up.send_replace(false);
        let facts = self.settled().take();
        if let Some(facts) = facts.filter(|facts| !facts.host_network) {
            self.host.world.network.disconnect(&facts.uid);
            self.host.addresses.release(facts.ip);
        }
        self.attempt.fetch_add(1, Ordering::Relaxed);
    }

    /// Which sandbox of the pod this is, from 0.
    pub(crate) fn attempt(&self) -> u32 {
        self.attempt.load(Ordering::Relaxed)
    }

    fn facts_at(&self, ip: Ipv4Addr) -> PodFacts {
        let pod = self.pod();
        let meta = &pod.metadata;
        let spec = pod.spec.clone().unwrap_or_default();
        let wanted =
            || spec.containers.iter().find_map(|container| user::wanted(&pod, container)).map(ToOwned::to_owned);
        PodFacts {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            node: self.host.facts.clone(),
            ip,
            host_network: self.on_host_network(),
            images: spec.containers.iter().filter_map(|container| container.image.clone()).collect(),
            labels: meta.labels.clone().unwrap_or_default(),
            service_account: spec.service_account_name.clone().unwrap_or_default(),
            run_as_user: wanted(),
            gmsa: user::gmsa(&pod).map(ToOwned::to_owned),
            runtime_class: spec.runtime_class_name.clone(),
            ordinal: self.ordinal,
            started: Instant::now(),
        }
    }

    /// Whether it uses the node's network: on Windows only HostProcess pods do, whatever they ask for.
    pub(super) fn on_host_network(&self) -> bool {
        let pod = self.pod();
        let Some(spec) = &pod.spec else { return false };
        let asked = spec.host_network == Some(true);
        asked
            && (self.os() == Os::Linux
                || spec.containers.iter().any(|container| user::is_host_process(&pod, container)))
    }

    /// What a fault does to this stage of the pod's life. Waits while it is stuck there, and for its delay.
    pub(super) async fn stage(&self, stage: Stage, stuck: impl Fn(&PodEffect)) -> Option<PodEffect> {
        let mut faults = self.host.world.faults.changed();
        loop {
            faults.borrow_and_update();
            let effect = self.host.world.faults.pod(&self.facts(), stage)?;
            if effect.outcome == Outcome::Stuck {
                self.report(&effect);
                stuck(&effect);
                if faults.changed().await.is_err() {
                    return None;
                }
                continue;
            }
            // How long a container runs before it `exits` is for the caller to wait.
            if let Some(delay) = effect.delay.filter(|_| stage != Stage::Run) {
                self.host.world.clock.pass(delay.0).await;
            }
            return Some(effect);
        }
    }

    /// Posts the events that a fault brings along; says whether there were any.
    pub(super) fn report(&self, effect: &PodEffect) -> bool {
        for event in &effect.events {
            let kind = if event.kind.as_str() == "Normal" { Kind::Normal } else { Kind::Warning };
            self.event(kind, &event.reason, event.message.clone());
        }
        !effect.events.is_empty()
    }

    /// Returns when the containers are to end, with how long they may take.
    pub(super) async fn stopping(&self) -> Duration {
        let mut stop = self.stop.subscribe();
        match stop.wait_for(Option::is_some).await.map(|grace| *grace) {
            Ok(Some(grace)) => grace,
            _ => std::future::pending().await,
        }
    }

    /// Posts the status whenever it changes, for ever.
    pub(super) async fn keep_posted(&self) {
        loop {
            self.changed.notified().await;
            self.host.until_on().await;
            if let Err(error) = self.post().await {
                tracing::debug!(pod = self.full_name(), %error, "status not posted");
                if !matches!(&error, kube::Error::Api(status) if status.code == 404) {
                    self.changed.notify_one();
                    crate::clock::Clock::new(1.0).pass(Duration::from_millis(300)).await; // the API server's time
                }
            }
        }
    }

    /// Posts the status if it differs from what was posted last.
    pub(super) async fn post(&self) -> kube::Result<()> {
        let mut posted = self.posted.lock().await;
        let pod = self.pod();
        let host_ip = self.host.facts.internal_ip.to_string();
        let status = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            status::build(&pod, &mut state, &host_ip, Timestamp::now())
        };
        if posted.as_ref() == Some(&status) {
            return Ok(());
        }
        let pods: Api<Pod> = Api::namespaced(self.host.world.client.clone(), &self.namespace());
        let mut patch = json!({"metadata": {"uid": self.uid()}, "status": &status});
        forget_addresses(&mut patch, posted.as_ref(), &status);
        pods.patch_status(&self.name(), &PatchParams::default(), &Patch::Strategic(patch)).await?;
        *posted = Some(status);
        Ok(())
    }
}

/// Takes addresses away that a pod had before its node was restarted: a strategic merge would keep them beside the new one.
fn forget_addresses(patch: &mut Value, before: Option<&PodStatus>, now: &PodStatus) {
    let of = |status: Option<&PodStatus>| status.and_then(|status| status.pod_ips.clone()).unwrap_or_default();
    let present = of(Some(now));
    let gone: Vec<_> = of(before).into_iter().filter(|old| !present.contains(old)).collect();
    if let Some(list) = patch.pointer_mut("/status/podIPs").and_then(Value::as_array_mut) {
        list.extend(gone.into_iter().map(|old| json!({"$patch": "delete", "ip": old.ip})));
    }
}
