//! What a run is going to ask and create: a pure function of checks, facts and the user's choice.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use winconform_reports::{
    CheckId, Place, ResultId,
    event::{self, LeftOut, PlannedResult},
};

use super::selection::Selection;
use crate::{
    check::{Check, Extent, Fixture, Scope, Spread, Stage},
    cluster::{Facts, NodeFacts, Os},
    placement::slug,
    settings::Settings,
};

/// Names one fixture at one place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixtureKey {
    /// The fixture's name.
    pub name: &'static str,
    /// Where it is.
    pub place: Place,
}

impl FixtureKey {
    /// The name of its objects: one word, unique in the run.
    #[must_use]
    pub fn slug(&self) -> String {
        slug(&self.to_string())
    }
}

impl fmt::Display for FixtureKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.node().or_else(|| self.place.target()) {
            Some(place) => write!(f, "{}@{place}", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// A fixture that will be created.
#[derive(Debug, Clone)]
pub struct PlannedFixture {
    /// What it is.
    pub fixture: &'static Fixture,
    /// The nodes its pods are meant for.
    pub nodes: Vec<NodeFacts>,
}

/// A question that will be asked, or is not applicable.
#[derive(Debug, Clone)]
pub struct PlannedCheck {
    /// The check.
    pub check: &'static Check,
    /// It and its place.
    pub id: ResultId,
    /// The fixtures it waits for; those not `required` are left out where they do not come up.
    pub waits: Vec<Awaited>,
    /// Why it is not asked, where it is not.
    pub not_applicable: Option<String>,
}

/// A fixture that a check waits for.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// Which one.
    pub key: FixtureKey,
    /// How far it must come.
    pub stage: Stage,
    /// Whether the check cannot be asked without it.
    pub required: bool,
}

/// What a run is going to do.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Every answer it will give, in report order.
    pub checks: Vec<PlannedCheck>,
    /// What it will create.
    pub fixtures: BTreeMap<FixtureKey, PlannedFixture>,
    /// What was kept out, and why.
    pub left_out: Vec<LeftOut>,
}

/// What a plan depends on besides checks and facts.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// Which checks and places.
    pub selection: Selection,
    /// Whether checks that disturb the cluster are asked.
    pub allow_disruptive: bool,
    /// What the user told us about the cluster.
    pub settings: Settings,
}

impl Plan {
    /// Plans checks over the cluster's targets and nodes.
    #[must_use]
    pub fn new(checks: &[&'static Check], facts: &Facts, options: &PlanOptions) -> Self {
        let mut plan = Self::default();
        let available = available_fixtures(checks, facts);
        for check in checks {
            let Ok(id) = check.parsed_id() else { continue };
            let excluded = options.selection.excludes(&id, check.disruptive && !options.allow_disruptive);
            let left_out = excluded.or_else(|| options.selection.leaves_to_others(&id, check.level));
            if let Some(reason) = left_out {
                plan.left_out.push(LeftOut { check: id, level: check.level, reason });
                continue;
            }
            for place in places(check.scope, facts) {
                let result = ResultId::new(id.clone(), place);
                if options.selection.includes(&result, facts) {
                    plan.add(check, result, facts, options, &available);
                }
            }
        }
        plan
    }

    fn add(
        &mut self,
        check: &'static Check,
        id: ResultId,
        facts: &Facts,
        options: &PlanOptions,
        available: &BTreeMap<FixtureKey, PlannedFixture>,
    ) {
        let missing = |need: &crate::need::Need| need.missing(facts, &id.place, &options.settings);
        let mut not_applicable = match (check.scope, facts.targets.is_empty()) {
            (Scope::Cluster, true) => Some("the cluster has no Windows node".to_owned()),
            _ => check.needs.iter().find_map(missing),
        };
        let mut waits = Vec::new();
        for needed in check.uses {
            let of_kind = available.keys().filter(|key| key.name == needed.fixture.name);
            let here: BTreeSet<&FixtureKey> = of_kind.clone().filter(|key| is_here(key, &id.place, facts)).collect();
            // What is only wanted settled is left out where no node takes it.
            if here.is_empty() && not_applicable.is_none() && needed.stage != Stage::Settled {
                not_applicable = Some(nowhere(needed.fixture, &id.place, facts));
            }
            if let Some(why) = apart(&here, available).filter(|_| not_applicable.is_none()) {
                not_applicable = Some(why);
            }
            let wanted = of_kind.filter(|key| needed.extent == Extent::Everywhere || here.contains(key));
            waits.extend(wanted.map(|key| Awaited {
                key: key.clone(),
                stage: needed.stage,
                required: here.contains(key) && needed.stage == Stage::Ready,
            }));
        }
        if not_applicable.is_none() {
            for awaited in &waits {
                if let Some(fixture) = available.get(&awaited.key) {
                    self.fixtures.entry(awaited.key.clone()).or_insert_with(|| fixture.clone());
                }
            }
        } else {
            waits.clear();
        }
        self.checks.push(PlannedCheck { check, id, waits, not_applicable });
    }

    /// The plan as the log has it.
    #[must_use]
    pub fn to_event(&self) -> event::Plan {
        event::Plan {
            results: (self.checks.iter())
                .map(|planned| PlannedResult {
                    id: planned.id.clone(),
                    title: planned.check.title.to_owned(),
                    statement: planned.check.statement.to_owned(),
                    level: planned.check.level,
                })
                .collect(),
            fixtures: self.fixtures.keys().map(ToString::to_string).collect(),
            left_out: self.left_out.clone(),
        }
    }

    /// The checks that will be asked.
    pub fn asked(&self) -> impl Iterator<Item = &PlannedCheck> {
        self.checks.iter().filter(|planned| planned.not_applicable.is_none())
    }

    /// Whether a check makes objects that belong to no namespace.
    #[must_use]
    pub fn makes_cluster_wide(&self) -> bool {
        let manifests = self.asked().flat_map(|planned| planned.check.creates);
        manifests.filter_map(|manifest| manifest.objects().ok()).flatten().any(|object| object.is_cluster_scoped())
    }

    /// How many pods will be created.
    #[must_use]
    pub fn pods(&self) -> usize {
        let of_fixtures = self.fixtures.values().map(|planned| planned.fixture.manifest.pods());
        of_fixtures.sum::<usize>() + self.asked().map(|planned| planned.check.claims.pods as usize).sum::<usize>()
    }

    /// Whether anything is asked of the cluster at all.
    #[must_use]
    pub fn asks_nothing(&self) -> bool {
        self.asked().next().is_none()
    }
}

fn places(scope: Scope, facts: &Facts) -> Vec<Place> {
    let node = |node: &NodeFacts| Place::Node { node: node.name.clone(), target: node.target.clone() };
    match scope {
        Scope::Cluster => vec![Place::Cluster],
        Scope::Target => facts.targets.iter().map(|target| Place::Target(target.name.clone())).collect(),
        Scope::WindowsNode => facts.nodes.iter().filter(|node| node.os == Os::Windows).map(node).collect(),
        // Without Windows nodes there is nothing this product was asked about.
        Scope::EveryNode if facts.targets.is_empty() => Vec::new(),
        Scope::EveryNode => facts.nodes.iter().map(node).collect(),
    }
}

/// Every fixture that the cluster's open nodes can take.
fn available_fixtures(checks: &[&'static Check], facts: &Facts) -> BTreeMap<FixtureKey, PlannedFixture> {
    let mut available = BTreeMap::new();
    for fixture in checks.iter().flat_map(|check| check.uses).map(|needed| needed.fixture) {
        let mut add = |place: Place, nodes: Vec<NodeFacts>| {
            if !nodes.is_empty() {
                let key = FixtureKey { name: fixture.name, place };
                available.entry(key).or_insert(PlannedFixture { fixture, nodes });
            }
        };
        match fixture.spread {
            Spread::Target => {
                for target in &facts.targets {
                    let place = Place::Target(target.name.clone());
                    let nodes = facts.nodes_of(&place).filter(|node| node.is_open()).cloned().collect();
                    add(place, nodes);
                }
            }
            Spread::WindowsNode => {
                let able = |node: &&NodeFacts| !(fixture.host && node.runs_docker());
                for node in facts.open_nodes(Os::Windows).filter(able) {
                    add(Place::Node { node: node.name.clone(), target: node.target.clone() }, vec![node.clone()]);
                }
            }
            Spread::OneLinuxNode => add(Place::Cluster, linux_node(facts).into_iter().cloned().collect()),
        }
    }
    available
}

/// Why no node of a place has a fixture.
fn nowhere(fixture: &Fixture, place: &Place, facts: &Facts) -> String {
    let windows = facts.nodes_of(place).filter(|node| node.os == Os::Windows && node.is_open());
    let docker: Vec<&NodeFacts> = windows.filter(|node| node.runs_docker()).collect();
    match docker.first() {
        Some(node) if fixture.host && fixture.spread == Spread::WindowsNode => format!(
            "{} runs {}, and HostProcess pods, of which `{}` is one, need containerd",
            node.name, node.container_runtime, fixture.name
        ),
        _ => format!("no node takes the pods of `{}`", fixture.name),
    }
}

/// The Linux node to ask from: the guide asks from the control plane node, so that one is preferred.
fn linux_node(facts: &Facts) -> Option<&NodeFacts> {
    let is_control_plane = |node: &&NodeFacts| node.labels.contains_key("node-role.kubernetes.io/control-plane");
    facts.open_nodes(Os::Linux).find(is_control_plane).or_else(|| facts.open_nodes(Os::Linux).next())
}

/// Why a fixture's pods cannot be reached: they are on a real node where the Windows nodes are virtual.
fn apart(here: &BTreeSet<&FixtureKey>, available: &BTreeMap<FixtureKey, PlannedFixture>) -> Option<String> {
    let is_apart =
        |key: &FixtureKey| available.get(key).is_some_and(|planned| planned.nodes.iter().any(NodeFacts::is_apart));
    let windows_are_apart = available.keys().any(is_apart);
    let real = here.iter().find(|key| windows_are_apart && !is_apart(key))?;
    Some(format!("no network leads from the virtual Windows nodes to `{}` on a real node", real.name))
}

/// Whether a fixture's place belongs to a check's place.
fn is_here(key: &FixtureKey, place: &Place, facts: &Facts) -> bool {
    match (&key.place, place) {
        (Place::Cluster, _) | (_, Place::Cluster) => true,
        (Place::Target(fixture), Place::Target(check)) => fixture == check,
        (Place::Target(fixture), Place::Node { target, .. }) => target.as_ref() == Some(fixture),
        (Place::Node { target, .. }, Place::Target(check)) => target.as_ref() == Some(check),
        (Place::Node { node: fixture, .. }, Place::Node { node: check, .. }) => {
            fixture == check && facts.node(check).is_some()
        }
    }
}

/// The checks' ids, for messages about names that do not exist.
#[must_use]
pub fn known_ids(checks: &[&'static Check]) -> Vec<CheckId> {
    checks.iter().filter_map(|check| check.parsed_id().ok()).collect()
}
