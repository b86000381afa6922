//! Connections from where winconform runs, directly or through a proxy.

use std::{io, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::Request;
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use winconform_reports::event::{Cell, Vantage};

use super::{
    http::{Aim, Expect, Probed, count},
    transfer::{Outcome, Transfer},
};

/// An HTTP proxy that opens connections for us (`--outside-proxy host:port`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    address: String,
}

/// The text names no proxy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no proxy; write it as host:port or http://host:port")]
pub struct OutsideError(String);

impl std::str::FromStr for Proxy {
    type Err = OutsideError;

    fn from_str(text: &str) -> Result<Self, OutsideError> {
        let refused = || OutsideError(text.to_owned());
        let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let (host, port) = address.rsplit_once(':').ok_or_else(refused)?;
        if host.is_empty() || host.contains("//") || port.parse::<u16>().is_err() {
            return Err(refused());
        }
        Ok(Self { address: address.to_owned() })
    }
}

/// Tries `connections` fresh connections to `aim`, one after the other.
///
/// With `settle`, the first answer is waited for that long before the count begins.
pub async fn probe_outside(
    proxy: Option<&Proxy>,
    aim: &Aim,
    expect: &Expect,
    connections: u32,
    limit: Duration,
    settle: Option<Duration>,
    nonce: &str,
) -> Probed {
    let address = aim.address().to_owned();
    let mut cell = Cell::untried(Vantage::Outside, None, aim.destination, address, aim.node.clone());
    let started = Instant::now();
    let mut settled = None;
    if let Some(budget) = settle {
        let mut wait = Duration::from_millis(100);
        loop {
            let first = one(proxy, aim, &format!("{nonce}-s"), limit).await;
            if matches!(first.outcome, Outcome::Answered { .. }) {
                settled = Some(started.elapsed());
                break;
            }
            if started.elapsed() + wait > budget {
                count(&mut cell, expect, &first);
                return Probed { cell, transfers: vec![first], settled: None, nonce: nonce.to_owned() };
            }
            crate::wait::pause(wait).await;
            wait = (wait * 2).min(Duration::from_secs(2));
        }
    }
    let mut transfers = Vec::new();
    for index in 0..connections.max(1) {
        let transfer = one(proxy, aim, &format!("{nonce}-{index}"), limit).await;
        count(&mut cell, expect, &transfer);
        transfers.push(transfer);
    }
    Probed { cell, transfers, settled, nonce: nonce.to_owned() }
}

async fn one(proxy: Option<&Proxy>, aim: &Aim, nonce: &str, limit: Duration) -> Transfer {
    let started = Instant::now();
    let connected = timeout(limit, connect(proxy, aim.address())).await;
    let (outcome, connected) = match connected {
        Err(_) => (Outcome::TimedOut(format!("no connection within {limit:?}")), false),
        Ok(Err(outcome)) => (outcome, false),
        Ok(Ok(stream)) => {
            let outcome = match timeout(limit, ask(stream, aim, nonce)).await {
                Ok(outcome) => outcome,
                Err(_) => Outcome::Slow(format!("connected, but no answer within {limit:?}")),
            };
            (outcome, true)
        }
    };
    Transfer { outcome, connected, total_seconds: started.elapsed().as_secs_f64(), remote: None }
}

async fn connect(proxy: Option<&Proxy>, address: &str) -> Result<TcpStream, Outcome> {
    let target = proxy.map_or(address, |proxy| proxy.address.as_str());
    let mut stream = TcpStream::connect(target).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => Outcome::Refused(error.to_string()),
        io::ErrorKind::TimedOut => Outcome::TimedOut(error.to_string()),
        _ => Outcome::Otherwise(error.to_string()),
    })?;
    if proxy.is_none() {
        return Ok(stream);
    }
    let broken = |error: io::Error| Outcome::Otherwise(format!("the proxy: {error}"));
    stream
        .write_all(format!("CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n").as_bytes())
        .await
        .map_err(broken)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() > 8192 {
            return Err(Outcome::Otherwise("the proxy's answer has no end".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(broken)?);
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default().to_owned();
    match line.split_whitespace().nth(1) {
        Some("200") => Ok(stream),
        Some("504") => Err(Outcome::TimedOut(line)),
        Some("502" | "503") => Err(Outcome::Refused(line)),
        _ => Err(Outcome::Otherwise(line)),
    }
}

async fn ask(stream: TcpStream, aim: &Aim, nonce: &str) -> Outcome {
    const BODY_LIMIT: usize = 1024 * 1024;
    let silent = |error: &dyn std::fmt::Display| Outcome::ConnectedOnly(error.to_string());
    let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
        Ok(pair) => pair,
        Err(error) => return silent(&error),
    };
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .uri(aim.path.replace("{nonce}", nonce))
        .header("Host", aim.address())
        .header("Connection", "close")
        .body(Empty::<Bytes>::new());
    let request = match request {
        Ok(request) => request,
        Err(error) => return Outcome::Otherwise(error.to_string()),
    };
    let outcome = match sender.send_request(request).await {
        Err(error) => silent(&error),
        Ok(response) => {
            let status = response.status().as_u16();
            match Limited::new(response.into_body(), BODY_LIMIT).collect().await {
                Err(error) => silent(&error),
                Ok(body) => Outcome::Answered { status, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() },
            }
        }
    };
    driver.abort();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_a_host_and_a_port() {
        assert!("127.0.0.1:3128".parse::<Proxy>().is_ok());
        assert!("http://proxy.example:3128/".parse::<Proxy>().is_ok());
        for text in ["", "proxy", "https://a:1", ":80", "a:http"] {
            assert!(text.parse::<Proxy>().is_err(), "{text}");
        }
    }
}
