//! The node itself runs the containers of the pods, each beside its pause container.
//!
//! The guide looked with `docker ps`; today the runtime is asked by `crictl`, from a
//! HostProcess pod, since no ordinary pod sees it.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use winconform_harness::{Answer, Check, Context, Explain, Failure, Need, Trouble, Use, probe::PodRef};
use winconform_reports::{Level, Verdict, event::Observation};

use crate::{
    fixture::{WIN_WEBSERVER, WINDOWS_HOST},
    trial::TRIAL,
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/containers-on-node",
    title: "The node's runtime lists a sandbox and a container for each pod",
    statement: "N6",
    passing: "crictl, run on each node with a pod of the web server, listed a ready sandbox and a running container for each of them.",
    silent_on: "Containers that the runtime has and Kubernetes does not know.",
    level: Level::Extended,
    needs: &[Need::OpenNode],
    uses: &[Use::ready(&WINDOWS_HOST), Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/tasks/debug/debug-cluster/crictl/",
            "https://v1-18.docs.kubernetes.io/docs/setup/production-environment/windows/user-guide-windows-containers/",
        ],
        failures: &[Failure {
            seen: "A pod is Running for Kubernetes, and the runtime has no sandbox or container of it.",
            advice: "The kubelet's status is stale: restart the kubelet on that node, and look in its log for errors of PLEG.",
        }],
        by_hand: &["kubectl exec HOST_PROCESS_POD -- crictl pods", "kubectl exec HOST_PROCESS_POD -- crictl ps"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// Where nodes have crictl: AKS, EKS and the special interest group's scripts, GKE, RKE2, others.
const FOLDERS: &[&str] = &[
    r"C:\k",
    r"C:\Program Files\containerd",
    r"C:\Program Files\containerd\bin",
    r"C:\etc\kubernetes\node\bin",
    r"C:\etc\kubernetes\node",
    r"C:\var\lib\rancher\rke2\bin",
    r"C:\ContainerPlat",
    r"C:\containerd\bin",
];
/// Where containerd listens on Windows.
const ENDPOINT: &str = "npipe:////./pipe/containerd-containerd";
/// Our own exit code for "there is no crictl", which no program gives.
const NO_CRICTL: i64 = 91;
/// Between the two lists.
const MARK: &str = "wc-containers";

async fn run(cx: Context) -> Answer {
    let web = cx.ready(&WIN_WEBSERVER)?;
    let hosts: Vec<PodRef> = cx.ready_here(&WINDOWS_HOST).flat_map(|(_, ready)| ready.pods.clone()).collect();
    let mut by_node: BTreeMap<&str, Vec<&PodRef>> = BTreeMap::new();
    for pod in &web.pods {
        by_node.entry(&pod.node).or_default().push(pod);
    }
    let (mut listed, mut without) = (Vec::new(), Vec::new());
    for (node, pods) in by_node {
        let Some(host) = hosts.iter().find(|host| host.node == node) else { continue };
        let output = cx.ask(host, &line(), Duration::from_secs(30)).await?;
        if output.exit_code == NO_CRICTL {
            without.push(node);
            continue;
        }
        let seen = match Seen::read(&output.stdout) {
            Ok(seen) => seen,
            Err(error) => {
                let said =
                    if output.stderr.trim().is_empty() { error.to_string() } else { output.stderr.trim().to_owned() };
                return Ok(Verdict::Undetermined(format!("what crictl says on {node} cannot be read: {said}")));
            }
        };
        let missing: Vec<String> = pods.iter().filter_map(|pod| seen.lacks(pod)).collect();
        if !missing.is_empty() {
            cx.observe(Observation::Node {
                node: node.to_owned(),
                what: "the runtime's list of containers".to_owned(),
                expected: "complete".to_owned(),
                found: format!("incomplete ({})", missing.join("; ")),
            });
            return Ok(Verdict::Failed(format!("on {node}, {}", missing.join("; "))));
        }
        listed.push(format!("{} pods on {node}", pods.len()));
    }
    match (listed.is_empty(), without.is_empty()) {
        (false, _) => Ok(Verdict::Passed(format!("sandbox and container of {}", listed.join(", ")))),
        (true, false) => Ok(Verdict::NotApplicable(format!("there is no crictl on {}", without.join(", ")))),
        (true, true) => Err(Trouble::Unexpected("no host pod stands beside a pod of the web server".to_owned())),
    }
}

/// One line that prints both lists. No argument holds a quote, so that nothing on the
/// way to the process needs escaping.
fn line() -> String {
    let path = FOLDERS.join(";");
    format!(
        "set PATH=%PATH%;{path}&& (where crictl.exe >NUL 2>NUL || cmd /c exit {NO_CRICTL}) && crictl -r {ENDPOINT} pods -o json \
         && echo {MARK}&& crictl -r {ENDPOINT} ps -o json"
    )
}

/// What the runtime has.
#[derive(Debug)]
struct Seen {
    sandboxes: Vec<Sandbox>,
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Sandboxes {
    items: Vec<Sandbox>,
}

#[derive(Debug, Deserialize)]
struct Sandbox {
    id: String,
    metadata: SandboxMetadata,
    state: String,
}

#[derive(Debug, Deserialize)]
struct SandboxMetadata {
    name: String,
    namespace: String,
}

#[derive(Debug, Deserialize)]
struct Containers {
    containers: Vec<Container>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    pod_sandbox_id: String,
    state: String,
}

impl Seen {
    fn read(output: &str) -> Result<Self, serde_json::Error> {
        let (pods, containers) = output.split_once(MARK).unwrap_or((output, ""));
        let pods: Sandboxes = serde_json::from_str(pods)?;
        let containers: Containers = serde_json::from_str(containers)?;
        Ok(Self { sandboxes: pods.items, containers: containers.containers })
    }

    /// What there is not of a pod.
    fn lacks(&self, pod: &PodRef) -> Option<String> {
        let of_pod = |sandbox: &&Sandbox| {
            sandbox.metadata.name == pod.name
                && sandbox.metadata.namespace == pod.namespace
                && sandbox.state == "SANDBOX_READY"
        };
        let Some(sandbox) = self.sandboxes.iter().find(of_pod) else {
            return Some(format!("pod {} has no ready sandbox", pod.name));
        };
        let runs =
            |container: &&Container| container.pod_sandbox_id == sandbox.id && container.state == "CONTAINER_RUNNING";
        match self.containers.iter().any(|container| runs(&container)) {
            true => None,
            false => Some(format!("pod {} has no running container", pod.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use winconform_harness::cluster::Os;

    use super::*;

    // The fields are those that crictl 1.31 prints of a node with containerd 1.7.
    const OUTPUT: &str = r#"{
  "items": [
    {
      "id": "5f2c", "metadata": { "attempt": 0, "name": "web-0", "namespace": "ns", "uid": "u" },
      "state": "SANDBOX_READY", "createdAt": "1774000000000000000", "labels": {}, "annotations": {}, "runtimeHandler": ""
    }
  ]
}
wc-containers
{
  "containers": [
    {
      "id": "77ab", "podSandboxId": "5f2c", "metadata": { "attempt": 0, "name": "windowswebserver" },
      "image": { "image": "sha256:1" }, "imageRef": "sha256:1", "state": "CONTAINER_RUNNING",
      "createdAt": "1774000001000000000", "labels": {}, "annotations": {}
    }
  ]
}
"#;

    fn pod(name: &str) -> PodRef {
        PodRef {
            namespace: "ns".into(),
            name: name.into(),
            container: "c".into(),
            node: "win-0".into(),
            os: Os::Windows,
            ip: String::new(),
        }
    }

    #[test]
    fn a_pod_needs_a_ready_sandbox_and_a_running_container() {
        let seen = Seen::read(&OUTPUT.replace('\n', "\r\n")).unwrap();
        assert_eq!(seen.lacks(&pod("web-0")), None);
        assert_eq!(seen.lacks(&pod("web-1")).unwrap(), "pod web-1 has no ready sandbox");
        let ended = Seen::read(&OUTPUT.replace("CONTAINER_RUNNING", "CONTAINER_EXITED")).unwrap();
        assert_eq!(ended.lacks(&pod("web-0")).unwrap(), "pod web-0 has no running container");
    }

    #[test]
    fn half_an_answer_is_none() {
        assert!(Seen::read("").is_err());
        assert!(Seen::read(OUTPUT.split(MARK).next().unwrap()).is_err());
    }

    #[test]
    fn the_line_needs_no_quotes() {
        assert!(!line().contains('"'));
    }
}
