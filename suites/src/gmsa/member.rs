//! A pod that is a member of the domain, and asking it.

use std::time::Duration;

use winconform_harness::{
    Budget, Context, Trouble,
    probe::{Output, PodRef, windows::Netlogon},
    wait::pause,
};
use winconform_manifests::Manifest;
use winconform_reports::event::Observation;

use super::ground::{self, Spec};

/// How long a command about the domain may take where no controller answers.
const LONGEST: Duration = Duration::from_secs(60);

/// Codes that a network which is still coming up explains: no logon servers, no such domain, no path.
const YOUNG: &[u32] = &[53, 1311, 1355];

/// Starts a pod with the spec on the check's nodes and waits until it is Ready.
pub(super) async fn start(cx: &Context, manifest: &Manifest, spec: &Spec) -> Result<PodRef, Trouble> {
    let nodes = cx.open_nodes_here()?;
    let node = nodes.first().ok_or_else(|| Trouble::Unexpected("no node of this place takes pods".to_owned()))?;
    let account = ground::leave(cx, manifest, spec, node).await?;
    let pod = ground::pod(cx, manifest, "", &[node], &spec.name, Some(&account))?;
    // The authorizer must know the account before the pod is made for good.
    ground::tried(cx, &pod).await?;
    cx.create(&pod).await?;
    cx.pod_ready(&pod).await
}

/// Runs a line in the pod.
pub(super) async fn run(cx: &Context, pod: &PodRef, line: &str) -> Result<Output, Trouble> {
    Ok(cx.ask(pod, line, LONGEST).await?)
}

/// Asks `nltest` until it answers well, or badly for a reason that does not pass.
pub(super) async fn nltest(cx: &Context, pod: &PodRef, question: &str) -> Result<Netlogon, Trouble> {
    let is_young =
        |output: &Output| Netlogon::read(&output.stdout).failure().is_some_and(|status| YOUNG.contains(&status.code));
    Ok(Netlogon::read(&settled(cx, pod, &format!("nltest {question}"), is_young).await?.stdout))
}

/// Runs a line again while its answer is one that a young network explains, until the datapath budget is spent:
/// new Windows pods have no network for the first seconds.
pub(super) async fn settled(
    cx: &Context,
    pod: &PodRef,
    line: &str,
    is_young: impl Fn(&Output) -> bool + Send,
) -> Result<Output, Trouble> {
    let budget = cx.budgets().of(Budget::Datapath);
    let began = tokio::time::Instant::now();
    let mut next = Duration::from_millis(250);
    loop {
        let output = run(cx, pod, line).await?;
        if !is_young(&output) || began.elapsed() + next >= budget {
            return Ok(output);
        }
        pause(next).await;
        next = (next * 2).min(Duration::from_secs(5));
    }
}

/// What `nltest` said, in a few words.
pub(super) fn words(read: &Netlogon) -> String {
    match (read.failure(), read.statuses.is_empty()) {
        (Some(status), _) => status.to_string(),
        (None, true) => format!("no status, but {:?}", read.first_line),
        (None, false) => "every status 0".to_owned(),
    }
}

/// Keeps that the container is not who it should be to the domain.
pub(super) fn not_who(cx: &Context, pod: &PodRef, spec: &Spec, what: &str, expected: &str, found: &str) {
    cx.observe(Observation::Identity {
        node: Some(pod.node.clone()),
        who: spec.name.clone(),
        of_domain: true,
        what: what.to_owned(),
        expected: expected.to_owned(),
        found: found.to_owned(),
    });
}
