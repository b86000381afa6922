//! Echo requests from a pod, in one exec.

use std::time::Duration;

use winconform_reports::event::{Cell, Destination, Vantage};

use super::{exec::PodRef, linux, script::Shell, windows};
use crate::cluster::Os;

/// How many echo requests were sent, and how many came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pinged {
    /// Sent.
    pub sent: u32,
    /// Echoes received.
    pub received: u32,
}

/// Echo requests to be sent from one pod to another. ICMP is for the inside of a
/// cluster only: the Windows network plug-ins cannot translate it.
#[derive(Debug, Clone)]
pub struct PingProbe {
    /// The pod to ask from.
    pub from: PodRef,
    /// The pod that is asked.
    pub to: PodRef,
    /// What kind of pair they are.
    pub destination: Destination,
    /// How many requests, one second apart.
    pub count: u32,
}

/// Echo requests of one go.
const COUNT: u32 = 4;

impl PingProbe {
    /// A few echo requests between two pods.
    #[must_use]
    pub fn between(from: &PodRef, to: &PodRef, destination: Destination) -> Self {
        Self { from: from.clone(), to: to.clone(), destination, count: COUNT }
    }

    pub(crate) fn command(&self, nonce: &str) -> Vec<String> {
        let shell = Shell::of(self.from.os);
        let ping = match self.from.os {
            Os::Windows => windows::ping::command(&self.to.ip, self.count),
            Os::Linux => linux::ping::command(&self.to.ip, self.count),
        };
        shell.command(&(ping + &shell.end(nonce)))
    }

    /// The longest it can take, in the cluster's time: each request may wait its whole limit.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_secs(3 * u64::from(self.count) + 5)
    }

    /// Reads the command's output; nothing where it did not come back whole.
    pub(crate) fn read(&self, output: &str, nonce: &str) -> Option<Cell> {
        if !super::transfer::is_whole(output, nonce) {
            return None;
        }
        let Pinged { sent, received } = match self.from.os {
            Os::Windows => windows::ping::read(output),
            Os::Linux => linux::ping::read(output),
        }?;
        let mut cell = self.untried();
        (cell.tried, cell.answered, cell.timed_out) = (sent, received, sent - received);
        if received < sent {
            cell.example = Some(format!("{} of {sent} echo requests were not answered", sent - received));
        }
        Some(cell)
    }

    /// What is reported when no outcome came back.
    pub(crate) fn lost(&self, why: String) -> Cell {
        Cell { lost: self.count, example: Some(why), ..self.untried() }
    }

    fn untried(&self) -> Cell {
        let (from, to) = (Some(self.from.node.clone()), Some(self.to.node.clone()));
        Cell::untried(Vantage::WindowsPod, from, self.destination, self.to.ip.clone(), to)
    }
}
