//! What a request is about, by the API server's own rules (`request.RequestInfoFactory`).

use http::{Method, Request, header};

use crate::fault::ApiRequest;

/// Reads what a request of `user` is about.
pub(super) fn read<B>(request: &Request<B>, user: &str) -> ApiRequest {
    let agent = request.headers().get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let query = request.uri().query().unwrap_or_default();
    let (agent, user) = (agent.to_owned(), user.to_owned());
    ApiRequest { user_agent: agent, user, ..read_path(request.method(), request.uri().path(), query) }
}

/// Whether a request sends an object as JSON, all at once.
pub(super) fn sends_json<B>(request: &Request<B>) -> bool {
    let header = |name| request.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let json = header(header::CONTENT_TYPE).is_some_and(|kind| kind.contains("json"));
    json && header(header::UPGRADE).is_none()
}

fn read_path(method: &Method, path: &str, query: &str) -> ApiRequest {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rest = match parts.as_slice() {
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] if !rest.is_empty() => rest,
        _ => {
            let verb = method.as_str().to_ascii_lowercase();
            return ApiRequest { verb, resource: path.to_owned(), ..ApiRequest::default() };
        }
    };
    let (namespace, rest) = match rest {
        // A namespace's own subresources.
        ["namespaces", _, "status" | "finalize"] => ("", rest),
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        _ => ("", rest),
    };
    let resource = rest.first().copied().unwrap_or_default();
    let name = rest.get(1).copied().unwrap_or_default();
    let sub = rest.get(2).copied();
    let watches = query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
    let verb = match (method, name.is_empty()) {
        (&Method::GET | &Method::HEAD, _) if watches => "watch",
        (&Method::GET | &Method::HEAD, true) => "list",
        (&Method::GET | &Method::HEAD, false) => "get",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "deletecollection",
        (&Method::DELETE, false) => "delete",
        _ => "",
    };
    ApiRequest {
        verb: verb.to_owned(),
        resource: sub.map_or_else(|| resource.to_owned(), |sub| format!("{resource}/{sub}")),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..ApiRequest::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(method: &str, path: &str, query: &str) -> [String; 4] {
        let read = read_path(&method.parse().unwrap(), path, query);
        [read.verb, read.resource, read.namespace, read.name]
    }

    #[test]
    fn requests_are_about_what_the_api_server_says_they_are_about() {
        let cases = [
            ("GET", "/api/v1/nodes", "", ["list", "nodes", "", ""]),
            ("GET", "/api/v1/pods", "labelSelector=a&watch=true", ["watch", "pods", "", ""]),
            ("GET", "/api/v1/namespaces/shop/pods/web-0", "", ["get", "pods", "shop", "web-0"]),
            ("POST", "/api/v1/namespaces/shop/pods/web-0/exec", "command=x", ["create", "pods/exec", "shop", "web-0"]),
            ("POST", "/apis/apps/v1/namespaces/shop/deployments", "", ["create", "deployments", "shop", ""]),
            (
                "PATCH",
                "/apis/apps/v1/namespaces/shop/deployments/web/scale",
                "",
                ["patch", "deployments/scale", "shop", "web"],
            ),
            ("DELETE", "/api/v1/namespaces/shop", "", ["delete", "namespaces", "", "shop"]),
            ("PUT", "/api/v1/namespaces/shop/finalize", "", ["update", "namespaces/finalize", "", "shop"]),
            ("DELETE", "/api/v1/namespaces/shop/pods", "", ["deletecollection", "pods", "shop", ""]),
            ("GET", "/readyz", "", ["get", "/readyz", "", ""]),
            ("GET", "/apis/apps/v1", "", ["get", "/apis/apps/v1", "", ""]),
            ("GET", "/", "", ["get", "/", "", ""]),
        ];
        for (method, path, query, expected) in cases {
            assert_eq!(about(method, path, query), expected, "{method} {path}?{query}");
        }
    }
}
