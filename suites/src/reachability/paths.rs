//! The paths that checks try: from which pods, to which addresses.

use std::{sync::Arc, time::Duration};

use winconform_harness::{
    Budget, Check, Claims, Context, Explain, Fixture, Need, Scope, Trouble,
    cluster::{NodeFacts, Os},
    probe::{Aim, Expect, HttpProbe, PodRef},
};
use winconform_reports::{
    Level,
    event::{Destination, Vantage},
};

use crate::fixture::{WIN_WEBSERVER, WINDOWS_POD};

/// What the guide's web server says.
pub(crate) const PAGE: Expect = Expect::Text("Windows Container Web Server");
/// What the Linux server says: its own name.
pub(super) const LINUX_PAGE: Expect = Expect::Text("linux-server");
/// Fresh connections to one pod: enough to see one in six fail.
pub(super) const TO_A_POD: u32 = 12;
/// Fresh connections to a Service of two: each backend is missed once in 32,768 runs, and then asked again.
pub(super) const TO_A_SERVICE: u32 = 16;

/// What all checks of this suite have in common; each names the rest.
pub(super) const REACHABILITY: Check = Check {
    id: "",
    title: "",
    statement: "",
    passing: "",
    silent_on: "",
    level: Level::Core,
    scope: Scope::Target,
    needs: &[Need::OpenNode],
    uses: &[],
    creates: &[],
    claims: Claims::NONE,
    budget: Duration::from_secs(600),
    disruptive: false,
    asks: &[],
    looks_at: &[],
    explain: Explain { sources: &[], failures: &[], by_hand: &[] },
    run: |_| Box::pin(async { Err(Trouble::Unexpected("a template was asked".to_owned())) }),
};

/// A probe that first waits for the network of new pods.
pub(super) fn settled(
    cx: &Context,
    from: &PodRef,
    vantage: Vantage,
    aim: Aim,
    expect: Expect,
    connections: u32,
) -> HttpProbe {
    HttpProbe {
        from: from.clone(),
        vantage,
        aim,
        expect,
        connections,
        settle: Some(cx.budgets().inside(Budget::Datapath)),
    }
}

/// The first pod of a fixture of which there is one.
///
/// # Errors
///
/// When the fixture did not come up.
pub(super) fn the_pod(cx: &Context, fixture: &Fixture) -> Result<PodRef, Trouble> {
    let ready = cx.ready(fixture)?;
    ready.pods.first().cloned().ok_or_else(|| Trouble::Unexpected(format!("`{}` has no pod", fixture.name)))
}

/// The pods of a fixture that belong to the check's target.
///
/// # Errors
///
/// When none came up.
pub(super) fn pods_here(cx: &Context, fixture: &Fixture) -> Result<Vec<PodRef>, Trouble> {
    let pods: Vec<PodRef> = cx.ready_here(fixture).flat_map(|(_, ready)| ready.pods.clone()).collect();
    if pods.is_empty() {
        // The error says why the first of them did not come up.
        cx.ready(fixture)?;
    }
    Ok(pods)
}

/// Every pod of the target that serves the guide's page: the web server's and each node's own.
///
/// # Errors
///
/// When none came up.
pub(super) fn servers_here(cx: &Context) -> Result<Vec<PodRef>, Trouble> {
    let mut pods = pods_here(cx, &WIN_WEBSERVER)?;
    pods.extend(pods_here(cx, &WINDOWS_POD)?);
    Ok(pods)
}

/// The page of a Windows pod at its IP.
pub(super) fn pod_page(destination: Destination, pod: &PodRef) -> Aim {
    Aim::page(destination, &pod.ip, 80, Some(pod.node.clone()))
}

/// The Linux server's own name, asked of it directly or through its Service.
pub(super) fn linux_page(destination: Destination, host: &str, port: i32, node: Option<String>) -> Aim {
    Aim { path: "/hostname".to_owned(), ..Aim::page(destination, host, port, node) }
}

/// The virtual IP of a fixture's Service at the check's place.
///
/// # Errors
///
/// When the Service is not there or has no IP.
pub(super) fn service_ip(cx: &Context, fixture: &Fixture) -> Result<String, Trouble> {
    let live = cx.fixture(fixture)?;
    let service = cx.service_of(live);
    service
        .and_then(|service| service.spec.as_ref()?.cluster_ip.clone())
        .filter(|ip| !ip.is_empty() && ip != "None")
        .ok_or_else(|| Trouble::Unexpected(format!("the Service of `{}` has no IP", live.key)))
}

/// The node port of the web server's Service at the check's place.
///
/// # Errors
///
/// When the Service is not there or has none.
pub(super) fn node_port(cx: &Context) -> Result<i32, Trouble> {
    let live = cx.fixture(&WIN_WEBSERVER)?;
    let service = cx.service_of(live);
    service
        .and_then(|service| service.spec.as_ref()?.ports.as_ref()?.first()?.node_port)
        .ok_or_else(|| Trouble::Unexpected(format!("the Service of `{}` has no node port", live.key)))
}

/// The web server's page at the port of a node, which may or may not run a backend. All
/// nodes' ports lead to the same servers, so they share a queue.
pub(super) fn port_page(cx: &Context, node: &NodeFacts, port: i32) -> Aim {
    let backends = cx.ready(&WIN_WEBSERVER).ok();
    let has_one = backends.is_some_and(|ready| ready.pods.iter().any(|pod| pod.node == node.name));
    let destination = if has_one { Destination::NodePort } else { Destination::NodePortNoBackend };
    let address = node.internal_ip.as_deref().unwrap_or_default();
    Aim::page(destination, address, port, Some(node.name.clone())).in_queue(format!("node port {port}"))
}

/// The nodes whose ports are asked: those that take pods, and of the Windows nodes
/// those on which our own pod came up, since without any pod Windows forwards nothing.
pub(super) fn port_nodes(cx: &Context) -> Vec<&NodeFacts> {
    let with_pod: Vec<String> =
        cx.ready_everywhere(&WINDOWS_POD).flat_map(|(_, ready)| ready.pods.clone()).map(|pod| pod.node).collect();
    let forwards = |node: &&NodeFacts| node.os == Os::Linux || with_pod.contains(&node.name);
    cx.facts().nodes.iter().filter(|node| node.is_open() && node.internal_ip.is_some()).filter(forwards).collect()
}

/// The pods on which a ring over all Windows nodes ends that starts at `from`:
/// the next node's, and one of each other target. So every node is source and
/// destination once, every pair of targets is covered, and paths grow with nodes.
pub(super) fn other_nodes(cx: &Context, from: &PodRef) -> Vec<PodRef> {
    let mut all: Vec<PodRef> =
        cx.ready_everywhere(&WINDOWS_POD).flat_map(|(_, ready): (_, Arc<_>)| ready.pods.clone()).collect();
    all.sort_by(|a, b| a.node.cmp(&b.node));
    let target = |pod: &PodRef| cx.facts().node(&pod.node).and_then(|node| node.target.clone());
    let next = all.iter().find(|pod| pod.node > from.node).or_else(|| all.first());
    let mut chosen: Vec<PodRef> = next.filter(|pod| pod.node != from.node).cloned().into_iter().collect();
    for pod in all.iter().filter(|pod| target(pod) != target(from)) {
        if !chosen.iter().any(|known| target(known) == target(pod)) {
            chosen.push(pod.clone());
        }
    }
    chosen
}
