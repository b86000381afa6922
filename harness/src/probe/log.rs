//! A line of a container's log, and knowing whether the log came at all.
//!
//! A request that nobody answers, and a log that ends in the middle, are the way's
//! trouble. A log that stands open and stays empty is an answer.

use std::{io, pin::pin, time::Duration};

use futures::AsyncBufReadExt;
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::LogParams};
use thiserror::Error;
use tokio::time::{Instant, timeout_at};

use super::{exec::PodRef, transport::Transport};
use crate::{blame::seconds, cluster::ApiError, wait::pause};

/// A log could not be read: the transport's trouble, not the container's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LogError {
    /// The API server or the kubelet would not give it.
    #[error("the log of {pod} on {node} could not be read")]
    Refused {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// What they said.
        #[source]
        error: Box<ApiError>,
    },
    /// Nobody answered the request.
    #[error("the request for the log of {pod} on {node} was not answered within {}", seconds(*limit))]
    Unanswered {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// The limit.
        limit: Duration,
    },
    /// It ended before the container did.
    #[error("the log of {pod} on {node} was lost before its end")]
    Cut {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// What the connection ended with, if with an error.
        #[source]
        error: Option<io::Error>,
    },
}

/// Follows a container's log from its beginning until `read` finds something in a line; nothing
/// where the log stands open and shows no such line within `limit`. A log that is cut is opened again.
pub(crate) async fn find_line<T>(
    client: &Client,
    pod: &PodRef,
    limit: Duration,
    mut transport: Transport,
    mut read: impl FnMut(&str) -> Option<T>,
) -> Result<Option<T>, LogError> {
    let end = Instant::now() + limit;
    loop {
        let from = Instant::now();
        let error = match follow(client, pod, limit, end, &mut read).await {
            Err(error @ (LogError::Refused { .. } | LogError::Cut { .. })) => error,
            found => return found,
        };
        match transport.lost(from.elapsed()) {
            Some(until_next) => pause(until_next).await,
            None => return Err(error),
        }
    }
}

async fn follow<T>(
    client: &Client,
    pod: &PodRef,
    limit: Duration,
    end: Instant,
    read: &mut impl FnMut(&str) -> Option<T>,
) -> Result<Option<T>, LogError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    let params = LogParams { follow: true, container: Some(pod.container.clone()), ..LogParams::default() };
    let (node, named) = (|| pod.node.clone(), || format!("{}/{}", pod.namespace, pod.name));
    let log = timeout_at(end, pods.log_stream(&pod.name, &params))
        .await
        .map_err(|_elapsed| LogError::Unanswered { node: node(), pod: named(), limit })?
        .map_err(|error| LogError::Refused { node: node(), pod: named(), error: Box::new(error.into()) })?;
    let mut log = pin!(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        let cut = |error| LogError::Cut { node: node(), pod: named(), error };
        match timeout_at(end, log.read_until(b'\n', &mut line)).await {
            Err(_elapsed) => return Ok(None),
            Ok(Err(error)) => return Err(cut(Some(error))),
            // The last line of a log that was cut has no end, and may be half a word.
            Ok(Ok(_)) if !line.ends_with(b"\n") => return Err(cut(None)),
            Ok(Ok(_)) => {
                if let Some(found) = read(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n'])) {
                    return Ok(Some(found));
                }
            }
        }
    }
}
