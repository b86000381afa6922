use std::{net::SocketAddrV4, sync::Arc};

use futures::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    clock::Clock,
    command::{
        Session,
        testing::{FakeLink, execute, linux, windows},
    },
    network::{ConnectError, Connection, Handler},
};

const PAGE: &str = "<H1>Windows Container Web Server</H1>";

fn at(address: &str) -> SocketAddrV4 {
    address.parse().unwrap()
}

fn web() -> Handler {
    Arc::new(|mut connection: Connection| {
        async move {
            let mut request = [0; 2048];
            let _read = connection.stream.read(&mut request).await;
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{PAGE}", PAGE.len());
            connection.stream.write_all(answer.as_bytes()).await.unwrap();
        }
        .boxed()
    })
}

fn link() -> FakeLink {
    let mut link = FakeLink::default();
    link.handlers.insert(at("10.96.0.9:80"), web());
    link.errors.insert(at("10.96.0.8:80"), ConnectError::TimedOut);
    link.errors.insert(at("10.96.0.7:80"), ConnectError::Reset);
    link.names.insert("web".into(), vec!["10.96.0.9".parse().unwrap()]);
    link
}

#[tokio::test]
async fn several_urls_are_fetched_one_after_the_other_with_their_trailers() {
    let done = execute(
        &windows(link()),
        &["curl.exe", "-sS", "-w", r"\nwc:%{http_code}:%{size_download}\n", "http://10.96.0.9:80/a", "http://web/b"],
        "",
    )
    .await;
    assert_eq!(done.stdout, format!("{PAGE}\nwc:200:{0}\n{PAGE}\nwc:200:{0}\n", PAGE.len()));
    assert_eq!((done.stderr.as_str(), done.code), ("", 0));
}

#[tokio::test]
async fn each_way_to_fail_has_its_own_code_and_a_trailer_without_status() {
    for (url, code) in
        [("http://10.96.0.1/", 7), ("http://10.96.0.8/", 28), ("http://10.96.0.7/", 56), ("http://nope/", 6)]
    {
        let done = execute(&linux(link()), &["curl", "-sS", "-w", "%{http_code}", url], "").await;
        assert_eq!((done.code, done.stdout.as_str()), (code, "000"), "{url}");
        assert!(done.stderr.starts_with(&format!("curl: ({code}) ")), "{}", done.stderr);
    }
}

#[tokio::test(start_paused = true)]
async fn time_that_runs_out_before_there_is_an_address_is_the_names() {
    let link = || FakeLink { unanswered: vec!["mute".into()], ..link() };
    for session in [windows(link()), linux(link())] {
        let session = Session { clock: Clock::new(1.0), ..session };
        let done = execute(&session, &["curl", "-sS", "-m", "6", "http://mute/"], "").await;
        assert_eq!(done.code, 28);
        assert!(done.stderr.starts_with("curl: (28) Resolving timed out after "), "{}", done.stderr);
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_only_when_asked() {
    let all = ["curl", "-s", "--retry", "3", "--retry-delay", "1", "--retry-connrefused", "http://10.96.0.1/"];
    assert_eq!(execute(&linux(link()), &all, "").await.code, 7);
}

#[tokio::test]
async fn a_body_goes_nowhere_with_the_systems_own_name_for_it() {
    let done = execute(&windows(link()), &["curl.exe", "-s", "-o", "NUL", "http://web/"], "").await;
    assert_eq!(done.stdout, "");
    let done = execute(&linux(link()), &["curl", "-so/dev/null", "-w%{http_code}", "http://web/"], "").await;
    assert_eq!(done.stdout, "200");
}

#[tokio::test]
async fn an_unknown_option_and_a_missing_url_are_usage_errors() {
    assert_eq!(execute(&linux(link()), &["curl", "--frobnicate", "http://web/"], "").await.code, 2);
    assert_eq!(execute(&linux(link()), &["curl", "-s"], "").await.code, 2);
    assert_eq!(execute(&linux(link()), &["curl", "-m"], "").await.code, 2);
}

#[tokio::test]
async fn the_harness_line_runs_in_cmd_and_ends_with_its_mark() {
    let script = r"curl.exe -sS -o NUL --connect-timeout 3 -m 10 --retry 2 --retry-delay 1 --retry-max-time 60 --retry-connrefused -H Connection:close -w \nwc-settle:n:%{http_code}:%{time_connect}:%{time_total}:%{size_download}\n http://10.96.0.9:80/wc-n-s 2>&1 && curl.exe -sS -k -w \nwc-try:n:%{http_code}\n http://10.96.0.9:80/wc-n-0 2>&1 & echo wc-end:n";
    let done = execute(&windows(link()), &["cmd", "/s", "/c", script], "").await;
    assert!(done.stdout.contains("wc-settle:n:200:"), "{done:?}");
    assert!(done.stdout.contains(&format!("{PAGE}\nwc-try:n:200\n")), "{done:?}");
    assert!(done.stdout.ends_with("wc-end:n\r\n"), "{done:?}");
}
