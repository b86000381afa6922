//! A history as a person reads it on the terminal, complete without colour.

use super::model::{History, HistoryRun, Rates, Series, State, TimeSeries};
use crate::{
    text::{
        Style,
        layout::{Page, padded},
    },
    words::seconds,
};

/// Runs that are drawn; the JSON has all.
const DRAWN: usize = 40;
/// Series that are told.
const SHOWN: usize = 40;

/// How a history is shown.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Colours, or none.
    pub style: Style,
    /// Columns of the terminal; narrower than 60 is treated as 60.
    pub width: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { style: Style::Plain, width: 100 }
    }
}

/// A history as text, ending in a line feed.
#[must_use]
pub fn text(history: &History, options: &Options) -> String {
    let mut page = Page::new(options.style, options.width.clamp(60, 160));
    page.blank();
    page.line(&headline(history));
    page.blank();
    if let (Some(first), Some(last)) = (history.runs.first(), history.runs.last()) {
        page.item("", "from", &run(first));
        page.item("", "to", &run(last));
    }
    for note in &history.notes {
        page.item("", "note", note);
    }
    let (quiet, odd): (Vec<&Series>, Vec<&Series>) =
        history.series.iter().partition(|series| series.always_passed() || series.passed.of == 0);
    broken(&mut page, &odd);
    strips(&mut page, &odd);
    let held = quiet.iter().filter(|series| series.passed.of > 0).count();
    page.blank();
    page.item("", "held", &format!("{held} of {} in every run that could tell", history.series.len()));
    times(&mut page, history);
    page.finish()
}

/// The one line that counts.
#[must_use]
pub fn headline(history: &History) -> String {
    let bad = history.series.iter().filter(|series| series.first_bad.is_some()).count();
    let flaky = history.series.iter().filter(|series| series.flaky.count > 0).count();
    let runs = history.runs.len();
    let plural = if runs == 1 { "run" } else { "runs" };
    match (bad, flaky) {
        (0, 0) => format!("{runs} {plural}: nothing is broken, nothing was flaky"),
        (bad, flaky) => format!("{runs} {plural}: {bad} broken now, {flaky} flaky"),
    }
}

fn run(run: &HistoryRun) -> String {
    let started = run.started.map(|at| format!(" of {}", at.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default();
    format!("{}{started}: {}, {}", run.run, run.result.as_words(), run.targets.join(", "))
}

/// What a series is about.
pub(super) fn name(series: &Series) -> String {
    let build = series.build.as_ref().map(|build| format!(" on {build}")).unwrap_or_default();
    format!("{}{build}", series.check)
}

fn broken(page: &mut Page, odd: &[&Series]) {
    let bad: Vec<&&Series> = odd.iter().filter(|series| series.first_bad.is_some()).collect();
    if bad.is_empty() {
        return;
    }
    page.title("broken now");
    for series in bad.iter().take(SHOWN) {
        let Some(first) = &series.first_bad else { continue };
        page.item("", "", &name(series));
        let good = match &first.last_good {
            Some(good) => format!("; last held in {good}"),
            None => "; it never held here".to_owned(),
        };
        page.item("  ", "since", &format!("{}{good}", first.run));
        page.item("  ", "says", &first.reason);
        for (place, difference) in first.environment.iter().enumerate().take(5) {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
            let words = format!("{}: {} → {}", difference.what, value(&difference.base), value(&difference.candidate));
            page.item("  ", if place == 0 { "changed" } else { "" }, &words);
        }
        if first.last_good.is_some() && first.environment.is_empty() {
            page.item("  ", "changed", "nothing that we know of the environment");
        }
    }
    more(page, bad.len());
}

fn strips(page: &mut Page, odd: &[&Series]) {
    if odd.is_empty() {
        return;
    }
    page.title("not always held");
    let longest = odd.iter().take(SHOWN).map(|series| name(series).chars().count()).max().unwrap_or_default();
    for series in odd.iter().take(SHOWN) {
        let name = padded(&crate::clean::one_line(&name(series)), longest);
        page.line(&format!("  {name}  {}", strip(series)));
        page.line(&format!(
            "  {}  held in {}; flaky in {}",
            " ".repeat(longest),
            share(series.passed),
            share(series.flaky)
        ));
    }
    more(page, odd.len());
    page.line("  each sign a run, oldest first: . held, f flaky, F failed, ? could not be told, blank not asked");
}

/// A run for each sign, oldest first.
pub(super) fn strip(series: &Series) -> String {
    let from = series.states.len().saturating_sub(DRAWN);
    series.states.iter().skip(from).map(|state| sign(*state)).collect()
}

pub(super) fn sign(state: State) -> char {
    match state {
        State::NotAsked => ' ',
        State::Untold => '?',
        State::Passed => '.',
        State::Flaky => 'f',
        State::Failed => 'F',
    }
}

/// `17 of 20 (64 to 95 %)`
pub(super) fn share(rates: Rates) -> String {
    format!("{} of {} ({:.0} to {:.0} %)", rates.count, rates.of, rates.low * 100.0, rates.high * 100.0)
}

fn times(page: &mut Page, history: &History) {
    let whole: Vec<&TimeSeries> =
        history.times.iter().filter(|times| times.what == "pod start" || times.has_trend()).collect();
    if whole.is_empty() {
        return;
    }
    page.title("times");
    for times in whole.iter().take(SHOWN) {
        page.item("", "", &time(times));
    }
    more(page, whole.len());
    page.line("  medians of the first and last run; a trend is told for 8 runs or more (Mann-Kendall, p < 0.01)");
}

/// A time and its trend, in words.
pub(super) fn time(times: &TimeSeries) -> String {
    let on = times.build.as_deref().unwrap_or("linux");
    let mut known = times.medians.iter().copied().flatten();
    let (first, last) =
        (known.next().unwrap_or_default(), times.medians.iter().copied().flatten().last().unwrap_or_default());
    let trend = match (times.has_trend(), times.slope, times.p) {
        (true, Some(slope), Some(p)) => {
            let way = if slope > 0.0 { "growing" } else { "shrinking" };
            format!(", {way} by {:.0} ms a run (p = {p:.1e})", slope.abs() * 1000.0)
        }
        (false, Some(_), _) => ", no trend".to_owned(),
        _ => String::new(),
    };
    format!("{} on {on}: {} → {}{trend}", times.what, seconds(first), seconds(last))
}

fn more(page: &mut Page, count: usize) {
    if count > SHOWN {
        page.item("", "", &format!("and {} more, all in the JSON", count - SHOWN));
    }
}
