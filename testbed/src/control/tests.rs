use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::fault::{Fault, FaultBoard};

#[derive(Default)]
struct Desk {
    touched: AtomicUsize,
    stopped: AtomicUsize,
}

impl Handlers for Desk {
    fn status(&self) -> Status {
        Status {
            pid: 7,
            ready: true,
            shape: "default".into(),
            kubernetes: "v1.37.2".into(),
            latency: 0.1,
            kubeconfig: PathBuf::from("/tmp/kubeconfig"),
            outside_proxy: "127.0.0.1:8080".parse().unwrap(),
            nodes: vec![],
            api_front: false,
            faults: vec![],
        }
    }

    fn reset(&self) -> futures::future::BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Err("it kept a namespace".to_owned()) })
    }

    fn touch(&self) {
        self.touched.fetch_add(1, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.stopped.fetch_add(1, Ordering::Relaxed);
    }
}

async fn desk() -> (tempfile::TempDir, PathBuf, FaultBoard, Arc<Desk>, CancellationToken) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let (faults, desk, cancel) = (FaultBoard::default(), Arc::new(Desk::default()), CancellationToken::new());
    serve(&path, faults.clone(), Arc::clone(&desk), cancel.clone()).await.unwrap();
    (folder, path, faults, desk, cancel)
}

fn fault() -> Fault {
    let yaml = "{apiVersion: winconform/v1, kind: Fault, name: dead, summary: All is dead.,
                 effects: [{network: {outcome: dropped}}]}";
    Fault::parse(yaml, "test").unwrap()
}

#[tokio::test]
async fn a_fault_can_be_injected_seen_and_healed() {
    let (_folder, path, faults, _, _) = desk().await;
    let mut client = Client::connect(&path).await.unwrap();
    client.inject(fault()).await.unwrap();
    assert_eq!(faults.names(), ["dead"]);
    assert_eq!(client.status().await.unwrap().faults, ["dead"]);
    assert_eq!(client.counters().await.unwrap().len(), 1);
    assert_eq!(client.heal(None).await.unwrap()[0].kind, "network");
    assert!(faults.names().is_empty());
}

#[tokio::test]
async fn healing_what_is_not_in_force_is_refused_by_name() {
    let (_folder, path, ..) = desk().await;
    let refused = Client::connect(&path).await.unwrap().heal(Some("ghost")).await.unwrap_err();
    assert_eq!(refused.to_string(), "the testbed refused: the fault `ghost` is not in force");
}

#[tokio::test]
async fn a_fault_that_makes_no_sense_is_refused_over_the_socket_too() {
    let (_folder, path, faults, ..) = desk().await;
    let nothing = Fault { effects: vec![], ..fault() };
    let refused = Client::connect(&path).await.unwrap().inject(nothing).await.unwrap_err();
    assert!(refused.to_string().contains("at least one effect"), "{refused}");
    assert!(faults.names().is_empty());
}

#[tokio::test]
async fn touch_and_stop_reach_the_testbed() {
    let (_folder, path, _, desk, _) = desk().await;
    let mut client = Client::connect(&path).await.unwrap();
    client.touch().await.unwrap();
    client.stop().await.unwrap();
    assert_eq!((desk.touched.load(Ordering::Relaxed), desk.stopped.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn a_line_that_is_no_request_gets_an_error_and_the_connection_goes_on() {
    let (_folder, path, ..) = desk().await;
    let mut stream = BufReader::new(tokio::net::UnixStream::connect(&path).await.unwrap());
    for (line, answer) in [
        ("{\"statsu\": 1}\n", "{\"error\":\"the request was not understood: unknown variant `statsu`"),
        ("\n", "{\"error\":"),
        ("\"counters\"\n", "{\"counters\":[]}"),
    ] {
        stream.write_all(line.as_bytes()).await.unwrap();
        let mut said = String::new();
        stream.read_line(&mut said).await.unwrap();
        assert!(said.starts_with(answer), "{said}");
    }
}

#[tokio::test]
async fn an_endless_line_gets_an_error_and_is_cut_off() {
    let (_folder, path, ..) = desk().await;
    let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
    let (read, mut write) = stream.into_split();
    let writing = tokio::spawn(async move {
        // The server may close before all of it is written.
        let _ = write.write_all(&vec![b'x'; MAX_LINE + 10]).await;
        write
    });
    let mut lines = BufReader::new(read).lines();
    let said = lines.next_line().await.unwrap().unwrap();
    assert!(said.contains("at most"), "{said}");
    drop(writing.await);
}

#[tokio::test]
async fn the_socket_of_a_dead_testbed_is_replaced() {
    let (folder, ..) = desk().await;
    let path = folder.path().join("old.sock");
    drop(tokio::net::UnixListener::bind(&path).unwrap());
    assert!(matches!(Client::connect(&path).await, Err(ControlError::Connect { .. })));
    serve(&path, FaultBoard::default(), Arc::new(Desk::default()), CancellationToken::new()).await.unwrap();
    Client::connect(&path).await.unwrap().status().await.unwrap();
}

#[tokio::test]
async fn a_cancelled_testbed_closes_its_control_connections() {
    let (_folder, path, _, _, cancel) = desk().await;
    let mut client = Client::connect(&path).await.unwrap();
    client.touch().await.unwrap();
    cancel.cancel();
    // What was sent before the cancellation is seen may still be answered.
    while client.touch().await.is_ok() {}
}

proptest! {
    #[test]
    fn no_line_makes_the_parser_panic(line in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = server::parse(&line);
    }

    #[test]
    fn no_json_like_line_makes_the_parser_panic(
        key in "status|inject|heal|counters|[a-z]{0,8}",
        value in "null|[0-9]{1,20}|\\{\\}|\\[\\]|\"[a-z]*\"|\\{\"effects\":\\[\\{\"network\":\\{\\}\\}\\]\\}",
    ) {
        let _ = server::parse(format!("{{\"{key}\":{value}}}").as_bytes());
    }

    #[test]
    fn requests_read_back_what_they_print(name in proptest::option::of("[a-z-]{1,12}")) {
        let request = Request::Heal(name);
        let line = serde_json::to_vec(&request).unwrap();
        prop_assert_eq!(server::parse(&line).unwrap(), request);
    }
}

#[tokio::test]
async fn a_fault_of_the_api_server_is_refused_where_nothing_could_show_it() {
    let (_folder, path, board, _desk, _cancel) = desk().await;
    let yaml = "apiVersion: winconform/v1\nkind: Fault\nname: busy\nsummary: Busy.\neffects: [api: { status: 503 }]";
    let refused = Client::connect(&path).await.unwrap().inject(Fault::parse(yaml, "test").unwrap()).await;
    assert!(matches!(&refused, Err(ControlError::Refused { reason }) if reason.contains("--api-front")), "{refused:?}");
    assert!(board.names().is_empty());
}

#[tokio::test]
async fn a_reset_heals_and_says_what_stayed() {
    let (_folder, path, faults, ..) = desk().await;
    let mut client = Client::connect(&path).await.unwrap();
    client.inject(fault()).await.unwrap();
    let refused = client.reset().await.unwrap_err();
    assert_eq!(refused.to_string(), "the testbed refused: it kept a namespace");
    assert!(faults.names().is_empty());
}
