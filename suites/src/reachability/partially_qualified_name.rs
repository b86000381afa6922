//! Today's guide: Windows pods have one DNS suffix, and a name with a dot in it is taken
//! as complete, so `service.namespace` is not found.
//!
//! A documented limitation, so there are three outcomes. The same pod shows first that
//! it finds the bare name and the full one; on Linux the partial names are found.

use winconform_harness::{Answer, Check, Context, Explain, Failure, Use, probe::HttpProbe};
use winconform_reports::{
    Level,
    event::{Cell, Destination},
};

use super::{
    limitation::{Limitation, inconclusive, judge_limitation},
    names::Named,
    paths::{REACHABILITY, pods_here},
};
use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "reachability/partially-qualified-name",
    title: "Windows pods do not find partially qualified names, as documented",
    statement: "R10",
    passing: "Present: pods that find the bare and the full name do not find those between. Lifted: they do.",
    silent_on: "Names outside the cluster.",
    level: Level::Limitation,
    uses: &[Use::settled(&WINDOWS_POD), Use::ready(&WIN_WEBSERVER)],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#dns-windows",
            "https://kubernetes.io/docs/concepts/services-networking/windows-networking/",
        ],
        failures: &[
            Failure {
                seen: "Lifted: partially qualified names are found.",
                advice: "Nothing to do. `--expect-limitation` makes it red.",
            },
            Failure {
                seen: "Inconclusive: not even the bare and the full name are found.",
                advice: "See `reachability/service-name`.",
            },
        ],
        by_hand: &["kubectl exec WINDOWS_POD -- powershell Resolve-DnsName kubernetes.default"],
    },
    run: |cx| Box::pin(run(cx)),
    ..REACHABILITY
};

const PARTIAL_NAMES: Limitation = Limitation {
    who: "pods",
    lifted: "find partially qualified names",
    present: "pods find the bare and the full name but none between",
    shows: is_not_found,
};

/// Not found, or found as something else, by every lookup.
fn is_not_found(cell: &Cell) -> bool {
    cell.otherwise + cell.connected_only == cell.tried
}

async fn run(cx: Context) -> Answer {
    let sources = pods_here(&cx, &WINDOWS_POD)?;
    let named = Named::learn(&cx, &sources).await?;
    let controls: Vec<HttpProbe> = sources
        .iter()
        .flat_map(|from| {
            let names = [Some(&named.bare), named.full.as_ref()].into_iter().flatten();
            names.map(|name| HttpProbe { connections: 1, ..named.ask(&cx, from, name) }).collect::<Vec<_>>()
        })
        .collect();
    let each = controls.len() / sources.len().max(1);
    let answered = cx.probe(controls).await;
    let mut questions = Vec::new();
    for (from, controls) in sources.iter().zip(answered.chunks(each.max(1))) {
        if each > 0 && controls.iter().all(|control| control.cell.answered > 0) {
            for name in
                [format!("{}.{}", named.bare, named.namespace), format!("{}.{}.svc", named.bare, named.namespace)]
            {
                // Nothing is waited for: the controls have shown that names are found.
                let mut question = HttpProbe { connections: 2, settle: None, ..named.ask(&cx, from, &name) };
                question.aim.destination = Destination::PartialName;
                questions.push(question);
            }
        }
    }
    if questions.is_empty() {
        return Ok(inconclusive(&answered, "no pod finds the bare and the full name of the Service"));
    }
    Ok(judge_limitation(&cx.probe(questions).await, &PARTIAL_NAMES))
}
