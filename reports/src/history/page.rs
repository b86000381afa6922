//! A history as an HTML page: a nightly job's folder as a picture.

use maud::{Markup, html};

use super::{
    model::{History, Series, State, TimeSeries},
    text::{headline, name, share, time},
};
use crate::html::{
    page::{Page, Section},
    parts::{line, scrolling},
};

/// Runs that are drawn; the JSON has all.
const DRAWN: usize = 120;
/// Series that are drawn.
const SHOWN: usize = 1000;

/// Writes a history as one HTML file.
#[must_use]
pub fn to_html(history: &History) -> String {
    let page = Page {
        title: format!("winconform history: {}", headline(history)),
        tone: tone(history),
        eyebrow: html! { "winconform · history" },
        lead: html! {
            h1.long { (headline(history)) }
            @if let (Some(first), Some(last)) = (history.runs.first(), history.runs.last()) {
                p { "From " (line(&first.run)) " to " (line(&last.run)) "." }
            }
            @for note in &history.notes { p.quiet { (line(note)) } }
        },
        sections: [broken(history), checks(history), times(history)].into_iter().flatten().collect(),
        foot: "winconform".to_owned(),
    };
    page.render()
}

fn tone(history: &History) -> &'static str {
    match history.series.iter().any(|series| series.first_bad.is_some()) {
        true => "bad",
        false if history.series.is_empty() => "odd",
        false => "good",
    }
}

fn broken(history: &History) -> Option<Section> {
    let bad: Vec<&Series> = history.series.iter().filter(|series| series.first_bad.is_some()).collect();
    if bad.is_empty() {
        return None;
    }
    let body = html! {
        div.changes {
            @for series in bad.iter().take(SHOWN) {
                @if let Some(first) = &series.first_bad {
                    div.card.m-failed {
                        h3 { (line(&name(series))) }
                        p { "Broken since run " (line(&first.run)) "." }
                        @match &first.last_good {
                            Some(good) => p { "It last held in " (line(good)) "." },
                            None => p { "It never held here." },
                        }
                        p { (line(&first.reason)) }
                        @if !first.environment.is_empty() {
                            ul {
                                @for difference in first.environment.iter().take(10) {
                                    li {
                                        (line(&difference.what)) ": "
                                        (line(difference.base.as_deref().unwrap_or("nothing"))) " → "
                                        (line(difference.candidate.as_deref().unwrap_or("nothing")))
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Some(Section { id: "broken", title: "Broken now", body })
}

fn checks(history: &History) -> Option<Section> {
    if history.series.is_empty() {
        return None;
    }
    let from = history.runs.len().saturating_sub(DRAWN);
    // What needs a look comes first; within that the order of reports.
    let mut order: Vec<&Series> = history.series.iter().collect();
    order.sort_by_key(|series| (series.always_passed(), series.first_bad.is_none()));
    let table = html! {
        table.grid {
            caption.sr { "Checks by run" }
            thead {
                tr {
                    th scope="col" { "Check" }
                    th scope="col" { "Held" }
                    th scope="col" { "Flaky" }
                    @for run in history.runs.iter().skip(from) {
                        th scope="col" {
                            span title=(line(&run.run)) {
                                (run.started.map(|at| at.strftime("%m-%d").to_string()).unwrap_or_default())
                            }
                        }
                    }
                }
            }
            tbody {
                @for series in order.iter().take(SHOWN) {
                    tr {
                        th scope="row" { (line(&name(series))) }
                        td { (share(series.passed)) }
                        td { (share(series.flaky)) }
                        @for state in series.states.iter().skip(from) { (cell(*state)) }
                    }
                }
            }
        }
    };
    let body = html! {
        p.quiet { "Shares with the range in which the true one lies with 95 % confidence (Wilson). Oldest run first." }
        (scrolling("Checks by run", &table))
        @if order.len() > SHOWN { p.quiet { "and " (order.len() - SHOWN) " more, all in the JSON" } }
    };
    Some(Section { id: "checks", title: "Checks by run", body })
}

fn cell(state: State) -> Markup {
    let (class, mark, words) = match state {
        State::NotAsked => ("m-none", "·", "not asked"),
        State::Untold => ("m-unknown", "?", "could not be told"),
        State::Passed => ("m-ok", "ok", "held"),
        State::Flaky => ("m-flaky", "f", "flaky"),
        State::Failed => ("m-failed", "F", "failed"),
    };
    html! { td class={ "mark " (class) } { span aria-hidden="true" { (mark) } span.sr { (words) } } }
}

fn times(history: &History) -> Option<Section> {
    if history.times.is_empty() {
        return None;
    }
    let table = html! {
        table.list {
            caption.sr { "Times by run" }
            thead { tr { th scope="col" { "Time" } th scope="col" { "Each run's median" } } }
            tbody {
                @for times in history.times.iter().take(SHOWN) {
                    tr { th scope="row" { (line(&time(times))) } td { (curve(times)) } }
                }
            }
        }
    };
    let body = html! {
        p.quiet { "A trend is told for eight runs or more (Mann-Kendall, p < 0.01; slope by Theil-Sen)." }
        (scrolling("Times by run", &table))
    };
    Some(Section { id: "times", title: "Times by run", body })
}

/// A line over all runs, from 0 to the largest.
#[expect(clippy::cast_precision_loss, reason = "places on a picture")]
fn curve(times: &TimeSeries) -> Markup {
    let top = times.medians.iter().copied().flatten().fold(0.0_f64, f64::max).max(0.001);
    let last = times.medians.len().saturating_sub(1).max(1) as f64;
    let points: Vec<String> = times
        .medians
        .iter()
        .enumerate()
        .filter_map(|(place, median)| {
            Some(format!("{:.1},{:.1}", place as f64 / last * 240.0, 36.0 - (*median)? / top * 34.0))
        })
        .collect();
    html! {
        svg width="240" height="38" viewBox="0 0 240 38" role="img" aria-label=(line(&time(times))) {
            polyline points=(points.join(" ")) fill="none" stroke="currentColor" stroke-width="1.5" {}
        }
    }
}
