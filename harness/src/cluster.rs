//! The cluster as the harness sees it: a counted client and the facts.

mod api_error;
mod client;
mod credentials;
mod facts;
mod objects;
mod permissions;
mod proxy;
mod requests;
mod statistics;
mod surroundings;
mod windows_build;

pub use self::{
    api_error::ApiError,
    client::{Cluster, ConnectError, ConnectOptions},
    credentials::CredentialError,
    facts::{BUILD_LABEL, Facts, NodeFacts, ObserveError, Os, Taint, TaintError, Target},
    permissions::{Permission, PermissionError, may, missing_permissions, permissions_of, required_permissions},
    requests::Requests,
    statistics::{METRICS_ASKS, Reading, Sample, Statistics},
    windows_build::{KernelVersion, Product, product_of},
};
pub(crate) use self::{
    objects::{Created, create, create_written, delete, written},
    permissions::sorted,
};
