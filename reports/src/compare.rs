//! What changed between two runs: the question of whoever must decide about a new build.
//!
//! A [`Snapshot`] is what a comparison needs of a run, [`compare`] is a pure function
//! of two of them, and a [`Comparison`] is what text, Markdown, JSON and HTML show.
//!
//! Patch level, runtime and kubelet are what a new build changes, so here they are
//! attributes and not identity: `pairing` says which target stands for which.

mod answers;
mod environment;
pub mod markdown;
mod model;
pub mod page;
mod pairing;
mod read;
mod schema;
mod snapshot;
pub mod text;
mod timings;
mod words;

use self::pairing::Pairing;
pub use self::{
    model::{
        Change, ChangeKind, Comparison, Difference, FailOn, FailOnError, Occasion, Pair, PairedBy, Seen, Side,
        TimingChange, Timings, Unpaired,
    },
    pairing::{AskedPair, AskedPairError, PairingError},
    read::{ReadRun, ReadRunError, read_run},
    schema::json_schema,
    snapshot::{Answered, AskedCheck, Cause, PodStart, Snapshot, TargetImage, Trouble},
    words::changes,
};

/// Compares two runs; `asked` are the pairs of targets that the user names.
///
/// # Errors
///
/// When the user pairs a target that one side does not have, or pairs one twice.
pub fn compare(base: &Snapshot, candidate: &Snapshot, asked: &[AskedPair]) -> Result<Comparison, PairingError> {
    let pairing = Pairing::of(base, candidate, asked)?;
    let told = answers::compare(base, candidate, &pairing);
    let (new, gone) = answers::causes(base, candidate, &pairing);
    Ok(Comparison {
        schema: model::COMPARE_SCHEMA.to_owned(),
        base: Side::of(base),
        candidate: Side::of(candidate),
        environment: environment::compare(base, candidate, &pairing),
        timings: timings::compare(base, candidate, &pairing),
        pairs: pairing.target_pairs(base, candidate),
        node_pairs: pairing.node_pairs_by_place(base, candidate),
        unpaired: pairing.unpaired(base, candidate),
        compared: told.compared,
        same: told.same,
        changes: told.changes,
        findings_new: new,
        findings_gone: gone,
    })
}

#[cfg(test)]
mod tests;
