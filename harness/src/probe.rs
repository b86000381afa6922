//! Asking from inside the cluster: commands run by exec, and connections tried
//! from a vantage to a destination.
//!
//! A probe's outcome keeps *transport* (did our exec run and come back whole?)
//! apart from *answer* (open with this body, refused, timed out). A lost
//! transport is never an answer.

mod exec;
mod http;
mod judge;
mod outside;
mod script;
mod transfer;
mod transport;

pub(crate) use self::{exec::ASKS as EXEC_ASKS, transport::Transport};
pub use self::{
    exec::{ExecError, Output, PodRef, exec},
    http::{Aim, Expect, HttpProbe, Probed},
    judge::{judge, sum_of},
    outside::{OutsideError, Proxy, probe_outside},
    script::Shell,
    transfer::{Outcome, Transfer},
};
