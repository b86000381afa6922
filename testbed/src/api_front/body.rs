//! The answers that are still under way when a fault begins: watches.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Empty, combinators::UnsyncBoxBody};
use hyper::body::{Frame, Incoming};
use serde_json::json;
use thiserror::Error;

use crate::fault::{ApiEffect, ApiRequest, FaultBoard, Loss, WatchLoss};

/// An answer on its way to the client.
pub(super) type Body = UnsyncBoxBody<Bytes, BodyError>;

/// Why an answer broke off.
#[derive(Debug, Error)]
pub(super) enum BodyError {
    /// The API server's own did.
    #[error("the API server's answer broke off")]
    Upstream(#[from] hyper::Error),
    /// A fault wants it.
    #[error("a fault cuts the answer")]
    Cut(#[source] io::Error),
}

/// No answer at all.
pub(super) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// A watch, which a fault may end or silence at any time.
pub(super) struct Watched {
    upstream: Option<Incoming>,
    /// Tells of every change of the faults in force, the present state first.
    changes: futures::stream::BoxStream<'static, ()>,
    faults: FaultBoard,
    asked: ApiRequest,
    silent: bool,
}

impl Watched {
    pub(super) fn new(upstream: Incoming, faults: FaultBoard, asked: ApiRequest) -> Self {
        let changed = faults.changed();
        let changes = futures::stream::unfold((changed, true), |(mut changed, first)| async move {
            if !first && changed.changed().await.is_err() {
                return None;
            }
            changed.borrow_and_update();
            Some(((), (changed, false)))
        });
        Self { upstream: Some(upstream), changes: changes.boxed(), faults, asked, silent: false }
    }

    /// What the faults in force make of the watch; the last frame, where it ends now.
    fn rule(&mut self) -> Option<Option<Result<Frame<Bytes>, BodyError>>> {
        self.silent = false;
        let (effect, mark) = self.faults.api(&self.asked, true)?;
        let last = match effect {
            ApiEffect { connection: Some(Loss::Cut), .. } => {
                Some(Err(BodyError::Cut(io::ErrorKind::ConnectionReset.into())))
            }
            ApiEffect { watch: Some(WatchLoss::Gone), .. } => Some(Ok(Frame::data(gone()))),
            ApiEffect { watch: Some(WatchLoss::Ends), .. } => None,
            ApiEffect { watch: Some(WatchLoss::Silent), .. } => {
                self.silent = true;
                self.faults.applied(mark);
                return None;
            }
            _ => return None,
        };
        self.faults.applied(mark);
        self.upstream = None;
        Some(last)
    }
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.upstream.is_none() {
            return Poll::Ready(None);
        }
        while let Poll::Ready(Some(())) = self.changes.poll_next_unpin(context) {
            if let Some(last) = self.rule() {
                return Poll::Ready(last);
            }
        }
        loop {
            let Some(upstream) = self.upstream.as_mut() else { return Poll::Ready(None) };
            let frame = match Pin::new(upstream).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame,
            };
            match frame {
                Some(Ok(_)) if self.silent => {} // never told
                other => return Poll::Ready(other.map(|frame| frame.map_err(BodyError::from))),
            }
        }
    }
}

/// The event with which the API server ends a watch that is too far behind.
fn gone() -> Bytes {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "The resourceVersion for the provided watch is too old.", "reason": "Expired", "code": 410,
    });
    Bytes::from(format!("{}\n", json!({"type": "ERROR", "object": status})))
}
