//! The build is one of the guide's table, and the product name fits it.

use std::time::Duration;

use winconform_harness::{
    Answer, Check, Context, Explain, Failure, Scope,
    cluster::{KernelVersion, Product, product_of},
};
use winconform_reports::{Verdict, event::Observation};

use crate::trial::TRIAL;

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "nodes/known-build",
    title: "The node runs a known Windows Server build under its own name",
    statement: "N5",
    passing: "The build is a Windows Server release (or newer than all of them), and a year in the product name fits it.",
    silent_on: "Whether that release is still supported by anyone.",
    scope: Scope::WindowsNode,
    needs: &[],
    budget: Duration::from_secs(30),
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://learn.microsoft.com/en-us/virtualization/windowscontainers/deploy-containers/base-image-lifecycle",
        ],
        failures: &[Failure {
            seen: "The build is older than any supported release, or the year in the product name belongs to another build.",
            advice: "Look which image the node was made from; an in-place upgrade can leave the old product name.",
        }],
        by_hand: &["kubectl get node NODE -o jsonpath='{.status.nodeInfo.osImage} {.status.nodeInfo.kernelVersion}'"],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

async fn run(cx: Context) -> Answer {
    let node = cx.node()?;
    let Some(version) = node.windows else {
        return Ok(Verdict::Failed(format!("`{}` names no Windows build", node.kernel_version)));
    };
    let verdict = judge(version, &node.os_image);
    if let Verdict::Failed(found) = &verdict {
        cx.observe(Observation::Node {
            node: node.name.clone(),
            what: "Windows build".to_owned(),
            expected: "a Windows Server release under its own name".to_owned(),
            found: found.clone(),
        });
    }
    Ok(verdict)
}

fn judge(version: KernelVersion, os_image: &str) -> Verdict {
    match product_of(version.build) {
        Some(Product { year: Some(year), name, .. }) => match year_in(os_image) {
            Some(other) if other != *year => {
                Verdict::Failed(format!("build {} is {name}, but the node calls itself `{os_image}`", version.build))
            }
            Some(_) => Verdict::Passed(format!("{name} ({version})")),
            None => Verdict::Passed(format!("{name} ({version}); its name `{os_image}` carries no year")),
        },
        Some(product) => Verdict::Passed(format!("{} ({version})", product.name)),
        None if version.build > Product::newest() => {
            Verdict::Passed(format!("build {} is newer than every release we know: a preview", version.build))
        }
        None => Verdict::Failed(format!("build {} (`{os_image}`) is no Windows Server release", version.build)),
    }
}

/// The year in a product name such as `Windows Server 2022 Datacenter`.
fn year_in(name: &str) -> Option<u16> {
    name.split(|c: char| !c.is_ascii_digit())
        .filter(|word| word.len() == 4 && word.starts_with("20"))
        .find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use winconform_reports::VerdictKind;

    use super::*;

    fn kind(version: &str, os_image: &str) -> VerdictKind {
        judge(version.parse().unwrap(), os_image).kind()
    }

    #[test]
    fn a_name_must_fit_its_build() {
        assert_eq!(kind("10.0.20348.5499", "Windows Server 2022 Datacenter"), VerdictKind::Passed);
        assert_eq!(kind("10.0.20348.5499", "Windows Server 2019 Datacenter"), VerdictKind::Failed);
        assert_eq!(kind("10.0.17763.1", "Windows Server 2019 Standard Evaluation"), VerdictKind::Passed);
    }

    #[test]
    fn a_channel_release_and_a_preview_are_no_failure() {
        assert_eq!(kind("10.0.25398.830", "Windows Server Datacenter"), VerdictKind::Passed);
        assert_eq!(kind("10.0.29531.1000", "Windows Server 2025 Datacenter"), VerdictKind::Passed);
    }

    #[test]
    fn a_desktop_build_is_no_windows_server() {
        assert_eq!(kind("10.0.19045.3803", "Windows 10 Pro"), VerdictKind::Failed);
    }
}
