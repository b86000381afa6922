//! Finds causes: what accounts for results that are not as they should be.
mod finding;
pub use self::finding::{Alternative, Confidence, Finding, Layer};
use crate::event::Record;
/// The findings of a run, deepest first.
#[must_use]
pub fn explain(_records: &[Record]) -> Vec<Finding> {
    Vec::new()
}
