//! The webhook writes the contents of a credential spec into a pod that names it.

use serde_json::Value;
use winconform_harness::{Admission, Answer, Check, Context, Explain, Failure, Need, Scope};
use winconform_manifests::GMSA_SPEC_EXPANDED as OWN;
use winconform_reports::{Verdict, event::Observation};

use super::{
    BASE, PAGE,
    ground::{self, Spec},
};
use crate::trial::{any_windows_node, spec_of};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/spec-expanded",
    title: "A pod that names a credential spec gets its contents",
    passing: "A pod whose service account may use a credential spec was let in with the spec's contents in it (dry run).",
    silent_on: "Whether the contents reach the container.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[OWN],
    explain: Explain {
        sources: &[PAGE],
        failures: &[Failure {
            seen: "The pod is let in without contents, or with others.",
            advice: "The mutating half of the webhook is missing or out of date: kubectl get mutatingwebhookconfigurations, and the webhook's log.",
        }],
        by_hand: &["kubectl get pod POD -o jsonpath='{.spec.securityContext.windowsOptions.gmsaCredentialSpec}'"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let spec = match ground::spec(&cx).await? {
        Ok(spec) => spec,
        Err(verdict) => return Ok(verdict),
    };
    let node = any_windows_node(&cx)?;
    let account = ground::leave(&cx, &OWN, &spec, node).await?;
    let pod = ground::pod(&cx, &OWN, "", &[node], &spec.name, Some(&account))?;
    let found = match ground::tried(&cx, &pod).await? {
        Admission::Rejected(status) => format!("the pod is refused with {}: {}", status.code, status.message),
        Admission::Accepted(mut admitted) => {
            let context = spec_of(&mut admitted)?.security_context.as_ref();
            let options = context.and_then(|context| context.windows_options.as_ref());
            match judge(&spec, options.and_then(|options| options.gmsa_credential_spec.as_deref())) {
                None => {
                    return Ok(Verdict::Passed(format!("the contents of `{}` stand in the pod", spec.name)));
                }
                Some(wrong) => wrong.to_owned(),
            }
        }
    };
    cx.observe(Observation::Identity {
        node: None,
        who: spec.name.clone(),
        of_domain: true,
        what: "the pod's gmsaCredentialSpec".to_owned(),
        expected: "the contents of the credential spec".to_owned(),
        found: found.clone(),
    });
    Ok(Verdict::Failed(format!("a pod that may use the credential spec `{}`: {found}", spec.name)))
}

/// What is wrong with the contents of a pod.
fn judge(spec: &Spec, contents: Option<&str>) -> Option<&'static str> {
    let Some(contents) = contents else { return Some("it is let in without contents") };
    match serde_json::from_str::<Value>(contents) {
        Ok(contents) if contents == spec.contents => None,
        Ok(_) => Some("its contents are not those of the credential spec"),
        Err(_) => Some("its contents are not JSON"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_are_compared_as_json() {
        let spec = Spec { name: "s".into(), contents: json!({"a": 1, "b": [2]}) };
        assert_eq!(judge(&spec, Some(r#"{"b":[2], "a":1}"#)), None);
        for wrong in [None, Some("{}"), Some("no json")] {
            assert!(judge(&spec, wrong).is_some(), "{wrong:?}");
        }
    }
}
