//! Judging pings.

use winconform_harness::{
    Answer, Context,
    probe::{HttpProbe, PingProbe},
};
use winconform_reports::{
    Verdict,
    event::{Cell, Vantage},
};

use super::paths::{PAGE, pod_page, settled};

/// Sends the pings once the network of new pods is there, and judges them.
pub(super) async fn ping_pairs(cx: &Context, pairs: Vec<PingProbe>, promise: &str) -> Answer {
    let over_tcp = |pair: &PingProbe| -> HttpProbe {
        // The matrix is told of the pings only; this waits.
        settled(cx, &pair.from, Vantage::WindowsPod, pod_page(pair.destination, &pair.to), PAGE, 1)
    };
    cx.await_network(&pairs.iter().map(over_tcp).collect::<Vec<_>>()).await;
    Ok(judge(&cx.ping(&pairs).await, promise))
}

/// A ping has no second try as a connection has, so one in four may be lost.
fn judge(cells: &[Cell], promise: &str) -> Verdict {
    let lossy = |cell: &&Cell| cell.answered * 4 < cell.tried * 3;
    let broken: Vec<String> = cells.iter().filter(lossy).map(describe).collect();
    let sum = |field: fn(&Cell) -> u32| cells.iter().map(field).sum::<u32>();
    let (tried, answered, lost) = (sum(|cell| cell.tried), sum(|cell| cell.answered), sum(|cell| cell.lost));
    if !broken.is_empty() {
        Verdict::Failed(format!("{promise}: {}", broken.join("; ")))
    } else if lost > 0 || tried == 0 {
        let why = cells.iter().find(|cell| cell.lost > 0).and_then(|cell| cell.example.clone());
        Verdict::Undetermined(why.unwrap_or_else(|| "no ping was sent".to_owned()))
    } else {
        Verdict::Passed(format!("{answered} of {tried} pings over {} paths came back", cells.len()))
    }
}

fn describe(cell: &Cell) -> String {
    let node = |node: &Option<String>| node.clone().unwrap_or_default();
    let (from, to) = (node(&cell.source_node), node(&cell.destination_node));
    format!("from {from} to {} on {to} {} of {} came back", cell.address, cell.answered, cell.tried)
}

#[cfg(test)]
mod tests {
    use winconform_reports::event::Destination;

    use super::*;

    fn cell(tried: u32, answered: u32, lost: u32) -> Cell {
        let nodes = (Some("win-0".to_owned()), Some("win-1".to_owned()));
        let untried =
            Cell::untried(Vantage::WindowsPod, nodes.0, Destination::PingOtherNode, "10.244.1.7".into(), nodes.1);
        Cell { tried, answered, timed_out: tried - answered, lost, ..untried }
    }

    #[test]
    fn a_single_lost_ping_is_no_failure_and_a_dead_way_is() {
        assert!(matches!(judge(&[cell(4, 4, 0), cell(12, 11, 0)], "p"), Verdict::Passed(_)));
        let verdict = judge(&[cell(4, 4, 0), cell(12, 0, 0)], "pods must answer");
        insta::assert_snapshot!(verdict.reason());
        assert!(matches!(verdict, Verdict::Failed(_)));
        assert!(matches!(judge(&[cell(12, 8, 0)], "p"), Verdict::Failed(_)));
    }

    #[test]
    fn what_was_not_sent_proves_nothing() {
        assert!(matches!(judge(&[cell(4, 4, 0), cell(0, 0, 4)], "p"), Verdict::Undetermined(_)));
        assert!(matches!(judge(&[], "p"), Verdict::Undetermined(_)));
    }
}
