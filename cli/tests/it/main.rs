//! The command as users type it, the runner under fake checks, and the house's own rules.
//!
//! One binary: the tests share one standing testbed, which ends with this process.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the verdict")]

mod access;
mod bad_input;
mod bench;
mod command;
mod comparing;
mod containers;
mod credentials;
mod defects;
mod documents;
mod environment;
mod house;
mod in_cluster;
mod interrupted;
mod joining;
mod literal;
mod permissions;
mod planted;
mod preparing;
mod run_on_testbed;
mod runner;
mod shapes;
mod standing;
mod testbed_commands;
mod transport;
mod troubled_api;
mod without_a_cluster;
mod workflows;
