//! The other side of the control socket.

use std::path::Path;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{ControlError, Request, Response, Status};
use crate::fault::{Counter, Fault};

/// A connection to a testbed's control socket.
#[derive(Debug)]
pub struct Client {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Client {
    /// Connects to the control socket at `path`.
    ///
    /// # Errors
    ///
    /// When nothing listens there.
    pub async fn connect(path: &Path) -> Result<Self, ControlError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| ControlError::Connect { path: path.to_owned(), source })?;
        let (read, write) = stream.into_split();
        Ok(Self { read: BufReader::new(read), write })
    }

    /// Asks for what is running.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn status(&mut self) -> Result<Status, ControlError> {
        match self.ask(&Request::Status).await? {
            Response::Status(status) => Ok(*status),
            other => Err(unexpected(other)),
        }
    }

    /// Puts a fault into force, in place of one of the same name.
    ///
    /// # Errors
    ///
    /// When the testbed refuses it, and as [`ask`](Self::ask).
    pub async fn inject(&mut self, fault: Fault) -> Result<(), ControlError> {
        self.done(&Request::Inject(Box::new(fault))).await
    }

    /// Takes a fault out of force, or all of them, and gives back what they counted.
    ///
    /// # Errors
    ///
    /// When the fault is not in force, and as [`ask`](Self::ask).
    pub async fn heal(&mut self, name: Option<&str>) -> Result<Vec<Counter>, ControlError> {
        self.counts(&Request::Heal(name.map(str::to_owned))).await
    }

    /// How often the effects in force were considered and applied.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn counters(&mut self) -> Result<Vec<Counter>, ControlError> {
        self.counts(&Request::Counters).await
    }

    /// Makes the testbed what it was when this was asked first.
    ///
    /// # Errors
    ///
    /// When it kept something, and as [`ask`](Self::ask).
    pub async fn reset(&mut self) -> Result<(), ControlError> {
        self.done(&Request::Reset).await
    }

    /// Says that somebody still uses the testbed.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn touch(&mut self) -> Result<(), ControlError> {
        self.done(&Request::Touch).await
    }

    /// Ends the testbed; it may still be ending when this returns.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub async fn stop(&mut self) -> Result<(), ControlError> {
        self.done(&Request::Stop).await
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    ///
    /// When the connection is lost or the answer makes no sense. A [`Response::Error`] is an answer.
    pub async fn ask(&mut self, request: &Request) -> Result<Response, ControlError> {
        let mut line = serde_json::to_vec(request).map_err(|source| ControlError::Answer { source })?;
        line.push(b'\n');
        self.write.write_all(&line).await.map_err(|source| ControlError::Lost { source })?;
        line.clear();
        let read = self.read.read_until(b'\n', &mut line).await.map_err(|source| ControlError::Lost { source })?;
        if read == 0 {
            return Err(ControlError::Lost { source: std::io::ErrorKind::UnexpectedEof.into() });
        }
        serde_json::from_slice(&line).map_err(|source| ControlError::Answer { source })
    }

    async fn done(&mut self, request: &Request) -> Result<(), ControlError> {
        match self.ask(request).await? {
            Response::Done => Ok(()),
            other => Err(unexpected(other)),
        }
    }

    async fn counts(&mut self, request: &Request) -> Result<Vec<Counter>, ControlError> {
        match self.ask(request).await? {
            Response::Counters(counters) => Ok(counters),
            other => Err(unexpected(other)),
        }
    }
}

fn unexpected(response: Response) -> ControlError {
    match response {
        Response::Error(reason) => ControlError::Refused { reason },
        Response::Status(_) | Response::Counters(_) | Response::Done => ControlError::Unexpected,
    }
}
