//! Port-forwarding over WebSockets, as kube-rs speaks it.
//!
//! Each port has two channels: an even one for its bytes in both directions and
//! the odd one after it for errors. Both begin with the port as two bytes, the
//! low one first. (`cri-streaming/pkg/streaming/portforward/websocket.go`.)

use std::{collections::HashMap, net::SocketAddrV4, sync::Arc, time::Duration};

use axum::{
    extract::{
        Path, Query, State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf},
    sync::mpsc,
    task::JoinSet,
};

use super::{error::Refusal, exec::PROTOCOLS, find};
use crate::{image, network::Source, node::Host, pod::Cell};

/// How long the kubelet tries to reach a port.
const PATIENCE: Duration = Duration::from_secs(30);

type Pairs = Query<Vec<(String, String)>>;
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /portForward/{namespace}/{pod}`.
pub(super) async fn port_forward(
    State(host): State<Arc<Host>>,
    Path((namespace, pod)): Path<(String, String)>,
    Query(query): Pairs,
    upgrade: Upgrade,
) -> Response {
    start(&host, &namespace, &pod, &query, upgrade).unwrap_or_else(IntoResponse::into_response)
}

/// `GET /portForward/{namespace}/{pod}/{uid}`.
pub(super) async fn port_forward_by_uid(
    State(host): State<Arc<Host>>,
    Path((namespace, pod, _uid)): Path<(String, String, String)>,
    Query(query): Pairs,
    upgrade: Upgrade,
) -> Response {
    start(&host, &namespace, &pod, &query, upgrade).unwrap_or_else(IntoResponse::into_response)
}

fn start(
    host: &Arc<Host>,
    namespace: &str,
    pod: &str,
    query: &[(String, String)],
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let cell = find(host, namespace, pod).ok_or(Refusal::NoPod)?;
    let upgrade = upgrade.map_err(|rejection| Refusal::Bad { text: rejection.body_text() })?.protocols(PROTOCOLS);
    let ports = ports(query).ok_or_else(|| Refusal::Bad {
        text: "query parameter \"port\" is required: this kubelet forwards ports over WebSockets only, not SPDY"
            .to_owned(),
    })?;
    let host = host.clone();
    Ok(upgrade.on_upgrade(move |socket| serve(socket, host, cell, ports)))
}

/// The ports of `port=80,443`, which may also be repeated; `None` when there is none or one is no port.
fn ports(query: &[(String, String)]) -> Option<Vec<u16>> {
    let texts = query.iter().filter(|(key, _)| key == "port").flat_map(|(_, value)| value.split(','));
    let ports: Vec<u16> = texts.map(|text| text.trim().parse().ok().filter(|&port| port > 0)).collect::<Option<_>>()?;
    (!ports.is_empty() && ports.len() <= 127).then_some(ports)
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    Message::Binary(message.freeze())
}

async fn serve(socket: WebSocket, host: Arc<Host>, cell: Arc<Cell>, ports: Vec<u16>) {
    let (mut sender, mut receiver) = socket.split();
    let (outgoing, mut messages) = mpsc::channel::<Message>(64);
    let mut tasks = JoinSet::new();
    let mut writers: HashMap<u8, mpsc::Sender<Bytes>> = HashMap::new();
    for (data, &port) in (0_u8..).step_by(2).zip(&ports) {
        for channel in [data, data + 1] {
            if sender.send(message(channel, &port.to_le_bytes())).await.is_err() {
                return;
            }
        }
        let (writer, bytes) = mpsc::channel(64);
        writers.insert(data, writer);
        tasks.spawn(forward(host.clone(), cell.clone(), port, data, bytes, outgoing.clone()));
    }
    drop(outgoing);
    loop {
        tokio::select! {
            message = messages.recv() => {
                // Nothing more can come once the last port is done, and only a close tells the client.
                let last = message.is_none();
                if sender.send(message.unwrap_or(Message::Close(None))).await.is_err() || last {
                    return;
                }
            }
            incoming = receiver.next() => match incoming {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Some(writer) = bytes.first().and_then(|channel| writers.get(channel)) {
                        let _the_pod_closed_the_port = writer.send(bytes.slice(1..)).await;
                    }
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
                Some(Ok(_)) => {}
            },
        }
    }
}

/// Carries one port's bytes until either side ends.
async fn forward(
    host: Arc<Host>,
    cell: Arc<Cell>,
    port: u16,
    channel: u8,
    bytes: mpsc::Receiver<Bytes>,
    outgoing: mpsc::Sender<Message>,
) {
    let to = SocketAddrV4::new(cell.facts().ip, port);
    let from = Source::Node(host.facts.clone());
    let connection = match host.world.network.connect(&from, to, PATIENCE).await {
        Ok(connection) => connection,
        Err(error) => {
            let sandbox = image::digest(&["sandbox", &cell.uid()]);
            let text = format!(
                "error forwarding port {port} to pod {sandbox}, uid : failed to connect to localhost:{port} inside \
                 namespace \"{sandbox}\": {error}"
            );
            let _the_client_left = outgoing.send(message(channel + 1, text.as_bytes())).await;
            return;
        }
    };
    let (from_pod, to_pod) = tokio::io::split(connection.stream);
    tokio::select! {
        () = upstream(bytes, to_pod) => {}
        () = downstream(from_pod, channel, outgoing) => {}
    }
}

async fn upstream(mut bytes: mpsc::Receiver<Bytes>, mut to_pod: WriteHalf<DuplexStream>) {
    while let Some(piece) = bytes.recv().await {
        if to_pod.write_all(&piece).await.is_err() {
            return;
        }
    }
}

async fn downstream(mut from_pod: ReadHalf<DuplexStream>, channel: u8, outgoing: mpsc::Sender<Message>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match from_pod.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                let piece = buffer.get(..count).unwrap_or_default();
                if outgoing.send(message(channel, piece)).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_listed_with_commas_or_repeated_and_zero_is_none() {
        let query = |values: &[&str]| -> Vec<_> {
            values.iter().map(|value| ("port".to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(ports(&query(&["80,443", "8080"])), Some(vec![80, 443, 8080]));
        for bad in [&["0"][..], &["x"], &["70000"], &[]] {
            assert_eq!(ports(&query(bad)), None, "{bad:?}");
        }
    }
}
