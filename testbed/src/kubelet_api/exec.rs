//! Commands in containers, over WebSockets (`v5.channel.k8s.io` and `v4.channel.k8s.io`).
//!
//! Binary messages whose first byte is the channel: 0 input, 1 output, 2 error
//! output, 3 the final status, 4 terminal sizes, and in version 5 `[255, n]`,
//! which closes channel n. (KEP-4006; `cri-streaming/pkg/streaming/remotecommand`.)

use std::sync::Arc;

use axum::{
    extract::{
        Path, Query, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::{IntoResponse, Response},
};
use bytes::{BufMut, Bytes, BytesMut};
use futures::{SinkExt, StreamExt, stream::SplitSink};
use serde_json::json;
use tokio::sync::mpsc;

use super::{error::Refusal, find};
use crate::{
    command::{Chunk, Exit, Io, Output, Sink, Stdin, Stream},
    fault::Transport,
    node::Host,
    pod::{Exec, ExecError},
};

/// The subprotocols, the better one first.
pub(super) const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const CLOSE: u8 = 255;
/// The WebSocket code without which client-go takes an end for a failure.
const NORMAL_CLOSURE: u16 = 1000;

type Pairs = Query<Vec<(String, String)>>;
type Upgrade = Result<WebSocketUpgrade, WebSocketUpgradeRejection>;

/// `GET /exec/{namespace}/{pod}/{container}`.
pub(super) async fn exec(
    State(host): State<Arc<Host>>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    Query(query): Pairs,
    upgrade: Upgrade,
) -> Response {
    start(&host, &namespace, &pod, &container, &query, upgrade).unwrap_or_else(IntoResponse::into_response)
}

/// `GET /exec/{namespace}/{pod}/{uid}/{container}`.
pub(super) async fn exec_by_uid(
    State(host): State<Arc<Host>>,
    Path((namespace, pod, _uid, container)): Path<(String, String, String, String)>,
    Query(query): Pairs,
    upgrade: Upgrade,
) -> Response {
    start(&host, &namespace, &pod, &container, &query, upgrade).unwrap_or_else(IntoResponse::into_response)
}

/// `POST`: SPDY, which API servers from 1.36 on do not need for nodes that declare `ExtendWebSocketsToKubelet`.
pub(super) async fn spdy() -> Response {
    Refusal::Bad { text: "unable to upgrade: this kubelet speaks WebSockets only, not SPDY".to_owned() }.into_response()
}

/// Which streams the caller wants.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    input: bool,
    output: bool,
    error: bool,
}

fn start(
    host: &Arc<Host>,
    namespace: &str,
    pod: &str,
    container: &str,
    query: &[(String, String)],
    upgrade: Upgrade,
) -> Result<Response, Refusal> {
    let on = |name: &str| query.iter().any(|(key, value)| key == name && matches!(value.as_str(), "1" | "true"));
    let wanted = Wanted { input: on("input"), output: on("output"), error: on("error") && !on("tty") };
    if !(wanted.input || wanted.output || on("error")) {
        return Err(Refusal::Bad { text: "you must specify at least 1 of stdin, stdout, stderr".to_owned() });
    }
    let argv: Vec<_> = query.iter().filter(|(key, _)| key == "command").map(|(_, value)| value.clone()).collect();
    let cell = find(host, namespace, pod).ok_or(Refusal::NoPod)?;
    let missing = || Refusal::NoContainer { name: container.to_owned() };
    let slot = cell.slot(container).ok_or_else(missing)?;
    let upgrade = upgrade.map_err(|rejection| Refusal::Bad { text: rejection.body_text() })?.protocols(PROTOCOLS);
    let prepared = match Exec::prepare(&cell, slot, argv) {
        Err(ExecError::NotRunning { .. }) => return Err(missing()),
        other => other,
    };
    let host = host.clone();
    Ok(upgrade.on_upgrade(move |socket| async move {
        tokio::select! {
            () = serve(socket, prepared, wanted) => {}
            () = host.went_down() => {} // with everything on it
        }
    }))
}

async fn serve(socket: WebSocket, prepared: Result<Exec, ExecError>, wanted: Wanted) {
    if let Ok(exec) = &prepared
        && transport(exec) == Some(Transport::LostBeforeStart)
    {
        exec.was_lost();
        return; // dropped without a word
    }
    let (mut sender, receiver) = socket.split();
    let first = match wanted {
        Wanted { output: true, .. } => STDOUT,
        Wanted { error: true, .. } => STDERR,
        _ => STATUS,
    };
    if send(&mut sender, first, b"").await.is_err() {
        return; // an empty message tells clients that the connection stands
    }
    let (stdin, input) = mpsc::unbounded_channel();
    let stdin_end = if wanted.input { Stdin::client(input) } else { Stdin::Empty };
    let reader = tokio::spawn(read(receiver, stdin));
    let reader = tokio_util::task::AbortOnDropHandle::new(reader);
    let status = match &prepared {
        Ok(exec) => match run(&mut sender, exec, stdin_end, wanted, reader).await {
            Some(code) => status(code),
            None => return,
        },
        Err(error) => failure(&error.to_string()),
    };
    let _the_client_left = async {
        send(&mut sender, STATUS, status.to_string().as_bytes()).await?;
        sender.send(Message::Close(Some(CloseFrame { code: NORMAL_CLOSURE, reason: "".into() }))).await?;
        sender.close().await
    }
    .await;
}

type Sender = SplitSink<WebSocket, Message>;

async fn send(sender: &mut Sender, channel: u8, bytes: &[u8]) -> Result<(), axum::Error> {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    sender.send(Message::Binary(message.freeze())).await
}

/// Takes in what the client sends until it leaves; answering pings happens on the way.
async fn read(mut receiver: futures::stream::SplitStream<WebSocket>, stdin: mpsc::UnboundedSender<Bytes>) {
    let mut stdin = Some(stdin);
    while let Some(Ok(message)) = receiver.next().await {
        let Message::Binary(bytes) = message else { continue };
        match (bytes.first(), &stdin) {
            (Some(&STDIN), Some(open)) if bytes.len() > 1 => {
                let _the_command_reads_no_more = open.send(bytes.slice(1..));
            }
            (Some(&CLOSE), _) if bytes.get(1) == Some(&STDIN) => stdin = None,
            _ => {} // terminal sizes, and what later versions may bring
        }
    }
}

/// Runs the command and passes its output on; its exit code, or `None` when the connection is gone.
async fn run(
    sender: &mut Sender,
    exec: &Exec,
    stdin: Stdin,
    wanted: Wanted,
    mut client: tokio_util::task::AbortOnDropHandle<()>,
) -> Option<Exit> {
    let transport = transport(exec);
    let (mut io, mut output) = Io::followed(stdin);
    if !wanted.output {
        io.stdout = Sink::Null;
    }
    if !wanted.error {
        io.stderr = Sink::Null;
    }
    let code = {
        let command = exec.run(&io);
        tokio::pin!(command);
        loop {
            tokio::select! {
                biased;
                Some(chunk) = output.recv(), if transport.is_none() => pass(sender, &chunk).await.ok()?,
                code = &mut command => break code,
                _ = &mut client => return None,
            }
        }
    };
    drop(io);
    let rest = drain(&mut output);
    let Some(transport) = transport else {
        for chunk in rest {
            pass(sender, &chunk).await.ok()?;
        }
        return Some(code);
    };
    let bytes: usize = rest.iter().map(|chunk| chunk.bytes.len()).sum();
    let mut left = exec.effect().map_or(bytes, |effect| effect.arriving(bytes));
    let ends = match transport {
        Transport::OutputCut => Some(0),
        // Not so far: nothing is lost.
        Transport::LostInTheMiddle if left == bytes && bytes > 0 => Some(code),
        _ => None,
    };
    if left < bytes || ends != Some(code) {
        exec.was_lost();
    }
    for chunk in rest {
        let take = left.min(chunk.bytes.len());
        left -= take;
        if take > 0 {
            pass(sender, &Chunk { stream: chunk.stream, bytes: chunk.bytes.slice(..take) }).await.ok()?;
        }
    }
    ends
}

/// How its connection is lost, if it is.
fn transport(exec: &Exec) -> Option<Transport> {
    exec.effect()?.transport
}

async fn pass(sender: &mut Sender, chunk: &Chunk) -> Result<(), axum::Error> {
    let channel = if chunk.stream == Stream::Out { STDOUT } else { STDERR };
    send(sender, channel, &chunk.bytes).await
}

fn drain(output: &mut Output) -> Vec<Chunk> {
    std::iter::from_fn(|| output.try_recv().ok()).collect()
}

/// The status that an exit code becomes. Windows codes are told as they are, 32 bits wide.
fn status(code: Exit) -> serde_json::Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}

fn failure(text: &str) -> serde_json::Value {
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("Internal error occurred: {text}"),
        "reason": "InternalError",
        "details": {"causes": [{"message": text}]},
        "code": 500,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_exit_codes_keep_all_their_bits() {
        let status = status(0xC000_013A);
        assert_eq!(status["details"]["causes"][0]["message"], "3221225786");
        assert_eq!(status["reason"], "NonZeroExitCode");
    }
}
