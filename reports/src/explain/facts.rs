//! What the rules look at: the records of a run, sorted by what they tell.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{Finding, Layer};
use crate::{
    event::{Cell, Destination, Event, Finished, FixtureState, Node, Observation, Record, Target, Vantage},
    id::ResultId,
    verdict::{Level, VerdictKind},
};

/// The facts of a run.
#[derive(Default)]
pub(super) struct Facts<'a> {
    pub(super) nodes: &'a [Node],
    pub(super) targets: &'a [Target],
    /// Results that failed or could not be determined, and notes that have something to tell.
    pub(super) wrong: Vec<Wrong<'a>>,
    /// What probes saw, but for those that met a documented limitation.
    pub(super) probes: Vec<Probe<'a>>,
    /// Nodes on which a pod of ours is known to have run.
    pub(super) ran_on: BTreeSet<&'a str>,
    /// The same by result, those only that were not open throughout.
    troubled: HashMap<&'a ResultId, Vec<Probe<'a>>>,
    /// Fixtures that could not become ready.
    failed_fixtures: Vec<&'a str>,
    /// Whose Service an address is; none where it was given out again, in another round or run.
    services: HashMap<&'a str, Option<&'a str>>,
}

/// A result that is not as it should be.
pub(super) struct Wrong<'a> {
    pub(super) id: &'a ResultId,
    pub(super) name: String,
    pub(super) finished: &'a Finished,
}

/// A cell and the result it belongs to.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) id: &'a ResultId,
    pub(super) cell: &'a Cell,
    pub(super) answer: Answer,
}

/// What came of a cell's connections, those that were lost not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Every one brought the expected answer.
    Open,
    /// Some did.
    Partial,
    /// None did, nor did one connect; some at least were dropped on the way.
    Dead,
    /// All were refused: the network delivered them and nothing listened.
    Refused,
    /// Some connected, none was answered as expected.
    Wrong,
    /// None could be tried.
    Unknown,
}

/// Nodes that a finding is about, and what to call them.
pub(super) struct Group {
    /// Short, for machines: `win-2`, `10.0.20348.5499`, `windows`.
    pub(super) subject: String,
    /// The same in a sentence.
    pub(super) words: String,
    pub(super) nodes: Vec<String>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(records: &'a [Record]) -> Self {
        let mut facts = Self::default();
        let mut finished: HashMap<&ResultId, &Finished> = HashMap::new();
        let mut order = Vec::new();
        let mut probed = Vec::new();
        let mut notes: HashSet<&ResultId> = HashSet::new();
        for Record { event, .. } in records {
            match event {
                Event::ClusterObserved(observed) => {
                    facts.nodes = &observed.nodes;
                    facts.targets = &observed.targets;
                }
                Event::FixtureChanged { fixture, state: FixtureState::Failed(_) } => {
                    facts.failed_fixtures.push(fixture);
                }
                Event::PodTimeline(pod) => {
                    facts.ran_on.insert(&pod.node);
                }
                Event::Probed { id, cells } => probed.extend(cells.iter().map(|cell| (id, cell))),
                Event::CheckFinished(result) => {
                    // Of several rounds the worst is the one to explain.
                    let known = finished.entry(&result.id).or_insert_with(|| {
                        order.push(&result.id);
                        result
                    });
                    if result.verdict.kind().outweighs(known.verdict.kind()) {
                        *known = result;
                    }
                }
                Event::Planned(plan) => {
                    let of_notes = plan.results.iter().filter(|planned| planned.level == Level::Info);
                    notes.extend(of_notes.map(|planned| &planned.id));
                }
                Event::RunStarted(_)
                | Event::FixtureChanged { .. }
                | Event::PodProgress(_)
                | Event::CheckStarted { .. }
                | Event::CleanedUp { .. }
                | Event::RunFinished(_)
                | Event::BaselineGiven(_)
                | Event::RoundStarted { .. }
                | Event::NodeTold(_) => {}
                Event::ServiceMade(made) => {
                    for address in &made.addresses {
                        let owner = facts.services.entry(address).or_insert(Some(&made.owner));
                        *owner = owner.filter(|owner| *owner == made.owner);
                    }
                }
            }
        }
        for id in order {
            let Some(&result) = finished.get(id) else { continue };
            // A check that only reports passes whatever it found; what it observed is what it has to tell.
            let tells = notes.contains(id) && !result.observations.is_empty();
            if tells || matches!(result.verdict.kind(), VerdictKind::Failed | VerdictKind::Undetermined) {
                facts.wrong.push(Wrong { id, name: id.to_string(), finished: result });
            }
        }
        for (id, cell) in probed {
            let verdict = finished.get(id).map(|result| result.verdict.kind());
            if !matches!(verdict, Some(VerdictKind::LimitationPresent | VerdictKind::LimitationLifted)) {
                let probe = Probe { id, cell, answer: Answer::of(cell) };
                facts.probes.push(probe);
                if probe.answer != Answer::Open || cell.lost > 0 {
                    facts.troubled.entry(id).or_default().push(probe);
                }
            }
        }
        facts
    }

    /// What a Service's address (`10.96.0.9:80`) is called: by whom it was made, where that is known.
    pub(super) fn service<'b>(&'b self, address: &'b str) -> &'b str {
        let ip = address.rsplit_once(':').map_or(address, |(ip, _)| ip.trim_matches(['[', ']']));
        self.services.get(ip).copied().flatten().unwrap_or(address)
    }

    /// The nodes that hold what is behind a Service, where its name says so: those of the target of `iis@10.0.20348.5499`.
    pub(super) fn backed_by(&self, service: &str) -> Vec<String> {
        let place = service.rsplit_once('@').map(|(_, place)| place);
        let target = self.targets.iter().find(|target| place == Some(target.name.as_str()));
        target.map(|target| target.nodes.clone()).unwrap_or_default()
    }

    /// Every observation of a wrong result, with the result.
    pub(super) fn observations(&self) -> impl Iterator<Item = (&Wrong<'a>, &'a Observation)> {
        self.wrong.iter().flat_map(|wrong| wrong.finished.observations.iter().map(move |seen| (wrong, seen)))
    }

    /// The probes whose cells satisfy a condition and whose outcome is known.
    pub(super) fn probes_where(&self, condition: impl Fn(&Cell) -> bool) -> Vec<Probe<'a>> {
        let known = self.probes.iter().filter(|probe| probe.answer != Answer::Unknown);
        known.filter(|probe| condition(probe.cell)).copied().collect()
    }

    /// The names of those wrong results whose probes are among these.
    pub(super) fn checks_of(&self, probes: &[Probe<'_>]) -> Vec<String> {
        let troubled: HashSet<&ResultId> =
            probes.iter().filter(|probe| probe.answer != Answer::Open).map(|probe| probe.id).collect();
        self.wrong.iter().filter(|wrong| troubled.contains(wrong.id)).map(|wrong| wrong.name.clone()).collect()
    }

    /// Calls nodes by what they have in common: all Windows nodes, a target of
    /// several nodes, or else each by its name.
    pub(super) fn groups(&self, nodes: &BTreeSet<&str>) -> Vec<Group> {
        let group = |subject: &str, words: &str, nodes: &[&str]| Group {
            subject: subject.to_owned(),
            words: words.to_owned(),
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        };
        for (os, words) in [("windows", "all Windows nodes"), ("linux", "all Linux nodes")] {
            let all: BTreeSet<&str> =
                self.nodes.iter().filter(|node| node.os == os).map(|node| node.name.as_str()).collect();
            if all.len() > 1 && all == *nodes {
                return vec![group(os, words, &all.into_iter().collect::<Vec<_>>())];
            }
        }
        let mut rest = nodes.clone();
        let mut groups = Vec::new();
        for target in self.targets {
            let members: Vec<&str> = target.nodes.iter().map(String::as_str).collect();
            if members.len() > 1 && members.iter().all(|node| rest.contains(node)) {
                rest.retain(|node| !members.contains(node));
                groups.push(group(&target.name, &target.name, &members));
            }
        }
        groups.extend(rest.into_iter().map(|node| group(node, node, &[node])));
        groups
    }

    /// The target a node belongs to, in parentheses, for sentences about the node.
    pub(super) fn build_of(&self, group: &Group) -> String {
        let target = self.targets.iter().find(|target| group.nodes.iter().all(|node| target.nodes.contains(node)));
        match target {
            Some(target) if target.name != group.subject => format!(" ({})", target.name),
            Some(target) => format!(" ({})", target.nodes.join(", ")),
            None => String::new(),
        }
    }

    /// Names all Linux nodes beside the only one that was asked from: nothing tells whether it is alone with its trouble.
    pub(super) fn admit_what_was_not_asked(&self, finding: &mut Finding) {
        let [node] = finding.nodes.as_slice() else { return };
        let from_there = matches!(finding.layer, Layer::ServiceIp | Layer::Dns | Layer::Outbound);
        let linux: Vec<&str> =
            self.nodes.iter().filter(|node| node.os == "linux").map(|node| node.name.as_str()).collect();
        let asked_from =
            |other: &&str| self.probes.iter().any(|probe| probe.cell.source_node.as_deref() == Some(other));
        let alone = linux.contains(&node.as_str())
            && linux.len() > 1
            && !linux.iter().filter(|name| *name != node).any(asked_from);
        if from_there && alone {
            let summary = format!("the other Linux nodes too: nothing was asked from them, only from {node}");
            *finding = finding.clone().or(finding.layer, "linux", summary);
        }
    }

    /// Adds results that could not be asked because of what the finding is about:
    /// asked of its node, with no other way gone wrong, or resting on a fixture that
    /// never became ready where the finding accounts for another of its target.
    pub(super) fn add_dependents(&self, finding: &mut Finding) {
        let known: HashSet<String> = finding.checks.iter().cloned().collect();
        let explained: BTreeSet<Option<&str>> = self
            .wrong
            .iter()
            .filter(|wrong| known.contains(&wrong.name))
            .map(|wrong| wrong.id.place.target())
            .collect();
        let lost_fixture = |target: Option<&str>| {
            target.is_some_and(|target| {
                self.failed_fixtures.iter().any(|name| name.rsplit_once('@').is_some_and(|(_, place)| place == target))
            })
        };
        for wrong in &self.wrong {
            let undetermined = wrong.finished.verdict.kind() == VerdictKind::Undetermined;
            let silent_about_itself = wrong.finished.observations.is_empty();
            let target = wrong.id.place.target();
            let dependent = undetermined && silent_about_itself && explained.contains(&target) && lost_fixture(target);
            if dependent && !known.contains(&wrong.name) {
                finding.checks.push(wrong.name.clone());
            }
        }
    }

    /// The wrong results that trouble on one node accounts for: asked of that node,
    /// or with nothing but ways from or to it gone wrong.
    pub(super) fn touching_only(&self, node: &str) -> Vec<String> {
        let involves = |probe: &Probe<'_>| {
            probe.cell.source_node.as_deref() == Some(node) || probe.cell.destination_node.as_deref() == Some(node)
        };
        let accounted = |wrong: &&Wrong<'_>| {
            let mut trouble = self.troubled.get(wrong.id).into_iter().flatten().peekable();
            match trouble.peek() {
                Some(_) => trouble.all(involves),
                None => {
                    wrong.id.place.node() == Some(node) && wrong.finished.verdict.kind() == VerdictKind::Undetermined
                }
            }
        };
        self.wrong.iter().filter(accounted).map(|wrong| wrong.name.clone()).collect()
    }
}

impl Answer {
    fn of(cell: &Cell) -> Self {
        let asked = cell.tried.saturating_sub(cell.lost);
        match (cell.answered, cell.connected_only) {
            _ if asked == 0 => Self::Unknown,
            // A server with much to do is no loss of the network's.
            (answered, _) if answered + cell.slow >= asked => Self::Open,
            (0, 0) if cell.refused >= asked => Self::Refused,
            (0, 0) => Self::Dead,
            (0, _) => Self::Wrong,
            _ => Self::Partial,
        }
    }
}

impl Probe<'_> {
    /// The probe in words, as proof.
    pub(super) fn words(&self) -> String {
        let Cell { source, source_node, destination, address, destination_node, tried, answered, .. } = self.cell;
        let from = source_node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
        let to = destination_node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
        let way = format!("{}{from} to {} {address}{to}", source.as_words(), destination.as_words());
        let outcomes = [
            (self.cell.timed_out, "timed out"),
            (self.cell.refused, "refused"),
            (self.cell.connected_only, "connected only"),
            (self.cell.slow, "slow"),
            (self.cell.otherwise, "failed otherwise"),
            (self.cell.lost, "lost by our transport"),
        ];
        let outcomes = outcomes.into_iter().filter(|(count, _)| *count > 0);
        let outcomes: String = outcomes.map(|(count, outcome)| format!(", {count} {outcome}")).collect();
        format!("{way}: {answered} of {tried} answered{outcomes}")
    }
}

/// Some probes in words: what went wrong first, and how many more there are.
pub(super) fn proof(probes: &[Probe<'_>]) -> Vec<String> {
    const SHOWN: usize = 4;
    let mut words: Vec<String> = probes.iter().take(SHOWN).map(Probe::words).collect();
    if probes.len() > SHOWN {
        words.push(format!("and {} more ways alike", probes.len() - SHOWN));
    }
    words
}

/// Whether a destination is a pod's own address.
pub(super) fn is_pod(destination: Destination) -> bool {
    matches!(destination, Destination::WindowsPodSameNode | Destination::WindowsPodOtherNode | Destination::LinuxPod)
}

/// Whether a destination is a Service's virtual address, hairpins apart.
pub(super) fn is_service(destination: Destination) -> bool {
    matches!(destination, Destination::WindowsServiceIp | Destination::LinuxServiceIp | Destination::ApiServer)
}

/// Whether a vantage is a place in the cluster whose network is that of a node.
pub(super) fn is_on_node(vantage: Vantage) -> bool {
    match vantage {
        Vantage::LinuxNode | Vantage::LinuxPod | Vantage::WindowsPod | Vantage::WindowsHost => true,
        Vantage::Outside | Vantage::ApiServer => false,
    }
}
