//! Runs conformance checks against one Kubernetes cluster and says what it saw.
//!
//! # The nouns
//!
//! * A [`Check`] is one question about a cluster.
//! * A [`Fixture`] is a set of objects that several checks share and only read.
//! * A [`Context`] is what a check may touch.
//! * A probe is one connection attempt from a vantage to a destination; its
//!   transport is kept apart from its answer.
//! * A [`Run`] plans checks over the cluster's targets, starts all fixtures at
//!   once, asks, judges, collects evidence, and cleans up.
//!
//! # What this crate does not do
//!
//! It knows no particular check (those are in `winconform-suites`), writes no
//! report (`winconform-reports` does), and starts no cluster.

pub mod blame;
pub mod budgets;
pub mod check;
pub mod cluster;
pub mod context;
pub mod image;
pub mod journal;
pub mod need;
pub mod observer;
pub mod placement;
pub mod probe;
pub mod run;
pub mod settings;
pub mod wait;

pub use self::{
    blame::Trouble,
    budgets::{Budget, Budgets},
    check::{Answer, Check, Claims, Explain, Extent, Failure, Fixture, Scope, Spread, Stage, Use},
    cluster::{Cluster, Facts},
    context::{Admission, Context, Scheduling},
    need::Need,
    run::{Run, RunOptions},
    settings::Settings,
};
