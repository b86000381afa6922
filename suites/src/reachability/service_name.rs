//! The guide: curl the service name, with the default DNS suffix.
//!
//! Names are asked for as applications do, by curl; that they lead to the Service IP is
//! what counts, whether anybody answers there is `windows-pod-to-service-ip`'s matter.
//! No distribution's names are assumed: the domain and the server are what the pods
//! were told, the DNS Service is the one at that address.

use std::collections::BTreeSet;

use winconform_harness::{
    Answer, Check, Context, Explain, Extent, Failure, Stage, Use,
    probe::{PodRef, Probed, judge},
};
use winconform_reports::{Verdict, VerdictKind};

use super::{
    names::{Named, Why},
    paths::{REACHABILITY, pods_here},
};
use crate::fixture::{LINUX_CLIENT, WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/service-name",
    title: "Windows and Linux pods find the Service by its name",
    statement: "R4",
    passing: "The bare name and the full one led to the Service IP every time, from a pod on each node of the target and from a Linux pod.",
    silent_on: "Whether the Service answers at that IP, and names outside the cluster.",
    uses: &[
        Use::settled(&WINDOWS_POD),
        Use::ready(&WIN_WEBSERVER),
        Use { fixture: &LINUX_CLIENT, extent: Extent::Everywhere, stage: Stage::Settled },
    ],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/",
            "https://github.com/kubernetes/kubernetes/issues/110674",
        ],
        failures: &[
            Failure {
                seen: "The DNS Service's address is dead from a node, its servers answer.",
                advice: "kube-proxy on that node lost the rules of the DNS Service: restart it there.",
            },
            Failure {
                seen: "Nobody gives the address, from any node.",
                advice: "The cluster's DNS is down: look at its pods and their logs.",
            },
            Failure {
                seen: "The pod was told another namespace's suffix, or none.",
                advice: "The CNI's configuration on that node: its DNS section is static or missing.",
            },
        ],
        by_hand: &[
            "kubectl exec WINDOWS_POD -- powershell Resolve-DnsName SERVICE_NAME",
            "kubectl exec WINDOWS_POD -- powershell Resolve-DnsName FULL_NAME -Server IP_OF_A_DNS_POD",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

async fn run(cx: Context) -> Answer {
    let mut sources: Vec<PodRef> = pods_here(&cx, &WINDOWS_POD)?;
    sources.extend(cx.ready_everywhere(&LINUX_CLIENT).flat_map(|(_, ready)| ready.pods.clone()));
    let named = Named::learn(&cx, &sources).await?;
    let mut probes = Vec::new();
    let mut askers = Vec::new();
    for (index, from) in sources.iter().enumerate() {
        for name in [Some(&named.bare), named.full.as_ref()].into_iter().flatten() {
            probes.push(named.ask(&cx, from, name));
            askers.push(index);
        }
    }
    let probed = cx.probe(probes).await;
    let verdict = judge(&probed, "the Service's names must lead to its IP");
    let doubtful: BTreeSet<usize> =
        askers.iter().zip(&probed).filter(|(_, probed)| is_doubtful(probed)).map(|(index, _)| *index).collect();
    if doubtful.is_empty() {
        return Ok(match (verdict, named.domain_unknown()) {
            (Verdict::Passed(text), true) => Verdict::Passed(format!(
                "{text}; only the bare name was asked, since no pod was told its own namespace's suffix"
            )),
            (verdict, _) => verdict,
        });
    }
    let whys = named.why(&cx, &sources, &doubtful.into_iter().collect::<Vec<_>>()).await?;
    Ok(told(verdict, &whys))
}

/// Whether the address that a name led to was not seen to be right each time.
fn is_doubtful(probed: &Probed) -> bool {
    let seen = probed.transfers.iter().any(|transfer| transfer.remote.is_some());
    probed.cell.tried > 0 && (probed.cell.answered < probed.cell.tried || !seen)
}

/// The first few in words; a whole cluster's would be read by nobody.
fn words_of(whys: &[Why]) -> String {
    const SHOWN: usize = 3;
    let mut words: Vec<String> = whys.iter().take(SHOWN).map(Why::words).collect();
    if whys.len() > SHOWN {
        words.push(format!("{} more pods are in trouble", whys.len() - SHOWN));
    }
    words.join(". ")
}

/// What the verdict becomes once it was asked why.
fn told(verdict: Verdict, whys: &[Why]) -> Verdict {
    let words = words_of(whys);
    if verdict.kind() != VerdictKind::Passed {
        return match verdict {
            Verdict::Failed(text) => Verdict::Failed(format!("{words}. In numbers: {text}")),
            other => other,
        };
    }
    // Names were found, but nobody answered at their address, so curl did not show it.
    if whys.iter().any(|why| why.wrong_address().is_some()) {
        Verdict::Failed(format!("the Service's names must lead to its IP. {words}"))
    } else if whys.iter().all(Why::resolver_is_right) {
        Verdict::Passed(format!("{}; nobody answered at the Service IP from some nodes", verdict.reason()))
    } else if let Some(why) = whys.iter().find_map(Why::unasked) {
        Verdict::Undetermined(format!("names are found, but where they lead could not be seen: {why}"))
    } else {
        Verdict::Failed(format!("applications find the names, but asked again nobody gives their address. {words}"))
    }
}
