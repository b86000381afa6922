//! The matrix fault × check, for a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Effects, Style as Paint};
use winconform_reports::text::Style;
use winconform_testbed::fault::Pattern;

use super::report::{FaultRow, RowVerdict, TrustReport};

/// What a check said about a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell {
    /// Red, as it must be.
    Must,
    /// Red, as it may be, or accounted for by the right finding.
    May,
    /// Red without cause.
    FalseAlarm,
    /// Not red, although it must be.
    Missed,
    /// Reported, or undetermined, as it must be.
    Told,
    /// It could not tell.
    Unknown,
    /// Not red.
    Quiet,
}

impl Cell {
    /// What `check` said about the fault of `row`.
    pub(super) fn of(row: &FaultRow, check: &str) -> Self {
        let mine = |ids: &[String]| ids.iter().any(|id| id.split('@').next() == Some(check));
        let named = |globs: &[String]| globs.iter().any(|glob| Pattern::new(glob).matches(check));
        if named(&row.missed) {
            return Self::Missed;
        }
        if mine(&row.false_alarms) {
            return Self::FalseAlarm;
        }
        match (mine(&row.red), named(&row.expected.must)) {
            (true, true) => Self::Must,
            (true, false) => Self::May,
            (false, true) if row.expected.verdict != "quiet" => Self::Told,
            (false, _) if mine(&row.unknown) => Self::Unknown,
            (false, _) => Self::Quiet,
        }
    }

    pub(super) fn mark(self) -> char {
        match self {
            Self::Must => '#',
            Self::May => '+',
            Self::FalseAlarm => '!',
            Self::Missed => '-',
            Self::Told => 'i',
            Self::Unknown => '?',
            Self::Quiet => '.',
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Must => "red, as it must be",
            Self::May => "red, explained",
            Self::FalseAlarm => "red without cause",
            Self::Missed => "missed",
            Self::Told => "told, as it must be",
            Self::Unknown => "undetermined",
            Self::Quiet => "not red",
        }
    }
}

/// The suites, in order, with how many checks each has.
pub(super) fn suites(checks: &[String]) -> Vec<(&str, usize)> {
    let mut suites: Vec<(&str, usize)> = Vec::new();
    for check in checks {
        let suite = check.split('/').next().unwrap_or(check);
        match suites.last_mut() {
            Some((last, count)) if *last == suite => *count += 1,
            _ => suites.push((suite, 1)),
        }
    }
    suites
}

/// The matrix, what went wrong, and the figures.
pub(super) fn matrix(report: &TrustReport, style: Style) -> String {
    let suites = suites(&report.checks);
    let wide = report.faults.iter().map(|row| row.id.chars().count()).max().unwrap_or(5).clamp(5, 48);
    let mut text = String::new();
    for (number, (suite, count)) in suites.iter().enumerate() {
        let from: usize = suites.iter().take(number).map(|(_, count)| count + 1).sum();
        let _ = writeln!(text, "  {:wide$} {:from$}{suite} ({count})", "", "");
    }
    for row in &report.faults {
        let mut cells = String::new();
        let mut checks = report.checks.iter();
        for (_, count) in &suites {
            cells.extend(checks.by_ref().take(*count).map(|check| Cell::of(row, check).mark()));
            cells.push(' ');
        }
        let paint = paint(row, style);
        let id: String = row.id.chars().take(wide).collect();
        let leak = if row.leaked { ", leaked" } else { "" };
        let words = row.verdict.as_words();
        let _ = writeln!(text, "  {id:wide$} {cells} {paint}{words}{leak}{paint:#} {:.1} s", row.seconds);
    }
    let marks = [Cell::Must, Cell::May, Cell::Told, Cell::Unknown, Cell::Missed, Cell::FalseAlarm];
    let legend: Vec<String> = marks.iter().map(|cell| format!("{} {}", cell.mark(), cell.words())).collect();
    let _ = writeln!(text, "\n  {}", legend.join(", "));
    troubles(&mut text, report);
    figures(&mut text, report);
    text
}

fn paint(row: &FaultRow, style: Style) -> Paint {
    if style == Style::Plain {
        return Paint::new();
    }
    let colour = match row.verdict {
        RowVerdict::Caught if !row.leaked => AnsiColor::Green,
        RowVerdict::Invalid | RowVerdict::Unusable => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    colour.on_default() | Effects::BOLD
}

fn troubles(text: &mut String, report: &TrustReport) {
    for row in report.faults.iter().filter(|row| row.verdict != RowVerdict::Caught || row.leaked) {
        let _ = writeln!(text, "\n  {}: {}\n    {}", row.id, row.verdict.as_words(), row.reason);
    }
    for row in report.healthy.iter().filter(|row| !row.is_well()) {
        let _ = writeln!(text, "\n  healthy {}:", row.shape);
        for line in row.red.iter().chain(&row.unknown).chain(&row.error) {
            let _ = writeln!(text, "    {line}");
        }
    }
    if !report.unproven.is_empty() {
        let _ = writeln!(text, "\n  no fault reached: {}", report.unproven.join(", "));
    }
}

fn figures(text: &mut String, report: &TrustReport) {
    let totals = &report.totals;
    let _ = writeln!(
        text,
        "\n  {} of {} faults caught, {} missed, {} with a wrong finding, {} with false alarms, {} invalid, {} unusable, {} leaked",
        totals.caught,
        totals.faults,
        totals.missed,
        totals.wrong_finding,
        totals.false_alarm,
        totals.invalid,
        totals.unusable,
        totals.leaked,
    );
    let _ = writeln!(
        text,
        "  {:.0} % of findings right; {} healthy clusters with {} red results; {:.0} s, seed {}, {} testbeds started anew",
        totals.findings_right * 100.0,
        report.healthy.len(),
        totals.red_when_healthy,
        report.wall_s,
        report.seed,
        report.reboots,
    );
}
