//! What is there while a run is under way: namespaces, watches, fixtures.

use std::{collections::BTreeMap, fmt, sync::Arc};

use k8s_openapi::api::{
    apps::v1::Deployment,
    coordination::v1::Lease,
    core::v1::{Event, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, Client, runtime::watcher};
use tokio::sync::{OnceCell, Semaphore};
use tokio_util::sync::CancellationToken;

use super::{
    cluster_time::ClusterTime, cordon::Cordons, evidence::WindowsSides, live_fixture::LiveFixture, plan::FixtureKey,
};
use crate::{
    budgets::Budgets,
    cluster::{Facts, NodeFacts, Permission, Target, may},
    journal::Journal,
    observer::Observer,
    placement::RUN_LABEL,
    probe::{Crowds, Proxy, Silence},
    settings::Settings,
    wait::{Signal, Watched},
};

/// What all checks and fixtures of a run share.
pub(crate) struct Stage {
    pub(crate) client: Client,
    pub(crate) facts: Arc<Facts>,
    pub(crate) budgets: Budgets,
    pub(crate) journal: Journal,
    pub(crate) names: Names,
    /// The round, counted from 1.
    pub(crate) round: u32,
    pub(crate) views: Views,
    pub(crate) fixtures: BTreeMap<FixtureKey, Arc<LiveFixture>>,
    pub(crate) cluster_time: ClusterTime,
    pub(crate) outside_proxy: Option<Proxy>,
    pub(crate) settings: Settings,
    /// For each target, room for pods of checks' own on its nodes, and how many that are in all.
    pub(crate) rooms: BTreeMap<String, (Semaphore, u32)>,
    /// The nodes that a disruptive check keeps pods off.
    pub(crate) cordons: Cordons,
    /// Network policies of others in our namespace; looked at when connections fail.
    pub(crate) network_policies: OnceCell<Vec<String>>,
    /// What was collected of the Windows side of nodes.
    pub(crate) windows_sides: WindowsSides,
    /// Which nodes let no command start.
    pub(crate) silence: Silence,
    /// The queues at the servers that are asked.
    pub(crate) crowds: Crowds,
    /// Caps the execs under way, so that a large cluster does not open thousands at once.
    pub(crate) execs: Semaphore,
    /// Who sees answers before the checks do.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) stop: CancellationToken,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("names", &self.names).finish_non_exhaustive()
    }
}

/// How many pods of checks' own stand on a node at once. Small nodes take 30 pods in all (Azure CNI's default);
/// the system's and the fixtures' leave half of them. Fewer would make checks queue for their room on targets of
/// one node; more would make sandboxes that start together slow each other down.
const PODS_ON_A_NODE: u32 = 16;

/// Room on the nodes of each target for pods of checks' own.
pub(crate) fn rooms(facts: &Facts) -> BTreeMap<String, (Semaphore, u32)> {
    let room = |target: &Target| {
        let open = |name: &&String| facts.node(name).is_some_and(NodeFacts::is_open);
        let nodes = u32::try_from(target.nodes.iter().filter(open).count()).unwrap_or(1).max(1);
        let pods = nodes.saturating_mul(PODS_ON_A_NODE);
        (target.name.clone(), (Semaphore::new(pods as usize), pods))
    };
    facts.targets.iter().map(room).collect()
}

/// The names a run goes by in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The run's id.
    pub(crate) run: String,
    /// The namespace of fixtures and ordinary checks.
    pub(crate) main: String,
    /// The namespace of pods that use the host's network or processes.
    pub(crate) host: String,
}

impl Names {
    pub(crate) fn of(run: &str) -> Self {
        Self { run: run.to_owned(), main: format!("winconform-{run}"), host: format!("winconform-{run}-host") }
    }

    pub(crate) fn namespace(&self, host: bool) -> &str {
        if host { &self.host } else { &self.main }
    }
}

/// One watch for each kind, shared by all waits.
pub(crate) struct Views {
    pub(crate) signal: Signal,
    pub(crate) pods: Watched<Pod>,
    pub(crate) services: Watched<Service>,
    pub(crate) slices: Watched<EndpointSlice>,
    pub(crate) deployments: Watched<Deployment>,
    pub(crate) nodes: Watched<Node>,
    events: Watched<Event>,
    host_events: Watched<Event>,
    leases: OnceCell<Watched<Lease>>,
    client: Client,
    stop: CancellationToken,
}

/// What the watches ask for; a watch begins with a list.
pub(super) const ASKS: &[Permission] = &[
    may("list", "", "pods"),
    may("watch", "", "pods"),
    may("list", "", "services"),
    may("watch", "", "services"),
    may("list", "discovery.k8s.io", "endpointslices"),
    may("watch", "discovery.k8s.io", "endpointslices"),
    may("list", "apps", "deployments"),
    may("watch", "apps", "deployments"),
    may("list", "", "nodes"),
    may("watch", "", "nodes"),
    may("list", "", "events"),
    may("watch", "", "events"),
    may("list", "coordination.k8s.io", "leases"),
    may("watch", "coordination.k8s.io", "leases"),
];

impl Views {
    pub(crate) fn start(client: &Client, names: &Names, stop: &CancellationToken) -> Self {
        let signal = Signal::default();
        let ours = || watcher::Config::default().labels(&format!("{RUN_LABEL}={}", names.run));
        let all = watcher::Config::default;
        Self {
            pods: Watched::start("pods", Api::all(client.clone()), ours(), &signal, stop.clone()),
            services: Watched::start("services", Api::all(client.clone()), ours(), &signal, stop.clone()),
            slices: Watched::start("endpoint slices", Api::all(client.clone()), ours(), &signal, stop.clone()),
            deployments: Watched::start("deployments", Api::all(client.clone()), ours(), &signal, stop.clone()),
            nodes: Watched::start("nodes", Api::all(client.clone()), all(), &signal, stop.clone()),
            events: Watched::start(
                "events",
                Api::namespaced(client.clone(), &names.main),
                all(),
                &signal,
                stop.clone(),
            ),
            host_events: Watched::start(
                "events of host pods",
                Api::namespaced(client.clone(), &names.host),
                all(),
                &signal,
                stop.clone(),
            ),
            leases: OnceCell::new(),
            client: client.clone(),
            stop: stop.clone(),
            signal,
        }
    }

    /// The events of one of the run's two namespaces.
    pub(crate) fn events(&self, host: bool) -> &Watched<Event> {
        if host { &self.host_events } else { &self.events }
    }

    /// The nodes' leases; watched from when the first check asks.
    pub(crate) async fn leases(&self) -> &Watched<Lease> {
        self.leases
            .get_or_init(|| async {
                let leases = Api::namespaced(self.client.clone(), "kube-node-lease");
                Watched::start("node leases", leases, watcher::Config::default(), &self.signal, self.stop.clone())
            })
            .await
    }
}
