//! The admission webhook for group managed service accounts.
//!
//! A pod names a credential spec; the webhook checks that its service account may
//! `use` it, and writes the spec's contents into the pod, which is all that a
//! runtime ever sees. Here it is a program of an image like any other: a
//! Deployment of two pods behind a Service, which the API server reaches through
//! the virtual network and which reads the API with its own service account, so
//! faults of pods, of the network and of RBAC hit it as they hit the original.

use crate::command::{Exit, Io, Session};

mod cluster;
mod install;
mod review;
mod server;

pub(crate) use self::install::{InstallError, install};

/// The webhook's name in both of its configurations.
const WEBHOOK: &str = "admission-webhook.windows-gmsa.sigs.k8s.io";

/// Its namespace, Deployment, Service and Secret.
const NAME: &str = "gmsa-webhook";

/// How long the API server waits for a webhook that says nothing of it.
pub(crate) const API_SERVER_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);

/// The names that its certificate speaks for.
pub(crate) const SERVER_NAMES: [&str; 2] =
    ["gmsa-webhook.gmsa-webhook.svc", "gmsa-webhook.gmsa-webhook.svc.cluster.local"];

/// `k8s-gmsa-webhook`: serves until it is stopped.
pub(crate) async fn main(session: &Session, io: &Io) -> Exit {
    match server::serve(session, io).await {
        Ok(never) => match never {},
        Err(error) => {
            io.stderr.text(format!("level=fatal msg=\"{}\"\n", crate::progress::chain(&error)));
            1
        }
    }
}
