//! A comparison in the words that a run's own reports show of it.

use super::{
    Comparison,
    model::ChangeKind,
    text::{grouped, headline, said_in_cell, timing},
};
use crate::changes::{ChangeGroup, Changes, Tone};

/// More than this of a kind is in the JSON, and in `winconform compare`.
const SHOWN: usize = 50;

/// What changed, the most important first.
#[must_use]
pub fn changes(comparison: &Comparison) -> Changes {
    let mut groups = Vec::new();
    let mut add = |title: &str, tone: Tone, mut items: Vec<String>| {
        let more = items.len().saturating_sub(SHOWN);
        items.truncate(SHOWN);
        if more > 0 {
            items.push(format!("and {more} more"));
        }
        if !items.is_empty() {
            groups.push(ChangeGroup { title: title.to_owned(), tone, items });
        }
    };
    for kind in ChangeKind::ALL {
        let line = |group: &super::text::Group| {
            format!("{}: was {}, is {}", group.title(), said_in_cell(&group.base), said_in_cell(&group.candidate))
        };
        add(kind.as_words(), tone(kind), grouped(comparison.of_kind(kind)).iter().map(line).collect());
    }
    let cause = |cause: &super::Cause| format!("{}, {}: {}", cause.layer, cause.subject, cause.summary);
    add("new causes", Tone::Bad, comparison.findings_new.iter().map(cause).collect());
    add("causes that are gone", Tone::Good, comparison.findings_gone.iter().map(cause).collect());
    let times = |slower: bool| comparison.timings.changed.iter().filter(move |change| change.is_slower() == slower);
    add("slower", Tone::Bad, times(true).map(timing).collect());
    add("faster", Tone::Good, times(false).map(timing).collect());
    let differs = |difference: &super::Difference| {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let on = if difference.on.is_empty() {
            String::new()
        } else {
            format!(" on {}", super::text::listed(&difference.on))
        };
        format!("{}: {} → {}{on}", difference.what, value(&difference.base), value(&difference.candidate))
    };
    add("environment", Tone::Neutral, comparison.environment.iter().map(differs).collect());
    Changes { baseline: format!("run {}: {}", comparison.base.run, headline(comparison)), groups }
}

fn tone(kind: ChangeKind) -> Tone {
    match kind {
        ChangeKind::Regressed | ChangeKind::NewFailure | ChangeKind::OtherReason | ChangeKind::NewlyFlaky => Tone::Bad,
        ChangeKind::LimitationAppeared | ChangeKind::CoverageLost => Tone::Bad,
        ChangeKind::Fixed | ChangeKind::NoLongerFlaky => Tone::Good,
        ChangeKind::LimitationLifted | ChangeKind::CoverageGained | ChangeKind::StillFails => Tone::Neutral,
    }
}
