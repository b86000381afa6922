//! A pod for a test, and waiting for what becomes of it.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use winconform_testbed::{client, progress::Info};

use crate::help::{Said, kubectl, shared};

/// How long a pod may take to become what a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// The base image of the node that most tests use.
pub(crate) const SERVERCORE: &str = "mcr.microsoft.com/windows/servercore:ltsc2022";
const AGNHOST: &str = "registry.k8s.io/e2e-test-images/agnhost:2.53";

/// The spec of a pod on Windows Server 2022.
pub(crate) fn windows(command: Value) -> Value {
    json!({
        "containers": [{"name": "main", "image": SERVERCORE, "command": command}],
        "nodeSelector": {"node.kubernetes.io/windows-build": "10.0.20348"},
        "tolerations": [{"key": "os", "operator": "Exists"}],
    })
}

/// The spec of a pod on Linux.
pub(crate) fn linux(command: Value) -> Value {
    json!({
        "containers": [{"name": "main", "image": AGNHOST, "command": command}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "terminationGracePeriodSeconds": 1,
    })
}

/// A pod in the default namespace.
pub(crate) struct Workload<'a> {
    info: &'a Info,
    name: &'static str,
}

impl Workload<'static> {
    /// Creates a pod in the shared testbed.
    pub(crate) async fn start(name: &'static str, spec: Value) -> Self {
        Workload::start_in(shared(), name, spec).await
    }
}

impl<'a> Workload<'a> {
    /// Creates a pod.
    pub(crate) async fn start_in(info: &'a Info, name: &'static str, spec: Value) -> Self {
        Workload::apply(info, &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}))
            .await;
        Self { info, name }
    }

    /// Creates any object.
    pub(crate) async fn apply(info: &Info, object: &Value) {
        let said = with_input(info, &["apply", "-f", "-"], &object.to_string()).await;
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    async fn object(&self) -> Value {
        let said = kubectl(self.info, &["get", "pod", self.name, "-o", "json"]).await;
        serde_json::from_str(&said.out).unwrap_or(Value::Null)
    }

    /// Its status now.
    pub(crate) async fn status(&self) -> Value {
        self.object().await["status"].clone()
    }

    /// Its status as soon as the pod `holds`.
    pub(crate) async fn status_when(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let mut last = Value::Null;
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(&last) {
                tick.tick().await;
                last = self.object().await;
            }
        })
        .await;
        assert!(waited.is_ok(), "{what} did not come; last seen: {last}");
        last["status"].clone()
    }

    /// Returns when it is ready.
    pub(crate) async fn ready(&self) {
        let pod = format!("pod/{}", self.name);
        let said = kubectl(self.info, &["wait", "--for=condition=Ready", &pod, "--timeout=30s"]).await;
        assert_eq!(said.code, Some(0), "{said:?} {}", self.object().await);
    }

    /// Deletes it and returns when it is gone.
    pub(crate) async fn delete(&self) {
        let said = kubectl(self.info, &["delete", "pod", self.name, "--timeout=30s"]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
    }

    /// Returns when it is gone, whoever deleted it.
    pub(crate) async fn gone(&self) {
        let pod = format!("pod/{}", self.name);
        let said = kubectl(self.info, &["wait", "--for=delete", &pod, "--timeout=30s"]).await;
        assert!(said.code == Some(0) || said.err.contains("NotFound"), "{said:?}");
    }

    /// What kubectl says as soon as it says what `holds`.
    pub(crate) async fn eventually(&self, what: &str, arguments: &[&str], holds: impl Fn(&str) -> bool) -> String {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        let mut last = String::new();
        let waited = tokio::time::timeout(PATIENCE, async {
            while !holds(&last) {
                tick.tick().await;
                last = kubectl(self.info, arguments).await.out;
            }
        })
        .await;
        assert!(waited.is_ok(), "{what} did not come; last seen: {last}");
        last
    }
}

/// Runs kubectl with something on its standard input.
pub(crate) async fn with_input(info: &Info, arguments: &[&str], input: &str) -> Said {
    let mut child = client::kubectl(info)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl is part of the control plane");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).await.expect("kubectl reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("kubectl ends");
    Said {
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
        code: output.status.code(),
    }
}
