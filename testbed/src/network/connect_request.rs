//! The head of a request to an HTTP proxy.

use std::fmt::Write as _;

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The longest head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// What a client asks of a proxy.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProxyRequest {
    /// The host to connect to: an address or a name.
    pub(super) host: String,
    /// Its port.
    pub(super) port: u16,
    /// What to send there first: for CONNECT whatever the client sent early, otherwise the request itself.
    pub(super) first_bytes: Vec<u8>,
    /// Whether the client awaits the proxy's own answer (CONNECT).
    pub(super) tunnel: bool,
}

/// The bytes are not a request to a proxy.
#[derive(Debug, Error)]
pub(super) enum HeadError {
    /// The client is gone, or never finished the head.
    #[error("the client went away within the request's head")]
    Lost {
        /// How.
        source: std::io::Error,
    },
    /// It is not understood.
    #[error("{0}")]
    Bad(&'static str),
}

/// Reads a request's head, and no more than the client sent with it.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<ProxyRequest, HeadError> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        let read = stream.read_buf(&mut bytes).await.map_err(|source| HeadError::Lost { source })?;
        if let Some(end) = find(&bytes, b"\r\n\r\n") {
            return parse(&bytes[..end], &bytes[end + 4..]);
        }
        if read == 0 {
            return Err(HeadError::Lost { source: std::io::ErrorKind::UnexpectedEof.into() });
        }
        if bytes.len() > MAX_HEAD {
            return Err(HeadError::Bad("the request's head is too long"));
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Parses a head without its final empty line, followed by what came after it.
pub(super) fn parse(head: &[u8], rest: &[u8]) -> Result<ProxyRequest, HeadError> {
    let head = std::str::from_utf8(head).map_err(|_not_text| HeadError::Bad("the request's head is not text"))?;
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(HeadError::Bad("the request line does not have three words"));
    };
    if !version.starts_with("HTTP/1.") {
        return Err(HeadError::Bad("the request is not HTTP/1"));
    }
    if method == "CONNECT" {
        let (host, port) = authority(target, None)?;
        return Ok(ProxyRequest { host, port, first_bytes: rest.to_vec(), tunnel: true });
    }
    let Some(url) = target.strip_prefix("http://") else {
        return Err(HeadError::Bad("this is a proxy: it takes CONNECT requests and http:// URLs"));
    };
    let (place, path) = url.split_at(url.find('/').unwrap_or(url.len()));
    let (host, port) = authority(place, Some(80))?;
    let path = if path.is_empty() { "/" } else { path };
    // One request per connection, since the next one may be for another host.
    let mut first = format!("{method} {path} {version}\r\n");
    for line in lines {
        let name = line.split(':').next().unwrap_or_default().trim();
        let ours = ["connection", "proxy-connection", "proxy-authorization", "keep-alive"];
        if !ours.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            let _ = write!(first, "{line}\r\n");
        }
    }
    first.push_str("Connection: close\r\n\r\n");
    let mut first_bytes = first.into_bytes();
    first_bytes.extend_from_slice(rest);
    Ok(ProxyRequest { host, port, first_bytes, tunnel: false })
}

fn authority(text: &str, default_port: Option<u16>) -> Result<(String, u16), HeadError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (text, default_port),
    };
    match port {
        Some(port) if !host.is_empty() => Ok((host.to_owned(), port)),
        _ => Err(HeadError::Bad("the request does not name a host and a port")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_connect_request_names_a_host_and_a_port() {
        let request = parse(b"CONNECT 10.244.0.5:80 HTTP/1.1\r\nHost: 127.0.0.1", b"early").unwrap();
        let expected =
            ProxyRequest { host: "10.244.0.5".into(), port: 80, first_bytes: b"early".to_vec(), tunnel: true };
        assert_eq!(request, expected);
    }

    #[test]
    fn a_url_is_turned_into_the_request_that_its_server_expects() {
        let head =
            b"GET http://10.240.0.10:30080/x?y=1 HTTP/1.1\r\nHost: 10.240.0.10:30080\r\nProxy-Connection: keep-alive";
        let request = parse(head, b"").unwrap();
        assert_eq!((request.host.as_str(), request.port, request.tunnel), ("10.240.0.10", 30080, false));
        assert_eq!(
            String::from_utf8(request.first_bytes).unwrap(),
            "GET /x?y=1 HTTP/1.1\r\nHost: 10.240.0.10:30080\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(parse(b"GET http://a HTTP/1.1", b"").unwrap().port, 80);
    }

    #[test]
    fn what_is_no_request_to_a_proxy_is_refused() {
        let bad: [&[u8]; 8] = [
            b"",
            b"GET / HTTP/1.1",
            b"CONNECT 10.0.0.1 HTTP/1.1",
            b"CONNECT :80 HTTP/1.1",
            b"CONNECT a:99999 HTTP/1.1",
            b"CONNECT a:1 HTTP/2",
            b"CONNECT a:1",
            b"\xff\xfe",
        ];
        for head in bad {
            assert!(parse(head, b"").is_err(), "{}", String::from_utf8_lossy(head));
        }
    }

    #[tokio::test]
    async fn an_endless_head_is_refused() {
        let endless = vec![b'a'; MAX_HEAD * 2];
        assert!(matches!(read(&mut endless.as_slice()).await, Err(HeadError::Bad(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(head in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&head, b"");
        }

        #[test]
        fn no_request_line_makes_the_parser_panic(
            method in "CONNECT|GET|[A-Z]{0,5}", target in "(http://)?[a-z0-9:./\\[\\]é]{0,20}", rest in "( HTTP/1\\.1)?(\r\n.{0,9}){0,3}"
        ) {
            let _ = parse(format!("{method} {target}{rest}").as_bytes(), b"");
        }

        #[test]
        fn every_host_and_port_comes_through(host in "[a-z0-9.-]{1,20}", port: u16) {
            let request = parse(format!("CONNECT {host}:{port} HTTP/1.1").as_bytes(), b"").unwrap();
            prop_assert_eq!((request.host, request.port), (host, port));
        }
    }
}
