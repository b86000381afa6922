//! A Windows node runs a pod, a command in it, and gives its logs.
//!
//! A node can be Ready and answer nothing (Azure/AKS#3181). All three are asked
//! through the API server, which asks the kubelet; `nodes/proxy`, which would grant
//! exec everywhere, is not needed.

use std::time::Duration;

use futures::{AsyncBufReadExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, api::LogParams};
use winconform_harness::{
    Answer, Budget, Check, Claims, Context, Explain, Extent, Failure, Need, Scope, Stage, Trouble, Use,
    probe::{ExecError, PodRef},
    run::State,
};
use winconform_reports::{Chain, Level, Verdict};

use crate::fixture::WINDOWS_POD;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/answers",
    title: "The node runs a pod, a command in it, and gives its logs",
    statement: "N2",
    passing: "A pod of ours became Ready on the node, a command ran in it, and its log came back.",
    silent_on: "Whether the pod's network works: suite `reachability` asks that.",
    level: Level::Core,
    scope: Scope::WindowsNode,
    needs: &[Need::OpenNode],
    uses: &[Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled }],
    creates: &[],
    claims: Claims::NONE,
    budget: Duration::from_secs(300),
    disruptive: false,
    explain: Explain {
        sources: &["https://github.com/Azure/AKS/issues/3181", "https://github.com/Azure/AKS/issues/1461"],
        failures: &[
            Failure {
                seen: "The pod stays Pending or ContainerCreating while the node is Ready.",
                advice: "Read the pod's events; restart containerd and the kubelet on that node, and replace the node if that does not help.",
            },
            Failure {
                seen: "The exec is lost on this node and works on others.",
                advice: "The kubelet or containerd hangs: collect their logs on the node before it is rebooted.",
            },
        ],
        by_hand: &[
            "kubectl get pods --all-namespaces --field-selector spec.nodeName=NODE",
            "kubectl exec POD -- cmd /c ver",
            "kubectl logs POD",
        ],
    },
    run: |cx| Box::pin(run(cx)),
};

const WORD: &str = "winconform-canary";

async fn run(cx: Context) -> Answer {
    let live = cx.fixture(&WINDOWS_POD)?;
    let ready = match live.state() {
        State::Failed(trouble) => return Ok(cx.judge_trouble(&trouble)),
        State::Planned | State::Submitted | State::Ready(_) => cx.ready(&WINDOWS_POD)?,
    };
    let Some(pod) = ready.pods.first() else {
        return Err(Trouble::Unexpected("the fixture has no pod".to_owned()));
    };
    // This check judges the node, so what others found of it does not count here.
    if let Err(error) = speak(&cx, pod, true).await
        && let Some(verdict) = blame(&cx, pod, error).await?
    {
        return Ok(verdict);
    }
    match first_line(&cx, pod).await? {
        Some(_) => Ok(Verdict::Passed("a pod started, ran a command, and its log came back".to_owned())),
        None => Ok(Verdict::Failed(format!(
            "a pod started and ran a command, but no line of its log came back within {:?}",
            cx.budgets().of(Budget::Start)
        ))),
    }
}

/// Runs a command whose output is known.
async fn speak(cx: &Context, pod: &PodRef, patiently: bool) -> Result<(), ExecError> {
    let line = format!("echo {WORD}");
    let longest = Duration::from_secs(10);
    let output = match patiently {
        true => cx.ask_patiently(pod, &line, longest).await?,
        false => cx.ask(pod, &line, longest).await?,
    };
    if output.stdout.trim() == WORD {
        return Ok(());
    }
    Err(ExecError::Lost {
        node: pod.node.clone(),
        pod: format!("{}/{}", pod.namespace, pod.name),
        detail: format!("`{line}` printed {:?}, exit code {}", output.stdout, output.exit_code),
    })
}

/// The one place where a lost exec may blame a node: when a control on another node works.
///
/// Nothing where the node answers after all.
async fn blame(cx: &Context, pod: &PodRef, error: ExecError) -> Result<Option<Verdict>, Trouble> {
    let others: Vec<PodRef> = cx
        .ready_everywhere(&WINDOWS_POD)
        .flat_map(|(_, ready)| ready.pods.clone())
        .filter(|other| other.node != pod.node)
        .collect();
    for other in &others {
        if speak(cx, other, false).await.is_ok() {
            // A way that loses much may have lost all of ours and none of theirs: the node is asked once more.
            let Err(error) = speak(cx, pod, true).await else { return Ok(None) };
            cx.observe(error.observation(true));
            let reason = format!("{}, while the same command on {} works", Chain(&error), other.node);
            return Ok(Some(Verdict::Failed(reason)));
        }
    }
    Err(error.into())
}

/// The first line of the pod's log, waited for, in one request.
async fn first_line(cx: &Context, pod: &PodRef) -> Result<Option<String>, Trouble> {
    let pods: Api<Pod> = Api::namespaced(cx.client(), &pod.namespace);
    let params = LogParams { follow: true, container: Some(pod.container.clone()), ..LogParams::default() };
    let asked = async {
        let stream = pods.log_stream(&pod.name, &params).await?;
        stream.lines().try_next().await.map_err(kube::Error::ReadEvents)
    };
    match tokio::time::timeout(cx.budgets().of(Budget::Start), asked).await {
        Ok(line) => line.map_err(|error| Trouble::api(format!("read the log of pod {}", pod.name), error)),
        Err(_) => Ok(None),
    }
}
