//! Checks × targets: a suite that is green everywhere takes one line.

use std::collections::BTreeMap;

use super::{
    Style,
    layout::{Page, padded, pushed},
};
use crate::report::{
    Report,
    grid::{self, Grid, Mark},
};

/// More columns than this do not fit a terminal; a nodes' report has them all.
const MOST_COLUMNS: usize = 7;

fn painted(mark: Mark, style: Style) -> String {
    match mark {
        Mark::NotAsked | Mark::NotApplicable => style.faint(mark.as_word()),
        Mark::Passed | Mark::Limited | Mark::Lifted => style.good(mark.as_word()),
        Mark::Flaky | Mark::Excused | Mark::Unknown => style.odd(mark.as_word()),
        Mark::FlakyRed | Mark::Required | Mark::Failed => style.bad(&mark.as_word().to_uppercase()),
    }
}

/// A row's marks by column.
type Row<'a> = BTreeMap<Option<&'a str>, Mark>;

pub(super) fn write(page: &mut Page, report: &Report) {
    if report.results.is_empty() {
        return;
    }
    let grid = Grid::of(report);
    let columns = &grid.columns;
    if columns.len() > MOST_COLUMNS {
        page.title("suites");
        return by_suite(page, &grid);
    }
    let mut lines: Vec<(String, String, Vec<Mark>)> = Vec::new();
    for suite in &grid.suites {
        let rows: Vec<(&str, Row<'_>)> = suite.checks.iter().filter_map(|check| row(check, columns)).collect();
        let suite = suite.name;
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
    draw(page, columns, &lines);
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
            line.push_str(&pushed(&painted(*mark, style), head.len().max("unknown".len())));
        }
        page.line(&line);
    }
}

/// With many targets: how many answers of each kind a suite has.
fn by_suite(page: &mut Page, grid: &Grid<'_>) {
    for suite in &grid.suites {
        let mut tally = grid::Tally::default();
        suite.checks.iter().flat_map(|check| &check.results).for_each(|result| tally.add(Mark::of(result)));
        let counts: Vec<String> =
            tally.marks().map(|(mark, count)| format!("{count} {}", painted(mark, Style::Plain))).collect();
        page.item("", "", &format!("{}: {}", suite.name, counts.join(", ")));
    }
}

/// A check's name, and its mark in those columns where it was asked.
fn row<'a>(check: &grid::Row<'a>, columns: &[Option<&'a str>]) -> Option<(&'a str, Row<'a>)> {
    let name = check.results.first()?.check.name();
    let asked = columns.iter().zip(&check.cells).filter(|(_, cell)| cell.total() > 0);
    Some((name, asked.map(|(column, cell)| (*column, cell.worst())).collect()))
}

fn merge<'a>(row: &mut Row<'a>, column: Option<&'a str>, mark: Mark) {
    let cell = row.entry(column).or_insert(mark);
    *cell = (*cell).max(mark);
}
