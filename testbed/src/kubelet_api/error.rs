//! Refusals, in the kubelet's words.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use thiserror::Error;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    /// No client certificate, or not the API server's.
    #[error("Unauthorized")]
    Unauthorized,
    /// exec and port-forward in a pod that is not here.
    #[error("pod does not exist")]
    NoPod,
    /// Logs of a pod that is not here.
    #[error("pod \"{name}\" does not exist")]
    NoPodForLogs {
        /// Its name.
        name: String,
    },
    /// The pod has no such container, or it does not run.
    #[error("container not found (\"{name}\")")]
    NoContainer {
        /// Its name.
        name: String,
    },
    /// The pod has no such container.
    #[error("container {container} is not valid for pod {pod}")]
    NotValid {
        /// The container's name.
        container: String,
        /// The pod's name.
        pod: String,
    },
    /// There is no log yet.
    #[error("container \"{container}\" in pod \"{pod}\" is waiting to start: {reason}")]
    Waiting {
        /// The container's name.
        container: String,
        /// The pod's name.
        pod: String,
        /// What it waits for.
        reason: String,
    },
    /// There was no earlier run.
    #[error("previous terminated container \"{container}\" in pod \"{pod}\" not found")]
    NoPrevious {
        /// The container's name.
        container: String,
        /// The pod's name.
        pod: String,
    },
    /// The request makes no sense.
    #[error("{text}")]
    Bad {
        /// What is wrong with it.
        text: String,
    },
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NoPod | Self::NoPodForLogs { .. } | Self::NoContainer { .. } => StatusCode::NOT_FOUND,
            Self::NotValid { .. } | Self::Waiting { .. } | Self::NoPrevious { .. } | Self::Bad { .. } => {
                StatusCode::BAD_REQUEST
            }
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}
