//! What was sent to the API server: how much, and what for.
//!
//! The API server decides on a request by its verb and resource. Both are noted
//! here as they are sent, so that the role which `winconform rbac` prints can be
//! held against what a run really asked for.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use http::{Method, Request, Uri};

/// The requests of a cluster's clients, counted and classified. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Sent>);

#[derive(Debug, Default)]
struct Sent {
    count: AtomicU64,
    kinds: Mutex<BTreeSet<String>>,
}

impl Requests {
    /// The number so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// What was asked so far, spelled as [`Permission`](super::Permission)s are: `list nodes`.
    #[must_use]
    pub fn kinds(&self) -> BTreeSet<String> {
        self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note<B>(&self, request: &Request<B>) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        if let Some(kind) = kind(request.method(), request.uri()) {
            let mut kinds = self.0.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            if !kinds.contains(&kind) {
                tracing::debug!(kind, "first request of its kind");
                kinds.insert(kind);
            }
        }
    }
}

/// The verb and the resource of a request, by the rules of the API server
/// (`k8s.io/apiserver/pkg/endpoints/request`); none for paths that are no resource.
fn kind(method: &Method, uri: &Uri) -> Option<String> {
    let parts: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _version, rest @ ..] => ("", rest),
        ["apis", group, _version, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (resource, name, subresource) = match rest {
        ["namespaces", name, sub @ ("status" | "finalize")] => ("namespaces", Some(*name), Some(*sub)),
        ["namespaces", _, resource, rest @ ..] | [resource, rest @ ..] => {
            (*resource, rest.first().copied(), rest.get(1).copied())
        }
        [] => return None,
    };
    let watches =
        || uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true" || pair == "watch=1"));
    let verb = match (method, name) {
        (&Method::GET | &Method::HEAD, Some(_)) => "get",
        (&Method::GET | &Method::HEAD, None) if watches() => "watch",
        (&Method::GET | &Method::HEAD, None) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, Some(_)) => "delete",
        (&Method::DELETE, None) => "deletecollection",
        _ => return None,
    };
    let subresource = subresource.map(|sub| format!("/{sub}")).unwrap_or_default();
    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
    Some(format!("{verb} {resource}{subresource}{group}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_as_the_api_server_authorises_it() {
        let named = |method: &str, path: &str| kind(&method.parse().unwrap(), &path.parse().unwrap());
        for (method, path, expected) in [
            ("GET", "/api/v1/nodes", "list nodes"),
            ("GET", "/api/v1/nodes?watch=true&labelSelector=a", "watch nodes"),
            ("GET", "/api/v1/namespaces/n/pods/p", "get pods"),
            ("GET", "/api/v1/namespaces/n/pods/p/exec?command=a", "get pods/exec"),
            ("POST", "/apis/apps/v1/namespaces/n/deployments", "create deployments.apps"),
            ("PATCH", "/apis/apps/v1/namespaces/n/deployments/d/scale", "patch deployments/scale.apps"),
            ("DELETE", "/api/v1/namespaces/n", "delete namespaces"),
            ("POST", "/api/v1/namespaces", "create namespaces"),
            ("PUT", "/api/v1/namespaces/n/finalize", "update namespaces/finalize"),
            ("DELETE", "/api/v1/namespaces/n/pods", "deletecollection pods"),
        ] {
            assert_eq!(named(method, path).as_deref(), Some(expected), "{method} {path}");
        }
        assert_eq!(named("GET", "/version"), None);
        assert_eq!(named("GET", "/api/v1"), None);
    }
}
