//! The label `node.kubernetes.io/windows-build` is there and true.

use std::time::Duration;

use winconform_harness::{Answer, Check, Context, Explain, Failure, Scope};
use winconform_reports::{Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/windows-build-label",
    title: "The windows-build label is the node's major, minor and build number",
    statement: "N4",
    passing: "The label equals the first three parts of the kernel version that the kubelet reports.",
    silent_on: "The patch level: no label carries it.",
    scope: Scope::WindowsNode,
    needs: &[],
    budget: Duration::from_secs(30),
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/reference/labels-annotations-taints/#nodekubernetesiowindows-build",
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
        ],
        failures: &[
            Failure {
                seen: "The label names another build than the kernel version.",
                advice: "It is left from before an upgrade or was set by hand: remove it, and the kubelet sets it again.",
            },
            Failure {
                seen: "There is no label.",
                advice: "Something removed it: restart the kubelet, or label the node by hand, as on kubelets older than 1.17 (there the check is not applicable).",
            },
        ],
        by_hand: &[
            "kubectl get nodes --selector kubernetes.io/os=windows --label-columns node.kubernetes.io/windows-build --output wide",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const LABEL: &str = "node.kubernetes.io/windows-build";

async fn run(cx: Context) -> Answer {
    let node = cx.node()?;
    let Some(version) = node.windows else {
        return Ok(Verdict::Failed(format!(
            "the kubelet reports the kernel version `{}`, which names no Windows build",
            node.kernel_version
        )));
    };
    let expected = version.build_label();
    let found = node.labels.get(LABEL);
    if found == Some(&expected) {
        return Ok(Verdict::Passed(expected));
    }
    // The guide promises the label since 1.17; before that it asks for it to be set by hand.
    if found.is_none() && is_before_1_17(&node.kubelet) {
        return Ok(Verdict::NotApplicable(format!(
            "label {LABEL} is missing, because kubelet {} is older than 1.17, which sets it; set it by hand: \
             kubectl label node {} {LABEL}={expected}",
            node.kubelet, node.name
        )));
    }
    cx.observe(Observation::Node {
        node: node.name.clone(),
        what: format!("label {LABEL}"),
        expected: expected.clone(),
        found: found.cloned().unwrap_or_else(|| "missing".to_owned()),
    });
    Ok(Verdict::Failed(match found {
        Some(found) => format!("label {LABEL} is {found}, but the node runs {version}"),
        None => format!("label {LABEL} is missing, although kubelet {} should set it to {expected}", node.kubelet),
    }))
}

fn is_before_1_17(kubelet: &str) -> bool {
    let mut parts = kubelet.trim_start_matches('v').split('.');
    let mut number = || parts.next()?.parse::<u32>().ok();
    match (number(), number()) {
        (Some(major), Some(minor)) => (major, minor) < (1, 17),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubelets_are_compared_by_number_not_by_text() {
        assert!(is_before_1_17("v1.9.11"));
        assert!(is_before_1_17("v1.16.15"));
        assert!(!is_before_1_17("v1.17.0"));
        assert!(!is_before_1_17("v1.37.2+k3s1"));
        assert!(!is_before_1_17(""));
    }
}
