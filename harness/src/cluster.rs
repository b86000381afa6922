//! The cluster as the harness sees it: a counted client and the facts.

mod api_error;
mod client;
mod facts;
mod objects;
mod permissions;
mod windows_build;

pub(crate) use self::objects::{Created, create, create_written, delete, written};
pub use self::{
    api_error::ApiError,
    client::{Cluster, ConnectError, ConnectOptions, RequestCount},
    facts::{Facts, NodeFacts, ObserveError, Os, Taint, Target},
    permissions::{Permission, PermissionError, missing_permissions, required_permissions},
    windows_build::{KernelVersion, Product, product_of},
};
