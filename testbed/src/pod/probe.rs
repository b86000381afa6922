//! Startup, readiness and liveness probes.

use std::{net::SocketAddrV4, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::TryFutureExt as _;
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::core::v1::{Container, ExecAction, HTTPGetAction, Probe},
    apimachinery::pkg::util::intstr::IntOrString,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
    time::timeout,
};

use super::{cell::Cell, exec, state::Slot};
use crate::{
    command,
    fault::{Outcome, Stage},
    network::{ConnectError, Source},
    node::Kind,
    shape::Os,
};

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Startup,
    Readiness,
    Liveness,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// Probes a running container until it ends, and tells `unhealthy` which probe says that it should be killed.
pub(super) async fn attend(cell: Arc<Cell>, slot: Slot, container: Container, unhealthy: mpsc::Sender<&'static str>) {
    let prober = Prober { cell, slot, container };
    if let Some(probe) = &prober.container.startup_probe {
        if !prober.until_started(probe).await {
            let _already_ending = unhealthy.send(Purpose::Startup.name()).await;
            return;
        }
        prober.cell.update(|state| {
            if let Some(record) = state.record_mut(slot) {
                record.started = true;
            }
        });
    }
    tokio::join!(prober.readiness(), prober.liveness(&unhealthy));
}

struct Prober {
    cell: Arc<Cell>,
    slot: Slot,
    container: Container,
}

impl Prober {
    async fn pass(&self, seconds: Option<i32>, default: i32) {
        let seconds = u64::from(seconds.unwrap_or(default).unsigned_abs());
        self.cell.host.world.clock.pass(Duration::from_secs(seconds)).await;
    }

    /// Whether the container came up before the probe's patience ended.
    async fn until_started(&self, probe: &Probe) -> bool {
        self.pass(probe.initial_delay_seconds, 0).await;
        let mut failures = 0;
        loop {
            if self.ask(probe, Purpose::Startup).await {
                return true;
            }
            failures += 1;
            if failures >= probe.failure_threshold.unwrap_or(3) {
                return false;
            }
            self.pass(probe.period_seconds, 10).await;
        }
    }

    async fn readiness(&self) {
        let Some(probe) = &self.container.readiness_probe else {
            self.set_ready(true).await;
            return;
        };
        self.pass(probe.initial_delay_seconds, 0).await;
        let (mut successes, mut failures) = (0, 0);
        loop {
            if self.ask(probe, Purpose::Readiness).await {
                (successes, failures) = (successes + 1, 0);
            } else {
                (successes, failures) = (0, failures + 1);
            }
            if successes >= probe.success_threshold.unwrap_or(1) {
                self.set_ready(true).await;
            } else if failures >= probe.failure_threshold.unwrap_or(3) {
                self.set_ready(false).await;
            }
            self.pass(probe.period_seconds, 10).await;
        }
    }

    async fn liveness(&self, unhealthy: &mpsc::Sender<&'static str>) {
        let Some(probe) = &self.container.liveness_probe else { return };
        self.pass(probe.initial_delay_seconds, 0).await;
        let mut failures = 0;
        loop {
            failures = if self.ask(probe, Purpose::Liveness).await { 0 } else { failures + 1 };
            if failures >= probe.failure_threshold.unwrap_or(3) {
                let _already_ending = unhealthy.send(Purpose::Liveness.name()).await;
                return;
            }
            self.pass(probe.period_seconds, 10).await;
        }
    }

    /// Makes the container ready or not; a fault may keep it from becoming ready.
    async fn set_ready(&self, ready: bool) {
        let now = self.cell.read(|state| state.record(self.slot).is_some_and(|record| record.ready));
        if now == ready {
            return;
        }
        if ready {
            let mut faults = self.cell.host.world.faults.changed();
            loop {
                faults.borrow_and_update();
                let effect = self.cell.stage(Stage::Ready, |_| ()).await;
                let Some(effect) = effect.filter(|effect| effect.outcome != Outcome::Proceeds) else { break };
                self.cell.report(&effect);
                if faults.changed().await.is_err() {
                    return;
                }
            }
        }
        self.cell.update(|state| {
            if let Some(record) = state.record_mut(self.slot).filter(|record| record.running()) {
                record.ready = ready;
            }
        });
    }

    /// One attempt; a failure is reported.
    async fn ask(&self, probe: &Probe, purpose: Purpose) -> bool {
        let patience = Duration::from_secs(u64::from(probe.timeout_seconds.unwrap_or(1).unsigned_abs()));
        let failure = if let Some(action) = &probe.http_get {
            self.http(action, patience).await
        } else if let Some(action) = &probe.tcp_socket {
            self.tcp(&action.port, action.host.as_deref(), patience).await.map(|_open| ())
        } else if let Some(action) = &probe.exec {
            self.exec(action, patience).await
        } else {
            Ok(())
        };
        let Err(text) = failure else { return true };
        let message = format!("{} probe failed: {text}", purpose.title());
        self.cell.container_event(self.slot, Kind::Warning, "Unhealthy", message);
        false
    }

    fn address(&self, port: &IntOrString, host: Option<&str>) -> Option<SocketAddrV4> {
        let port = match port {
            IntOrString::Int(port) => u16::try_from(*port).ok()?,
            IntOrString::String(name) => {
                let ports = self.container.ports.as_deref().unwrap_or_default();
                let named = ports.iter().find(|port| port.name.as_deref() == Some(name))?;
                u16::try_from(named.container_port).ok()?
            }
        };
        let ip = match host.filter(|host| !host.is_empty()) {
            Some(host) => host.parse().ok()?,
            None => self.cell.facts().ip,
        };
        Some(SocketAddrV4::new(ip, port))
    }

    async fn tcp(
        &self,
        port: &IntOrString,
        host: Option<&str>,
        patience: Duration,
    ) -> Result<tokio::io::DuplexStream, String> {
        let address = self.address(port, host).ok_or_else(|| "couldn't find port".to_owned())?;
        let world = &self.cell.host.world;
        let source = Source::Node(self.cell.host.facts.clone());
        world
            .network
            .connect(&source, address, patience)
            .await
            .map(|connection| connection.stream)
            .map_err(|error| format!("dial tcp {address}: {}", self.dial_text(error)))
    }

    /// What Go says on this system.
    fn dial_text(&self, error: ConnectError) -> &'static str {
        match (self.cell.os(), error) {
            (Os::Windows, ConnectError::Refused) => {
                "connectex: No connection could be made because the target machine actively refused it."
            }
            (Os::Linux, ConnectError::Refused) => "connect: connection refused",
            (_, ConnectError::TimedOut) => "i/o timeout",
            (Os::Windows, ConnectError::Reset) => {
                "connectex: An existing connection was forcibly closed by the remote host."
            }
            (Os::Linux, ConnectError::Reset) => "connect: connection reset by peer",
            (Os::Windows, ConnectError::NoRoute) => {
                "connectex: A socket operation was attempted to an unreachable network."
            }
            (Os::Linux, ConnectError::NoRoute) => "connect: no route to host",
        }
    }

    async fn http(&self, action: &HTTPGetAction, patience: Duration) -> Result<(), String> {
        let address =
            self.address(&action.port, action.host.as_deref()).ok_or_else(|| "couldn't find port".to_owned())?;
        let path = action.path.as_deref().filter(|path| path.starts_with('/')).unwrap_or("/");
        let secure = action.scheme.as_deref() == Some("HTTPS");
        let url = format!("{}://{address}{path}", if secure { "https" } else { "http" });
        let get = |text: String| format!("Get \"{url}\": {text}");
        let stream = self.tcp(&action.port, action.host.as_deref(), patience).await.map_err(&get)?;
        let answer = timeout(self.cell.host.world.clock.scaled(patience), async {
            match secure {
                false => fetch(stream, address, path, action).await.ok(),
                true => {
                    // A kubelet asks for no certificate that it could trust.
                    let stream = command::secure(stream, &address.ip().to_string()).await.ok()?;
                    fetch(stream, address, path, action).await.ok()
                }
            }
        })
        .await;
        let waiting = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)".to_owned();
        match answer {
            Err(_elapsed) => Err(get(waiting)),
            Ok(None) => Err(get("EOF".to_owned())),
            Ok(Some(200..400)) => Ok(()),
            Ok(Some(status)) => Err(format!("HTTP probe failed with statuscode: {status}")),
        }
    }

    async fn exec(&self, action: &ExecAction, patience: Duration) -> Result<(), String> {
        let argv = action.command.as_deref().unwrap_or_default();
        let clock = &self.cell.host.world.clock;
        match timeout(clock.scaled(patience), exec::captured(&self.cell, self.slot, argv)).await {
            Err(_elapsed) => Err(format!("command {:?} timed out", argv.join(" "))),
            Ok(Err(error)) => Err(error.to_string()),
            Ok(Ok((0, _))) => Ok(()),
            Ok(Ok((_, output))) => Err(output),
        }
    }
}

async fn fetch(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    address: SocketAddrV4,
    path: &str,
    action: &HTTPGetAction,
) -> Result<u16, hyper::Error> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let mut request = http::Request::builder()
        .uri(path)
        .header("Host", address.to_string())
        .header("User-Agent", "kube-probe/1.37")
        .header("Accept", "*/*")
        .header("Connection", "close");
    for header in action.http_headers.iter().flatten() {
        request = request.header(&header.name, &header.value);
    }
    let Ok(request) = request.body(Empty::<Bytes>::new()) else { return Ok(400) };
    let answer = sender.send_request(request).map_ok(|answer| answer.status().as_u16());
    tokio::pin!(connection, answer);
    tokio::select! {
        answer = &mut answer => answer,
        // Whatever way it ended, an answer may have come before.
        _closed = &mut connection => answer.await,
    }
}
