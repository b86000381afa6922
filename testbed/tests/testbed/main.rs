//! The testbed as its users meet it: real processes, a real control plane.
//!
//! One binary, so that the tests which only look share one running testbed
//! ([`help::shared`]).

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "what only tests call is not seen as a test by the lint")]

mod boot;
mod death;
mod download;
mod failing_start;
mod faults;
mod gmsa;
mod help;
mod hosts;
mod kubelet;
mod pods;
mod shapes;
mod standing;
mod workload;
