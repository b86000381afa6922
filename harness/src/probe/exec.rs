//! Running one command in one container, and knowing whether all of it came back.

use std::time::Duration;

use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Status};
use kube::{
    Api, Client,
    api::{AttachParams, AttachedProcess},
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    time::Instant,
};
use winconform_reports::{Chain, event::Observation};

use crate::cluster::{ApiError, Os, Permission, may};

/// Output beyond this is cut: a command of ours never prints as much.
const OUTPUT_LIMIT: u64 = 4 * 1024 * 1024;

/// What running commands asks for. An exec by WebSocket is a GET, which since
/// Kubernetes 1.35 needs the right to create besides.
pub(crate) const ASKS: &[Permission] = &[may("create", "", "pods/exec"), may("get", "", "pods/exec")];

/// A container that commands can be run in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodRef {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub name: String,
    /// The container's name.
    pub container: String,
    /// The node it runs on.
    pub node: String,
    /// The node's operating system, which decides the shell.
    pub os: Os,
    /// The pod's IP; the node's for a pod in the host's network.
    pub ip: String,
}

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Standard output; bytes that are not UTF-8 are replaced.
    pub stdout: String,
    /// Standard error, likewise.
    pub stderr: String,
    /// The exit code. Windows' are 32 bit: 3221225786 is 0xC000013A.
    pub exit_code: i64,
    /// From the accepted exec to the command's status: the cluster's time.
    pub took: Duration,
}

/// A command could not be run, or its outcome was lost: the transport's trouble, not the command's.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExecError {
    /// The API server or the kubelet would not start it.
    #[error("no command could be run in {pod} on {node}")]
    Refused {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// What they said.
        #[source]
        error: Box<ApiError>,
    },
    /// It started, but the connection ended without its status, or its output was cut.
    #[error("the outcome of a command in {pod} on {node} was lost: {detail}")]
    Lost {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// What is missing.
        detail: String,
    },
    /// It did not even start in time: the API server, the kubelet or the runtime keeps silent.
    #[error("a command in {pod} on {node} did not start within {}", crate::blame::seconds(*limit))]
    Unanswered {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// The limit.
        limit: Duration,
    },
    /// It was not tried, or not waited for: another one on the node did not start, while one elsewhere did.
    #[error("a command in {pod} was given up, because {node} lets no command start while other nodes do")]
    Silent {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
    },
    /// It started and did not end in time.
    #[error("a command in {pod} on {node} did not come back within {}", crate::blame::seconds(*limit))]
    TimedOut {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// The limit.
        limit: Duration,
    },
    /// The runtime on the node could not create the process.
    #[error("the runtime on {node} could not run a command in {pod}: {message}")]
    Runtime {
        /// The node.
        node: String,
        /// `namespace/pod`.
        pod: String,
        /// The runtime's message.
        message: String,
    },
}

impl ExecError {
    /// The node it happened on.
    #[must_use]
    pub fn node(&self) -> &str {
        match self {
            Self::Refused { node, .. }
            | Self::Lost { node, .. }
            | Self::Unanswered { node, .. }
            | Self::Silent { node, .. }
            | Self::TimedOut { node, .. }
            | Self::Runtime { node, .. } => node,
        }
    }

    /// Whether the way was lost, which says nothing about the command: it may be run again.
    #[must_use]
    pub fn is_transport(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Lost { .. })
    }

    /// The same as a machine-readable fact for findings.
    #[must_use]
    pub fn observation(&self, elsewhere_works: bool) -> Observation {
        let elsewhere_works = elsewhere_works || matches!(self, Self::Silent { .. });
        Observation::NoExec { node: self.node().to_owned(), message: Chain(self).to_string(), elsewhere_works }
    }
}

/// How long a command may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Until it starts: API server, kubelet and runtime have agreed to run it.
    pub start: Duration,
    /// From then on.
    pub run: Duration,
}

/// Runs `command` in `pod` and waits for all of its output and its status.
///
/// Never allocates a terminal: a Windows one pads and echoes. `started` is called
/// once the command runs.
///
/// # Errors
///
/// When the command could not be started, did not start or end within its limits, or
/// ended without a status. A command that fails is no error: see [`Output::exit_code`].
pub async fn exec(
    client: &Client,
    pod: &PodRef,
    command: &[String],
    limits: Limits,
    started: impl FnOnce(),
) -> Result<Output, ExecError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace);
    let named = || format!("{}/{}", pod.namespace, pod.name);
    let params = AttachParams::default()
        .container(pod.container.clone())
        .stdin(false)
        .stdout(true)
        .stderr(true)
        .max_stdout_buf_size(64 * 1024)
        .max_stderr_buf_size(16 * 1024);
    let Limits { start, run } = limits;
    let process = tokio::time::timeout(start, pods.exec(&pod.name, command.to_vec(), &params))
        .await
        .map_err(|_elapsed| ExecError::Unanswered { node: pod.node.clone(), pod: named(), limit: start })?
        .map_err(|error| ExecError::Refused { node: pod.node.clone(), pod: named(), error: Box::new(error.into()) })?;
    let accepted = Instant::now();
    started();
    let (stdout, stderr, status) = tokio::time::timeout(run, drain(process))
        .await
        .map_err(|_elapsed| ExecError::TimedOut { node: pod.node.clone(), pod: named(), limit: run })?;
    let lost = |detail: &str| ExecError::Lost { node: pod.node.clone(), pod: named(), detail: detail.to_owned() };
    let status = status.ok_or_else(|| lost("the connection ended without a status"))?;
    let exit_code =
        exit_code(&status).map_err(|message| ExecError::Runtime { node: pod.node.clone(), pod: named(), message })?;
    Ok(Output { stdout, stderr, exit_code, took: accepted.elapsed() })
}

/// Reads everything. The status is taken first and the streams are drained beside
/// it: kube ends its loop on the status and drops what nobody has read.
async fn drain(mut process: AttachedProcess) -> (String, String, Option<Status>) {
    let status = process.take_status();
    let stdout = process.stdout();
    let stderr = process.stderr();
    let status = async {
        match status {
            Some(status) => status.await,
            None => None,
        }
    };
    futures::join!(read(stdout), read(stderr), status)
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // An error here ends the stream early; the missing status or trailer shows it.
        let _ = stream.take(OUTPUT_LIMIT).read_to_end(&mut bytes).await;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The exit code in an exec's status, in both shapes an API server gives it.
///
/// # Errors
///
/// The runtime's message, where no process was run at all.
fn exit_code(status: &Status) -> Result<i64, String> {
    if status.status.as_deref() == Some("Success") {
        return Ok(0);
    }
    if status.reason.as_deref() == Some("NonZeroExitCode") {
        let mut causes = status.details.iter().flat_map(|details| details.causes.iter().flatten());
        let code = causes.find(|cause| cause.reason.as_deref() == Some("ExitCode"));
        if let Some(code) = code.and_then(|cause| cause.message.as_deref()?.parse().ok()) {
            return Ok(code);
        }
    }
    let message = status.message.clone().unwrap_or_default();
    // An API server that translates to SPDY cannot pass a 32-bit code on and says so in words.
    if let Some((_, rest)) = message.split_once("invalid exit code value \"")
        && let Some(code) = rest.split('"').next().and_then(|code| code.parse().ok())
    {
        return Ok(code);
    }
    Err(message)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn status(value: serde_json::Value) -> Status {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_exit_code_is_read_from_both_shapes() {
        let plain = status(json!({
            "status": "Failure", "reason": "NonZeroExitCode", "message": "command terminated with non-zero exit code",
            "details": { "causes": [{ "reason": "ExitCode", "message": "3221225786" }] }
        }));
        assert_eq!(exit_code(&plain), Ok(3_221_225_786));
        let translated = status(json!({
            "status": "Failure", "reason": "InternalError", "code": 500,
            "message": "Internal error occurred: error stream protocol error: invalid exit code value \"3221225477\""
        }));
        assert_eq!(exit_code(&translated), Ok(3_221_225_477));
        assert_eq!(exit_code(&status(json!({ "status": "Success", "metadata": {} }))), Ok(0));
    }

    #[test]
    fn a_process_that_never_ran_has_no_exit_code() {
        let refused = status(json!({
            "status": "Failure", "reason": "InternalError", "code": 500,
            "message": "Internal error occurred: hcs::System::CreateProcess: The system cannot find the file specified."
        }));
        assert!(exit_code(&refused).is_err());
    }
}
