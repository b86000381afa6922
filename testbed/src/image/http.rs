//! Serving HTTP/1.1 on connections of the virtual network.

use std::{convert::Infallible, net::SocketAddrV4, sync::Arc};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    header::{HeaderName, HeaderValue},
    service::service_fn,
};
use hyper_util::rt::TokioIo;

use crate::network::{Connection, Handler};

/// An answer, all of it.
pub(super) type Answer = Response<Full<Bytes>>;

/// Answers one request; `peer` is the client as the server sees it.
pub(super) type Respond = Arc<dyn Fn(Request<Incoming>, SocketAddrV4) -> BoxFuture<'static, Answer> + Send + Sync>;

/// A listener that answers every request with `respond`.
pub(super) fn server(respond: Respond) -> Handler {
    Arc::new(move |connection: Connection| -> BoxFuture<'static, ()> {
        let respond = respond.clone();
        async move {
            let peer = connection.peer;
            let service = service_fn(move |request| {
                let answer = respond(request, peer);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .title_case_headers(true)
                .serve_connection(TokioIo::new(connection.stream), service)
                .await;
            if let Err(error) = served {
                tracing::trace!(%error, "connection to a virtual web server");
            }
        }
        .boxed()
    })
}

/// An answer with a body and headers. What cannot be a header is left out.
pub(super) fn answer(status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    answer
}
