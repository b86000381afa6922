//! A comparison as Markdown, fit for a step summary, an issue or a release note.

use std::fmt::Write;

use super::{
    Cause, Comparison,
    model::ChangeKind,
    text::{grouped, headline, listed, said_in_cell, side, timed, timing},
};
use crate::clean;

/// More than this of a kind nobody reads in an issue; the JSON has all.
const SHOWN: usize = 50;

/// A comparison as Markdown, ending in a line feed.
#[must_use]
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "## {}\n", cell(&headline(comparison)));
    body(&mut out, comparison);
    out
}

/// The tables, without the headline: the section of a run's own Markdown.
pub(crate) fn body(out: &mut String, comparison: &Comparison) {
    let _ = writeln!(out, "| | run |\n|---|---|");
    let _ = writeln!(out, "| base | {} |", cell(&side(&comparison.base)));
    let _ = writeln!(out, "| candidate | {} |", cell(&side(&comparison.candidate)));
    for pair in comparison.pairs.iter().filter(|pair| pair.base != pair.candidate) {
        let _ = writeln!(out, "| target | {} → {} ({}) |", cell(&pair.base), cell(&pair.candidate), pair.by.as_words());
    }
    let unpaired = &comparison.unpaired;
    for (words, names) in [
        ("only in the base", [&unpaired.base_targets, &unpaired.base_nodes]),
        ("only in the candidate", [&unpaired.candidate_targets, &unpaired.candidate_nodes]),
    ] {
        let names: Vec<String> = names.into_iter().flatten().cloned().collect();
        if !names.is_empty() {
            let _ = writeln!(out, "| {words} | {} |", cell(&listed(&names)));
        }
    }
    environment(out, comparison);
    for kind in ChangeKind::ALL {
        changes(out, comparison, kind);
    }
    causes(out, "New causes", &comparison.findings_new);
    causes(out, "Causes that are gone", &comparison.findings_gone);
    if !comparison.timings.changed.is_empty() {
        let _ = writeln!(out, "\n### Times\n");
        for change in comparison.timings.changed.iter().take(SHOWN) {
            let word = if change.is_slower() { "slower" } else { "faster" };
            let _ = writeln!(out, "* **{word}** {}", cell(&timing(change)));
        }
        more(out, comparison.timings.changed.len());
    }
    let _ = writeln!(out, "\nTimes: {}", cell(&timed(comparison)));
}

fn environment(out: &mut String, comparison: &Comparison) {
    if comparison.environment.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### Environment\n\n| what | base | candidate | on |\n|---|---|---|---|");
    for difference in comparison.environment.iter().take(SHOWN) {
        let value = |value: &Option<String>| cell(value.as_deref().unwrap_or("nothing"));
        let (base, candidate) = (value(&difference.base), value(&difference.candidate));
        let on = cell(&listed(&difference.on));
        let _ = writeln!(out, "| {} | {base} | {candidate} | {on} |", cell(&difference.what));
    }
    more(out, comparison.environment.len());
}

fn changes(out: &mut String, comparison: &Comparison, kind: ChangeKind) {
    let groups = grouped(comparison.of_kind(kind));
    if groups.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### {}\n\n| answer | was | is |\n|---|---|---|", heading(kind.as_words()));
    for group in groups.iter().take(SHOWN) {
        let (base, candidate) = (said_in_cell(&group.base), said_in_cell(&group.candidate));
        let _ = writeln!(out, "| {} | {} | {} |", cell(&group.title()), cell(&base), cell(&candidate));
    }
    more(out, groups.len());
}

fn causes(out: &mut String, heading: &str, causes: &[Cause]) {
    if causes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n### {heading}\n");
    for cause in causes.iter().take(SHOWN) {
        let Cause { layer, subject, summary, answers, .. } = cause;
        let _ = writeln!(out, "* **{layer}, {}** ({answers} answers): {}", cell(subject), cell(summary));
    }
    more(out, causes.len());
}

fn more(out: &mut String, count: usize) {
    if count > SHOWN {
        let _ = writeln!(out, "\nand {} more, all in the JSON", count - SHOWN);
    }
}

fn heading(words: &str) -> String {
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Text from outside, as one line in which nothing is Markdown or HTML, links included.
fn cell(text: &str) -> String {
    let mut harmless = String::new();
    for letter in clean::one_line(text).chars() {
        match letter {
            '&' => harmless.push_str("&amp;"),
            '<' => harmless.push_str("&lt;"),
            '>' => harmless.push_str("&gt;"),
            '|' | '`' | '*' | '_' | '[' | ']' | '\\' | '#' | '~' | '!' => {
                harmless.push('\\');
                harmless.push(letter);
            }
            // A mention of a person or team would notify them.
            '@' => harmless.push_str("@\u{200b}"),
            letter => harmless.push(letter),
        }
    }
    harmless
}
