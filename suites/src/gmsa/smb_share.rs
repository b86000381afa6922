//! L4: the container uses a resource of its domain, a file share.

use winconform_harness::{Answer, Check, Claims, Context, Explain, Failure};
use winconform_manifests::GMSA_SMB_SHARE as OWN;
use winconform_reports::Verdict;

use super::{BASE, PAGE, TROUBLESHOOTING, ground, member};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "gmsa/smb-share",
    title: "The container writes and reads a file share as its account",
    statement: "A3",
    passing: "A file was written to the share, read back whole, and removed, from a container with the credential spec.",
    silent_on: "Other resources of the domain, and shares that the account may only read.",
    creates: &[OWN],
    claims: Claims::pods(1),
    explain: Explain {
        sources: &[PAGE, TROUBLESHOOTING, "https://github.com/kubernetes-sigs/windows-gmsa/issues/30"],
        failures: &[
            Failure {
                seen: "The share is not found.",
                advice: "DNS for the file server, and port 445 to it, from pods of this node.",
            },
            Failure {
                seen: "Access is denied, or nobody is logged on.",
                advice: "The permissions of share and folder for ACCOUNT$; under containerd names of file servers need EnableCompartmentNamespace (windows-gmsa 30).",
            },
        ],
        by_hand: &[
            "kubectl exec POD -- cmd /s /c \"echo x> \\\\SERVER\\SHARE\\x.txt && type \\\\SERVER\\SHARE\\x.txt\"",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let Some(share) = cx.settings().gmsa_share.clone() else {
        return Ok(Verdict::NotApplicable("no share was given (--gmsa-share)".to_owned()));
    };
    let spec = match ground::spec(&cx).await? {
        Ok(spec) => spec,
        Err(verdict) => return Ok(verdict),
    };
    let pod = member::start(&cx, &OWN, &spec).await?;
    // The pod's name is the run's and the check's, so no two write one file.
    let (file, word) = (format!(r"{share}\{}-{}.txt", cx.namespace(), pod.name), format!("said-by-{}", pod.name));
    // A file that cannot be opened changes cmd's error level only where `||` looks at it.
    let script = format!("echo {word}>{file}&& type {file}&& del {file}|| cmd /c exit 1");
    let output = member::settled(&cx, &pod, &script, |output| output.exit_code != 0).await?;
    if output.exit_code == 0 && output.stdout.lines().any(|line| line.trim() == word) {
        return Ok(Verdict::Passed(format!("`{}` wrote and read {share} from {}", spec.name, pod.node)));
    }
    let said = [output.stderr.trim(), output.stdout.trim()].into_iter().find(|text| !text.is_empty());
    let found = format!("exit code {}: {}", output.exit_code, said.unwrap_or("nothing was said"));
    member::not_who(&cx, &pod, &spec, "a file on the share", "to be written and read", &found);
    Ok(Verdict::Failed(format!("{share} from {}: {found}", pod.node)))
}
