//! Checks × targets: a suite that is green everywhere takes one line.

use std::collections::BTreeMap;

use super::{
    Style,
    layout::{Page, padded, pushed},
};
use crate::{
    disposition::Disposition,
    report::{CheckResult, Report},
    verdict::VerdictKind,
};

/// More columns than this do not fit a terminal; a nodes' report has them all.
const MOST_COLUMNS: usize = 7;

/// What one cell says; the worst of several answers is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    NotAsked,
    NotApplicable,
    Passed,
    Limited,
    Lifted,
    Flaky,
    Excused,
    Unknown,
    FlakyRed,
    Required,
    Failed,
}

impl Mark {
    fn of(result: &CheckResult) -> Self {
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

    fn painted(self, style: Style) -> String {
        match self {
            Self::NotAsked => style.faint("·"),
            Self::NotApplicable => style.faint("n/a"),
            Self::Passed => style.good("ok"),
            Self::Limited => style.good("limit"),
            Self::Lifted => style.good("lifted"),
            Self::Flaky => style.odd("flaky"),
            Self::Excused => style.odd("excused"),
            Self::FlakyRed => style.bad("FLAKY"),
            Self::Required => style.bad("MISSING"),
            Self::Unknown => style.odd("unknown"),
            Self::Failed => style.bad("FAILED"),
        }
    }
}

/// A row's marks by column.
type Row<'a> = BTreeMap<Option<&'a str>, Mark>;

pub(super) fn write(page: &mut Page, report: &Report) {
    if report.results.is_empty() {
        return;
    }
    let columns = columns(report);
    if columns.len() > MOST_COLUMNS {
        page.title("suites");
        return by_suite(page, report);
    }
    let mut lines: Vec<(String, String, Vec<Mark>)> = Vec::new();
    for (suite, checks) in suites(report) {
        let rows: Vec<(&str, Row<'_>)> = checks.into_iter().map(|(check, results)| (check, row(&results))).collect();
        let cells = |row: &Row<'_>| -> Vec<Mark> {
            columns.iter().map(|column| row.get(column).copied().unwrap_or(Mark::NotAsked)).collect()
        };
        let quiet = |row: &Row<'_>| row.values().all(|mark| *mark == Mark::Passed);
        let (fine, odd): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, row)| quiet(row));
        if !fine.is_empty() {
            let together = fine.iter().fold(Row::new(), |mut sum, (_, row)| {
                row.iter().for_each(|(column, mark)| merge(&mut sum, *column, *mark));
                sum
            });
            let count = match (fine.len(), odd.len()) {
                (1, 0) => "1 check".to_owned(),
                (count, 0) => format!("all {count} checks"),
                (1, _) => "1 other check".to_owned(),
                (count, _) => format!("{count} other checks"),
            };
            lines.push((suite.to_owned(), count, cells(&together)));
        }
        lines.extend(folded(odd).into_iter().map(|(check, row)| (suite.to_owned(), check, cells(&row))));
    }
    draw(page, &columns, &lines);
}

/// Checks that are alike at every place stand in one line, unless one failed:
/// after a fixture did not start, a whole suite is unknown in the same way.
fn folded<'a>(rows: Vec<(&'a str, Row<'a>)>) -> Vec<(String, Row<'a>)> {
    const FEW: usize = 3;
    let mut groups: Vec<(Vec<&str>, Row<'a>)> = Vec::new();
    for (check, row) in rows {
        let failed = row.values().any(|mark| *mark >= Mark::FlakyRed);
        match groups.iter_mut().find(|(_, known)| !failed && *known == row) {
            Some((checks, _)) => checks.push(check),
            None => groups.push((vec![check], row)),
        }
    }
    let mut lines = Vec::new();
    for (checks, row) in groups {
        if checks.len() < FEW {
            lines.extend(checks.into_iter().map(|check| (check.to_owned(), row.clone())));
        } else {
            lines.push((format!("{} checks", checks.len()), row));
        }
    }
    lines
}

fn draw(page: &mut Page, columns: &[Option<&str>], lines: &[(String, String, Vec<Mark>)]) {
    let style = page.style();
    let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let suites = longest(&mut lines.iter().map(|(suite, ..)| suite.chars().count()));
    let checks = longest(&mut lines.iter().map(|(_, check, _)| check.chars().count()));
    let heads: Vec<&str> = columns.iter().map(|column| column.unwrap_or("cluster")).collect();
    // `10.0.` is common to all Windows builds; without it more targets fit a line.
    let wide: usize = heads.iter().map(|head| head.len() + 2).sum::<usize>() + suites + checks + 6;
    let short = wide > page.width();
    let heads: Vec<&str> =
        heads.into_iter().map(|head| if short { head.strip_prefix("10.0.").unwrap_or(head) } else { head }).collect();
    page.blank();
    let mut line = " ".repeat(4 + suites + checks);
    for head in &heads {
        line.push_str("  ");
        line.push_str(&pushed(&style.title(head), "unknown".len()));
    }
    page.line(&line);
    let mut above = "";
    for (suite, check, marks) in lines {
        let name = if suite == above { "" } else { suite };
        above = suite;
        let mut line = format!("  {}  {}", padded(&style.title(name), suites), padded(check, checks));
        for (head, mark) in heads.iter().zip(marks) {
            line.push_str("  ");
            line.push_str(&pushed(&mark.painted(style), head.len().max("unknown".len())));
        }
        page.line(&line);
    }
}

/// With many targets: how many answers of each kind a suite has.
fn by_suite(page: &mut Page, report: &Report) {
    for (suite, checks) in suites(report) {
        let mut counts: BTreeMap<Mark, usize> = BTreeMap::new();
        for result in checks.iter().flat_map(|(_, results)| results) {
            *counts.entry(Mark::of(result)).or_default() += 1;
        }
        let counts: Vec<String> =
            counts.into_iter().rev().map(|(mark, count)| format!("{count} {}", mark.painted(Style::Plain))).collect();
        page.item("", "", &format!("{suite}: {}", counts.join(", ")));
    }
}

/// The columns that have answers: the cluster first, then the targets in order.
fn columns(report: &Report) -> Vec<Option<&str>> {
    let mut columns: Vec<Option<&str>> = vec![None];
    columns.extend(report.targets.iter().map(|target| Some(target.name.as_str())));
    for result in &report.results {
        if !columns.contains(&result.target.as_deref()) {
            columns.push(result.target.as_deref());
        }
    }
    columns.retain(|column| report.results.iter().any(|result| result.target.as_deref() == *column));
    columns
}

type Checks<'a> = Vec<(&'a str, Vec<&'a CheckResult>)>;

/// The results by suite and check, in report order.
fn suites(report: &Report) -> Vec<(&str, Checks<'_>)> {
    let mut suites: Vec<(&str, Checks<'_>)> = Vec::new();
    for result in &report.results {
        let place = suites.iter().position(|(suite, _)| *suite == result.suite).unwrap_or_else(|| {
            suites.push((&result.suite, Vec::new()));
            suites.len() - 1
        });
        let Some((_, checks)) = suites.get_mut(place) else { continue };
        match checks.iter_mut().find(|(check, _)| *check == result.check.name()) {
            Some((_, results)) => results.push(result),
            None => checks.push((result.check.name(), vec![result])),
        }
    }
    suites
}

fn row<'a>(results: &[&'a CheckResult]) -> Row<'a> {
    let mut row = Row::new();
    results.iter().for_each(|result| merge(&mut row, result.target.as_deref(), Mark::of(result)));
    row
}

fn merge<'a>(row: &mut Row<'a>, column: Option<&'a str>, mark: Mark) {
    let cell = row.entry(column).or_insert(mark);
    *cell = (*cell).max(mark);
}
