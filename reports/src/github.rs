//! Annotations: workflow commands that GitHub shows beside a job and a commit.
//!
//! The summary of a step is Markdown, see [`crate::markdown`].

use crate::{
    clean,
    disposition::RunResult,
    explain::Finding,
    report::{
        Report,
        grid::{Grid, Mark, Row},
    },
    words::first_few,
};

/// Of each severity GitHub shows ten in a step.
const SHOWN: usize = 10;
/// The most characters of a title.
const TITLE: usize = 255;
/// The most characters of a message that anybody reads.
const MESSAGE: usize = 1000;

/// Writes what is wrong as workflow commands, one a line, the causes first.
#[must_use]
pub fn annotations(report: &Report) -> String {
    let mut out = String::new();
    let grid = Grid::of(report);
    let red = report.run.result == RunResult::NotConformant;
    let told = |finding: &Finding| {
        let title = format!("winconform: {}, {}", finding.layer, finding.subject);
        let checks = first_few(finding.checks.iter().map(String::as_str), 6);
        (title, format!("{}. It accounts for {checks}.", finding.summary))
    };
    let (noted, causes): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| report.is_only_noted(finding));
    let causes: Vec<(String, String)> = causes.into_iter().map(told).collect();
    let failed = unexplained(&grid, Mark::is_red);
    let unknown = unexplained(&grid, |mark| mark == Mark::Unknown);
    let (errors, mut warnings) = if red { (causes, Vec::new()) } else { (Vec::new(), causes) };
    warnings.extend(unknown);
    warnings.extend(report.run.aborted.iter().map(|why| ("winconform: the run ended early".to_owned(), why.clone())));
    warnings.extend(leftovers(report));
    write(&mut out, "error", errors.into_iter().chain(failed));
    write(&mut out, "warning", warnings);
    write(&mut out, "notice", noted.into_iter().map(told).chain(notices(&grid)));
    out
}

/// Checks of a mark that no finding accounts for.
fn unexplained(grid: &Grid<'_>, is_one: fn(Mark) -> bool) -> Vec<(String, String)> {
    let says = |row: &Row<'_>| {
        let wrong = row.results.iter().filter(|result| is_one(Mark::of(result)) && result.findings.is_empty());
        let results: Vec<_> = wrong.collect();
        let first = results.first()?;
        let places = results.iter().filter_map(|result| result.node.as_deref().or(result.target.as_deref()));
        let places = first_few(places, 4);
        let at = if places.is_empty() { String::new() } else { format!(" on {places}") };
        Some((format!("winconform: {} {}{at}", first.check, Mark::of(first).as_word()), first.reason.clone()))
    };
    grid.checks().filter_map(says).collect()
}

fn leftovers(report: &Report) -> Option<(String, String)> {
    let left = first_few(report.leftovers.iter().map(String::as_str), 5);
    (!left.is_empty())
        .then(|| ("winconform: not cleaned up".to_owned(), format!("{left} (winconform cleanup removes them)")))
}

fn notices(grid: &Grid<'_>) -> Vec<(String, String)> {
    let notable = |row: &Row<'_>| {
        let odd = |mark| matches!(mark, Mark::Lifted | Mark::Flaky | Mark::Excused);
        let first = row.results.iter().find(|result| odd(Mark::of(result)))?;
        Some((format!("winconform: {} {}", first.id, Mark::of(first).as_word()), first.reason.clone()))
    };
    grid.checks().filter_map(notable).collect()
}

fn write(out: &mut String, severity: &str, annotations: impl IntoIterator<Item = (String, String)>) {
    for (title, message) in annotations.into_iter().take(SHOWN) {
        let title = property(&clean::shortened(&clean::one_line(&title), TITLE));
        let message = clean::one_line(&clean::excerpt(&message, 4 * MESSAGE));
        let message = data(&clean::shortened(&message, MESSAGE));
        out.push_str(&format_line(severity, &title, &message));
    }
}

fn format_line(severity: &str, title: &str, message: &str) -> String {
    format!("::{severity} title={title}::{message}\n")
}

/// As the runner unescapes what stands behind `::`.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner unescapes a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Whether a text is what the runner reads as commands, line by line.
#[must_use]
pub fn are_annotations(text: &str) -> bool {
    let command = |line: &str| {
        ["error", "warning", "notice"].iter().any(|severity| line.starts_with(&format!("::{severity} title=")))
            && line.matches("::").count() >= 2
    };
    text.lines().all(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::parse_log;

    const MIXED: &str = include_str!("../tests/streams/mixed.ndjson");

    #[test]
    fn no_text_makes_a_command_of_its_own() {
        let hostile = MIXED.replace("connection timed out", "\\n::stop-commands::x\\r::error::y%0A, z");
        let text = annotations(&Report::from_records(&parse_log(hostile.as_bytes()).unwrap().records));
        assert!(are_annotations(&text), "{text}");
        assert!(!text.contains("%0A, z"), "{text}");
    }

    #[test]
    fn a_title_is_escaped_as_the_runner_unescapes_it() {
        assert_eq!(property("a:b, c%"), "a%3Ab%2C c%25");
    }
}
