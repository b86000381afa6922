//! Asking from inside the cluster: commands run by exec, and connections tried
//! from a vantage to a destination.
//!
//! A probe's outcome keeps *transport* (did our exec run and come back whole?)
//! apart from *answer* (open with this body, refused, timed out). A lost
//! transport is never an answer.

mod crowd;
mod dns;
mod exec;
mod host_port;
mod http;
mod judge;
mod line;
mod linux;
mod log;
mod outside;
mod ping;
mod script;
mod silence;
mod transfer;
mod transport;
pub mod windows;

pub(crate) use self::{
    crowd::Crowds,
    exec::ASKS as EXEC_ASKS,
    line::Line,
    log::find_line,
    silence::{Admission, Silence},
    transport::Transport,
};
pub use self::{
    dns::{Lookup, NameProbe, Question, Resolver, is_name},
    exec::{ExecError, Limits, Output, PodRef, exec},
    host_port::{HostPort, HostPortError},
    http::{Aim, Expect, HttpProbe, Probed},
    judge::{judge, sum_of},
    log::LogError,
    outside::{OutsideError, Proxy, probe_outside},
    ping::{PingProbe, Pinged},
    script::Shell,
    transfer::{Outcome, Transfer},
};
