//! What changed between two runs: the question of whoever must decide about a new build.
//!
//! A [`Snapshot`] is what a comparison needs of a run, a tenth of its report.

mod snapshot;

pub use self::snapshot::{Answered, AskedCheck, Cause, PodStart, Snapshot, TargetImage, Trouble};
