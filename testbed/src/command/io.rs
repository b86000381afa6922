//! What a process reads and writes.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Standard output or standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A piece of output on its way to a log or a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// Where it was written to.
    pub(crate) stream: Stream,
    /// What was written.
    pub(crate) bytes: Bytes,
}

/// A place that output goes to.
#[derive(Debug, Clone)]
pub(crate) enum Sink {
    /// On to whoever follows the process; writes after it left are lost, as on a closed pipe.
    Follow(mpsc::UnboundedSender<Chunk>, Stream),
    /// Kept, for pipes, files and substitutions.
    Keep(Arc<Mutex<Vec<u8>>>),
    /// Thrown away.
    Null,
}

impl Sink {
    /// A sink that keeps what is written, for [`Sink::take`].
    pub(crate) fn keeping() -> Self {
        Self::Keep(Arc::default())
    }

    /// Writes `bytes`.
    pub(crate) fn write(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Follow(sender, stream) => {
                let _follower_left = sender.send(Chunk { stream: *stream, bytes: Bytes::copy_from_slice(bytes) });
            }
            Self::Keep(kept) => kept.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes),
            Self::Null => {}
        }
    }

    /// Writes text.
    pub(crate) fn text(&self, text: impl AsRef<str>) {
        self.write(text.as_ref().as_bytes());
    }

    /// What a keeping sink has kept so far; empty for the others.
    pub(crate) fn take(&self) -> Vec<u8> {
        match self {
            Self::Keep(kept) => std::mem::take(&mut kept.lock().unwrap_or_else(PoisonError::into_inner)),
            Self::Follow(..) | Self::Null => Vec::new(),
        }
    }
}

/// Where input comes from.
#[derive(Debug, Clone)]
pub(crate) enum Stdin {
    /// Nothing: at its end from the start.
    Empty,
    /// What a pipe or a file held.
    Held(Arc<Mutex<Option<Bytes>>>),
    /// A client that may still type.
    Client(Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<Bytes>>>),
}

impl Stdin {
    /// Input that is all there.
    pub(crate) fn held(bytes: impl Into<Bytes>) -> Self {
        Self::Held(Arc::new(Mutex::new(Some(bytes.into()))))
    }

    /// Input that a client sends.
    pub(crate) fn client(receiver: mpsc::UnboundedReceiver<Bytes>) -> Self {
        Self::Client(Arc::new(tokio::sync::Mutex::new(receiver)))
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&self) -> Option<Bytes> {
        match self {
            Self::Empty => None,
            Self::Held(bytes) => bytes.lock().unwrap_or_else(PoisonError::into_inner).take(),
            Self::Client(receiver) => receiver.lock().await.recv().await,
        }
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(piece) = self.next().await {
            all.extend_from_slice(&piece);
        }
        all
    }
}

/// The three standard streams of a process.
#[derive(Debug, Clone)]
pub(crate) struct Io {
    /// Standard input.
    pub(crate) stdin: Stdin,
    /// Standard output.
    pub(crate) stdout: Sink,
    /// Standard error.
    pub(crate) stderr: Sink,
}

/// The output of a process as it comes.
pub(crate) type Output = mpsc::UnboundedReceiver<Chunk>;

impl Io {
    /// Streams whose output somebody follows.
    pub(crate) fn followed(stdin: Stdin) -> (Self, Output) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let io = Self {
            stdin,
            stdout: Sink::Follow(sender.clone(), Stream::Out),
            stderr: Sink::Follow(sender, Stream::Err),
        };
        (io, receiver)
    }
}
