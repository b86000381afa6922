//! One transfer: name, connection, request, answer.

use std::{
    future::Future,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{options::Options, tls};
use crate::{
    command::{Exit, Session},
    network::{ConnectError, DnsError},
};

/// How long a system tries to connect by itself: Windows sends three SYNs in 21 s.
const WINDOWS_CONNECT: Duration = Duration::from_secs(21);
/// Linux sends seven in about 130 s.
const LINUX_CONNECT: Duration = Duration::from_secs(130);
/// A body beyond this is cut; nothing here serves as much.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Why a transfer failed: curl's exit code and what it prints behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: Exit,
    pub(super) message: String,
}

/// What came of one URL. Times are real seconds since its start.
#[derive(Debug, Default, Clone)]
pub(super) struct Transfer {
    pub(super) url: String,
    /// 0 when no answer came.
    pub(super) status: u16,
    /// Status line and headers, where they were asked for.
    pub(super) shown_head: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) remote: Option<SocketAddrV4>,
    pub(super) local: Option<SocketAddrV4>,
    pub(super) looked_up: f64,
    pub(super) connected: f64,
    pub(super) secured: f64,
    pub(super) answered: f64,
    pub(super) total: f64,
    pub(super) failure: Option<Failure>,
}

/// Where a URL leads.
struct Destination {
    secure: bool,
    host: String,
    port: u16,
    path: String,
    /// What the request's `Host` says.
    authority: String,
}

/// Fetches one URL.
pub(super) async fn run(session: &Session, options: &Options, url: &str) -> Transfer {
    let mut transfer = Transfer { url: url.to_owned(), ..Transfer::default() };
    let clock = Watch { session, began: Instant::now() };
    let left = |limit: Option<Duration>| limit.map(|limit| limit.saturating_sub(clock.elapsed()));
    let fetching = fetch(&clock, options, url, &mut transfer);
    let outcome = match left(options.max_time) {
        Some(limit) => clock.within(limit, fetching).await,
        None => Some(fetching.await),
    };
    transfer.total = clock.seconds();
    transfer.failure = match outcome {
        Some(Ok(())) if options.fail && transfer.status >= 400 => {
            transfer.body.clear();
            Some(failure(22, format!("The requested URL returned error: {}", transfer.status)))
        }
        Some(outcome) => outcome.err(),
        None if transfer.looked_up == 0.0 => {
            Some(failure(28, format!("Resolving timed out after {} milliseconds", clock.millis())))
        }
        None if transfer.connected == 0.0 => {
            Some(failure(28, format!("Connection timed out after {} milliseconds", clock.millis())))
        }
        None => Some(failure(
            28,
            format!(
                "Operation timed out after {} milliseconds with {} bytes received",
                clock.millis(),
                transfer.body.len()
            ),
        )),
    };
    transfer
}

fn failure(code: Exit, message: impl Into<String>) -> Failure {
    Failure { code, message: message.into() }
}

async fn fetch(clock: &Watch<'_>, options: &Options, url: &str, transfer: &mut Transfer) -> Result<(), Failure> {
    let session = clock.session;
    let windows = session.system.is_windows();
    let to = Destination::of(url)?;
    let address = look_up(session, &to.host).await?;
    // Never 0, which is how it is told that nobody has said an address yet.
    transfer.looked_up = clock.seconds().max(0.000_001);
    let own = if windows { WINDOWS_CONNECT } else { LINUX_CONNECT };
    let patience = options.connect_timeout.unwrap_or(own).min(options.max_time.unwrap_or(own));
    let socket = SocketAddrV4::new(address, to.port);
    let connection = session.link.connect(socket, patience).await.map_err(|error| {
        let (host, port, millis) = (&to.host, to.port, clock.millis());
        match error {
            ConnectError::Refused => failure(
                7,
                format!("Failed to connect to {host} port {port} after {millis} ms: Couldn't connect to server"),
            ),
            ConnectError::TimedOut => failure(28, format!("Connection timed out after {millis} milliseconds")),
            ConnectError::Reset => failure(56, reset(windows)),
            ConnectError::NoRoute => {
                failure(7, format!("Failed to connect to {host} port {port} after {millis} ms: No route to host"))
            }
        }
    })?;
    // Never 0, which is how curl says that there was no connection.
    transfer.connected = clock.seconds().max(0.000_001);
    transfer.remote = Some(connection.peer);
    transfer.local = Some(connection.local);
    if !to.secure {
        return exchange(clock, options, &to, connection.stream, transfer).await;
    }
    let stream = tls::secure(connection.stream, &to.host)
        .await
        .map_err(|error| failure(35, format!("TLS connect error: {error}")))?;
    if !options.insecure {
        return Err(failure(60, "SSL certificate problem: unable to get local issuer certificate"));
    }
    transfer.secured = clock.seconds();
    exchange(clock, options, &to, stream, transfer).await
}

fn reset(windows: bool) -> &'static str {
    if windows { "Recv failure: Connection was reset" } else { "Recv failure: Connection reset by peer" }
}

async fn look_up(session: &Session, host: &str) -> Result<Ipv4Addr, Failure> {
    if let Ok(address) = host.parse() {
        return Ok(address);
    }
    let none = || failure(6, format!("Could not resolve host: {host}"));
    match session.link.resolve(host).await {
        Ok(addresses) => addresses.first().copied().ok_or_else(none),
        Err(DnsError::TimedOut) if !session.system.is_windows() => {
            Err(failure(28, format!("Resolving timed out after {} milliseconds", 10_000)))
        }
        Err(_) => Err(none()),
    }
}

async fn exchange(
    clock: &Watch<'_>,
    options: &Options,
    to: &Destination,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    transfer: &mut Transfer,
) -> Result<(), Failure> {
    let windows = clock.session.system.is_windows();
    let broken = |error: &hyper::Error| match error.is_incomplete_message() {
        true => failure(52, "Empty reply from server"),
        false => failure(56, reset(windows)),
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    // The connection is driven beside the request and ends with this function.
    let driver = tokio::spawn(connection);
    let _abort = AbortOnDrop(driver.abort_handle());
    let default = if options.head {
        "HEAD"
    } else if options.data.is_some() {
        "POST"
    } else {
        "GET"
    };
    let mut request = Request::builder()
        .method(options.method.as_deref().unwrap_or(default))
        .uri(&to.path)
        .header("Host", &to.authority)
        .header("User-Agent", "curl/8.13.0")
        .header("Accept", "*/*");
    for (name, value) in &options.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(options.data.clone().unwrap_or_default())))
        .map_err(|error| failure(3, format!("URL rejected: {error}")))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    transfer.answered = clock.seconds();
    transfer.status = response.status().as_u16();
    if options.include || options.head {
        let mut head = format!("HTTP/1.1 {}\r\n", response.status());
        for (name, value) in response.headers() {
            head.extend([name.as_str(), ": ", &String::from_utf8_lossy(value.as_bytes()), "\r\n"]);
        }
        transfer.shown_head = Some(format!("{head}\r\n"));
    }
    let mut body = response.into_body();
    while !body.is_end_stream() && transfer.body.len() < MOST_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => transfer.body.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Some(Err(error)) => return Err(broken(&error)),
            None => break,
        }
    }
    Ok(())
}

/// Ends a task with its owner.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Destination {
    fn of(url: &str) -> Result<Self, Failure> {
        let full = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let wrong = || failure(3, format!("URL rejected: Malformed input to a URL function: {url}"));
        let uri: Uri = full.parse().ok().ok_or_else(wrong)?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            other => {
                return Err(failure(1, format!("Protocol \"{}\" not supported", other.unwrap_or_default())));
            }
        };
        let authority = uri.authority().ok_or_else(wrong)?;
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        Ok(Self {
            secure,
            port: authority.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            host,
            authority: authority.to_string(),
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        })
    }
}

/// Real time since a transfer's start, whatever the testbed's clock.
struct Watch<'a> {
    session: &'a Session,
    began: Instant,
}

impl Watch<'_> {
    fn elapsed(&self) -> Duration {
        self.session.unscaled(self.began.elapsed())
    }

    fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    fn millis(&self) -> u128 {
        self.elapsed().as_millis()
    }

    /// Runs `future` for at most `limit` of real time; nothing when it took longer.
    async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        if self.session.clock.scale() == 0.0 {
            return Some(future.await);
        }
        tokio::select! {
            biased;
            done = future => Some(done),
            () = self.session.clock.pass(limit) => None,
        }
    }
}
