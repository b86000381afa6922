//! A page for each check: what it asks, what was found where, and how to ask again.

use maud::{Markup, html};

use super::{
    page::Section,
    parts::{block, check_anchor, command, line, pill, tally_states},
    table::find,
};
use crate::{
    event::Evidence,
    report::{
        CheckResult, Report,
        grid::{Grid, Mark, Row},
        repeat_command,
    },
    words::{counted, first_few, milliseconds, seconds},
};

/// Groups of a check that are shown with all that is known of them.
const GROUPS: usize = 8;
/// Attempts that are told one by one.
const TRIES: usize = 40;
/// Bytes of one excerpt.
const EXCERPT: usize = 4_000;
/// Bytes of a reason.
const REASON: usize = 4_000;
/// Bytes that evidence and details may take in all; beyond them reasons remain.
const ROOM: usize = 2_500_000;

/// Results of a check that say the same.
struct Group<'a> {
    mark: Mark,
    results: Vec<&'a CheckResult>,
}

pub(super) fn section(report: &Report, grid: &Grid<'_>) -> Option<Section> {
    if report.results.is_empty() {
        return None;
    }
    let mut room = ROOM;
    let causes: Vec<&str> = report.findings.iter().map(|finding| finding.id.as_str()).collect();
    let pages: Vec<Markup> = grid.checks().map(|row| page(report, row, &causes, &mut room)).collect();
    let body = html! {
        p.quiet { "Each check with what it asks, what was found, and the command that asks again." }
        @for page in pages { (page) }
    };
    Some(Section { id: "checks", title: "Every check", body })
}

fn page(report: &Report, row: &Row<'_>, causes: &[&str], room: &mut usize) -> Markup {
    let Some(first) = row.results.first() else { return html! {} };
    let tally = row.tally();
    let worst = tally.worst();
    let groups = groups(row);
    let shown = groups.len().min(GROUPS);
    let (whole, rest) = groups.split_at(shown);
    let bodies: Vec<Markup> = whole.iter().map(|group| this_group(report, group, causes, room)).collect();
    html! {
        article.check id=(check_anchor(&first.check)) data-states=(tally_states(tally)) data-find=(find(row)) {
            header {
                h3 { (pill(worst)) " " (line(&first.title)) }
                p.quiet {
                    code { (first.check) } " · statement " (line(&first.statement)) " of the guide · " (first.level)
                    " · " (super::parts::tally_words(tally))
                }
            }
            @for body in bodies { (body) }
            @for group in rest.iter().take(200) { p { (pill(group.mark)) " " (places(group)) ": " (line(reason(group))) } }
            @if rest.len() > 200 { p.quiet { "and " (rest.len() - 200) " other answers, all in the JSON report" } }
        }
    }
}

/// The results by what they say, the most alarming first.
fn groups<'a>(row: &Row<'a>) -> Vec<Group<'a>> {
    let mut known: std::collections::HashMap<(Mark, &str), usize> = std::collections::HashMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    for result in &row.results {
        let mark = Mark::of(result);
        // What passed needs no telling apart, unless it is a note.
        let note = if mark == Mark::Passed && result.level != crate::Level::Info { "" } else { result.reason.as_str() };
        let place = *known.entry((mark, note)).or_insert_with(|| {
            groups.push(Group { mark, results: Vec::new() });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.results.push(result);
        }
    }
    groups.sort_by_key(|group| std::cmp::Reverse(group.mark));
    groups
}

fn reason<'a>(group: &Group<'a>) -> &'a str {
    group.results.first().map(|result| result.reason.as_str()).unwrap_or_default()
}

/// Where: by target where it is many nodes.
fn places(group: &Group<'_>) -> String {
    const FEW: usize = 6;
    let place = |result: &CheckResult| result.node.clone().or_else(|| result.target.clone());
    if group.results.len() <= FEW {
        let places: Vec<String> = group.results.iter().filter_map(|result| place(result)).collect();
        return if places.is_empty() { "the cluster".to_owned() } else { line(&places.join(", ")) };
    }
    let mut targets: Vec<(&str, usize)> = Vec::new();
    for result in &group.results {
        let target = result.target.as_deref().unwrap_or("Linux");
        match targets.iter_mut().find(|(known, _)| *known == target) {
            Some((_, count)) => *count += 1,
            None => targets.push((target, 1)),
        }
    }
    let targets: Vec<String> =
        targets.into_iter().map(|(target, count)| format!("{} of {target}", counted(count, "node"))).collect();
    line(&first_few(targets.iter().map(String::as_str), FEW))
}

fn this_group(report: &Report, group: &Group<'_>, causes: &[&str], room: &mut usize) -> Markup {
    let Some(first) = group.results.first() else { return html! {} };
    let quiet = matches!(group.mark, Mark::Passed);
    let times = group.results.iter().map(|result| result.seconds);
    let (fastest, slowest) = times.fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), s| (low.min(s), high.max(s)));
    let took = if group.results.len() == 1 {
        seconds(slowest)
    } else {
        format!("{} to {}", seconds(fastest.min(slowest)), seconds(slowest))
    };
    let nodes = if group.results.len() > 6 && !quiet { names(group, room) } else { None };
    html! {
        div class={ "group " (super::parts::mark_class(group.mark)) } {
            p {
                (pill(group.mark)) " " strong { (places(group)) } " "
                span.quiet { (took) @if first.attempts > 1 { ", asked " (first.attempts) " times" } }
                @if let Some(rate) = first.rate {
                    span.quiet { ", " (rate.passed) " of " (rate.passed + rate.failed + rate.untold) " rounds passed" }
                }
            }
            @if let Some(excuse) = &first.excuse {
                p { "Known: " (line(&excuse.why)) @if let Some(issue) = &excuse.issue { " (" (line(issue)) ")" } }
            }
            @if !quiet || !first.reason.is_empty() { p.reason { (spent(&first.reason, REASON, room)) } }
            @if !first.findings.is_empty() {
                p {
                    "Cause: "
                    @for (place, cause) in first.findings.iter().take(6).enumerate() {
                        @if place > 0 { ", " }
                        @match causes.iter().position(|known| known == cause).filter(|place| *place < 40) {
                            Some(place) => a href={ "#cause-" (place) } { (line(cause)) },
                            None => (line(cause)),
                        }
                    }
                }
            }
            @if let Some(nodes) = nodes { details { summary { "All " (group.results.len()) " places" } p { (nodes) } } }
            @if !quiet {
                details.more { summary { (inside(first)) } (details(report, first, room)) }
            }
        }
    }
}

/// The nodes of a group by name, as far as there is room.
fn names(group: &Group<'_>, room: &mut usize) -> Option<String> {
    let names = group.results.iter().filter_map(|result| result.node.as_deref());
    let names = first_few(names, 1000);
    *room = room.checked_sub(names.len())?;
    Some(super::parts::block(&names, 40_000))
}

/// A text, as far as there is room; at least a line of it.
fn spent(text: &str, limit: usize, room: &mut usize) -> String {
    let text = block(text, limit);
    match room.checked_sub(text.len()) {
        Some(left) => {
            *room = left;
            text
        }
        None => line(&text),
    }
}

/// What a group has to show beyond its reason.
fn inside(result: &CheckResult) -> String {
    let parts = [
        (!result.observations.is_empty()).then_some("what was observed"),
        (!result.evidence.is_empty()).then_some("evidence"),
        Some("the command that asks again"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn details(report: &Report, result: &CheckResult, room: &mut usize) -> Markup {
    let observations: Vec<String> =
        result.observations.iter().take(12).map(|seen| spent(&seen.words(), 600, room)).collect();
    let evidence: Vec<Markup> = result.evidence.iter().take(12).map(|evidence| this_evidence(evidence, room)).collect();
    html! {
        @if !observations.is_empty() {
            p.label { "Observed" }
            ul { @for seen in &observations { li { (seen) } } }
        }
        @if !evidence.is_empty() {
            p.label { "Evidence" }
            ul { @for evidence in &evidence { li { (evidence) } } }
        }
        @if result.tries.len() > 1 {
            details {
                summary { "Each of the " (result.tries.len()) " times" }
                ol {
                    @for attempt in result.tries.iter().take(TRIES) {
                        li { (attempt.verdict.as_str()) " in " (seconds(attempt.seconds)) ": " (line(&attempt.reason)) }
                    }
                    @if result.tries.len() > TRIES { li.quiet { "and " (result.tries.len() - TRIES) " more" } }
                }
            }
        }
        @if !result.phases.is_empty() {
            p.quiet {
                @for (place, phase) in result.phases.iter().take(12).enumerate() {
                    @if place > 0 { " · " } (line(&phase.name)) " " (milliseconds(phase.ms))
                }
            }
        }
        p.label { "Ask again" }
        (command(&repeat_command(report, result)))
    }
}

fn this_evidence(evidence: &Evidence, room: &mut usize) -> Markup {
    let excerpt = evidence.excerpt.as_deref().filter(|_| *room > EXCERPT).map(|text| spent(text, EXCERPT, room));
    html! {
        (line(&evidence.title))
        @if let Some(path) = &evidence.path { ", in the run’s folder: " code { (line(path)) } }
        @if let Some(excerpt) = excerpt {
            details { summary { "Read it" } pre tabindex="0" { (excerpt) } }
        }
    }
}
