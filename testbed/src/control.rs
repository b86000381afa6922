//! The control socket: how other processes look at a testbed, and put faults into it.
//!
//! One JSON value per line over a Unix socket: a [`Request`], then its
//! [`Response`]. What is not understood is answered with an error, and the
//! connection goes on.

use std::path::PathBuf;

use thiserror::Error;

pub use self::{
    client::Client,
    protocol::{NodeStatus, Request, Response, Status},
    server::{Handlers, serve},
};

mod client;
mod protocol;
mod server;
#[cfg(test)]
mod tests;

/// The longest request, in bytes: far more than any fault needs.
const MAX_LINE: usize = 1 << 20;

/// The control socket could not be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The socket could not be opened.
    #[error("the control socket {path} could not be opened", path = .path.display())]
    Open {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No testbed listens there.
    #[error("no testbed answers at the control socket {path}", path = .path.display())]
    Connect {
        /// The socket's file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the testbed closed its control connection")]
    Lost {
        /// How.
        source: std::io::Error,
    },
    /// The other side does not speak this protocol.
    #[error("the testbed's answer was not understood")]
    Answer {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The testbed said no.
    #[error("the testbed refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// The testbed answered another question.
    #[error("the testbed answered another question than the one it was asked")]
    Unexpected,
}
