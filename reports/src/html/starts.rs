//! How long pods took to start, by target: what a new build changes first.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{line, scrolling, share},
};
use crate::{
    event::{Phase, PodTimeline},
    report::Report,
    words::milliseconds,
};

/// Dots of one target.
const DOTS: usize = 200;
/// Pods whose phases are shown.
const SLOWEST: usize = 20;

pub(super) fn section(report: &Report) -> Option<Section> {
    let mut targets: BTreeMap<Option<&str>, Vec<&PodTimeline>> = BTreeMap::new();
    for pod in &report.pods {
        targets.entry(pod.target.as_deref()).or_default().push(pod);
    }
    let longest = report.pods.iter().map(total).max().filter(|longest| *longest > 0)?;
    let table = html! {
        table.starts {
            caption.sr { "Pod starts by target" }
            thead {
                tr {
                    th scope="col" { "Target" }
                    th.number scope="col" { "Pods" }
                    th.number scope="col" { "Median" }
                    th.number scope="col" { "Slowest" }
                    th.wide scope="col" { "Each pod, from 0 to " (milliseconds(longest)) }
                }
            }
            tbody { @for (target, pods) in &mut targets { (row(*target, pods, longest)) } }
        }
    };
    let body = html! {
        (scrolling("Pod starts by target", &table))
        details {
            summary { "The slowest starts, by phase" }
            (slowest(report, longest))
        }
    };
    Some(Section { id: "starts", title: "How pods started", body })
}

fn total(pod: &PodTimeline) -> u64 {
    pod.phases.iter().fold(0, |sum, phase| sum.saturating_add(phase.ms))
}

fn row(target: Option<&str>, pods: &mut [&PodTimeline], longest: u64) -> Markup {
    pods.sort_by_key(|pod| total(pod));
    let median = pods.get(pods.len() / 2).map(|pod| total(pod)).unwrap_or_default();
    let slowest = pods.last().map(|pod| total(pod)).unwrap_or_default();
    // Evenly over the sorted pods, the slowest always among them.
    let step = pods.len().div_ceil(DOTS).max(1);
    html! {
        tr {
            th scope="row" { (line(target.unwrap_or("Linux"))) }
            td.number { (pods.len()) }
            td.number { (milliseconds(median)) }
            td.number { (milliseconds(slowest)) }
            td.wide {
                div.strip aria-hidden="true" {
                    b style={ "left:" (of_longest(median, longest)) } {}
                    @for pod in pods.iter().rev().step_by(step) {
                        i style={ "left:" (of_longest(total(pod), longest)) } title={ (line(&pod.pod)) " " (milliseconds(total(pod))) } {}
                    }
                }
            }
        }
    }
}

fn of_longest(ms: u64, longest: u64) -> String {
    share(std::time::Duration::from_millis(ms).as_secs_f64(), std::time::Duration::from_millis(longest).as_secs_f64())
}

fn slowest(report: &Report, longest: u64) -> Markup {
    let mut pods: Vec<&PodTimeline> = report.pods.iter().collect();
    pods.sort_by(|a, b| total(b).cmp(&total(a)).then_with(|| a.pod.cmp(&b.pod)));
    html! {
        ol.phases {
            @for pod in pods.into_iter().take(SLOWEST) {
                li {
                    span.name { (line(&pod.pod)) span.quiet { " on " (line(&pod.node)) ", " (milliseconds(total(pod))) } }
                    span.stack aria-hidden="true" {
                        @for (place, Phase { name, ms }) in pod.phases.iter().enumerate() {
                            i class={ "t-pod" @if place % 2 == 1 { " odd" } } title={ (line(name)) " " (milliseconds(*ms)) }
                                style={ "width:" (of_longest(*ms, longest)) } {}
                        }
                    }
                    span.quiet { (phases(pod)) }
                }
            }
        }
    }
}

fn phases(pod: &PodTimeline) -> String {
    let words: Vec<String> =
        pod.phases.iter().take(12).map(|Phase { name, ms }| format!("{} {}", line(name), milliseconds(*ms))).collect();
    words.join(" · ")
}
