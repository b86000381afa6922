//! Suite `literal`: the guide's manifests exactly as printed (`--literal`).
//!
//! Informing only: it shows, step by step, what this cluster makes of each edition
//! and why. One edition after the other, since they use the same names.

mod guide_1_18;
mod guide_today;
mod steps;
mod unfit;

use winconform_harness::Check;

/// The suite's checks, in report order. They are not among [`crate::all`]: `--literal` asks for them.
pub const CHECKS: &[&Check] = &[&guide_1_18::CHECK, &guide_today::CHECK];
