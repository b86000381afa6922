//! A Windows node runs a pod, a command in it, and gives its logs.
//!
//! A node can be Ready and answer nothing (Azure/AKS#3181). All three are asked
//! through the API server, which asks the kubelet; `nodes/proxy`, which would grant
//! exec everywhere, is not needed.

use std::time::Duration;

use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Extent, Failure, Scope, Stage, Trouble, Use,
    blame::seconds,
    probe::{ExecError, LogError, PodRef},
};
use winconform_reports::{Chain, Verdict};

use crate::{fixture::WINDOWS_POD, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/answers",
    title: "The node runs a pod, a command in it, and gives its logs",
    statement: "N2",
    passing: "A pod of ours became Ready on the node, a command ran in it, and its log came back.",
    silent_on: "Whether the pod's network works: suite `reachability` asks that.",
    scope: Scope::WindowsNode,
    uses: &[Use { fixture: &WINDOWS_POD, extent: Extent::Everywhere, stage: Stage::Settled }],
    budget: Duration::from_secs(300),
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
    ..TRIAL
};

const WORD: &str = "winconform-canary";

async fn run(cx: Context) -> Answer {
    let ready = match cx.outcome(cx.fixture(&WINDOWS_POD)?)? {
        Ok(ready) => ready,
        Err(trouble) => return Ok(cx.judge_trouble(&trouble)),
    };
    let Some(pod) = ready.pods.first() else {
        return Err(Trouble::Unexpected("the fixture has no pod".to_owned()));
    };
    // This check judges the node, so what others found of it does not count here.
    if let Err(error) = speak(&cx, pod, true).await
        && let Some(verdict) = blame_for_exec(&cx, pod, error).await?
    {
        return Ok(verdict);
    }
    match log_comes(&cx, pod).await {
        Ok(true) => Ok(Verdict::Passed("a pod started, ran a command, and its log came back".to_owned())),
        silent => blame_for_log(&cx, pod, silent).await,
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

/// Whether any line of the pod's log comes, in one request.
async fn log_comes(cx: &Context, pod: &PodRef) -> Result<bool, LogError> {
    Ok(cx.log_line(pod, cx.budgets().of(Budget::Exec), |_| Some(())).await?.is_some())
}

/// Pods on other nodes, which the same can be asked of.
fn controls(cx: &Context, pod: &PodRef) -> Vec<PodRef> {
    let pods = cx.ready_everywhere(&WINDOWS_POD).flat_map(|(_, ready)| ready.pods.clone());
    pods.filter(|other| other.node != pod.node).collect()
}

/// The one place where a lost exec may blame a node: when a control on another node works.
///
/// Nothing where the node answers after all.
async fn blame_for_exec(cx: &Context, pod: &PodRef, error: ExecError) -> Result<Option<Verdict>, Trouble> {
    for other in controls(cx, pod) {
        if speak(cx, &other, false).await.is_ok() {
            // A way that loses much may have lost all of ours and none of theirs: the node is asked once more.
            let Err(error) = speak(cx, pod, true).await else { return Ok(None) };
            cx.observe(error.observation(true));
            let reason = format!("{}, while the same command on {} works", Chain(&error), other.node);
            return Ok(Some(Verdict::Failed(reason)));
        }
    }
    Err(error.into())
}

/// The same for a log that did not come, though it was asked for or stands open.
async fn blame_for_log(cx: &Context, pod: &PodRef, silent: Result<bool, LogError>) -> Answer {
    let words = |silent: &Result<bool, LogError>| match silent {
        Err(error) => Chain(error).to_string(),
        Ok(_) => {
            let limit = seconds(cx.budgets().of(Budget::Exec));
            format!("a pod started and ran a command, but no line of its log came back within {limit}")
        }
    };
    for other in controls(cx, pod) {
        if !matches!(log_comes(cx, &other).await, Ok(true)) {
            continue;
        }
        return Ok(match log_comes(cx, pod).await {
            Ok(true) => {
                Verdict::Passed("a pod started, ran a command, and its log came back when asked again".to_owned())
            }
            still => Verdict::Failed(format!("{}, while the log of a pod on {} comes", words(&still), other.node)),
        });
    }
    let alone = "and no log of a pod on another node comes, so the way to the nodes may be to blame";
    Ok(Verdict::Undetermined(format!("{}, {alone}", words(&silent))))
}
