//! A pod whose own node selector contradicts its RuntimeClass is rejected when it is created.

use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope, Trouble};
use winconform_manifests::RUNTIME_CLASS_CONFLICTING_SELECTOR_REJECTED;
use winconform_reports::Verdict;

use super::class::Drafted;
use crate::trial::{TRIAL, any_windows_node};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "runtime-class/conflicting-selector-rejected",
    title: "A pod whose selector contradicts its RuntimeClass is rejected",
    statement: "C3",
    passing: "The API server refused a pod that selects Linux while its class selects Windows (dry run), and takes it when both agree.",
    silent_on: "Contradictions in node affinity, which nobody compares.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[RUNTIME_CLASS_CONFLICTING_SELECTOR_REJECTED],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/containers/runtime-class/#scheduling"],
        failures: &[Failure {
            seen: "The API server takes the pod.",
            advice: "The admission plug-in RuntimeClass is off, or a policy changes the selector on its way in.",
        }],
        by_hand: &[
            "kubectl run torn --image=IMAGE --dry-run=server --overrides='{\"spec\":{\"runtimeClassName\":\"CLASS\",\"nodeSelector\":{\"kubernetes.io/os\":\"linux\"}}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const OS: &str = "kubernetes.io/os";

async fn run(cx: Context) -> Answer {
    let node = any_windows_node(&cx)?;
    let mut drafted = Drafted::new(&cx, &RUNTIME_CLASS_CONFLICTING_SELECTOR_REJECTED, &[node], None).await?;
    if !drafted.scheduling().node_selector.is_some_and(|selector| selector.contains_key(OS)) {
        return Ok(Verdict::NotApplicable(format!("{} does not carry the label {OS}", node.name)));
    }
    drafted.create_class(&cx).await?;
    select(&mut drafted, "windows")?;
    if let Err(verdict) = drafted.twin_is_taken(&cx).await? {
        return Ok(verdict);
    }
    select(&mut drafted, "linux")?;
    Ok(match cx.dry_run(drafted.pod()).await? {
        Admission::Rejected(status) => Verdict::Passed(format!("refused with {}", status.code)),
        Admission::Accepted(_) => {
            Verdict::Failed("the API server takes a pod that selects linux, of a class that selects windows".to_owned())
        }
    })
}

fn select(drafted: &mut Drafted, os: &str) -> Result<(), Trouble> {
    let spec = drafted.pod_mut()?.spec.get_or_insert_default();
    spec.node_selector = Some([(OS.to_owned(), os.to_owned())].into());
    Ok(())
}
