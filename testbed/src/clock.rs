//! The one place where the testbed lets time pass.
//!
//! A Windows node needs seconds for a sandbox and minutes for a pull. The
//! testbed keeps the proportions and changes the scale, so every latency of the
//! virtual nodes and of the virtual network is written as what it is on a real
//! node and goes through a [`Clock`].

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The factor between the time a real cluster takes and the time the testbed takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Latency(f64);

/// The text does not name a latency profile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a latency: `fast` (a tenth of real time), `real`, or a factor from 0 to 100")]
pub struct LatencyError {
    text: String,
}

impl Latency {
    /// A tenth of the time that real nodes take; the default.
    pub const FAST: Self = Self(0.1);
    /// As slow as real nodes.
    pub const REAL: Self = Self(1.0);

    /// The factor by which real durations are multiplied.
    #[must_use]
    pub fn factor(self) -> f64 {
        self.0
    }
}

impl Default for Latency {
    fn default() -> Self {
        Self::FAST
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::FAST => f.write_str("fast"),
            Self::REAL => f.write_str("real"),
            Self(factor) => write!(f, "{factor}"),
        }
    }
}

impl FromStr for Latency {
    type Err = LatencyError;

    fn from_str(text: &str) -> Result<Self, LatencyError> {
        match text {
            "fast" => Ok(Self::FAST),
            "real" => Ok(Self::REAL),
            _ => match text.parse() {
                Ok(factor) if (0.0..=100.0).contains(&factor) => Ok(Self(factor)),
                _ => Err(LatencyError { text: text.to_owned() }),
            },
        }
    }
}

impl TryFrom<String> for Latency {
    type Error = LatencyError;

    fn try_from(text: String) -> Result<Self, LatencyError> {
        text.parse()
    }
}

impl From<Latency> for String {
    fn from(latency: Latency) -> Self {
        latency.to_string()
    }
}

/// Lets simulated time pass, at the testbed's scale.
#[derive(Debug, Clone)]
pub struct Clock {
    scale: f64,
}

impl Clock {
    /// A clock that turns one real second into `scale` seconds.
    ///
    /// A scale that is not a finite number from 0 up counts as 0: nothing waits.
    #[must_use]
    pub fn new(scale: f64) -> Self {
        Self { scale: if scale.is_finite() && scale > 0.0 { scale } else { 0.0 } }
    }

    /// How many seconds this clock makes of one real second.
    #[must_use]
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// What this clock makes of a duration on a real cluster.
    #[must_use]
    pub fn scaled(&self, real: Duration) -> Duration {
        Duration::try_from_secs_f64(real.as_secs_f64() * self.scale).unwrap_or(Duration::MAX)
    }

    /// Waits as long as `real` takes at this clock's scale.
    pub async fn pass(&self, real: Duration) {
        #[expect(clippy::disallowed_methods, reason = "the one place where the testbed simulates time")]
        tokio::time::sleep(self.scaled(real)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn passing_ten_real_seconds_at_the_fast_scale_takes_one() {
        let before = tokio::time::Instant::now();
        Clock::new(Latency::FAST.factor()).pass(Duration::from_secs(10)).await;
        assert_eq!(before.elapsed().as_millis(), 1000);
    }

    #[test]
    fn a_scale_that_makes_no_sense_waits_for_nothing() {
        for scale in [f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(Clock::new(scale).scaled(Duration::from_secs(1)), Duration::ZERO);
        }
    }

    #[test]
    fn a_duration_too_long_for_the_scale_becomes_the_longest_one() {
        assert_eq!(Clock::new(100.0).scaled(Duration::MAX), Duration::MAX);
    }

    #[test]
    fn latencies_read_back_what_they_print() {
        for text in ["fast", "real", "0.25", "0"] {
            assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_latency_that_is_no_factor_is_refused_with_the_choices() {
        for text in ["slow", "-1", "NaN", "inf", "101", ""] {
            let refused = text.parse::<Latency>().unwrap_err().to_string();
            assert!(refused.contains(&format!("`{text}`")) && refused.contains("`real`"), "{refused}");
        }
    }
}
