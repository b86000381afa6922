//! A comparison as a person reads it on the terminal, complete without colour.

use super::{
    Cause, Comparison, Pair,
    model::{Change, ChangeKind, Seen, Side, TimingChange, Unpaired},
};
use crate::{
    report::Rate,
    text::{Style, layout::Page},
    verdict::VerdictKind,
    words::seconds,
};

/// More than this of a kind nobody reads on a terminal; the JSON has all.
const SHOWN: usize = 20;

/// How a comparison is shown.
#[derive(Debug, Clone)]
pub struct Options {
    /// Colours, or none.
    pub style: Style,
    /// Columns of the terminal; narrower than 60 is treated as 60.
    pub width: usize,
    /// What the readers of the logs had to pass over.
    pub notes: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { style: Style::Plain, width: 100, notes: Vec::new() }
    }
}

/// A comparison as text, ending in a line feed.
#[must_use]
pub fn text(comparison: &Comparison, options: &Options) -> String {
    let mut page = Page::new(options.style, options.width.clamp(60, 160));
    page.blank();
    let line = painted_headline(comparison, options.style);
    page.line(&line);
    page.blank();
    page.item("", "base", &side(&comparison.base));
    page.item("", "candidate", &side(&comparison.candidate));
    pairs(&mut page, comparison);
    unpaired(&mut page, &comparison.unpaired);
    for note in &options.notes {
        page.item("", "note", note);
    }
    body(&mut page, comparison);
    page.finish()
}

/// What changed, without whose runs these are: the section of a run's own summary.
pub(crate) fn body(page: &mut Page, comparison: &Comparison) {
    environment(page, comparison);
    for kind in ChangeKind::ALL.into_iter().filter(|kind| *kind != ChangeKind::StillFails) {
        changes(page, comparison, kind);
    }
    causes(page, "new", &comparison.findings_new);
    causes(page, "gone", &comparison.findings_gone);
    changes(page, comparison, ChangeKind::StillFails);
    timings(page, comparison);
}

/// The one line that counts, for people and for logs.
#[must_use]
pub fn headline(comparison: &Comparison) -> String {
    painted_headline(comparison, Style::Plain)
}

fn painted_headline(comparison: &Comparison, style: Style) -> String {
    let Comparison { compared, same, .. } = comparison;
    if *compared == 0 {
        return format!("{}: the two runs have no answer in common", style.odd("nothing compared"));
    }
    let mut parts: Vec<String> = Vec::new();
    for kind in ChangeKind::ALL {
        let count = comparison.of_kind(kind).count();
        if count > 0 {
            let words = format!("{count} {}", kind.as_words());
            parts.push(match kind {
                ChangeKind::Regressed => style.bad(&words),
                ChangeKind::Fixed | ChangeKind::NoLongerFlaky => style.good(&words),
                ChangeKind::CoverageGained | ChangeKind::StillFails => words,
                _ => style.odd(&words),
            });
        }
    }
    let slower = comparison.timings.changed.iter().filter(|change| change.is_slower()).count();
    let faster = comparison.timings.changed.len() - slower;
    for (count, words) in [(slower, "slower"), (faster, "faster")] {
        if count > 0 {
            parts.push(format!("{count} times {words}"));
        }
    }
    if comparison.is_equal() {
        parts.insert(0, style.good("equal"));
    }
    format!("{}; {same} of {compared} answers are the same", parts.join(", "))
}

/// Whose run a side is.
#[must_use]
pub fn side(side: &Side) -> String {
    let started = side.started.map(|at| format!(" of {}", at.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    let rounds = if side.rounds > 1 { format!(" in {} rounds", side.rounds) } else { String::new() };
    let aborted = side.aborted.as_ref().map(|why| format!("; ended early: {why}")).unwrap_or_default();
    let Side { run, result, answers, nodes, .. } = side;
    format!("{run}{started}: {}, {answers} answers{rounds}, {nodes} nodes{aborted}", result.as_words())
}

fn pairs(page: &mut Page, comparison: &Comparison) {
    let words = |pair: &Pair| match pair.base == pair.candidate {
        true => pair.base.clone(),
        false => format!("{} → {} ({})", pair.base, pair.candidate, pair.by.as_words()),
    };
    for (place, pair) in comparison.pairs.iter().enumerate().take(SHOWN) {
        page.item("", if place == 0 { "targets" } else { "" }, &words(pair));
    }
    let nodes: Vec<String> =
        comparison.node_pairs.iter().take(6).map(|pair| format!("{} → {}", pair.base, pair.candidate)).collect();
    let more = comparison.node_pairs.len().saturating_sub(nodes.len());
    if !nodes.is_empty() {
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        page.item("", "nodes", &format!("{}{more} (by place, since the names differ)", nodes.join(", ")));
    }
}

fn unpaired(page: &mut Page, unpaired: &Unpaired) {
    let Unpaired { base_targets, candidate_targets, base_nodes, candidate_nodes, answers } = unpaired;
    let lists = [
        ("targets only in the base", base_targets),
        ("targets only in the candidate", candidate_targets),
        ("nodes only in the base", base_nodes),
        ("nodes only in the candidate", candidate_nodes),
    ];
    let mut label = "unpaired";
    for (words, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        page.item("", label, &format!("{words}: {}", listed(names)));
        label = "";
    }
    if *answers > 0 {
        page.item("", "", &format!("{answers} answers have nothing to be compared with"));
    }
    if !base_targets.is_empty() && !candidate_targets.is_empty() {
        page.item("", "look at", "--pair BASE=CANDIDATE says which target stands for which");
    }
}

/// A few names, and how many more.
pub(super) fn listed(names: &[String]) -> String {
    const FEW: usize = 5;
    match names.len() {
        0..=FEW => names.join(", "),
        count => format!("{} and {} more", names.iter().take(FEW).cloned().collect::<Vec<_>>().join(", "), count - FEW),
    }
}

fn environment(page: &mut Page, comparison: &Comparison) {
    if comparison.environment.is_empty() {
        return;
    }
    page.title("environment");
    for difference in comparison.environment.iter().take(SHOWN) {
        let on = if difference.on.is_empty() { String::new() } else { format!(" on {}", listed(&difference.on)) };
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        let line = format!("{}: {} → {}{on}", difference.what, value(&difference.base), value(&difference.candidate));
        page.item("", "", &line);
    }
    more(page, comparison.environment.len());
}

fn changes(page: &mut Page, comparison: &Comparison, kind: ChangeKind) {
    let groups = grouped(comparison.of_kind(kind));
    if groups.is_empty() {
        return;
    }
    page.title(kind.as_words());
    for group in groups.iter().take(SHOWN) {
        page.item("", "", &group.title());
        page.item("  ", "was", &group.base);
        page.item("  ", "is", &group.candidate);
    }
    more(page, groups.len());
}

fn more(page: &mut Page, count: usize) {
    if count > SHOWN {
        page.item("", "", &format!("and {} more, all in the JSON", count - SHOWN));
    }
}

/// Changes of one check that say the same.
pub(super) struct Group {
    check: String,
    pub(super) ids: Vec<String>,
    pub(super) base: String,
    pub(super) candidate: String,
}

impl Group {
    /// The check, and where.
    pub(super) fn title(&self) -> String {
        match self.ids.as_slice() {
            [id] => id.clone(),
            ids => {
                let place = |id: &String| id.split_once('@').map_or(id.as_str(), |(_, place)| place).to_owned();
                format!("{} @ {}", self.check, listed(&ids.iter().map(place).collect::<Vec<_>>()))
            }
        }
    }
}

pub(super) fn grouped<'a>(changes: impl Iterator<Item = &'a Change>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for change in changes {
        let (base, candidate) = (said(change.base.as_ref()), said(change.candidate.as_ref()));
        let key = (change.check.to_string(), base, candidate);
        let place = *places.entry(key).or_insert_with_key(|(check, base, candidate)| {
            groups.push(Group {
                check: check.clone(),
                ids: Vec::new(),
                base: base.clone(),
                candidate: candidate.clone(),
            });
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(place) {
            group.ids.push(change.id.clone());
        }
    }
    groups
}

/// What an answer was, in words.
pub(super) fn said(seen: Option<&Seen>) -> String {
    let Some(Seen { verdict, flaky, rate, reason }) = seen else { return "not asked".to_owned() };
    let verdict = match (verdict, rate) {
        (VerdictKind::Passed | VerdictKind::Failed, Some(Rate { passed, failed, .. })) if *failed > 0 => {
            format!("passed in {passed} of {} rounds", passed + failed)
        }
        (VerdictKind::Passed, None) if *flaky => "flaky".to_owned(),
        (verdict, Some(Rate { passed, failed, untold })) => {
            format!("{} in {} rounds", words(*verdict), passed + failed + untold)
        }
        (verdict, None) => words(*verdict).to_owned(),
    };
    match reason.is_empty() {
        true => verdict,
        false => format!("{verdict}: {reason}"),
    }
}

/// The same, short enough for a table's cell.
pub(super) fn said_in_cell(said: &str) -> String {
    crate::clean::shortened(&crate::clean::one_line(said), 300).into_owned()
}

fn words(verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::Passed => "passed",
        VerdictKind::Failed => "failed",
        VerdictKind::LimitationPresent => "limited as documented",
        VerdictKind::LimitationLifted => "limitation lifted",
        VerdictKind::NotApplicable => "not applicable",
        VerdictKind::Undetermined => "undetermined",
    }
}

fn causes(page: &mut Page, which: &str, causes: &[Cause]) {
    if causes.is_empty() {
        return;
    }
    page.title(&format!("causes that are {which}"));
    for cause in causes.iter().take(SHOWN) {
        let subject = crate::clean::one_line(&cause.subject);
        page.item("", "", &format!("{}, {subject} ({} answers): {}", cause.layer, cause.answers, cause.summary));
    }
    more(page, causes.len());
}

fn timings(page: &mut Page, comparison: &Comparison) {
    let timings = &comparison.timings;
    let (slower, faster): (Vec<&TimingChange>, Vec<&TimingChange>) =
        timings.changed.iter().partition(|change| change.is_slower());
    for (title, changes) in [("slower", slower), ("faster", faster)] {
        if changes.is_empty() {
            continue;
        }
        page.title(title);
        for change in changes.iter().take(SHOWN) {
            page.item("", "", &timing(change));
        }
        more(page, changes.len());
    }
    page.blank();
    page.item("", "times", &timed(comparison));
}

/// A time that changed.
pub(super) fn timing(change: &TimingChange) -> String {
    let on = change.target.as_ref().map(|target| format!(" on {target}")).unwrap_or_default();
    let TimingChange { what, base_s, candidate_s, base_samples, candidate_samples, p, .. } = change;
    let ratio = candidate_s / base_s.max(0.001);
    format!(
        "{what}{on}: {} → {} (x{ratio:.1}; {base_samples} and {candidate_samples} samples, p = {p:.1e})",
        seconds(*base_s),
        seconds(*candidate_s)
    )
}

/// How times were compared, and what could not be.
pub(super) fn timed(comparison: &Comparison) -> String {
    let timings = &comparison.timings;
    let lacking = match timings.too_few {
        0 => String::new(),
        count => format!(
            "; {count} not told apart for lack of samples: each side needs {} here (`--repeat {0}` on one node)",
            timings.needs
        ),
    };
    format!("{} compared{lacking}. {}", timings.compared, timings.test)
}
