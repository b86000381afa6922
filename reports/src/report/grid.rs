//! Checks × targets: the results of a report, sorted for a table.

use std::collections::HashMap;

use super::{CheckResult, Report};
use crate::{disposition::Disposition, verdict::VerdictKind};

/// What a table says of a result, least alarming first; of several the worst is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mark {
    /// Nothing was asked there.
    NotAsked,
    /// Does not concern this cluster.
    NotApplicable,
    /// As it should be.
    Passed,
    /// A documented limitation is there.
    Limited,
    /// A documented limitation is not there.
    Lifted,
    /// Green, though it was not the same each time.
    Flaky,
    /// Broken, and the user knows.
    Excused,
    /// Could not be told.
    Unknown,
    /// Red, since it was not the same each time.
    FlakyRed,
    /// Red, since it does not apply although it was required to.
    Required,
    /// The cluster breaks a promise.
    Failed,
}

impl Mark {
    /// All marks, the most alarming first.
    pub const ALL: [Self; 11] = [
        Self::Failed,
        Self::Required,
        Self::FlakyRed,
        Self::Unknown,
        Self::Excused,
        Self::Flaky,
        Self::Lifted,
        Self::Limited,
        Self::Passed,
        Self::NotApplicable,
        Self::NotAsked,
    ];

    /// The mark of a result.
    #[must_use]
    pub fn of(result: &CheckResult) -> Self {
        match (result.disposition, result.verdict) {
            (Disposition::Red, VerdictKind::NotApplicable) => Self::Required,
            (Disposition::Red, _) if result.flaky => Self::FlakyRed,
            (Disposition::Red, _) => Self::Failed,
            (Disposition::Excused, _) => Self::Excused,
            (Disposition::Unknown, _) => Self::Unknown,
            (Disposition::Skipped, _) => Self::NotApplicable,
            (Disposition::Green, _) if result.flaky => Self::Flaky,
            (Disposition::Green, VerdictKind::LimitationPresent) => Self::Limited,
            (Disposition::Green, VerdictKind::LimitationLifted) => Self::Lifted,
            (Disposition::Green, _) => Self::Passed,
        }
    }

    /// Whether it makes the run red.
    #[must_use]
    pub fn is_red(self) -> bool {
        self >= Self::FlakyRed
    }

    /// The short word in a cell.
    #[must_use]
    pub fn as_word(self) -> &'static str {
        match self {
            Self::NotAsked => "·",
            Self::NotApplicable => "n/a",
            Self::Passed => "ok",
            Self::Limited => "limit",
            Self::Lifted => "lifted",
            Self::Flaky | Self::FlakyRed => "flaky",
            Self::Excused => "excused",
            Self::Required => "missing",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
        }
    }
}

/// How many results of each mark there are in a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    counts: [usize; Mark::ALL.len()],
}

impl Tally {
    /// Counts a mark.
    pub fn add(&mut self, mark: Mark) {
        if let Some(count) = self.counts.get_mut(mark as usize) {
            *count += 1;
        }
    }

    /// How many there are of a mark.
    #[must_use]
    pub fn of(&self, mark: Mark) -> usize {
        self.counts.get(mark as usize).copied().unwrap_or_default()
    }

    /// How many there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.counts.iter().sum()
    }

    /// The most alarming.
    #[must_use]
    pub fn worst(&self) -> Mark {
        Mark::ALL.into_iter().find(|mark| self.of(*mark) > 0).unwrap_or(Mark::NotAsked)
    }

    /// The marks there are, the most alarming first.
    pub fn marks(&self) -> impl Iterator<Item = (Mark, usize)> {
        let counts = *self;
        Mark::ALL.into_iter().map(move |mark| (mark, counts.of(mark))).filter(|(_, count)| *count > 0)
    }
}

/// The results by suite, check and column.
#[derive(Debug)]
pub struct Grid<'a> {
    /// The columns that have answers: the cluster (none) first, then the targets in order.
    pub columns: Vec<Option<&'a str>>,
    /// The suites in report order.
    pub suites: Vec<Suite<'a>>,
}

/// A suite of a grid.
#[derive(Debug)]
pub struct Suite<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its checks in report order.
    pub checks: Vec<Row<'a>>,
}

/// A check of a grid.
#[derive(Debug)]
pub struct Row<'a> {
    /// Its results in report order; there is at least one.
    pub results: Vec<&'a CheckResult>,
    /// One for each column.
    pub cells: Vec<Tally>,
}

impl Row<'_> {
    /// All cells together.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        self.results.iter().for_each(|result| tally.add(Mark::of(result)));
        tally
    }
}

impl<'a> Grid<'a> {
    /// Sorts a report's results.
    #[must_use]
    pub fn of(report: &'a Report) -> Self {
        let mut columns: Vec<Option<&str>> = vec![None];
        columns.extend(report.targets.iter().map(|target| Some(target.name.as_str())));
        let mut places: HashMap<Option<&str>, usize> =
            columns.iter().enumerate().map(|(place, column)| (*column, place)).collect();
        let mut used = vec![false; columns.len()];
        for result in &report.results {
            let place = *places.entry(result.target.as_deref()).or_insert_with(|| {
                columns.push(result.target.as_deref());
                used.push(false);
                columns.len() - 1
            });
            if let Some(used) = used.get_mut(place) {
                *used = true;
            }
        }
        let mut used = used.into_iter();
        columns.retain(|_| used.next().unwrap_or_default());
        let places = columns.iter().enumerate().map(|(place, column)| (*column, place)).collect();
        let suites = suites(report, &places, columns.len());
        Self { columns, suites }
    }

    /// Every check with its suite, in report order.
    pub fn checks(&self) -> impl Iterator<Item = &Row<'a>> {
        self.suites.iter().flat_map(|suite| &suite.checks)
    }
}

fn suites<'a>(report: &'a Report, columns: &HashMap<Option<&str>, usize>, width: usize) -> Vec<Suite<'a>> {
    let mut suites: Vec<Suite<'a>> = Vec::new();
    let mut places: HashMap<(&str, &str), (usize, usize)> = HashMap::new();
    for result in &report.results {
        let known = places.entry((&result.suite, result.check.name())).or_insert_with(|| {
            let suite = suites.iter().position(|suite| suite.name == result.suite).unwrap_or_else(|| {
                suites.push(Suite { name: &result.suite, checks: Vec::new() });
                suites.len() - 1
            });
            let check = suites.get_mut(suite).map_or(0, |suite| {
                suite.checks.push(Row { results: Vec::new(), cells: vec![Tally::default(); width] });
                suite.checks.len() - 1
            });
            (suite, check)
        });
        let Some(row) = suites.get_mut(known.0).and_then(|suite| suite.checks.get_mut(known.1)) else { continue };
        row.results.push(result);
        let column = columns.get(&result.target.as_deref()).and_then(|column| row.cells.get_mut(*column));
        if let Some(cell) = column {
            cell.add(Mark::of(result));
        }
    }
    suites
}
