//! Who reaches what: destinations down, sources across, so that it fits a terminal
//! however many kinds of destination there are.

use super::{
    Style,
    layout::{Page, padded},
};
use crate::{
    event::{Destination, Vantage},
    report::{Crossing, Path, Reach, Report},
};

/// Details below the matrix; a cluster where more is broken has a finding for it.
const SHOWN: usize = 8;
/// What stands in the corner.
const CORNER: &str = "to \\ from";

pub(super) fn write(page: &mut Page, report: &Report) {
    if report.matrix.is_empty() {
        return;
    }
    let mut sources: Vec<Vantage> = report.matrix.iter().map(|crossing| crossing.source).collect();
    sources.dedup();
    let mut destinations: Vec<Destination> = report.matrix.iter().map(|crossing| crossing.destination).collect();
    destinations.sort_unstable();
    destinations.dedup();
    let style = page.style();
    let heads: Vec<(&str, &str)> = sources.iter().map(|source| head(*source)).collect();
    let width = |(first, second): &(&str, &str)| first.len().max(second.len()).max("limit".len());
    let widths: Vec<usize> = heads.iter().map(width).collect();
    let labels = destinations.iter().map(|destination| destination.as_words().len());
    let label = labels.max().unwrap_or_default().max(CORNER.len());

    page.blank();
    for second in [false, true] {
        let mut text = format!("  {}", padded(&style.faint(if second { CORNER } else { "" }), label));
        for (head, width) in heads.iter().zip(&widths) {
            text.push_str("  ");
            text.push_str(&padded(&style.title(if second { head.1 } else { head.0 }), *width));
        }
        page.line(&text);
    }
    for destination in destinations {
        let mut text = format!("  {}", padded(destination.as_words(), label));
        for (source, width) in sources.iter().zip(&widths) {
            let crossing =
                report.matrix.iter().find(|found| found.source == *source && found.destination == destination);
            text.push_str("  ");
            text.push_str(&padded(&cell(crossing, style), *width));
        }
        page.line(&text);
    }
    details(page, report);
}

/// Two short lines for each source.
fn head(source: Vantage) -> (&'static str, &'static str) {
    match source {
        Vantage::Outside => ("", "outside"),
        Vantage::LinuxNode => ("linux", "node"),
        Vantage::LinuxPod => ("linux", "pod"),
        Vantage::WindowsPod => ("windows", "pod"),
        Vantage::WindowsHost => ("windows", "host"),
        Vantage::ApiServer => ("api", "server"),
    }
}

fn cell(crossing: Option<&Crossing>, style: Style) -> String {
    match crossing {
        None => style.faint("·"),
        Some(crossing) => match crossing.reach {
            Reach::Open => style.good("ok"),
            Reach::Limitation => style.good("limit"),
            Reach::Unknown => style.odd("?"),
            Reach::Partial => style.bad(&percent(crossing.answered, crossing.tried.saturating_sub(crossing.lost))),
            Reach::Closed => style.bad("DEAD"),
        },
    }
}

/// Never 100 where something is missing, never 0 where something came back.
fn percent(answered: u64, asked: u64) -> String {
    let part = answered.saturating_mul(100).checked_div(asked).unwrap_or_default();
    format!("{}%", part.clamp(1, 99))
}

/// Where a crossing is not the same everywhere: which nodes are worse than others.
fn details(page: &mut Page, report: &Report) {
    let mut shown = 0;
    let mut left = 0;
    for crossing in report.matrix.iter().filter(|crossing| matches!(crossing.reach, Reach::Closed | Reach::Partial)) {
        let words = format!("{} to {}", crossing.source.as_words(), crossing.destination.as_words());
        for (bad, ways) in worst(crossing) {
            if shown == SHOWN {
                left += 1;
                continue;
            }
            let open =
                crossing.paths.iter().filter(|path| matches!(path.reach, Reach::Open | Reach::Limitation)).count();
            let others = if open == 0 { String::new() } else { format!("; {open} other ways are fine") };
            page.item("", if shown == 0 { "dead ways" } else { "" }, &format!("{words}: {bad}, {ways}{others}"));
            shown += 1;
        }
    }
    if left > 0 {
        page.item("", "", &format!("and {left} more, all in the reports"));
    }
}

/// The bad paths of a crossing, by the end they share where they share one.
fn worst(crossing: &Crossing) -> Vec<(String, String)> {
    let bad: Vec<&Path> =
        crossing.paths.iter().filter(|path| matches!(path.reach, Reach::Closed | Reach::Partial)).collect();
    let shared = |end: fn(&Path) -> Option<&str>| {
        let first = bad.first().and_then(|path| end(path))?;
        (bad.len() > 1 && bad.iter().all(|path| end(path) == Some(first))).then_some(first)
    };
    let sum = |paths: &[&Path]| {
        let count = |field: fn(&Path) -> u64| paths.iter().map(|path| field(path)).sum::<u64>();
        let outcomes: [(u64, &str); 4] = [
            (count(|path| path.timed_out), "timed out"),
            (count(|path| path.refused), "refused"),
            (count(|path| path.connected_only), "connected only"),
            (count(|path| path.otherwise), "failed otherwise"),
        ];
        let outcomes = outcomes.into_iter().filter(|(count, _)| *count > 0);
        let outcomes: String = outcomes.map(|(count, outcome)| format!(", {count} {outcome}")).collect();
        format!("{} of {} answered{outcomes}", count(|path| path.answered), count(|path| path.tried))
    };
    if let Some(node) = shared(|path| path.source_node.as_deref()) {
        return vec![(format!("from {node}"), sum(&bad))];
    }
    if let Some(node) = shared(|path| path.destination_node.as_deref()) {
        return vec![(format!("to {node}"), sum(&bad))];
    }
    let ends = |path: &Path| match (&path.source_node, &path.destination_node) {
        (Some(from), Some(to)) => format!("from {from} to {to}"),
        (Some(from), None) => format!("from {from}"),
        (None, Some(to)) => format!("to {to}"),
        (None, None) => "everywhere".to_owned(),
    };
    bad.iter().map(|path| (ends(path), sum(&[path]))).collect()
}
