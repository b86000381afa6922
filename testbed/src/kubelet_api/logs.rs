//! The logs of containers.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::{error::Refusal, find};
use crate::{
    command::Stream,
    node::Host,
    pod::{Cell, Doing, Line, Log},
};

/// What part of the log is wanted (`PodLogOptions`).
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Options {
    follow: bool,
    previous: bool,
    timestamps: bool,
    tail_lines: Option<u64>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    limit_bytes: Option<usize>,
    stream: Option<String>,
}

/// `GET /containerLogs/{namespace}/{pod}/{container}`.
pub(super) async fn logs(
    State(host): State<Arc<Host>>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(options): Query<Options>,
) -> Response {
    let Some(cell) = find(&host, &namespace, &pod) else {
        return Refusal::NoPodForLogs { name: pod }.into_response();
    };
    match choose(&cell, &pod, &container, options.previous) {
        Ok(log) => {
            let (sender, receiver) = mpsc::channel::<Bytes>(16);
            let writing = AbortOnDropHandle::new(tokio::spawn(write(log, options, sender)));
            let body = futures::stream::unfold((receiver, writing), |(mut receiver, writing)| async move {
                let piece = receiver.recv().await?;
                Some((Ok::<_, std::convert::Infallible>(piece), (receiver, writing)))
            });
            ([(header::CONTENT_TYPE, "text/plain")], Body::from_stream(body)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// The log of the run that is asked for.
fn choose(cell: &Cell, pod: &str, container: &str, previous: bool) -> Result<Arc<Log>, Refusal> {
    let (pod, container) = (pod.to_owned(), container.to_owned());
    let Some(slot) = cell.slot(&container) else { return Err(Refusal::NotValid { container, pod }) };
    cell.read(|state| {
        let record = state.record(slot)?;
        let log = if previous { record.previous_log.clone() } else { record.log.clone() };
        Some(log.ok_or_else(|| match &record.doing {
            _ if previous => None,
            Doing::Waiting { reason, .. } => Some(reason.clone()),
            Doing::Terminated(ended) => Some(ended.reason.clone()),
            Doing::Running { .. } => None,
        }))
    })
    .unwrap_or(Err(None))
    .map_err(|reason| match reason {
        None => Refusal::NoPrevious { container, pod },
        Some(reason) if reason.contains("ImagePull") => {
            Refusal::Waiting { container, pod, reason: "trying and failing to pull image".to_owned() }
        }
        Some(reason) => Refusal::Waiting { container, pod, reason },
    })
}

/// Sends the lines that are there, and with `follow` those that come.
async fn write(log: Arc<Log>, options: Options, sender: mpsc::Sender<Bytes>) {
    let mut progress = log.progress();
    let mut left = options.limit_bytes.unwrap_or(usize::MAX);
    let seconds_ago = |seconds: i64| Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    let since = options.since_time.or_else(|| options.since_seconds.map(seconds_ago));
    let (lines, mut next) = log.since(0);
    let wanted: Vec<_> =
        lines.iter().filter(|line| is_wanted(line, &options) && since.is_none_or(|since| line.at >= since)).collect();
    let tail = options.tail_lines.and_then(|tail| usize::try_from(tail).ok()).unwrap_or(usize::MAX);
    for line in wanted.iter().skip(wanted.len().saturating_sub(tail)) {
        if !send(line, &options, &mut left, &sender).await {
            return;
        }
    }
    if !options.follow {
        return;
    }
    loop {
        let closed = progress.borrow_and_update().closed;
        let (lines, after) = log.since(next);
        next = after;
        for line in lines.iter().filter(|line| is_wanted(line, &options)) {
            if !send(line, &options, &mut left, &sender).await {
                return;
            }
        }
        if closed || progress.changed().await.is_err() {
            return;
        }
    }
}

fn is_wanted(line: &Line, options: &Options) -> bool {
    match options.stream.as_deref() {
        Some("Stdout") => line.stream == Stream::Out,
        Some("Stderr") => line.stream == Stream::Err,
        _ => true,
    }
}

/// Sends one line; says whether more is wanted.
async fn send(line: &Line, options: &Options, left: &mut usize, sender: &mpsc::Sender<Bytes>) -> bool {
    let mut bytes = BytesMut::new();
    if options.timestamps {
        bytes.put_slice(format!("{:.9} ", line.at).as_bytes());
    }
    bytes.put_slice(&line.bytes);
    bytes.truncate(*left);
    *left -= bytes.len();
    let sent = sender.send(bytes.freeze()).await.is_ok();
    sent && *left > 0
}
