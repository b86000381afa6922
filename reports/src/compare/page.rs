//! A comparison as an HTML page, in the style of reports.

use maud::{Markup, html};

use super::{
    Cause, Comparison,
    model::ChangeKind,
    text::{grouped, headline, listed, said_in_cell, side, timed, timing},
};
use crate::html::{
    page::{Page, Section},
    parts::{line, scrolling},
};

/// More than this of a kind a page does not hold; the JSON has all.
const SHOWN: usize = 500;

/// Writes a comparison as one HTML file.
#[must_use]
pub fn to_html(comparison: &Comparison) -> String {
    let page = Page {
        title: format!("winconform: {}", headline(comparison)),
        tone: tone(comparison),
        eyebrow: html! { "winconform · what changed between two runs" },
        lead: html! {
            h1.long { (line(&headline(comparison))) }
            dl.facts {
                div { dt { "Base" } dd { (line(&side(&comparison.base))) } }
                div { dt { "Candidate" } dd { (line(&side(&comparison.candidate))) } }
            }
        },
        sections: [
            changes(comparison),
            causes(comparison),
            times(comparison),
            environment(comparison),
            pairs(comparison),
        ]
        .into_iter()
        .flatten()
        .collect(),
        foot: "winconform".to_owned(),
    };
    page.render()
}

/// Red where something got worse, green where something only got better.
fn tone(comparison: &Comparison) -> &'static str {
    let has = |class_of: &str| {
        ChangeKind::ALL.into_iter().any(|kind| class(kind) == class_of && comparison.of_kind(kind).next().is_some())
    };
    if has("m-failed") {
        "bad"
    } else if has("m-flaky") || has("m-unknown") {
        "odd"
    } else if has("m-ok") {
        "good"
    } else {
        ""
    }
}

fn class(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Regressed | ChangeKind::NewFailure | ChangeKind::OtherReason => "m-failed",
        ChangeKind::NewlyFlaky | ChangeKind::StillFails => "m-flaky",
        ChangeKind::LimitationAppeared => "m-limit",
        ChangeKind::LimitationLifted => "m-lifted",
        ChangeKind::CoverageLost => "m-unknown",
        ChangeKind::Fixed | ChangeKind::NoLongerFlaky => "m-ok",
        ChangeKind::CoverageGained => "m-na",
    }
}

fn changes(comparison: &Comparison) -> Option<Section> {
    let tables = ChangeKind::ALL.into_iter().filter_map(|kind| of_kind(comparison, kind));
    let tables: Vec<Markup> = tables.collect();
    let body = html! {
        @if tables.is_empty() { p { "Every answer that both runs have is the same." } }
        @for table in &tables { (table) }
    };
    Some(Section { id: "changes", title: "What changed", body })
}

fn of_kind(comparison: &Comparison, kind: ChangeKind) -> Option<Markup> {
    let groups = grouped(comparison.of_kind(kind));
    if groups.is_empty() {
        return None;
    }
    let table = html! {
        table.list {
            caption.sr { (kind.as_words()) }
            thead { tr { th scope="col" { "Answer" } th scope="col" { "Was" } th scope="col" { "Is" } } }
            tbody {
                @for group in groups.iter().take(SHOWN) {
                    tr {
                        th scope="row" { (line(&group.title())) }
                        td { (said_in_cell(&group.base)) }
                        td.text { (said_in_cell(&group.candidate)) }
                    }
                }
            }
        }
    };
    Some(html! {
        h3 { span class={ "pill " (class(kind)) } { (kind.as_words()) } " " (comparison.of_kind(kind).count()) }
        (scrolling(kind.as_words(), &table))
        @if groups.len() > SHOWN { p.quiet { "and " (groups.len() - SHOWN) " more, all in the JSON" } }
    })
}

fn causes(comparison: &Comparison) -> Option<Section> {
    let Comparison { findings_new, findings_gone, .. } = comparison;
    if findings_new.is_empty() && findings_gone.is_empty() {
        return None;
    }
    let list = |title: &str, class: &str, causes: &[Cause]| {
        html! {
            @if !causes.is_empty() {
                div class={ "card " (class) } {
                    h3 { (title) " " span.count { (causes.len()) } }
                    ul {
                        @for cause in causes.iter().take(SHOWN) {
                            li { (cause.layer) ", " (line(&cause.subject)) ": " (line(&cause.summary)) }
                        }
                    }
                }
            }
        }
    };
    let body = html! {
        div.changes {
            (list("new", "m-failed", findings_new))
            (list("gone", "m-ok", findings_gone))
        }
    };
    Some(Section { id: "causes", title: "Causes", body })
}

fn times(comparison: &Comparison) -> Option<Section> {
    let changed = &comparison.timings.changed;
    let body = html! {
        @if changed.is_empty() { p { "No time differs beyond chance." } }
        ul {
            @for change in changed.iter().take(SHOWN) {
                li {
                    @if change.is_slower() { span.pill.m-failed { "slower" } } @else { span.pill.m-ok { "faster" } }
                    " " (line(&timing(change)))
                }
            }
        }
        p.quiet { (timed(comparison)) }
    };
    Some(Section { id: "times", title: "Times", body })
}

fn environment(comparison: &Comparison) -> Option<Section> {
    if comparison.environment.is_empty() {
        return None;
    }
    let table = html! {
        table.list {
            caption.sr { "Environment" }
            thead {
                tr { th scope="col" { "What" } th scope="col" { "Base" } th scope="col" { "Candidate" } th scope="col" { "On" } }
            }
            tbody {
                @for difference in comparison.environment.iter().take(SHOWN) {
                    tr {
                        th scope="row" { (line(&difference.what)) }
                        td { (line(difference.base.as_deref().unwrap_or("nothing"))) }
                        td { (line(difference.candidate.as_deref().unwrap_or("nothing"))) }
                        td.text { (line(&listed(&difference.on))) }
                    }
                }
            }
        }
    };
    Some(Section { id: "environment", title: "Environment", body: scrolling("Environment", &table) })
}

fn pairs(comparison: &Comparison) -> Option<Section> {
    let unpaired = &comparison.unpaired;
    let body = html! {
        ul {
            @for pair in comparison.pairs.iter().chain(&comparison.node_pairs).take(SHOWN) {
                li { (line(&pair.base)) " → " (line(&pair.candidate)) " " span.quiet { (pair.by.as_words()) } }
            }
            @for (words, names) in [
                ("targets only in the base", &unpaired.base_targets),
                ("targets only in the candidate", &unpaired.candidate_targets),
                ("nodes only in the base", &unpaired.base_nodes),
                ("nodes only in the candidate", &unpaired.candidate_nodes),
            ] {
                @if !names.is_empty() { li { (words) ": " (line(&listed(names))) } }
            }
        }
        @if unpaired.answers > 0 { p { (unpaired.answers) " answers have nothing to be compared with." } }
    };
    Some(Section { id: "pairs", title: "What was compared with what", body })
}
