//! Judging documented limitations, which have three outcomes.

use winconform_harness::probe::Probed;
use winconform_reports::{Verdict, event::Cell};

/// How a limitation is told.
pub(super) struct Limitation {
    /// Who is meant: `hosts`.
    pub(super) who: &'static str,
    /// What they do where it is lifted: `reach the Service IP`.
    pub(super) lifted: &'static str,
    /// What is said where it is present.
    pub(super) present: &'static str,
    /// Whether a cell shows it.
    pub(super) shows: fn(&Cell) -> bool,
}

/// Judges probes whose sources have shown before that they can probe at all.
pub(super) fn judge_limitation(probed: &[Probed], limitation: &Limitation) -> Verdict {
    let Limitation { who, lifted, present, shows } = limitation;
    let node = |probed: &&Probed| probed.cell.source_node.clone().unwrap_or_default();
    let list = |of: &[&Probed]| {
        let mut nodes: Vec<String> = of.iter().map(node).collect();
        nodes.dedup();
        nodes.join(", ")
    };
    let example = |of: &[&Probed]| of.first().and_then(|probed| probed.cell.example.clone()).unwrap_or_default();
    let (reach, rest): (Vec<&Probed>, Vec<&Probed>) = probed.iter().partition(|probed| probed.cell.answered > 0);
    let (blocked, unclear): (Vec<&Probed>, Vec<&Probed>) =
        rest.into_iter().partition(|probed| probed.cell.tried > 0 && shows(&probed.cell));
    if reach.is_empty() && blocked.is_empty() && unclear.is_empty() {
        Verdict::Undetermined("inconclusive: nobody was asked".to_owned())
    } else if !reach.is_empty() && blocked.is_empty() && unclear.is_empty() {
        Verdict::LimitationLifted(format!("{who} {lifted}: {}", list(&reach)))
    } else if !reach.is_empty() {
        let others: Vec<&Probed> = blocked.into_iter().chain(unclear).collect();
        Verdict::LimitationLifted(format!("{who} of {} {lifted}, those of {} do not", list(&reach), list(&others)))
    } else if unclear.is_empty() {
        Verdict::LimitationPresent(format!("{present}, as documented ({})", example(&blocked)))
    } else {
        Verdict::Undetermined(format!("inconclusive on {}: {}", list(&unclear), example(&unclear)))
    }
}

/// Nothing can be said, because no control worked; where outcomes of controls were lost on the way, that
/// comes first: then nobody knows whether any would have worked.
pub(super) fn inconclusive(controls: &[Probed], why: &str) -> Verdict {
    match controls.iter().find(|control| control.cell.lost > 0) {
        Some(Probed { cell, .. }) => {
            let example = cell.example.as_deref().unwrap_or("no more is known");
            Verdict::Undetermined(format!("inconclusive: the outcome of a control was lost on the way back: {example}"))
        }
        None => Verdict::Undetermined(format!("inconclusive: {why}")),
    }
}

/// Whether every connection was refused or timed out.
pub(super) fn is_closed(cell: &Cell) -> bool {
    cell.refused + cell.timed_out == cell.tried
}

#[cfg(test)]
mod tests {
    use winconform_reports::event::{Destination, Vantage};

    use super::*;

    const HOSTS: Limitation =
        Limitation { who: "hosts", lifted: "reach it", present: "hosts do not reach it", shows: is_closed };

    fn probed(node: &str, answered: u32, timed_out: u32, otherwise: u32) -> Probed {
        let untried = Cell::untried(
            Vantage::WindowsHost,
            Some(node.into()),
            Destination::OwnNodePort,
            "10.240.0.4:30080".into(),
            Some(node.into()),
        );
        let tried = answered + timed_out + otherwise;
        let cell = Cell { tried, answered, timed_out, otherwise, example: Some("curl: (28)".into()), ..untried };
        Probed { cell, transfers: Vec::new(), settled: None, nonce: "n".into() }
    }

    #[test]
    fn a_control_that_was_lost_is_told_before_one_that_did_not_work() {
        let mut lost = probed("win-0", 0, 0, 0);
        assert_eq!(inconclusive(&[lost.clone()], "nothing works").reason(), "inconclusive: nothing works");
        lost.cell.lost = 3;
        let verdict = inconclusive(&[probed("win-1", 0, 3, 0), lost], "nothing works");
        assert!(verdict.reason().contains("was lost on the way back: curl: (28)"), "{}", verdict.reason());
    }

    #[test]
    fn a_limitation_is_present_lifted_or_nobody_knows() {
        let mut told = Vec::new();
        for cells in [
            vec![probed("win-0", 0, 3, 0), probed("win-1", 0, 3, 0)],
            vec![probed("win-0", 3, 0, 0), probed("win-1", 3, 0, 0)],
            vec![probed("win-0", 3, 0, 0), probed("win-1", 0, 3, 0)],
            vec![probed("win-0", 0, 3, 0), probed("win-1", 0, 0, 3)],
            vec![],
        ] {
            let verdict = judge_limitation(&cells, &HOSTS);
            told.push(format!("{:?}: {}", verdict.kind(), verdict.reason()));
        }
        insta::assert_snapshot!(told.join("\n"));
    }
}
