//! The rules for names: a table, tried without creating anything.
//!
//! The documentation says that a name has at most 20 characters, the API server
//! takes up to 104 (`pkg/apis/core/validation`): a name of 21 is let in and would
//! fail at its logon. Both limits are in the table.

use winconform_harness::{Admission, Answer, Check, Claims, Context, Explain, Failure, Need, Scope};
use winconform_manifests::RUN_AS_USER_MALFORMED_NAME_REJECTED as POD;
use winconform_reports::{Verdict, event::Observation};

use super::{
    BASE, PAGE,
    user::{CONTAINER_USER, changed, name_user},
};
use crate::trial::any_windows_node;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/malformed-name-rejected",
    title: "Names that can be no Windows user are refused, others are let in",
    statement: "U2",
    passing: "The API server refused each malformed name of the table for its runAsUserName, and let the well-formed ones in.",
    silent_on: "Whether a user that is let in exists.",
    scope: Scope::Cluster,
    needs: &[Need::WindowsNode],
    creates: &[POD],
    claims: Claims::NONE,
    explain: Explain {
        sources: &[PAGE, "https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go"],
        failures: &[Failure {
            seen: "A malformed name is let in, or a well-formed one is refused.",
            advice: "Something between you and the API server changes pods: look at the mutating webhooks of the cluster.",
        }],
        by_hand: &[
            "kubectl run name --image=IMAGE --dry-run=server --overrides='{\"spec\":{\"securityContext\":{\"windowsOptions\":{\"runAsUserName\":\"a:b\"}}}}'",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

/// The field that a refusal must be about.
const FIELD: &str = "windowsOptions.runAsUserName";

/// A name, what about it matters, and whether it is let in.
fn table() -> Vec<(String, &'static str, bool)> {
    let long = |count: usize| "a".repeat(count);
    let row = |name: &str, what, good| (name.to_owned(), what, good);
    vec![
        row("ContainerAdministrator", "a user of every image", true),
        row(r"NT AUTHORITY\NETWORK SERVICE", "a domain and a name with blanks", true),
        row(r"corp.example\alice", "a domain by its DNS name", true),
        (long(21), "21 characters, more than the documentation allows", true),
        (long(104), "104 characters", true),
        (long(105), "105 characters", false),
        row("", "nothing", false),
        row(r"CORP\", "a domain without a user", false),
        row(r"a\b\c", "two backslashes", false),
        row("a\tb", "a control character", false),
        row(". .", "periods and blanks only", false),
        row("a:b", "a colon", false),
        row("a|b", "a bar", false),
        row("a*", "an asterisk", false),
        row("a@corp.example", "an at sign", false),
        row(r"CO?RP\alice", "a question mark in the domain", false),
        (format!(r"{}\alice", vec![long(60); 5].join(".")), "a domain of more than 255 characters", false),
    ]
}

async fn run(cx: Context) -> Answer {
    let node = any_windows_node(&cx)?;
    let twin = changed(&cx, &POD, "", node, |spec| name_user(spec, CONTAINER_USER))?;
    if let Admission::Rejected(status) = cx.dry_run(&twin).await? {
        return Ok(Verdict::Undetermined(format!(
            "the cluster refuses even a pod of {CONTAINER_USER}: {}",
            status.message
        )));
    }
    let mut wrong = Vec::new();
    let table = table();
    for (name, what, good) in &table {
        let pod = changed(&cx, &POD, "", node, |spec| name_user(spec, name))?;
        match (cx.dry_run(&pod).await?, good) {
            (Admission::Accepted(_), true) => {}
            (Admission::Accepted(_), false) => wrong.push(format!("let in: {what} ({name:?})")),
            (Admission::Rejected(status), good) => {
                let causes = status.details.iter().flat_map(|details| &details.causes);
                let about = causes.filter(|cause| cause.field.ends_with(FIELD)).count() > 0;
                match (about, good) {
                    (true, false) => {}
                    (true, true) => wrong.push(format!("refused: {what} ({name:?}): {}", status.message)),
                    (false, _) => {
                        return Ok(Verdict::Undetermined(format!(
                            "a pod was refused for something else than its user: {}",
                            status.message
                        )));
                    }
                }
            }
        }
    }
    if wrong.is_empty() {
        return Ok(Verdict::Passed(format!("{} names, each as it should be", table.len())));
    }
    cx.observe(Observation::Identity {
        node: None,
        who: "names".to_owned(),
        of_domain: false,
        what: "runAsUserName".to_owned(),
        expected: "the rules for names".to_owned(),
        found: wrong.join("; "),
    });
    Ok(Verdict::Failed(wrong.join("; ")))
}
