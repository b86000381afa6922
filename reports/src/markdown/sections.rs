//! The parts of a page, the most important first.

use std::{collections::BTreeSet, fmt::Write};

use super::escape::{code, text};
use crate::{
    changes::Tone,
    event::{Destination, Vantage},
    explain::Finding,
    report::{
        CheckResult, Reach, Report,
        grid::{Grid, Mark, Row, Tally},
        repeat_command,
    },
    words::{counted, first_few, percent, seconds},
};

/// The parts of a page, each beginning with its heading.
pub(super) fn sections(report: &Report, lines: usize) -> Vec<String> {
    let grid = Grid::of(report);
    [
        headline(report),
        changes(report, lines),
        findings(report, lines),
        wrong(report, Mark::is_red, "Failed", lines),
        wrong(report, |mark| mark == Mark::Unknown, "Could not be told", lines),
        wrong(report, |mark| mark == Mark::Excused, "Known failures", lines),
        table(&grid),
        reach(report),
        run(report),
    ]
    .into_iter()
    .filter(|section| !section.is_empty())
    .collect()
}

fn headline(report: &Report) -> String {
    let run = &report.run;
    let mut out = format!("# winconform: {}\n\n", run.result.as_words());
    let mut tally = Tally::default();
    report.results.iter().for_each(|result| tally.add(Mark::of(result)));
    let counts: Vec<String> = tally.marks().map(|(mark, count)| format!("{count} {}", mark.as_word())).collect();
    match report.results.len() {
        0 => line(&mut out, "Nothing was asked."),
        total => line(&mut out, &format!("{}: {}.", counted(total, "answer"), counts.join(", "))),
    }
    if let Some(why) = &run.aborted {
        line(&mut out, &format!("\n**The run ended early:** {}", text(why)));
    }
    if !report.leftovers.is_empty() {
        let count = counted(report.leftovers.len(), "object");
        line(&mut out, &format!("\n**Not cleaned up:** {count} of ours stayed; `winconform cleanup` removes them."));
    }
    out
}

fn changes(report: &Report, lines: usize) -> String {
    let Some(changes) = &report.changes else { return String::new() };
    let mut out = format!("\n## What changed since {}\n", text(&changes.baseline));
    if changes.groups.is_empty() {
        line(&mut out, "\nNothing.");
    }
    for group in &changes.groups {
        let bad = if group.tone == Tone::Bad { "**" } else { "" };
        line(&mut out, &format!("\n{bad}{}: {}{bad}\n", text(&group.title), group.items.len()));
        list(&mut out, group.items.iter().map(|item| text(item)), lines);
    }
    out
}

fn findings(report: &Report, lines: usize) -> String {
    if report.findings.is_empty() {
        return String::new();
    }
    let mut out = "\n## What broke, and why\n".to_owned();
    for finding in report.findings.iter().take(lines) {
        this_finding(&mut out, report, finding);
    }
    if report.findings.len() > lines {
        line(&mut out, &format!("\n_and {}_", counted(report.findings.len() - lines, "more cause")));
    }
    out
}

fn this_finding(out: &mut String, report: &Report, finding: &Finding) {
    let sure = if report.is_only_noted(finding) { "worth knowing" } else { finding.confidence.as_str() };
    line(out, &format!("\n### {}: {}\n", finding.layer, text(&finding.subject)));
    line(out, &format!("{} ({sure})\n", text(&finding.summary)));
    list(out, finding.advice.iter().map(|advice| format!("look at: {}", text(advice))), 8);
    list(out, finding.alternatives.iter().map(|other| format!("or: {} ({})", text(&other.summary), other.layer)), 8);
    line(out, &format!("\n<details><summary>Proof, and {}</summary>\n", counted(finding.checks.len(), "answer")));
    list(out, finding.proof.iter().map(|proof| text(proof)), 12);
    line(out, "");
    list(out, finding.checks.iter().map(|check| code(check)), 20);
    line(out, "\n</details>");
}

/// Results of one mark by what they say: a node's and its neighbour's the same is one row.
fn wrong(report: &Report, is_one: fn(Mark) -> bool, title: &str, lines: usize) -> String {
    let mut groups: Vec<(&CheckResult, Vec<&CheckResult>)> = Vec::new();
    let mut known = std::collections::HashMap::new();
    for result in report.results.iter().filter(|result| is_one(Mark::of(result))) {
        let place = *known.entry((&result.check, result.reason.as_str())).or_insert_with(|| {
            groups.push((result, Vec::new()));
            groups.len() - 1
        });
        if let Some((_, results)) = groups.get_mut(place) {
            results.push(result);
        }
    }
    if groups.is_empty() {
        return String::new();
    }
    let mut out = format!("\n## {title}\n\n| check | where | reason |\n|---|---|---|\n");
    for (first, results) in groups.iter().take(lines) {
        let places = results.iter().filter_map(|result| result.node.as_deref().or(result.target.as_deref()));
        let places = first_few(places, 4);
        let places = if places.is_empty() { "cluster".to_owned() } else { text(&places) };
        line(
            &mut out,
            &format!(
                "| {} ({}) | {places} | {} |",
                code(&first.check.to_string()),
                text(&first.statement),
                text(&first.reason)
            ),
        );
    }
    if groups.len() > lines {
        line(&mut out, &format!("\n_and {} more_", groups.len() - lines));
    }
    if let Some((first, _)) = groups.first().filter(|(first, _)| Mark::of(first).is_red()) {
        line(&mut out, &format!("\nTo ask the first one again: {}", code(&repeat_command(report, first))));
    }
    out
}

/// Suites that passed everywhere take one row.
fn table(grid: &Grid<'_>) -> String {
    const COLUMNS: usize = 10;
    if grid.suites.is_empty() || grid.columns.len() > COLUMNS {
        return String::new();
    }
    let heads: Vec<String> = grid.columns.iter().map(|column| text(column.unwrap_or("cluster"))).collect();
    let mut out =
        format!("\n## Checks by target\n\n| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len()));
    for suite in &grid.suites {
        let (fine, odd): (Vec<&Row<'_>>, Vec<&Row<'_>>) =
            suite.checks.iter().partition(|row| row.tally().worst() == Mark::Passed);
        if !fine.is_empty() {
            let cells: Vec<Tally> = (0..heads.len())
                .map(|column| {
                    let mut sum = Tally::default();
                    let worst = fine.iter().filter_map(|row| row.cells.get(column)).map(|cell| cell.worst()).max();
                    sum.add(worst.unwrap_or(Mark::NotAsked));
                    sum
                })
                .collect();
            row(&mut out, &format!("{}, {} that passed", suite.name, counted(fine.len(), "check")), &cells);
        }
        for check in odd {
            let name = check.results.first().map(|result| result.check.to_string()).unwrap_or_default();
            row(&mut out, &code(&name), &check.cells);
        }
    }
    out
}

fn row(out: &mut String, name: &str, cells: &[Tally]) {
    let words = cells.iter().map(|cell| match cell.worst() {
        mark if mark.is_red() => format!("**{}**", mark.as_word().to_uppercase()),
        mark => mark.as_word().to_owned(),
    });
    line(out, &format!("| {name} | {} |", words.collect::<Vec<_>>().join(" | ")));
}

fn reach(report: &Report) -> String {
    if report.matrix.is_empty() {
        return String::new();
    }
    let sources: BTreeSet<Vantage> = report.matrix.iter().map(|crossing| crossing.source).collect();
    let ends: BTreeSet<Destination> = report.matrix.iter().map(|crossing| crossing.destination).collect();
    let heads: Vec<&str> = ends.iter().map(|end| end.as_words()).collect();
    let mut out = format!(
        "\n## Who reaches what\n\n| from \\ to | {} |\n|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for source in sources {
        let cell = |end: &Destination| {
            let crossing = report.matrix.iter().find(|way| way.source == source && way.destination == *end);
            crossing.map_or("·".to_owned(), |way| match way.reach {
                Reach::Open => "ok".to_owned(),
                Reach::Limitation => "limit".to_owned(),
                Reach::Unknown => "?".to_owned(),
                Reach::Partial => format!("**{}**", percent(way.answered, way.tried.saturating_sub(way.lost))),
                Reach::Closed => "**DEAD**".to_owned(),
            })
        };
        let cells: Vec<String> = ends.iter().map(cell).collect();
        line(&mut out, &format!("| {} | {} |", source.as_words(), cells.join(" | ")));
    }
    out
}

fn run(report: &Report) -> String {
    let run = &report.run;
    let mut out = "\n## The run\n\n".to_owned();
    if let Some(cluster) = &report.cluster {
        line(&mut out, &format!("- cluster: {}, Kubernetes {}", code(&cluster.context), text(&cluster.version)));
    }
    if let Some(testbed) = &run.testbed {
        let faults: Vec<String> = testbed.faults.iter().take(20).map(|fault| code(fault)).collect();
        let faults = if faults.is_empty() { String::new() } else { format!(" with {}", faults.join(", ")) };
        line(&mut out, &format!("- testbed: {}{faults}", code(&testbed.shape)));
    }
    for target in report.targets.iter().take(30) {
        let product = target.product.as_deref().unwrap_or("unknown build");
        let nodes = first_few(target.nodes.iter().map(String::as_str), 4);
        let node = report.nodes.iter().find(|node| node.target.as_ref() == Some(&target.name));
        let versions = node.map(|node| format!(", {}, kubelet {}", node.container_runtime, node.kubelet));
        line(
            &mut out,
            &format!(
                "- {}: {}",
                code(&target.name),
                text(&format!("{product}{} ({nodes})", versions.unwrap_or_default()))
            ),
        );
    }
    let path = run.critical_path_s.map(|path| format!(", critical path {}", seconds(path))).unwrap_or_default();
    line(&mut out, &format!("- time: {}{path}", seconds(run.wall_s)));
    line(&mut out, &format!("- winconform {}, run {}, exit code {}", text(&run.version), code(&run.id), run.exit_code));
    out
}

fn list(out: &mut String, items: impl IntoIterator<Item = String>, most: usize) {
    let mut items = items.into_iter();
    for item in items.by_ref().take(most) {
        line(out, &format!("- {item}"));
    }
    let more = items.count();
    if more > 0 {
        line(out, &format!("- and {more} more"));
    }
}

fn line(out: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{line}");
}
