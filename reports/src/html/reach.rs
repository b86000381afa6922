//! Who reaches what: kinds of sources × kinds of destinations as a heat map, nodes on demand.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{line, scrolling},
};
use crate::{
    event::{Destination, Vantage},
    report::{Crossing, Path, Reach, Report},
    words::{counted, percent},
};

/// A grid of nodes with more rows or columns than this is a list of what is not open.
const GRID: usize = 16;
/// Ways in such a list.
const WAYS: usize = 60;

pub(super) fn section(report: &Report) -> Option<Section> {
    if report.matrix.is_empty() {
        return None;
    }
    let sources: BTreeSet<Vantage> = report.matrix.iter().map(|crossing| crossing.source).collect();
    let destinations: BTreeSet<Destination> = report.matrix.iter().map(|crossing| crossing.destination).collect();
    let find = |source, destination| {
        report.matrix.iter().find(|crossing| crossing.source == source && crossing.destination == destination)
    };
    let table = html! {
        table.heat {
            caption.sr { "Who reaches what" }
            thead {
                tr {
                    th.corner scope="col" { "from \\ to" }
                    @for destination in &destinations { th scope="col" { (destination.as_words()) } }
                }
            }
            tbody {
                @for source in &sources {
                    tr {
                        th scope="row" { (source.as_words()) }
                        @for destination in &destinations { (cell(find(*source, *destination))) }
                    }
                }
            }
        }
    };
    let body = html! {
        p.quiet { "Rows are where connections started, columns what they were aimed at. A cell leads to its nodes." }
        (scrolling("Who reaches what", &table))
        (legend())
        h3 { "By node" }
        @for crossing in &report.matrix { (by_node(crossing)) }
    };
    Some(Section { id: "reach", title: "Who reaches what", body })
}

fn legend() -> Markup {
    let entries = [
        (Reach::Open, "every connection was answered"),
        (Reach::Limitation, "closed, as documented"),
        (Reach::Partial, "some were answered"),
        (Reach::Closed, "none was answered"),
        (Reach::Unknown, "none could be tried: our trouble, not the network’s"),
    ];
    html! {
        ul.legend {
            @for (reach, words) in entries {
                li { span class={ "swatch " (class(reach)) } aria-hidden="true" {} (word(reach)) ": " (words) }
            }
        }
    }
}

fn class(reach: Reach) -> &'static str {
    match reach {
        Reach::Open => "m-ok",
        Reach::Limitation => "m-limit",
        Reach::Partial => "m-partial",
        Reach::Closed => "m-failed",
        Reach::Unknown => "m-unknown",
    }
}

fn word(reach: Reach) -> &'static str {
    match reach {
        Reach::Open => "open",
        Reach::Limitation => "limit",
        Reach::Partial => "partly",
        Reach::Closed => "dead",
        Reach::Unknown => "unknown",
    }
}

fn anchor(crossing: &Crossing) -> String {
    let slug = |words: &str| words.replace([' ', ','], "-");
    format!("way-{}--{}", slug(crossing.source.as_words()), slug(crossing.destination.as_words()))
}

fn cell(crossing: Option<&Crossing>) -> Markup {
    let Some(crossing) = crossing else {
        return html! { td class="mark m-none" { span aria-hidden="true" { "·" } span.sr { "not asked" } } };
    };
    html! {
        td class={ "mark " (class(crossing.reach)) } {
            a href={ "#" (anchor(crossing)) } {
                @if crossing.reach == Reach::Partial {
                    (percent(crossing.answered, crossing.tried.saturating_sub(crossing.lost)))
                } @else {
                    (word(crossing.reach))
                }
            }
        }
    }
}

fn by_node(crossing: &Crossing) -> Markup {
    let bad = crossing.paths.iter().filter(|path| is_bad(path)).count();
    let open = matches!(crossing.reach, Reach::Closed | Reach::Partial);
    html! {
        details.way open[open] {
            summary {
                span class={ "swatch " (class(crossing.reach)) } aria-hidden="true" {}
                (crossing.source.as_words()) " → " (crossing.destination.as_words())
                span.quiet {
                    " " (counted(crossing.paths.len(), "way"))
                    @if bad > 0 { ", " (bad) " not open" }
                    ", " (crossing.answered) " of " (crossing.tried) " connections answered"
                }
            }
            div id=(anchor(crossing)) { (ways(crossing)) }
        }
    }
}

fn is_bad(path: &Path) -> bool {
    !matches!(path.reach, Reach::Open | Reach::Limitation)
}

fn ways(crossing: &Crossing) -> Markup {
    let sources: BTreeSet<Option<&str>> = crossing.paths.iter().map(|path| path.source_node.as_deref()).collect();
    let ends: BTreeSet<Option<&str>> = crossing.paths.iter().map(|path| path.destination_node.as_deref()).collect();
    let name = format!("{} to {} by node", crossing.source.as_words(), crossing.destination.as_words());
    let small = sources.len() <= GRID && ends.len() <= GRID;
    html! {
        @if small { (scrolling(&name, &grid(crossing, &sources, &ends))) }
        (list(crossing))
        @if !small {
            @let open = crossing.paths.iter().filter(|path| !is_bad(path)).count();
            p.quiet { (counted(open, "other way")) " of " (sources.len()) " sources are as they should be." }
        }
        p.quiet { "Asked by " (line(&crate::words::first_few(crossing.checks.iter().map(String::as_str), 6))) "." }
    }
}

fn grid(crossing: &Crossing, sources: &BTreeSet<Option<&str>>, ends: &BTreeSet<Option<&str>>) -> Markup {
    let path = |source: Option<&str>, end: Option<&str>| {
        crossing
            .paths
            .iter()
            .find(|path| path.source_node.as_deref() == source && path.destination_node.as_deref() == end)
    };
    html! {
        table.heat.small {
            thead {
                tr {
                    th.corner scope="col" { "from \\ to" }
                    @for end in ends { th scope="col" { (line(end.unwrap_or("no one node"))) } }
                }
            }
            tbody {
                @for source in sources {
                    tr {
                        th scope="row" { (line(source.unwrap_or("outside"))) }
                        @for end in ends {
                            @match path(*source, *end) {
                                Some(path) => td class={ "mark " (class(path.reach)) } {
                                    (path.answered) "/" (path.tried)
                                },
                                None => td class="mark m-none" {
                                    span aria-hidden="true" { "·" } span.sr { "not asked" }
                                },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The ways that are not open, each with what came of it.
fn list(crossing: &Crossing) -> Markup {
    let bad: Vec<&Path> = crossing.paths.iter().filter(|path| is_bad(path)).collect();
    if bad.is_empty() {
        return html! {};
    }
    html! {
        ul {
            @for path in bad.iter().take(WAYS) { li { (way(path)) } }
            @if bad.len() > WAYS { li.quiet { "and " (bad.len() - WAYS) " more, all in the JSON report" } }
        }
    }
}

fn way(path: &Path) -> String {
    let from = path.source_node.as_deref().unwrap_or("outside");
    let to = path.destination_node.as_deref().map(|node| format!(" to {node}")).unwrap_or_default();
    let outcomes = [
        (path.timed_out, "timed out"),
        (path.refused, "refused"),
        (path.connected_only, "connected only"),
        (path.otherwise, "failed otherwise"),
        (path.lost, "lost by our transport"),
    ];
    let outcomes = outcomes.into_iter().filter(|(count, _)| *count > 0);
    let outcomes: String = outcomes.map(|(count, words)| format!(", {count} {words}")).collect();
    let example = path.example.as_deref().map(|example| format!(" ({example})")).unwrap_or_default();
    line(&format!("{from}{to}: {} of {} answered{outcomes}{example}", path.answered, path.tried))
}
