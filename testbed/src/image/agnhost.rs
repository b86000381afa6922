//! `agnhost`, the Kubernetes project's test program: `pause` and `netexec`.

use std::{net::SocketAddrV4, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::FutureExt;
use http_body_util::{BodyExt, Limited};
use hyper::{Request, body::Incoming};

use super::http::{self, Answer};
use crate::command::{Exit, Io, Session};

/// How long the program needs before it listens.
const BEFORE_LISTENING: Duration = Duration::from_millis(300);
/// How much of a request's body is echoed.
const LONGEST_BODY: usize = 1 << 20;

/// The program; its first argument says which of its parts.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    match arguments.first().map(String::as_str) {
        Some("pause") => {
            io.stdout.text("Paused\n");
            std::future::pending().await
        }
        Some("netexec") => netexec(session, arguments, io).await,
        Some("help" | "--help") | None => {
            io.stdout.text("Usage:\n  app [command]\n\nAvailable Commands:\n  netexec\n  pause\n");
            0
        }
        Some(other) => {
            io.stderr.text(format!("Error: unknown command \"{other}\" for \"app\"\nRun 'app --help' for usage.\n"));
            1
        }
    }
}

/// The value of `--name=value` or `--name value`.
fn option<'a>(arguments: &'a [String], name: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|argument| {
        argument.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    })?;
    match arguments.get(at)?.split_once('=') {
        Some((_, value)) => Some(value),
        None => arguments.get(at + 1).map(String::as_str),
    }
}

async fn netexec(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let port = match option(arguments, "--http-port").map(str::parse).transpose() {
        Ok(port) => port.unwrap_or(8080),
        Err(error) => {
            io.stderr.text(format!("Error: invalid argument for \"--http-port\" flag: {error}\n"));
            return 1;
        }
    };
    session.clock.pass(BEFORE_LISTENING).await;
    let (host_name, log) = (session.host_name.clone(), io.stdout.clone());
    let respond: http::Respond = Arc::new(move |request: Request<Incoming>, client| {
        let (host_name, log) = (host_name.clone(), log.clone());
        async move {
            log.text(format!("{} {} {}\n", request.method(), request.uri(), client));
            answer(request, client, &host_name).await
        }
        .boxed()
    });
    let _open = session.link.listen(port, http::server(respond));
    io.stdout.text(format!("Started HTTP server on port {port}\n"));
    std::future::pending().await
}

async fn answer(request: Request<Incoming>, client: SocketAddrV4, host_name: &str) -> Answer {
    const TEXT: &[(&str, &str)] = &[("content-type", "text/plain; charset=utf-8")];
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/" => http::answer(200, TEXT, format!("NOW: {}", jiff::Timestamp::now())),
        "/hostname" | "/hostName" => http::answer(200, TEXT, host_name.to_owned()),
        "/clientip" => http::answer(200, TEXT, client.to_string()),
        "/healthz" => http::answer(200, TEXT, Bytes::new()),
        "/header" => {
            let key = parameter(&request, "key").unwrap_or_default();
            let value = request.headers().get(&key).and_then(|value| value.to_str().ok()).unwrap_or_default();
            http::answer(200, TEXT, value.to_owned())
        }
        "/echo" => {
            let status = parameter(&request, "code").and_then(|code| code.parse().ok()).unwrap_or(200);
            match parameter(&request, "msg") {
                Some(message) => http::answer(status, TEXT, message),
                None => match Limited::new(request.into_body(), LONGEST_BODY).collect().await {
                    Ok(body) => http::answer(status, TEXT, body.to_bytes()),
                    Err(_too_long) => http::answer(413, TEXT, Bytes::new()),
                },
            }
        }
        _ => http::answer(404, TEXT, "404 page not found\n"),
    }
}

/// A parameter of the request's query, decoded.
fn parameter(request: &Request<Incoming>, name: &str) -> Option<String> {
    let query = request.uri().query()?;
    let raw = query.split('&').find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))?.1;
    Some(decode(raw))
}

/// Undoes percent-encoding.
fn decode(raw: &str) -> String {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail.get(..2).filter(|_| first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_in_both_spellings() {
        let words = |text: &str| text.split(' ').map(ToOwned::to_owned).collect::<Vec<_>>();
        assert_eq!(option(&words("netexec --http-port=81"), "--http-port"), Some("81"));
        assert_eq!(option(&words("netexec --http-port 82"), "--http-port"), Some("82"));
        assert_eq!(option(&words("netexec --http-port"), "--http-port"), None);
        assert_eq!(option(&words("netexec --http-port-x=1"), "--http-port"), None);
    }

    #[test]
    fn percent_encoding_is_undone_and_broken_encoding_kept() {
        assert_eq!(decode("a%20b+c%zz%4"), "a b c%zz%4");
    }
}
