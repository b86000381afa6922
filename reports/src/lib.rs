//! Turns what happened in a run into reports, without knowing a cluster.
//!
//! # The nouns
//!
//! * An [`Event`] is anything worth reporting; a [`Record`] is one with its time.
//! * The log (`events.ndjson`) is the only source; every report is a projection of it.
//! * A [`Verdict`] is a fact; a [`Disposition`] is what the user's [`Policy`] makes of it.
//! * A finding is a cause that accounts for one or more failed checks.
//!
//! # What this crate does not do
//!
//! It asks no cluster and knows no type of Kubernetes: a report made from a log
//! found in an archive is the same, byte for byte, as the one made on the day.

pub mod chain;
pub mod clean;
pub mod disposition;
pub mod event;
pub mod explain;
pub mod id;
pub mod junit;
pub mod log;
pub mod report;
pub mod text;
pub mod verdict;
pub mod write;

#[cfg(test)]
mod tests;

pub use self::{
    chain::Chain,
    disposition::{Disposition, Policy, RunResult},
    event::{Event, Record},
    explain::Finding,
    id::{CheckId, Place, ResultId},
    log::{LogWriter, read_log},
    report::Report,
    verdict::{Level, Verdict, VerdictKind},
};
