//! The testbed's side of the control socket.

use std::{path::Path, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
};
use tokio_util::sync::CancellationToken;

use super::{ControlError, MAX_LINE, Request, Response, Status};
use crate::fault::FaultBoard;

/// How long to leave a socket alone that cannot accept.
const BREATH: Duration = Duration::from_millis(100);

/// What the control socket can ask of a testbed, besides faults.
pub trait Handlers: Send + Sync + 'static {
    /// What is running. The server fills in the names of the faults itself.
    fn status(&self) -> Status;
    /// Make the testbed what it was when this was asked first; faults are healed already.
    fn reset(&self) -> BoxFuture<'static, Result<(), String>>;
    /// Somebody still uses the testbed.
    fn touch(&self);
    /// End the testbed; returns at once.
    fn stop(&self);
}

/// Opens the socket at `path`, in place of one that a dead testbed left there, and answers on it until `cancel`.
///
/// The socket is open when this returns; the answering goes on in a task of its own.
///
/// # Errors
///
/// When the socket cannot be opened.
pub async fn serve(
    path: &Path,
    faults: FaultBoard,
    handlers: Arc<impl Handlers>,
    cancel: CancellationToken,
) -> Result<(), ControlError> {
    let open = |source| ControlError::Open { path: path.to_owned(), source };
    match tokio::fs::remove_file(path).await {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => return Err(open(source)),
        _ => {}
    }
    let listener = UnixListener::bind(path).map_err(open)?;
    let path = path.to_owned();
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = cancel.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let (faults, handlers, cancel) = (faults.clone(), Arc::clone(&handlers), cancel.clone());
                    tokio::spawn(async move {
                        tokio::select! {
                            () = cancel.cancelled() => {}
                            lost = converse(stream, &faults, &*handlers) => {
                                if let Err(error) = lost {
                                    tracing::debug!(%error, "a control connection was lost");
                                }
                            }
                        }
                    });
                }
                // Out of file descriptors, most likely: do not spin until others are closed.
                Err(error) => {
                    tracing::warn!(%error, "the control socket accepted no connection");
                    let _ = tokio::time::timeout(BREATH, cancel.cancelled()).await;
                }
            }
        }
        if let Err(error) = tokio::fs::remove_file(&path).await {
            tracing::debug!(%error, path = %path.display(), "the control socket's file stays behind");
        }
    });
    Ok(())
}

async fn converse(stream: UnixStream, faults: &FaultBoard, handlers: &impl Handlers) -> std::io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = MAX_LINE as u64 + 1;
        if (&mut read).take(limit).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let too_long = line.len() > MAX_LINE;
        let response = if too_long {
            Response::Error(format!("a request has at most {MAX_LINE} bytes"))
        } else {
            match parse(&line) {
                Ok(request) => answer(request, faults, handlers).await,
                Err(reason) => Response::Error(reason),
            }
        };
        let mut said = serde_json::to_vec(&response)?;
        said.push(b'\n');
        write.write_all(&said).await?;
        if too_long {
            return Ok(()); // the rest of the line is no request
        }
    }
}

/// The request on one line, or what is wrong with it.
pub(super) fn parse(line: &[u8]) -> Result<Request, String> {
    serde_json::from_slice(line).map_err(|error| format!("the request was not understood: {error}"))
}

async fn answer(request: Request, faults: &FaultBoard, handlers: &impl Handlers) -> Response {
    match request {
        Request::Status => Response::Status(Box::new(Status { faults: faults.names(), ..handlers.status() })),
        Request::Inject(fault) if fault.needs_api_front() && !handlers.status().api_front => Response::Error(
            "an `api` effect needs a testbed that was started with --api-front: this one's clients go straight to its API \
             server"
                .to_owned(),
        ),
        Request::Inject(fault) => match fault.check() {
            Ok(()) => {
                faults.inject(*fault);
                faults.until_taken_up().await;
                Response::Done
            }
            Err(error) => Response::Error(error.to_string()),
        },
        Request::Heal(Some(name)) if !faults.names().contains(&name) => {
            Response::Error(format!("the fault `{name}` is not in force"))
        }
        Request::Heal(name) => {
            let counters = faults.heal(name.as_deref());
            faults.until_taken_up().await;
            Response::Counters(counters)
        }
        Request::Counters => Response::Counters(faults.counters()),
        Request::Reset => {
            drop(faults.heal(None));
            faults.until_taken_up().await;
            match handlers.reset().await {
                Ok(()) => Response::Done,
                Err(reason) => Response::Error(reason),
            }
        }
        Request::Touch => {
            handlers.touch();
            Response::Done
        }
        Request::Stop => {
            handlers.stop();
            Response::Done
        }
    }
}
