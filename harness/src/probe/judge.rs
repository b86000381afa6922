//! From counted connections to a verdict.

use std::fmt::Write as _;

use winconform_reports::{
    Verdict,
    event::{Cell, Destination, Vantage},
};

use super::http::Probed;

/// Judges probes that must all answer. A server that is slow under load is no loss: see [`Cell::slow`].
///
/// * Every connection brought the expected answer: passed.
/// * Some did not, and that is known: failed, with the loss rate and an example for each dead pair.
/// * None is known to have failed, but some outcomes were lost on our way: undetermined.
/// * Nothing was tried: undetermined, since a question that was not asked has no answer.
#[must_use]
pub fn judge(probes: &[Probed], promise: &str) -> Verdict {
    let cells: Vec<&Cell> = probes.iter().map(|probed| &probed.cell).collect();
    let (tried, answered) = sum_of(&cells);
    let slow: u32 = cells.iter().map(|cell| cell.slow).sum();
    let lost: u32 = cells.iter().map(|cell| cell.lost).sum();
    let broken: Vec<String> =
        cells.iter().filter(|cell| cell.answered + cell.slow < cell.tried).map(|cell| describe(cell)).collect();
    if !broken.is_empty() {
        Verdict::Failed(format!(
            "{promise}, but {} of {tried} connections did not: {}",
            tried - answered - slow,
            list(&broken)
        ))
    } else if lost > 0 {
        let example = cells.iter().find(|cell| cell.lost > 0).and_then(|cell| cell.example.clone());
        Verdict::Undetermined(format!(
            "the outcome of {lost} connections was lost on the way back to us: {}",
            example.unwrap_or_default()
        ))
    } else if tried == 0 {
        Verdict::Undetermined("no connection was tried".to_owned())
    } else {
        let mut text = format!("{answered} of {tried} connections over {} paths answered", cells.len());
        if slow > 0 {
            let _ = write!(text, "; {slow} waited in vain behind others and were answered when asked alone");
        }
        Verdict::Passed(text)
    }
}

/// How many connections were tried, and how many brought the expected answer.
#[must_use]
pub fn sum_of(cells: &[&Cell]) -> (u32, u32) {
    (cells.iter().map(|cell| cell.tried).sum(), cells.iter().map(|cell| cell.answered).sum())
}

fn describe(cell: &Cell) -> String {
    let source = match &cell.source_node {
        Some(node) => format!("{} on {node}", cell.source.as_words()),
        None => cell.source.as_words().to_owned(),
    };
    let mut text = format!("{source} to {} {}", words(cell), cell.address);
    if let Some(node) = &cell.destination_node {
        text = format!("{text} on {node}");
    }
    text = format!("{text}: {} of {} answered", cell.answered, cell.tried);
    match &cell.example {
        Some(example) => format!("{text} ({example})"),
        None => text,
    }
}

fn words(cell: &Cell) -> &'static str {
    match (cell.source, cell.destination) {
        // Seen from elsewhere than a Windows pod, "same node" and "other node" say nothing.
        (Vantage::WindowsPod | Vantage::WindowsHost, destination) => destination.as_words(),
        (_, Destination::WindowsPodSameNode | Destination::WindowsPodOtherNode) => "windows pod",
        (_, destination) => destination.as_words(),
    }
}

/// The first few, and how many more.
fn list(items: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = items.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    match items.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more paths"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probed(answered: u32, timed_out: u32, lost: u32) -> Probed {
        Probed {
            cell: Cell {
                source: Vantage::WindowsPod,
                source_node: Some("win-0".into()),
                destination: Destination::WindowsServiceIp,
                address: "10.96.0.9:80".into(),
                destination_node: None,
                tried: answered + timed_out,
                answered,
                connected_only: 0,
                slow: 0,
                refused: 0,
                timed_out,
                otherwise: 0,
                lost,
                example: (timed_out + lost > 0).then(|| "curl: (28) timed out".to_owned()),
            },
            transfers: Vec::new(),
            settled: None,
            nonce: "n".into(),
        }
    }

    #[test]
    fn one_lost_connection_in_twelve_is_a_failure_with_its_rate() {
        let verdict = judge(&[probed(11, 1, 0), probed(12, 0, 0)], "every connection must be answered");
        insta::assert_snapshot!(verdict.reason());
        assert!(matches!(verdict, Verdict::Failed(_)));
    }

    #[test]
    fn an_outcome_lost_on_our_way_is_undetermined() {
        assert!(matches!(judge(&[probed(12, 0, 0), probed(0, 0, 12)], "p"), Verdict::Undetermined(_)));
    }

    #[test]
    fn a_known_failure_outranks_a_lost_outcome() {
        assert!(matches!(judge(&[probed(11, 1, 0), probed(0, 0, 12)], "p"), Verdict::Failed(_)));
    }

    #[test]
    fn nothing_tried_is_no_pass() {
        assert!(matches!(judge(&[], "p"), Verdict::Undetermined(_)));
    }
}
