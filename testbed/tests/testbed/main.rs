//! The testbed as its users meet it: real processes, a real control plane.
//!
//! One binary, so that the tests which only look share one running testbed
//! ([`help::shared`]).

mod boot;
mod death;
mod download;
mod failing_start;
mod help;
mod standing;
