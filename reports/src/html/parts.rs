//! Small pieces that several sections are made of.

use maud::{Markup, html};

use crate::{
    clean,
    id::CheckId,
    report::grid::{Mark, Tally},
};

/// What a line of a table takes.
const LINE: usize = 240;

/// A text from outside, on one line.
#[must_use]
pub fn line(text: &str) -> String {
    // Cut before it is cleaned: a log of megabytes need not be walked through.
    clean::shortened(&clean::one_line(&clean::excerpt(text, 4 * LINE)), LINE).into_owned()
}

/// A text from outside that keeps its lines, in about `limit` bytes.
#[must_use]
pub fn block(text: &str, limit: usize) -> String {
    clean::plain(&clean::excerpt(text, limit)).into_owned()
}

/// The anchor of a check.
#[must_use]
pub fn check_anchor(check: &CheckId) -> String {
    format!("check-{}--{}", check.suite(), check.name())
}

/// The class that gives a mark its colour.
#[must_use]
pub fn mark_class(mark: Mark) -> &'static str {
    match mark {
        Mark::NotAsked => "m-none",
        Mark::NotApplicable => "m-na",
        Mark::Passed => "m-ok",
        Mark::Limited => "m-limit",
        Mark::Lifted => "m-lifted",
        Mark::Flaky | Mark::Excused => "m-flaky",
        Mark::Unknown => "m-unknown",
        Mark::FlakyRed | Mark::Required | Mark::Failed => "m-failed",
    }
}

/// The words a person reads for a mark.
#[must_use]
pub fn mark_words(mark: Mark) -> &'static str {
    match mark {
        Mark::NotAsked => "not asked",
        Mark::NotApplicable => "not applicable",
        Mark::Passed => "passed",
        Mark::Limited => "limited as documented",
        Mark::Lifted => "limitation lifted",
        Mark::Flaky => "flaky, let pass",
        Mark::Excused => "known failure",
        Mark::Unknown => "undetermined",
        Mark::FlakyRed => "flaky",
        Mark::Required => "required, but missing",
        Mark::Failed => "failed",
    }
}

/// A mark as a pill.
#[must_use]
pub fn pill(mark: Mark) -> Markup {
    html! { span class={ "pill " (mark_class(mark)) } { (mark_words(mark)) } }
}

/// A cell of a table of marks: the worst, and of how many.
#[must_use]
pub fn cell(tally: Tally) -> Markup {
    let worst = tally.worst();
    let (count, total) = (tally.of(worst), tally.total());
    html! {
        td class={ "mark " (mark_class(worst)) } {
            @if total == 0 {
                span aria-hidden="true" { "·" } span.sr { "not asked" }
            } @else {
                (worst.as_word())
                @if total > 1 {
                    @if count == total { small { " " (total) } } @else { small { " " (count) "/" (total) } }
                }
            }
        }
    }
}

/// The marks of some results in words: `2 failed, 40 passed`.
#[must_use]
pub fn tally_words(tally: Tally) -> String {
    let counts: Vec<String> = tally.marks().map(|(mark, count)| format!("{count} {}", mark_words(mark))).collect();
    counts.join(", ")
}

/// The marks of some results, for the script that filters.
#[must_use]
pub fn tally_states(tally: Tally) -> String {
    let states: Vec<&str> = tally.marks().map(|(mark, _)| mark.as_word()).collect();
    states.join(" ")
}

/// A table that scrolls by itself where it is wider than the screen; with a name, since it can be focused.
#[must_use]
pub fn scrolling(name: &str, table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" role="group" aria-label=(name) { (table) } }
}

/// A command to copy.
#[must_use]
pub fn command(text: &str) -> Markup {
    html! { pre.command tabindex="0" { code { (text) } } }
}

/// A share of a whole in per cent, for a style attribute.
#[must_use]
pub fn share(part: f64, whole: f64) -> String {
    let share = if whole > 0.0 { (part / whole * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    format!("{share:.2}%")
}
