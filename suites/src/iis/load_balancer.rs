//! A Service of type LoadBalancer publishes IIS: it gets an address that leads there.
//!
//! Asked only with the user's leave, since it publishes an address. The address may be a
//! name, and names take minutes to be known everywhere. It is asked a second time with a
//! Service made anew, since that has brought kube-proxy down (microsoft/Windows-Containers#103).

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Need, Trouble, Use,
    blame::seconds,
    placement::FIXTURE_LABEL,
    probe::{Aim, HttpProbe, PodRef, judge},
    wait::{Look, WaitError},
};
use winconform_manifests::{IIS_LOAD_BALANCER, Kind, Object};
use winconform_reports::{
    Level, Verdict, VerdictKind,
    event::{Destination, Vantage},
};

use super::IIS_PAGE;
use crate::{
    fixture::{IIS, LINUX_CLIENT, WINDOWS_POD},
    trial::{TRIAL, exactly},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "iis/load-balancer",
    title: "A load balancer gets an address that leads to IIS, and again when made anew",
    statement: "C5",
    passing: "Twice the Service got an address, and every connection to it from inside the cluster brought IIS' page; from outside too where it can be reached.",
    silent_on: "Health checks of the cloud, and traffic policies.",
    level: Level::Extended,
    needs: &[Need::LoadBalancerAllowed, Need::OpenNode],
    uses: &[Use::ready(&IIS), Use::settled(&WINDOWS_POD), Use::settled(&LINUX_CLIENT)],
    creates: &[IIS_LOAD_BALANCER],
    explain: Explain {
        sources: &[
            "https://kubernetes.io/docs/concepts/windows/user-guide/",
            "https://github.com/kubernetes/community/issues/8883",
            "https://github.com/microsoft/Windows-Containers/issues/103",
        ],
        failures: &[
            Failure {
                seen: "No address, though a controller has taken notice of the Service.",
                advice: "The Service's events say what the cloud refuses: quota, permissions, a subnet without addresses.",
            },
            Failure {
                seen: "There is an address, and nobody answers at it.",
                advice: "Look whether the cloud sees the nodes as healthy, and whether kube-proxy on the Windows nodes has rules for the address.",
            },
            Failure {
                seen: "Only the second Service is dead.",
                advice: "kube-proxy did not survive the first one's end: look for a panic in its log.",
            },
        ],
        by_hand: &[
            "kubectl expose deployment iis --type LoadBalancer --port 80",
            "kubectl get service iis --watch",
            "curl http://ADDRESS/",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

const CONNECTIONS: u32 = 6;

async fn run(cx: Context) -> Answer {
    cx.ready(&IIS)?;
    let nodes = cx.open_nodes_here()?;
    let [mut service] = exactly(cx.draft(&IIS_LOAD_BALANCER, "", &nodes)?)?;
    let slug = cx.fixture(&IIS)?.key.slug();
    if let Kind::Service(object) = &mut service.kind {
        object.spec.get_or_insert_default().selector = Some(BTreeMap::from([(FIXTURE_LABEL.to_owned(), slug)]));
        object.metadata.annotations = Some(cx.settings().load_balancer_annotations.clone());
    }
    let mut told = Vec::new();
    for turn in ["a first Service", "a Service made anew"] {
        let from = Instant::now();
        let made = cx.create(&service).await?;
        let address = match address(&cx, &made).await? {
            Ok(address) => address,
            Err(verdict) => return Ok(verdict),
        };
        cx.phase("address", from.elapsed());
        cx.name_service(&cx.fixture(&IIS)?.key.to_string(), &address);
        let verdict = leads_to_iis(&cx, &address).await;
        if verdict.kind() != VerdictKind::Passed {
            let text = format!("{turn}, at {address}: {}", verdict.reason());
            return Ok(match verdict.kind() {
                VerdictKind::Undetermined => Verdict::Undetermined(text),
                _ => Verdict::Failed(text),
            });
        }
        told.push(format!("{turn} at {address} after {}: {}", seconds(from.elapsed()), verdict.reason()));
        cx.delete(&service).await?;
        is_gone(&cx, &service).await?;
    }
    Ok(Verdict::Passed(told.join("; ")))
}

/// The address that the Service gets, or the verdict where it gets none.
async fn address(cx: &Context, made: &Object) -> Result<Result<String, Verdict>, Trouble> {
    let namespace = made.metadata().namespace.clone().unwrap_or_default();
    let found = cx
        .wait("an address for the load balancer", || {
            let service = cx.services().peek(|services| services.get(&namespace, made.name()).cloned());
            let ingress = service.as_ref().and_then(|service| {
                let status = service.status.as_ref()?.load_balancer.as_ref()?;
                status.ingress.as_ref()?.first().cloned()
            });
            if let Some(address) = ingress.and_then(|ingress| ingress.hostname.or(ingress.ip)) {
                return Look::Ready(address);
            }
            let finalizers =
                service.as_ref().and_then(|service| service.metadata.finalizers.clone()).unwrap_or_default();
            let last = cx.events_about(made).last().and_then(|event| event.message.clone());
            match (last, finalizers.is_empty()) {
                (Some(message), _) => Look::NotYet(Budget::LoadBalancer, format!("its last event says: {message}")),
                (None, false) => Look::NotYet(Budget::LoadBalancer, "a controller has marked it as its own".to_owned()),
                (None, true) => Look::NotYet(Budget::Schedule, "no controller has taken notice of it".to_owned()),
            }
        })
        .await;
    match found {
        Ok(address) => Ok(Ok(address)),
        // No event and no finalizer in all that time: nobody here makes load balancers.
        Err(WaitError::TimedOut { budget: Budget::Schedule, waited, .. }) => Ok(Err(Verdict::NotApplicable(format!(
            "within {} no controller took notice of the Service: this cluster has none for load balancers",
            seconds(waited)
        )))),
        Err(error) => Err(error.into()),
    }
}

/// Asked from inside until it is answered, since names and health checks take their time; then from outside.
async fn leads_to_iis(cx: &Context, address: &str) -> Verdict {
    let aim = Aim { path: "/".to_owned(), ..Aim::page(Destination::LoadBalancer, address, 80, None) };
    let probe = |from: &PodRef, vantage| HttpProbe {
        from: from.clone(),
        vantage,
        aim: aim.clone(),
        expect: IIS_PAGE,
        connections: CONNECTIONS,
        settle: Some(cx.budgets().inside(Budget::Datapath)),
    };
    let windows = cx.ready_here(&WINDOWS_POD).flat_map(|(_, ready)| ready.pods.clone()).take(2);
    let mut probes: Vec<HttpProbe> = windows.map(|pod| probe(&pod, Vantage::WindowsPod)).collect();
    let linux = cx.ready_here(&LINUX_CLIENT).flat_map(|(_, ready)| ready.pods.clone()).take(1);
    probes.extend(linux.map(|pod| probe(&pod, Vantage::LinuxPod)));
    let (from, patience) = (Instant::now(), cx.budgets().of(Budget::LoadBalancer));
    let mut wait = Duration::from_secs(1);
    let inside = loop {
        let probed = cx.try_out(&probes).await;
        let verdict = judge(&probed, "the load balancer must lead to IIS");
        if verdict.kind() != VerdictKind::Failed || from.elapsed() >= patience {
            cx.report(&probed);
            break verdict;
        }
        cx.let_pass(wait.min(patience.saturating_sub(from.elapsed()))).await;
        wait *= 2;
    };
    if inside.kind() != VerdictKind::Passed {
        return inside;
    }
    let outside = cx.probe_outside(&[aim], &IIS_PAGE, CONNECTIONS).await;
    let answered: u32 = outside.iter().map(|one| one.cell.answered).sum();
    let verdict = judge(&outside, "the load balancer must lead to IIS from outside");
    match verdict.kind() {
        VerdictKind::Passed => Verdict::Passed(format!("{}, from outside too", inside.reason())),
        // Nobody promised that it can be reached from where winconform runs.
        _ if answered == 0 && !cx.has_outside_proxy() => {
            Verdict::Passed(format!("{}; not reachable from here", inside.reason()))
        }
        _ => verdict,
    }
}

/// Waits until the Service is gone: its controller may have to give the address back first.
async fn is_gone(cx: &Context, service: &Object) -> Result<(), Trouble> {
    let namespace = service.metadata().namespace.clone().unwrap_or_default();
    cx.wait("the end of the load balancer", || {
        match cx.services().peek(|services| services.get(&namespace, service.name()).is_some()) {
            true => Look::NotYet(Budget::LoadBalancer, "the Service is still there".to_owned()),
            false => Look::Ready(()),
        }
    })
    .await?;
    Ok(())
}
