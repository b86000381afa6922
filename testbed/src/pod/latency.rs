//! How long the steps of a pod's life take on a real node.
//!
//! Windows numbers: a sandbox with its HNS endpoint takes some 4 s and a cached
//! Server Core container 3 s (`test/e2e/windows/density.go` allows 30 s for the
//! median of ten at once); pods have no network for the first seconds
//! (Azure/AKS 2161). All of them go through the testbed's clock.

use std::time::Duration;

use crate::shape::Os;

/// The latencies of one operating system.
#[derive(Debug, Clone, Copy)]
pub(super) struct Latency {
    /// Creating the sandbox and its network.
    pub(super) sandbox: Duration,
    /// Creating a container from an image that is there.
    pub(super) create: Duration,
    /// Starting its first process.
    pub(super) start: Duration,
    /// From the first process to a network that carries packets.
    pub(super) network: Duration,
    /// Ending a process that was asked to end.
    pub(super) stop: Duration,
}

/// What a download and its unpacking take for each byte, and at least.
const PULL_BYTES_PER_SECOND: u64 = 100 << 20;
const PULL_AT_LEAST: Duration = Duration::from_millis(400);
/// Asking a registry about an image whose layers are all here.
pub(super) const RESOLVE: Duration = Duration::from_millis(300);
/// How long the kubelet waits before it tries a sandbox again.
pub(super) const SANDBOX_RETRY: Duration = Duration::from_secs(12);

pub(super) fn of(os: Os) -> Latency {
    let millis = Duration::from_millis;
    match os {
        Os::Windows => Latency {
            sandbox: millis(4000),
            create: millis(1800),
            start: millis(1200),
            network: millis(2000),
            stop: millis(800),
        },
        Os::Linux => Latency {
            sandbox: millis(600),
            create: millis(250),
            start: millis(150),
            network: Duration::ZERO,
            stop: millis(100),
        },
    }
}

/// How long a pull takes.
pub(super) fn pull(bytes: u64) -> Duration {
    PULL_AT_LEAST + Duration::from_millis(bytes.saturating_mul(1000) / PULL_BYTES_PER_SECOND)
}

/// A back-off that doubles from ten seconds to five minutes, as the kubelet's do.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(10);
    const LONGEST: Duration = Duration::from_secs(300);
    /// Running this long forgives what was before.
    pub(super) const FORGIVEN_AFTER: Duration = Duration::from_secs(600);

    /// The pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = Self::FIRST.saturating_mul(1 << self.failures.min(10)).min(Self::LONGEST);
        self.failures += 1;
        pause
    }

    /// Forgets all failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// A duration as Go prints it, to the second: `10s`, `1m20s`, `5m0s`.
pub(super) fn go_seconds(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds % 3600 / 60, seconds % 60),
    }
}

/// A duration as Go prints it, rounded to milliseconds: `812ms`, `12.345s`, `1m3.2s`.
pub(super) fn go_millis(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let fraction = format!("{:03}", rest % 1000);
    let fraction = fraction.trim_end_matches('0');
    let seconds =
        if fraction.is_empty() { format!("{}s", rest / 1000) } else { format!("{}.{fraction}s", rest / 1000) };
    if minutes > 0 { format!("{minutes}m{seconds}") } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_offs_double_up_to_five_minutes_and_start_anew_when_forgiven() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..7).map(|_| go_seconds(backoff.next())).collect();
        assert_eq!(pauses, ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s"]);
        backoff.reset();
        assert_eq!(backoff.next(), Duration::from_secs(10));
    }

    #[test]
    fn durations_read_as_go_prints_them() {
        let print = |millis| go_millis(Duration::from_millis(millis));
        assert_eq!(
            [print(812), print(12_345), print(1_200), print(63_200), print(60_000)],
            ["812ms", "12.345s", "1.2s", "1m3.2s", "1m0s"]
        );
    }

    #[test]
    fn server_core_takes_twenty_seconds_to_pull() {
        assert_eq!(pull(2_030 << 20).as_secs(), 20);
    }
}
