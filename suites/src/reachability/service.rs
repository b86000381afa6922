//! Judging connections to a Service: all answered, and every backend was seen.
//!
//! A backend is recognised by the request's own word in its log, not by the IP on
//! the page, which is whatever address the server found first.

use std::{collections::BTreeSet, time::Duration};

use futures::future::select_all;
use winconform_harness::{
    Answer, Context, Trouble,
    probe::{HttpProbe, Probed, judge},
    run::{LogTail, Ready},
    wait::pause,
};
use winconform_reports::{Verdict, VerdictKind, event::Destination};

use super::paths::{PAGE, pod_page};

/// How often a backend that was not seen is looked for with more connections.
const MORE_ROUNDS: u32 = 3;

/// Gives each backend's network its time; a Service's first answer says nothing of the others.
pub(super) async fn settle_backends(cx: &Context, backends: &Ready) {
    cx.settle(backends, |pod| pod_page(Destination::WindowsPodOtherNode, pod), &PAGE).await;
}

/// Tries the probes and judges them; then each source must have seen every backend.
pub(super) async fn probe_service(cx: &Context, probes: Vec<HttpProbe>, promise: &str, backends: &Ready) -> Answer {
    settle_backends(cx, backends).await;
    let mut probed = cx.probe(probes.clone()).await;
    let verdict = judge(&probed, promise);
    if verdict.kind() != VerdictKind::Passed {
        return Ok(verdict);
    }
    let mut seen: Vec<BTreeSet<String>> = Vec::new();
    let mut unread = vec![0; probed.len()];
    for (unread, one) in unread.iter_mut().zip(&probed) {
        let (by, missing) = seen_by(cx, one, backends).await;
        seen.push(by);
        *unread += missing;
    }
    let wanted: BTreeSet<String> = backends.pods.iter().map(|pod| pod.name.clone()).collect();
    for round in 0..MORE_ROUNDS {
        let short: Vec<usize> = (0..seen.len()).filter(|&index| seen[index] != wanted).collect();
        if short.is_empty() {
            break;
        }
        // A node's rules follow the endpoints by a moment; no answer is asked for twice here.
        pause(cx.budgets().stretch(Duration::from_secs(1 << round))).await;
        let again: Vec<HttpProbe> = short.iter().map(|&index| probes[index].clone()).collect();
        let more = cx.probe(again).await;
        let verdict = judge(&more, promise);
        if verdict.kind() != VerdictKind::Passed {
            return Ok(verdict);
        }
        for (index, one) in short.into_iter().zip(more) {
            let (by, missing) = seen_by(cx, &one, backends).await;
            seen[index].extend(by);
            unread[index] += missing;
            probed[index].cell.tried += one.cell.tried;
        }
    }
    let (mut unseen, mut lines) = (Vec::new(), 0);
    for (((probe, one), seen), unread) in probes.iter().zip(&probed).zip(&seen).zip(&unread) {
        let missing: Vec<&str> = wanted.difference(seen).map(String::as_str).collect();
        if !missing.is_empty() {
            lines += unread;
            unseen.push(format!("{} of {} connections from {}", missing.join(", "), one.cell.tried, probe.from.node));
        }
    }
    let (unseen, lines) = cx.seen("the backends that got no connection", Ok::<_, Trouble>((unseen, lines)))?;
    if unseen.is_empty() {
        return Ok(Verdict::Passed(format!("{}; every backend was seen from everywhere", verdict.reason())));
    }
    if let Some((pod, trouble)) = backends.logs.iter().find_map(|(pod, tail)| Some((pod, tail.trouble()?))) {
        return Err(Trouble::Unexpected(format!(
            "connections were answered, but not by whom can be told: the log of {pod} could not be read: {trouble}"
        )));
    }
    if lines > 0 {
        return Err(Trouble::Unexpected(format!(
            "connections were answered, but not by whom can be told: the logs could not be read far enough, {lines} \
             requests are in none"
        )));
    }
    Ok(Verdict::Failed(format!("a backend never got a connection: {}", unseen.join("; "))))
}

/// The backends in whose logs a probe's requests arrived, and how many requests are in none.
async fn seen_by(cx: &Context, probed: &Probed, backends: &Ready) -> (BTreeSet<String>, usize) {
    let settling = format!("{}-s", probed.nonce);
    let arrived = |tail: &LogTail| tail.arrived(&probed.nonce).iter().filter(|word| **word != settling).count();
    // Each request is in some log, but a log may lag behind the answer it belongs to.
    let all = || backends.logs.values().map(arrived).sum::<usize>();
    let all_arrived = || all() >= probed.transfers.len();
    if !backends.logs.is_empty() {
        let patience = cx.budgets().stretch(Duration::from_secs(10));
        let waits = backends.logs.values().map(|tail| Box::pin(tail.until(patience, |_| all_arrived())));
        select_all(waits).await;
    }
    let by = backends.logs.iter().filter(|(_, tail)| arrived(tail) > 0).map(|(pod, _)| pod.clone()).collect();
    (by, probed.transfers.len().saturating_sub(all()))
}
