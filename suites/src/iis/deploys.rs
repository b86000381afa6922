//! The guide's IIS Deployment, with its limits and requests, becomes Ready and serves.

use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Use,
    probe::{Aim, HttpProbe, PodRef, judge},
};
use winconform_reports::event::{Destination, Vantage};

use super::IIS_PAGE;
use crate::{fixture::IIS, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "iis/deploys",
    title: "IIS with limits and requests becomes Ready and serves its page",
    statement: "C4",
    passing: "The Deployment's pod became Ready on a node of the target, and answered with its page on its own IP.",
    silent_on: "Whether the limits are kept: `iis/resources-applied` asks that.",
    uses: &[Use::settled(&IIS)],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[
            Failure {
                seen: "`no match for platform in manifest`.",
                advice: "The image is for another Windows release: the guide's own YAML names ltsc2019 whatever the node is.",
            },
            Failure {
                seen: "The pod is Ready and does not answer.",
                advice: "ServiceMonitor did not start the web service: `kubectl exec POD -- powershell Get-Service w3svc`.",
            },
        ],
        by_hand: &[
            "kubectl get pods --selector app=iis --output wide",
            "kubectl exec POD -- curl.exe -s http://POD_IP/",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const CONNECTIONS: u32 = 3;

async fn run(cx: Context) -> Answer {
    let ready = match cx.outcome(cx.fixture(&IIS)?)? {
        Ok(ready) => ready,
        Err(trouble) => return Ok(cx.judge_trouble(&trouble)),
    };
    let probe = |pod: &PodRef| HttpProbe {
        from: pod.clone(),
        vantage: Vantage::WindowsPod,
        aim: Aim {
            path: "/".to_owned(),
            ..Aim::page(Destination::WindowsPodSameNode, &pod.ip, 80, Some(pod.node.clone()))
        },
        expect: IIS_PAGE,
        connections: CONNECTIONS,
        settle: Some(cx.budgets().inside(Budget::Datapath)),
    };
    let probed = cx.probe(ready.pods.iter().map(probe).collect()).await;
    Ok(judge(&probed, "IIS must serve its page"))
}
