//! Whether a node is up, and its reboots.
//!
//! A reboot takes everything on the node with it: leases, the kubelet's API, every
//! process. When the node is back its kubelet first says that it is not ready, then
//! makes new sandboxes for the pods that it finds, as after a restart of Windows.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::watch;

use super::host::Host;
use crate::fault::{Condition, ConditionStatus, Happening, NodeEffects};

/// From the command to the end of all processes.
const SHUTTING_DOWN: Duration = Duration::from_secs(5);
/// From there to a running kubelet: two minutes are usual for a small machine.
const BOOTING: Duration = Duration::from_secs(120);
/// How long the kubelet then waits for the runtime and the network plug-in.
const SETTLING: Duration = Duration::from_secs(15);
/// How often Windows had booted when the node was made (a count in its registry).
pub(super) const FIRST_BOOT: u32 = 8;

/// What state a node's machine is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Everything runs.
    Up,
    /// Nothing does.
    Down,
    /// The kubelet runs, and is not ready for pods yet.
    Settling,
}

/// A node's machine now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Power {
    pub(crate) state: State,
    /// How often it was started.
    pub(crate) boots: u32,
    /// When it was last started.
    pub(crate) booted: Timestamp,
}

impl Power {
    /// A machine that has long been up.
    pub(super) fn up() -> watch::Sender<Self> {
        let booted = Timestamp::now() - jiff::SignedDuration::from_hours(26);
        watch::Sender::new(Self { state: State::Up, boots: FIRST_BOOT, booted })
    }

    /// Whether any process runs.
    pub(crate) fn is_on(self) -> bool {
        self.state != State::Down
    }
}

impl Host {
    /// The machine now.
    pub(crate) fn power(&self) -> Power {
        *self.power.borrow()
    }

    /// Tells when the machine goes down or comes back.
    pub(crate) fn power_changes(&self) -> watch::Receiver<Power> {
        self.power.subscribe()
    }

    /// Returns when the machine goes down.
    pub(crate) async fn went_down(&self) {
        let mut power = self.power.subscribe();
        if power.wait_for(|power| !power.is_on()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns when the kubelet runs.
    pub(crate) async fn until_on(&self) {
        let mut power = self.power.subscribe();
        let _it_lives_as_long_as_this = power.wait_for(|power| power.is_on()).await;
    }

    /// Returns when the node takes pods.
    pub(crate) async fn until_up(&self) {
        let mut power = self.power.subscribe();
        let _it_lives_as_long_as_this = power.wait_for(|power| power.state == State::Up).await;
    }

    /// What is wrong with the node now, with what a kubelet says that has just been started.
    pub(super) fn effects_now(&self) -> NodeEffects {
        let mut effects = self.effects();
        let told = effects.conditions.iter().any(|condition| condition.kind == "Ready");
        if self.power().state == State::Settling && !told {
            effects.conditions.push(Condition {
                kind: "Ready".to_owned(),
                status: ConditionStatus::False,
                reason: "KubeletNotReady".to_owned(),
                message: "container runtime status check may not have completed yet".to_owned(),
            });
        }
        effects
    }

    /// When it was last started.
    pub(crate) fn booted(&self) -> Timestamp {
        self.power().booted
    }

    fn become_state(&self, state: State) {
        self.power.send_modify(|power| {
            if state == State::Settling {
                power.boots += 1;
                power.booted = Timestamp::now();
            }
            power.state = state;
        });
    }

    /// Restarts the machine; whoever asks while it is on its way down asks in vain.
    pub(crate) fn reboot(self: &Arc<Self>) {
        let begun = self.rebooting.swap(true, std::sync::atomic::Ordering::Relaxed);
        if !begun {
            let host = self.clone();
            tokio::spawn(async move { host.restart().await });
        }
    }

    async fn restart(self: Arc<Self>) {
        let clock = self.world.clock.clone();
        clock.pass(SHUTTING_DOWN).await;
        self.become_state(State::Down);
        clock.pass(BOOTING).await;
        self.become_state(State::Settling);
        self.world.faults.happened(&Happening::NodeRebooted(self.facts.clone()));
        let (name, boots) = (self.name().to_owned(), self.boot_id());
        self.recorder.node(&name, "Normal", "Starting", "Starting kubelet.");
        let text = format!("Node {name} has been rebooted, boot id: {boots}");
        self.recorder.node(&name, "Warning", "Rebooted", text);
        clock.pass(SETTLING).await;
        self.become_state(State::Up);
        self.rebooting.store(false, std::sync::atomic::Ordering::Relaxed);
    }

    /// What `status.nodeInfo.bootID` says: Windows counts, Linux invents an id at each boot.
    pub(crate) fn boot_id(&self) -> String {
        super::object::boot_id(&self.shape, self.power().boots)
    }
}
