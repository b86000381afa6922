//! The summary a person reads on the terminal after a run.
//!
//! Short for a healthy cluster, precise for a broken one, complete without colour:
//! every mark is a word. What was the same everywhere is said once.

pub(crate) mod layout;
mod matrix;
mod steps;
mod style;
mod table;
mod timing;
mod trouble;

use std::path::PathBuf;

use self::layout::Page;
pub use self::style::Style;
use crate::{
    compare,
    disposition::{Disposition, RunResult},
    report::Report,
    verdict::VerdictKind,
};

/// How the summary is shown, and what is known only to the one who shows it.
#[derive(Debug, Clone)]
pub struct SummaryOptions {
    /// Colours, or none.
    pub style: Style,
    /// Columns of the terminal; narrower than 60 is treated as 60.
    pub width: usize,
    /// The run's folder, where the log and the evidence are.
    pub folder: Option<PathBuf>,
    /// The reports that were written, as the user named them.
    pub reports: Vec<PathBuf>,
    /// What the reader of the log had to pass over.
    pub notes: Vec<String>,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self { style: Style::Plain, width: 100, folder: None, reports: Vec::new(), notes: Vec::new() }
    }
}

/// The summary of a run, ending in a line feed.
#[must_use]
pub fn summary(report: &Report, options: &SummaryOptions) -> String {
    let mut page = Page::new(options.style, options.width.clamp(60, 160));
    headline(&mut page, report);
    cluster(&mut page, report);
    table::write(&mut page, report);
    trouble::findings(&mut page, report);
    trouble::failures(&mut page, report);
    trouble::undetermined(&mut page, report);
    changed(&mut page, report);
    trouble::excused(&mut page, report);
    trouble::asides(&mut page, report);
    steps::steps(&mut page, report);
    matrix::write(&mut page, report);
    timing::write(&mut page, report);
    files(&mut page, options);
    if report.run.exit_code != 0 {
        // By now the first line may have left the screen.
        page.blank();
        let line = format!("{} (exit code {})", headline_words(&page, report), report.run.exit_code);
        page.line(&line);
    }
    page.finish()
}

/// The one line that counts.
fn headline_words(page: &Page, report: &Report) -> String {
    let run = &report.run;
    let style = page.style();
    let words = run.result.as_words();
    let painted = match run.result {
        RunResult::Conformant => style.good(words),
        RunResult::NotConformant => style.bad(words),
        RunResult::Partial | RunResult::Unknown => style.odd(words),
    };
    let limitations = report.results.iter().filter(|result| result.verdict == VerdictKind::LimitationPresent).count();
    let counted = [
        (run.counts.red, "failed"),
        (run.counts.excused, "excused"),
        (run.counts.unknown, "undetermined"),
        (run.counts.green.saturating_sub(limitations), "passed"),
        (limitations, "limited as documented"),
        (run.counts.skipped, "not applicable"),
        (run.counts.flaky, "flaky"),
    ];
    let counts: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
    // Whoever ships by the core checks alone need not count them.
    let by_core = match (run.result, run.core) {
        (RunResult::NotConformant, RunResult::Conformant) => " (core: conformant)",
        _ => "",
    };
    match run.counts.total {
        0 => format!("{painted}: nothing was asked"),
        1 => format!("{painted}: 1 answer, {}", counts.join(", ")),
        total => format!("{painted}{by_core}: {total} answers, {}", counts.join(", ")),
    }
}

/// What changed since the baseline.
fn changed(page: &mut Page, report: &Report) {
    let Some(changes) = &report.comparison else { return };
    page.title(&format!("since run {}", changes.base.run));
    page.item("", "", &compare::text::headline(changes));
    compare::text::body(page, changes);
}

fn headline(page: &mut Page, report: &Report) {
    let run = &report.run;
    let style = page.style();
    page.blank();
    let line = headline_words(page, report);
    page.line(&line);
    if let Some(why) = &run.aborted {
        page.item("", &style.odd("ended"), why);
    }
    let broken = broken_targets(report);
    if run.result == RunResult::NotConformant && !broken.is_empty() && broken.len() < report.targets.len() {
        page.item("", "only for", &broken.join(", "));
    }
    if run.exit_code == 3 {
        page.item(
            "",
            "why",
            "no check was selected that concerns this cluster; `winconform plan` shows what each one needs",
        );
    }
    if !report.leftovers.is_empty() {
        let count = report.leftovers.len();
        page.line("");
        page.line(
            &style.bad(&format!("not cleaned up: {count} of our objects stayed; `winconform cleanup` removes them")),
        );
        for left in report.leftovers.iter().take(5) {
            page.item("", "", left);
        }
    }
}

/// Targets with a red result; a red result of the whole cluster concerns all.
fn broken_targets(report: &Report) -> Vec<String> {
    let red = |result: &&crate::report::CheckResult| result.disposition == Disposition::Red;
    let mut broken = Vec::new();
    for result in report.results.iter().filter(red) {
        match &result.target {
            Some(target) if !broken.contains(target) => broken.push(target.clone()),
            Some(_) => {}
            None => return Vec::new(),
        }
    }
    broken
}

fn cluster(page: &mut Page, report: &Report) {
    let Some(cluster) = &report.cluster else { return };
    page.blank();
    let testbed = match &report.run.testbed {
        Some(testbed) if testbed.faults.is_empty() => format!("embedded testbed `{}`, ", testbed.shape),
        Some(testbed) => {
            format!("embedded testbed `{}` with {}, ", testbed.shape, testbed.faults.join(" and "))
        }
        None => String::new(),
    };
    let words = format!("{testbed}Kubernetes {} at {} ({})", cluster.version, cluster.server, cluster.context);
    page.item("", "cluster", &words);
    for (place, target) in report.targets.iter().enumerate() {
        let product = target.product.as_deref().unwrap_or("an unknown build");
        let nodes = match target.nodes.len() {
            0..=4 => target.nodes.join(", "),
            count => format!("{count} nodes"),
        };
        page.item("", if place == 0 { "targets" } else { "" }, &format!("{}  {product}: {nodes}", target.name));
    }
}

/// Where everything is.
fn files(page: &mut Page, options: &SummaryOptions) {
    let reports = options.reports.iter().map(|path| path.display().to_string());
    let folder = options.folder.iter().map(|folder| format!("{} (log and evidence)", folder.display()));
    for (place, path) in reports.chain(folder).enumerate() {
        page.item("", if place == 0 { "reports" } else { "" }, &path);
    }
    for note in &options.notes {
        page.item("", "note", note);
    }
}

#[cfg(test)]
mod tests;
