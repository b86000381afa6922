//! The first screen: conformant or not, why not, what changed, and for which targets.

use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::{
    findings,
    page::Section,
    parts::{line, mark_class, tally_words},
};
use crate::{
    changes::Tone,
    disposition::RunResult,
    event::Target,
    report::{
        Report,
        grid::{Grid, Mark, Tally},
    },
    words::{counted, first_few, seconds},
};

/// The headline's colour.
pub(super) fn tone_of(result: RunResult) -> &'static str {
    match result {
        RunResult::Conformant => "good",
        RunResult::NotConformant => "bad",
        RunResult::Partial | RunResult::Unknown => "odd",
    }
}

/// Which run it was, and when.
pub(super) fn eyebrow(report: &Report) -> Markup {
    html! { "winconform · run " (line(&report.run.id)) @if let Some(at) = started(report) { " · " (at) } }
}

/// The headline.
pub(super) fn lead(report: &Report) -> Markup {
    let run = &report.run;
    html! {
        h1 { (headline(run.result)) }
        p.counts { (counts(report)) }
        @if let Some(why) = &run.aborted {
            p.warning { strong { "The run ended early: " } (line(why)) "." }
        }
        @if !report.leftovers.is_empty() {
            p.warning {
                strong { "Not cleaned up: " } (counted(report.leftovers.len(), "object"))
                " of ours stayed in the cluster. " code { "winconform cleanup" } " removes what is ours."
            }
        }
        (why(report))
        (changed(report))
        p.where { (cluster(report)) }
    }
}

/// What broke in a few lines, each of which leads to the whole of it.
fn why(report: &Report) -> Markup {
    /// The section below has all.
    const FIRST: usize = 3;
    let unexplained = findings::unexplained(report).count();
    let more = report.findings.len().saturating_sub(FIRST);
    html! {
        @if !report.findings.is_empty() || unexplained > 0 {
            ul.why aria-label="What broke, and why" {
                @for (place, finding) in report.findings.iter().take(FIRST).enumerate() {
                    li {
                        span.layer { (finding.layer) } " "
                        a href={ "#cause-" (place) } { (line(&finding.summary)) }
                    }
                }
                @if more > 0 { li { a href="#causes" { "and " (counted(more, "more cause")) } } }
                @if unexplained > 0 {
                    li { a href="#causes" { (counted(unexplained, "answer")) " without a known cause" } }
                }
            }
        }
    }
}

/// What is different from the baseline, in a sentence.
fn changed(report: &Report) -> Markup {
    html! {
        p.changed {
            @match &report.changes {
                Some(changes) => { a href="#changes" { "Compared with " (line(&changes.baseline)) } "." },
                None => span.quiet {
                    "Compared with nothing: " code { "--baseline" } " or " code { "winconform compare" }
                    " says what changed."
                },
            }
        }
    }
}

fn headline(result: RunResult) -> &'static str {
    match result {
        RunResult::Conformant => "Conformant",
        RunResult::NotConformant => "Not conformant",
        RunResult::Partial => "Partially verified",
        RunResult::Unknown => "Unknown",
    }
}

fn started(report: &Report) -> Option<String> {
    let at = report.run.started?.to_zoned(TimeZone::UTC);
    Some(at.strftime("%-d %B %Y, %H:%M UTC").to_string())
}

fn counts(report: &Report) -> String {
    let mut tally = Tally::default();
    report.results.iter().for_each(|result| tally.add(Mark::of(result)));
    match report.results.len() {
        0 => "Nothing was asked.".to_owned(),
        total => format!("{}: {}.", counted(total, "answer"), tally_words(tally)),
    }
}

fn cluster(report: &Report) -> String {
    let testbed = report.run.testbed.as_ref().map(|testbed| {
        let faults = match testbed.faults.len() {
            0 => String::new(),
            _ => format!(" with {}", first_few(testbed.faults.iter().map(String::as_str), 4)),
        };
        format!("embedded testbed “{}”{faults}, ", testbed.shape)
    });
    let cluster = report.cluster.as_ref().map_or_else(
        || "the cluster was not looked at".to_owned(),
        |cluster| format!("{} (Kubernetes {})", cluster.context, cluster.version),
    );
    let took = format!(", {} in {}", counted(report.nodes.len(), "node"), seconds(report.run.wall_s));
    line(&format!("{}{cluster}{took}", testbed.unwrap_or_default()))
}

/// One card for each target.
pub(super) fn section(report: &Report, grid: &Grid<'_>) -> Option<Section> {
    let column = |name: Option<&str>| {
        let mut tally = Tally::default();
        let results = grid.checks().flat_map(|check| &check.results);
        results.filter(|result| result.target.as_deref() == name).for_each(|result| tally.add(Mark::of(result)));
        tally
    };
    let whole = column(None);
    let body = html! {
        ul.cards {
            @for target in report.targets.iter().take(60) { (card(target, column(Some(&target.name)))) }
            @if whole.total() > 0 {
                li class={ "card " (tone(whole)) } {
                    p.name { "The cluster as a whole" }
                    p.state { (state(whole)) }
                    p { (tally_words(whole)) }
                }
            }
        }
        @if report.targets.is_empty() { p.quiet { "No Windows nodes were seen." } }
    };
    Some(Section { id: "targets", title: "Targets", body })
}

fn card(target: &Target, tally: Tally) -> Markup {
    html! {
        li class={ "card " (tone(tally)) } {
            p.name { (line(target.product.as_deref().unwrap_or("Unknown build"))) }
            p.build { (line(&target.name)) }
            p.state { (state(tally)) }
            p { (tally_words(tally)) }
            p.quiet { (line(&first_few(target.nodes.iter().map(String::as_str), 3))) }
        }
    }
}

/// A documented limitation is nothing to look at first.
fn tone(tally: Tally) -> &'static str {
    match tally.worst() {
        Mark::Limited | Mark::Lifted => mark_class(Mark::Passed),
        worst => mark_class(worst),
    }
}

/// What a target's answers come to.
fn state(tally: Tally) -> &'static str {
    match tally.worst() {
        Mark::Failed | Mark::Required | Mark::FlakyRed => "not conformant",
        Mark::Unknown => "unknown",
        Mark::Excused => "holds, but for known failures",
        Mark::Flaky => "holds, but not each time",
        Mark::Passed | Mark::Limited | Mark::Lifted => "holds",
        Mark::NotApplicable | Mark::NotAsked => "not verified",
    }
}

/// What is different from the baseline, where there is one.
pub(super) fn changes(report: &Report) -> Option<Section> {
    /// Of one kind; a page that lists more is a comparison.
    const SHOWN: usize = 40;
    /// Of one kind, to begin with.
    const FIRST: usize = 5;
    let changes = report.changes.as_ref()?;
    let class = |tone| match tone {
        Tone::Bad => "m-failed",
        Tone::Good => "m-ok",
        Tone::Neutral => "m-na",
    };
    let body = html! {
        p { "Compared with " (line(&changes.baseline)) "." }
        @if changes.groups.is_empty() { p.quiet { "Nothing is different." } }
        div.changes {
            @for group in &changes.groups {
                div class={ "card " (class(group.tone)) } {
                    h3 { (line(&group.title)) " " span.count { (group.items.len()) } }
                    @let (first, rest) = group.items.split_at(group.items.len().min(FIRST));
                    ul { @for item in first { li { (line(item)) } } }
                    @if !rest.is_empty() {
                        details {
                            summary { (rest.len()) " more" }
                            ul {
                                @for item in rest.iter().take(SHOWN) { li { (line(item)) } }
                                @if rest.len() > SHOWN { li.quiet { "and " (rest.len() - SHOWN) " more" } }
                            }
                        }
                    }
                }
            }
        }
    };
    Some(Section { id: "changes", title: "What changed", body })
}
