//! The kubelet API, through the API server, with the clients that people use.

use std::process::Stdio;

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client, api::AttachParams, config::Kubeconfig};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use winconform_testbed::client;

use crate::help::{kubectl, shared};
use crate::workload::{Workload, linux, windows, with_input};

async fn pods() -> Api<Pod> {
    let kubeconfig = Kubeconfig::read_from(&shared().kubeconfig).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
    Api::default_namespaced(Client::try_from(config).unwrap())
}

async fn idle_windows(name: &'static str) -> Workload<'static> {
    let pod = Workload::start(name, windows(json!(["cmd", "/c", "ping -t 127.0.0.1 >NUL"]))).await;
    pod.ready().await;
    pod
}

#[tokio::test]
async fn kubectl_exec_hands_on_output_and_exit_code() {
    let _pod = idle_windows("exec-codes").await;
    let exec = async |command: &str| kubectl(shared(), &["exec", "exec-codes", "--", "cmd", "/s", "/c", command]).await;
    let said = exec("echo hello").await;
    assert_eq!((said.out.as_str(), said.code), ("hello\r\n", Some(0)));
    let said = exec("echo out & echo err 1>&2 & exit 7").await;
    assert_eq!((said.out.as_str(), said.code), ("out \r\n", Some(7)));
    assert!(said.err.starts_with("err  \r\n"), "the blanks on both sides of a redirection stay: {said:?}");
    // client-go reads exit codes as one byte; this is what it says about Windows' 32 bits.
    let said = exec("exit -1073741510").await;
    assert!(said.err.contains("invalid exit code value \"3221225786\""), "{said:?}");
}

#[tokio::test]
async fn kube_rs_reads_windows_exit_codes_whole() {
    let _pod = idle_windows("exec-kube-rs").await;
    let mut attached = pods()
        .await
        .exec("exec-kube-rs", ["cmd", "/c", "ver & exit -1073741510"], &AttachParams::default())
        .await
        .unwrap();
    let status = attached.take_status().unwrap();
    let mut output = String::new();
    attached.stdout().unwrap().read_to_string(&mut output).await.unwrap();
    let status = status.await.unwrap();
    assert_eq!(output, "\r\nMicrosoft Windows [Version 10.0.20348.5499]\r\n");
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));
    assert_eq!(status.details.unwrap().causes.unwrap()[0].message.as_deref(), Some("3221225786"));
}

#[tokio::test]
async fn input_reaches_the_command_and_its_end_ends_it() {
    let pod = Workload::start("exec-stdin", linux(json!(["sleep", "60"]))).await;
    pod.ready().await;
    let said = with_input(shared(), &["exec", "-i", "exec-stdin", "--", "cat"], "a\nb\n").await;
    assert_eq!((said.out.as_str(), said.code), ("a\nb\n", Some(0)));
}

#[tokio::test]
async fn a_program_that_the_image_lacks_is_the_runtimes_failure() {
    let _pod = idle_windows("exec-missing").await;
    let said = kubectl(shared(), &["exec", "exec-missing", "--", "sh"]).await;
    assert!(said.err.contains("The system cannot find the file specified."), "{said:?}");
    let said = kubectl(shared(), &["exec", "exec-missing", "--", "cmd", "/c", "sh"]).await;
    assert!(said.err.contains("'sh' is not recognized"), "{said:?}");
    assert_eq!(said.code, Some(1));
}

#[tokio::test]
async fn logs_can_be_cut_to_a_tail_and_carry_times() {
    let command = json!(["sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done; sleep 60"]);
    let pod = Workload::start("logs-tail", linux(command)).await;
    pod.ready().await;
    pod.eventually("the last line", &["logs", "logs-tail"], |said| said.ends_with("line 5\n")).await;
    let logs = async |option: &str| kubectl(shared(), &["logs", "logs-tail", option]).await;
    assert_eq!(logs("--tail=2").await.out, "line 4\nline 5\n");
    assert_eq!(logs("--since=1h").await.out.lines().count(), 5);
    assert_eq!(logs("--since-time=2999-01-01T00:00:00Z").await.out, "");
    assert_eq!(logs("--limit-bytes=6").await.out, "line 1");
    let stamped = logs("--timestamps").await.out;
    let first = stamped.lines().next().unwrap();
    assert!(first.ends_with("Z line 1") && first.contains('T'), "{first}");
    let said = logs("--previous").await;
    assert!(said.err.contains("previous terminated container \"main\" in pod \"logs-tail\" not found"), "{said:?}");
}

#[tokio::test]
async fn followed_logs_come_as_they_are_written_and_end_with_the_container() {
    let mut spec = linux(json!(["sh", "-c", "echo first; sleep 5; echo second"]));
    spec["restartPolicy"] = json!("Never");
    let pod = Workload::start("logs-follow", spec).await;
    pod.status_when("its start", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"].is_null()
            && pod["status"]["startTime"].is_string()
            && pod["status"]["containerStatuses"].is_array()
    })
    .await;
    let mut follower = client::kubectl(shared())
        .args(["logs", "-f", "logs-follow"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("first"));
    assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("second"));
    assert_eq!(lines.next_line().await.unwrap(), None);
}

#[tokio::test]
async fn logs_of_a_container_that_waits_say_what_it_waits_for() {
    let mut spec = linux(json!(["sleep", "60"]));
    spec["containers"][0]["image"] = json!("registry.k8s.io/nosuch:1");
    let pod = Workload::start("logs-waiting", spec).await;
    pod.status_when("the pull to fail", |pod| {
        pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"]
            .as_str()
            .is_some_and(|reason| reason.contains("Pull"))
    })
    .await;
    let said = kubectl(shared(), &["logs", "logs-waiting"]).await;
    assert!(said.err.contains("is waiting to start: trying and failing to pull image"), "{said:?}");
}

#[tokio::test]
async fn a_forwarded_port_reaches_the_program_and_a_closed_one_says_so() {
    let pod = Workload::start("forwarded", linux(json!(["/agnhost", "netexec", "--http-port=8080"]))).await;
    pod.ready().await;
    pod.eventually("the listener", &["logs", "forwarded"], |said| said.contains("Started HTTP server")).await;
    let mut forwarder = pods().await.portforward("forwarded", &[8080, 9]).await.unwrap();
    let mut stream = forwarder.take_stream(8080).unwrap();
    stream.write_all(b"GET /hostname HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("forwarded"), "{answer}");
    let refused = forwarder.take_error(9).unwrap().await;
    assert!(refused.as_deref().is_some_and(|text| text.contains("error forwarding port 9")), "{refused:?}");
}

#[tokio::test]
async fn only_the_api_server_is_answered() {
    let pod = Workload::start("intruder", linux(json!(["sleep", "60"]))).await;
    pod.ready().await;
    let said = kubectl(
        shared(),
        &["exec", "intruder", "--", "curl", "-sSk", "-w", ":%{http_code}", "https://10.240.0.10:10250/pods"],
    )
    .await;
    assert_eq!(said.out, "Unauthorized:401", "{said:?}");
    let said = kubectl(shared(), &["get", "--raw", "/api/v1/nodes/win-2022-0/proxy/healthz"]).await;
    assert_eq!(said.out, "ok", "{said:?}");
}
