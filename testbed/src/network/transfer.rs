//! What faults do to the bytes of connections that opened.

use std::{sync::Arc, time::Duration};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, split};

use super::{BUFFER, Inner};
use crate::fault::{Direction, Mark, Stop, Transfer};

/// How long a stalled connection is held open at most, in real time: nobody waits longer.
const STALL: Duration = Duration::from_secs(3600);

/// Leads a connection through a fault; what comes back is the client's end.
pub(super) fn through(server: DuplexStream, transfer: Transfer, mark: Mark, inner: &Arc<Inner>) -> DuplexStream {
    let (near, far) = tokio::io::duplex(BUFFER);
    let (client_reads, client_writes) = split(far);
    let (server_reads, server_writes) = split(server);
    let gate = |of: Direction| {
        (transfer.of == of).then(|| Gate { transfer: transfer.clone(), mark, inner: Arc::clone(inner) })
    };
    tokio::spawn(pump(client_reads, server_writes, gate(Direction::Requests)));
    tokio::spawn(pump(server_reads, client_writes, gate(Direction::Answers)));
    near
}

/// The place in a direction where the fault sits.
struct Gate {
    transfer: Transfer,
    mark: Mark,
    inner: Arc<Inner>,
}

impl Gate {
    /// How many of the next `length` bytes pass before the fault bites, if it does among them.
    fn bites_after(&self, passed: u64, length: usize) -> Option<usize> {
        let left = self.transfer.after.saturating_sub(passed);
        usize::try_from(left).ok().filter(|left| *left < length)
    }

    /// Bites; says whether the bytes go on afterwards.
    async fn bite(&self) -> bool {
        self.inner.applied(self.mark);
        let clock = &self.inner.clock;
        if let Some(delay) = self.transfer.delay {
            clock.pass(delay.0).await;
        }
        match self.transfer.outcome {
            None => true,
            Some(Stop::Closes) => false,
            Some(Stop::Stalls) => {
                clock.pass(STALL).await;
                false
            }
        }
    }
}

/// Passes bytes on until either side is gone, or the fault ends it.
async fn pump(mut from: ReadHalf<DuplexStream>, mut to: WriteHalf<DuplexStream>, mut gate: Option<Gate>) {
    let (mut bytes, mut passed) = (vec![0; 8 * 1024], 0_u64);
    while let Ok(length @ 1..) = from.read(&mut bytes).await {
        let mut begun = 0;
        if let Some(at) = gate.as_ref().and_then(|gate| gate.bites_after(passed, length)) {
            let written = to.write_all(bytes.get(..at).unwrap_or_default()).await;
            let goes_on = match gate.take() {
                Some(gate) if written.is_ok() => gate.bite().await,
                _ => false,
            };
            if !goes_on {
                break;
            }
            begun = at;
        }
        passed += length as u64;
        if to.write_all(bytes.get(begun..length).unwrap_or_default()).await.is_err() {
            break;
        }
    }
    // Whoever is left reads the end.
    let _ = to.shutdown().await;
}
