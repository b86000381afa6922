//! Who reaches what: probes summed up by kind of source and destination.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::event::{Cell, Destination, Vantage};

/// What came of the connections along a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Every connection that could be tried brought the expected answer.
    Open,
    /// Closed as the documentation says.
    Limitation,
    /// None could be tried: nothing is known.
    Unknown,
    /// Some were answered, some were not.
    Partial,
    /// None was answered.
    Closed,
}

/// All probes from one kind of source to one kind of destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Crossing {
    /// Where the probes started.
    pub source: Vantage,
    /// What they were aimed at.
    pub destination: Destination,
    /// What came of them all.
    pub reach: Reach,
    /// How many connections were tried.
    pub tried: u64,
    /// How many brought the expected answer.
    pub answered: u64,
    /// How many could not be tried, or whose outcome was lost.
    pub lost: u64,
    /// The results whose probes these are, in the order of their ids.
    pub checks: Vec<String>,
    /// The same by pair of nodes, in the order of their names.
    pub paths: Vec<Path>,
}

/// The probes of a crossing between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Path {
    /// The node they started on; none for the outside.
    pub source_node: Option<String>,
    /// The node behind the address, where it is one.
    pub destination_node: Option<String>,
    /// What came of them.
    pub reach: Reach,
    /// How many connections were tried.
    pub tried: u64,
    /// How many brought the expected answer.
    pub answered: u64,
    /// How many connected but were answered wrongly or not at all.
    pub connected_only: u64,
    /// How many connected and were answered late: a server with much to do.
    pub slow: u64,
    /// How many were refused.
    pub refused: u64,
    /// How many timed out while connecting.
    pub timed_out: u64,
    /// How many ended otherwise.
    pub otherwise: u64,
    /// How many could not be tried, or whose outcome was lost.
    pub lost: u64,
    /// The first thing that went wrong, in words.
    pub example: Option<String>,
}

/// Probes of a result, and whether it found a documented limitation there.
pub(super) struct Probes<'a> {
    pub(super) result: String,
    pub(super) as_documented: bool,
    pub(super) cells: &'a [Cell],
}

/// Sums probes up.
pub(super) fn crossings<'a>(probes: impl IntoIterator<Item = Probes<'a>>) -> Vec<Crossing> {
    let mut sums: BTreeMap<(Vantage, Destination), Sum> = BTreeMap::new();
    for Probes { result, as_documented, cells } in probes {
        for cell in cells {
            let sum = sums.entry((cell.source, cell.destination)).or_default();
            if !sum.checks.contains(&result) {
                sum.checks.insert(result.clone());
            }
            let ends = (cell.source_node.clone(), cell.destination_node.clone());
            sum.paths.entry(ends).or_default().add(cell, as_documented);
        }
    }
    sums.into_iter().map(|((source, destination), sum)| sum.crossing(source, destination)).collect()
}

type Ends = (Option<String>, Option<String>);

#[derive(Default)]
struct Sum {
    checks: BTreeSet<String>,
    paths: BTreeMap<Ends, Tally>,
}

#[derive(Default)]
struct Tally {
    tried: u64,
    answered: u64,
    connected_only: u64,
    slow: u64,
    refused: u64,
    timed_out: u64,
    otherwise: u64,
    lost: u64,
    as_documented: bool,
    example: Option<String>,
}

impl Sum {
    fn crossing(self, source: Vantage, destination: Destination) -> Crossing {
        let paths: Vec<Path> = self.paths.into_iter().map(|(ends, tally)| tally.path(ends)).collect();
        Crossing {
            source,
            destination,
            reach: together(paths.iter().map(|path| path.reach)),
            tried: paths.iter().map(|path| path.tried).sum(),
            answered: paths.iter().map(|path| path.answered).sum(),
            lost: paths.iter().map(|path| path.lost).sum(),
            checks: self.checks.into_iter().collect(),
            paths,
        }
    }
}

/// What several ways come to: closed only where all are, unknown only where all are.
fn together(reaches: impl Iterator<Item = Reach>) -> Reach {
    let known: Vec<Reach> = reaches.filter(|reach| *reach != Reach::Unknown).collect();
    match known.split_first() {
        None => Reach::Unknown,
        Some((first, rest)) if rest.iter().all(|reach| reach == first) => *first,
        Some(_) if known.iter().all(|reach| matches!(reach, Reach::Open | Reach::Limitation)) => Reach::Limitation,
        Some(_) => Reach::Partial,
    }
}

impl Tally {
    fn add(&mut self, cell: &Cell, as_documented: bool) {
        self.tried += u64::from(cell.tried);
        self.answered += u64::from(cell.answered);
        self.connected_only += u64::from(cell.connected_only);
        self.slow += u64::from(cell.slow);
        self.refused += u64::from(cell.refused);
        self.timed_out += u64::from(cell.timed_out);
        self.otherwise += u64::from(cell.otherwise);
        self.lost += u64::from(cell.lost);
        self.as_documented |= as_documented;
        if self.example.is_none() {
            self.example.clone_from(&cell.example);
        }
    }

    fn path(self, (source_node, destination_node): Ends) -> Path {
        let asked = self.tried.saturating_sub(self.lost);
        let reach = match self.answered {
            _ if asked == 0 => Reach::Unknown,
            all if all + self.slow >= asked => Reach::Open,
            _ if self.as_documented => Reach::Limitation,
            0 => Reach::Closed,
            _ => Reach::Partial,
        };
        Path {
            source_node,
            destination_node,
            reach,
            tried: self.tried,
            answered: self.answered,
            connected_only: self.connected_only,
            slow: self.slow,
            refused: self.refused,
            timed_out: self.timed_out,
            otherwise: self.otherwise,
            lost: self.lost,
            example: self.example,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cell;

    fn reach_of(cells: &[Cell], as_documented: bool) -> Reach {
        crossings([Probes { result: "a/b".into(), as_documented, cells }])[0].reach
    }

    #[test]
    fn one_silent_node_makes_a_crossing_partial_not_closed() {
        use Destination::WindowsServiceIp;
        use Vantage::WindowsPod;
        let fine = cell(WindowsPod, "win-1", WindowsServiceIp, None, 8, 8);
        let dead = cell(WindowsPod, "win-2", WindowsServiceIp, None, 8, 0);
        assert_eq!(reach_of(&[fine.clone(), dead.clone()], false), Reach::Partial);
        assert_eq!(reach_of(std::slice::from_ref(&dead), false), Reach::Closed);
        assert_eq!(reach_of(&[dead], true), Reach::Limitation);
        assert_eq!(reach_of(&[fine], true), Reach::Open);
    }

    #[test]
    fn what_could_not_be_tried_is_unknown_not_closed() {
        let mut lost = cell(Vantage::LinuxPod, "linux-1", Destination::NodePort, None, 4, 0);
        lost.lost = 4;
        lost.timed_out = 0;
        assert_eq!(reach_of(&[lost], false), Reach::Unknown);
    }
}
