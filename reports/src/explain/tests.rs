//! Each rule against the smallest evidence that shows its pattern, and against the
//! evidence that must keep it quiet.

use super::*;
use crate::{
    event::{
        Cell, Cluster, Destination, Event, Finished, FixtureState, NameOutcome, NameServer, Node, Observation,
        Observed, ServiceMade, Target, Vantage,
    },
    tests::{cell, finished, id, started},
    verdict::Verdict,
};

use Destination::{
    Internet, LinuxPod, LinuxServiceIp, LoadBalancer, NodePort, OwnServiceIp, PingOtherNode, ServiceName,
    WindowsPodOtherNode, WindowsPodSameNode, WindowsServiceIp,
};
use Vantage::{LinuxNode, LinuxPod as FromLinuxPod, Outside, WindowsHost, WindowsPod};

/// A run on two nodes of one build, one of another and one Linux node.
#[derive(Default)]
struct Story(Vec<Record>);

impl Story {
    fn new() -> Self {
        let node = |name: &str, os: &str, target: Option<&str>| Node {
            name: name.into(),
            os: os.into(),
            ready: true,
            target: target.map(str::to_owned),
            ..Node::default()
        };
        let target = |name: &str, nodes: &[&str]| Target {
            name: name.into(),
            product: None,
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        };
        let observed = Observed {
            cluster: Cluster::default(),
            nodes: vec![
                node("linux-0", "linux", None),
                node("win-a", "windows", Some("10.0.20348.1")),
                node("win-b", "windows", Some("10.0.20348.1")),
                node("win-c", "windows", Some("10.0.26100.1")),
            ],
            targets: vec![target("10.0.20348.1", &["win-a", "win-b"]), target("10.0.26100.1", &["win-c"])],
        };
        Self::default().and(started().event).and(Event::ClusterObserved(observed))
    }

    fn and(mut self, event: Event) -> Self {
        self.0.push(Record { ms: 1, event });
        self
    }

    /// A failed check with what its probes saw.
    fn failed(self, check: &str, cells: Vec<Cell>) -> Self {
        self.and(Event::Probed { id: id(check), cells }).and(finished(check, Verdict::Failed("broken".into())))
    }

    fn passed(self, check: &str, cells: Vec<Cell>) -> Self {
        self.and(Event::Probed { id: id(check), cells }).and(finished(check, Verdict::Passed("fine".into())))
    }

    /// A check that failed or stayed undetermined with what it observed.
    fn saw(self, check: &str, verdict: Verdict, observations: Vec<Observation>) -> Self {
        let Event::CheckFinished(result) = finished(check, verdict) else { unreachable!() };
        self.and(Event::CheckFinished(Box::new(Finished { observations, ..*result })))
    }

    fn findings(&self) -> Vec<Finding> {
        explain(&self.0)
    }

    /// `layer: subject` of every finding.
    fn causes(&self) -> Vec<String> {
        self.findings().iter().map(|finding| format!("{}: {}", finding.layer, finding.subject)).collect()
    }
}

fn failed() -> Verdict {
    Verdict::Failed("broken".into())
}

fn unknown() -> Verdict {
    Verdict::Undetermined("could not ask".into())
}

/// Every way between the pods of all nodes, but for those that `dead` names.
fn mesh(dead: impl Fn(&str, &str) -> bool) -> Vec<Cell> {
    let nodes = ["linux-0", "win-a", "win-b", "win-c"];
    let mut cells = Vec::new();
    for from in nodes {
        for to in nodes.into_iter().filter(|to| *to != from) {
            let source = if from.starts_with("linux") { FromLinuxPod } else { WindowsPod };
            let destination = if to.starts_with("linux") { LinuxPod } else { WindowsPodOtherNode };
            let answered = if dead(from, to) { 0 } else { 4 };
            cells.push(cell(source, from, destination, Some(to), 4, answered));
        }
    }
    cells
}

fn services(dead: impl Fn(&str) -> bool) -> Vec<Cell> {
    ["linux-0", "win-a", "win-b", "win-c"]
        .into_iter()
        .map(|from| cell(WindowsPod, from, WindowsServiceIp, None, 8, if dead(from) { 0 } else { 8 }))
        .collect()
}

#[test]
fn a_healthy_run_has_no_finding() {
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .passed("reachability/service", services(|_| false));
    assert_eq!(story.findings(), []);
}

#[test]
fn a_failure_without_a_pattern_has_no_invented_cause() {
    let story = Story::new().saw("win-webserver/logs", failed(), Vec::new());
    assert_eq!(story.findings(), []);
}

#[test]
fn a_node_whose_pods_reach_nobody_has_a_dead_pod_network() {
    let story = Story::new().failed("reachability/pods", mesh(|from, to| from == "win-b" || to == "win-b"));
    let findings = story.findings();
    assert_eq!(story.causes(), ["pod network: win-b"]);
    assert_eq!(findings[0].confidence, Confidence::Likely);
    assert_eq!(findings[0].checks, ["reachability/pods"]);
}

#[test]
fn a_node_that_is_only_unreached_is_told_from_one_that_reaches_nobody() {
    let unreached = Story::new().failed("reachability/pods", mesh(|_, to| to == "win-b")).findings();
    let mute = Story::new().failed("reachability/pods", mesh(|from, _| from == "win-b")).findings();
    assert_eq!((unreached[0].subject.as_str(), mute[0].subject.as_str()), ("win-b", "win-b"));
    assert!(unreached[0].summary.contains("are reached from no other node"), "{}", unreached[0].summary);
    assert!(mute[0].summary.contains("reach no pod on another node"), "{}", mute[0].summary);
}

#[test]
fn trouble_of_every_node_of_a_build_is_the_builds() {
    let of_build = |node: &str| node == "win-a" || node == "win-b";
    let story = Story::new().failed("reachability/pods", mesh(|from, to| of_build(from) || of_build(to)));
    assert_eq!(story.causes(), ["pod network: 10.0.20348.1"]);
}

#[test]
fn no_way_at_all_is_the_cluster_not_each_node() {
    assert_eq!(Story::new().failed("reachability/pods", mesh(|_, _| true)).causes(), ["pod network: cluster"]);
}

#[test]
fn ways_that_are_dead_for_one_system_only_are_told_from_a_dead_node() {
    let story = Story::new().failed("reachability/pods", mesh(|from, to| from == "linux-0" && to == "win-c"));
    let findings = story.findings();
    assert_eq!(story.causes(), ["pod network: win-c"]);
    assert!(findings[0].summary.contains("from pods on linux-0 to pods on win-c"), "{}", findings[0].summary);
    assert!(findings[0].summary.contains("others reach win-c"), "{}", findings[0].summary);

    let builds = |from: &str, to: &str| from == "win-c" && (to == "win-a" || to == "win-b");
    let story = Story::new().failed("reachability/pods", mesh(builds));
    let named: Vec<String> = story
        .findings()
        .into_iter()
        .flat_map(|finding| {
            finding.alternatives.into_iter().map(|or| or.subject).chain([finding.subject]).collect::<Vec<_>>()
        })
        .collect();
    assert!(named.contains(&"10.0.20348.1".to_owned()) && named.contains(&"win-c".to_owned()), "{named:?}");
}

#[test]
fn connections_that_open_without_a_whole_answer_are_no_dead_network() {
    let stalled = |cell: Cell| match cell.destination_node.as_deref() {
        Some("win-c") => Cell { answered: 0, connected_only: 4, ..cell },
        _ => cell,
    };
    let story = Story::new().failed("reachability/pods", mesh(|_, _| false).into_iter().map(stalled).collect());
    assert_eq!(story.causes(), ["pod network: win-c"]);
    let summary = &story.findings()[0].summary;
    assert!(summary.contains("no whole answer"), "{summary}");
}

#[test]
fn pods_of_a_node_that_only_do_not_reach_each_other_are_a_cause_of_their_own() {
    let own = |node: &str, answered| cell(WindowsPod, node, WindowsPodSameNode, Some(node), 4, answered);
    let host = cell(WindowsHost, "win-b", WindowsPodSameNode, Some("win-b"), 4, 4);
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .passed("reachability/hosts", vec![host])
        .passed("win-webserver/serves-page", vec![own("win-b", 4)]) // asks itself
        .failed("reachability/same-node", vec![own("win-a", 4), own("win-b", 0)]);
    assert_eq!(story.causes(), ["pod network: win-b"]);
}

#[test]
fn one_dead_way_between_two_nodes_names_both_ends() {
    let cells = vec![cell(WindowsPod, "win-a", WindowsPodOtherNode, Some("win-c"), 4, 0)];
    let findings = Story::new().failed("reachability/pods", cells).findings();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].confidence, Confidence::Possible);
    let named: Vec<&str> = [findings[0].subject.as_str()]
        .into_iter()
        .chain(findings[0].alternatives.iter().map(|or| or.subject.as_str()))
        .collect();
    assert_eq!(named, ["win-a", "win-c"]);
}

#[test]
fn pods_that_work_beside_services_that_do_not_blame_the_service_rules() {
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/service", services(|node| node == "win-b"))
        .failed("reachability/own-service", vec![cell(WindowsPod, "win-b", OwnServiceIp, None, 8, 0)])
        .failed("reachability/linux-service", vec![cell(WindowsPod, "win-b", LinuxServiceIp, None, 8, 0)])
        .failed("reachability/name", vec![cell(WindowsPod, "win-b", ServiceName, None, 8, 0)]);
    let findings = story.findings();
    assert_eq!(story.causes(), ["service IP: win-b"], "four red checks, one cause");
    assert_eq!(findings[0].confidence, Confidence::Likely);
    assert_eq!(findings[0].checks.len(), 4);
}

/// An account that cannot be verified with its domain, from a pod on a node.
fn stranger(node: &str) -> Vec<Observation> {
    vec![Observation::Identity {
        node: Some(node.into()),
        who: "webapp01".into(),
        of_domain: true,
        what: "nltest /sc_verify".into(),
        expected: "NERR_Success".into(),
        found: "ERROR_NO_LOGON_SERVERS".into(),
    }]
}

#[test]
fn an_account_is_not_blamed_where_the_way_to_its_domain_is_dead() {
    let network = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/service", services(|node| node == "win-b"));
    let of_the_node = network.saw("gmsa/secure-channel", failed(), stranger("win-b"));
    assert_eq!(of_the_node.causes(), ["service IP: win-b"]);
    assert_eq!(of_the_node.findings()[0].checks.len(), 2);
    let of_another = of_the_node.saw("gmsa/kerberos-ticket", failed(), stranger("win-c"));
    assert_eq!(of_another.causes(), ["service IP: win-b", "identity: webapp01"], "win-c has services and no trust");
}

#[test]
fn an_account_is_not_blamed_where_pods_do_not_get_out_of_the_cluster() {
    let out = |node: &str| cell(WindowsPod, node, Internet, None, 4, if node == "win-b" { 0 } else { 4 });
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/outbound", ["win-a", "win-b", "win-c"].map(out).into())
        .saw("gmsa/secure-channel", failed(), stranger("win-b"));
    assert_eq!(story.causes(), ["outbound: win-b"]);
    assert_eq!(story.findings()[0].checks.len(), 2);
}

#[test]
fn an_account_that_fails_on_several_nodes_may_have_a_deeper_cause_on_each() {
    let out = |node: &str| cell(WindowsPod, node, Internet, None, 4, if node == "win-a" { 4 } else { 0 });
    let seen = ["win-b", "win-c"].iter().flat_map(|node| stranger(node)).collect();
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/outbound", ["win-a", "win-b", "win-c"].map(out).into())
        .saw("gmsa/secure-channel", failed(), seen);
    assert_eq!(story.causes(), ["outbound: win-b", "outbound: win-c"]);
    assert!(story.findings().iter().all(|finding| finding.checks.contains(&"gmsa/secure-channel".to_owned())));
}

#[test]
fn a_service_that_answered_and_then_did_not_is_told_from_one_that_never_did() {
    let at = |answered: u32| cell(WindowsPod, "win-b", WindowsServiceIp, None, 8, answered);
    let story = Story::new()
        .passed("reachability/service", services(|_| false))
        .failed("win-webserver/scales", vec![at(8), at(0)]);
    assert_eq!(story.causes(), ["service IP: 10.96.0.9:80"]);
    assert!(story.findings()[0].summary.contains("after its backends changed"), "{:?}", story.findings());
}

#[test]
fn a_service_that_only_one_node_was_asked_for_may_be_that_nodes_matter() {
    let lone = Cell { address: "10.0.0.77:8080".into(), ..cell(WindowsPod, "win-b", WindowsServiceIp, None, 8, 0) };
    let story = Story::new()
        .passed("reachability/service", services(|_| false))
        .failed("win-webserver/port-mapping", vec![lone]);
    let finding = &story.findings()[0];
    assert_eq!((finding.subject.as_str(), finding.nodes.as_slice()), ("10.0.0.77:8080", &["win-b".to_owned()][..]));
    assert!(finding.alternatives.iter().any(|other| other.layer == Layer::ServiceIp && other.subject == "win-b"));
}

#[test]
fn a_load_balancer_is_not_blamed_where_no_pod_behind_it_is_reached() {
    let made =
        ServiceMade { owner: "iis@10.0.20348.1".into(), addresses: vec!["203.0.113.9".into()], node_ports: vec![] };
    let balancer = Cell { address: "203.0.113.9:80".into(), ..cell(Outside, "", LoadBalancer, None, 4, 0) };
    let of_build = |node: &str| node == "win-a" || node == "win-b";
    let story = Story::new()
        .and(Event::ServiceMade(made))
        .failed("reachability/pods", mesh(|from, to| of_build(from) || of_build(to)))
        .failed("iis/load-balancer", vec![balancer]);
    assert_eq!(story.causes(), ["pod network: 10.0.20348.1"]);
    assert_eq!(story.findings()[0].checks.len(), 2);
}

/// What a pod was told of a name, by whom.
fn told(node: &str, asked: NameServer, outcome: NameOutcome) -> Observation {
    let source = if node.starts_with("linux") { FromLinuxPod } else { WindowsPod };
    let server = (asked != NameServer::Resolver).then(|| "10.96.0.10".to_owned());
    Observation::Name { source, node: node.into(), name: "web".into(), asked, server, outcome }
}

/// A run in which some nodes' pods do not find a name, and what each was told when asked why.
fn names(dead: &[&str], answers: &[(NameServer, NameOutcome)]) -> Story {
    let nodes = ["linux-0", "win-a", "win-b", "win-c"];
    let source = |node: &str| if node.starts_with("linux") { FromLinuxPod } else { WindowsPod };
    let cells =
        nodes.map(|node| cell(source(node), node, ServiceName, None, 8, if dead.contains(&node) { 0 } else { 8 }));
    let seen = dead.iter().flat_map(|node| {
        answers.iter().map(|(asked, outcome)| told(node, *asked, outcome.clone())).collect::<Vec<_>>()
    });
    let dns = ServiceMade { owner: "cluster-dns".into(), addresses: vec!["10.96.0.10".into()], node_ports: vec![] };
    Story::new()
        .and(Event::ServiceMade(dns))
        .passed("reachability/service", services(|_| false))
        .and(Event::Probed { id: id("reachability/service-name"), cells: cells.to_vec() })
        .saw("reachability/service-name", failed(), seen.collect())
}

#[test]
fn who_answers_for_a_name_tells_the_resolver_its_service_and_the_servers_apart() {
    use NameOutcome::{NoSuchName, Right, ServerFailed, TimedOut};
    use NameServer::{Resolver, Server, Service};
    let windows = ["win-a", "win-b", "win-c"];
    let everybody = ["linux-0", "win-a", "win-b", "win-c"];
    let address = [(Resolver, TimedOut), (Service, TimedOut), (Server, Right)];
    assert_eq!(names(&windows, &address).causes(), ["service IP: cluster-dns"]);
    let servers = [(Resolver, ServerFailed), (Service, ServerFailed), (Server, ServerFailed)];
    assert_eq!(names(&everybody, &servers).causes(), ["DNS: cluster"]);
    let windows_only = [(Resolver, TimedOut), (Service, TimedOut), (Server, TimedOut)];
    assert_eq!(names(&windows, &windows_only).causes(), ["DNS: windows"]);
    let resolver = [(Resolver, NoSuchName), (Service, Right), (Server, Right)];
    let story = names(&["win-b"], &resolver);
    assert_eq!(story.causes(), ["DNS: win-b"]);
    assert!(story.findings()[0].summary.contains("their own resolver"), "{:?}", story.findings());
    assert_eq!(names(&["win-b"], &[(Resolver, TimedOut)]).causes(), ["DNS: win-b"]);
}

#[test]
fn lost_pings_beside_tcp_that_works_are_no_dead_network() {
    let ping = |node: &str| cell(WindowsPod, node, PingOtherNode, Some("win-c"), 4, 0);
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/pings", vec![ping("win-a"), ping("win-b")]);
    assert_eq!(story.causes(), ["pod network: 10.0.20348.1"]);
    assert!(story.findings()[0].summary.contains("drops ICMP"), "{:?}", story.findings());
}

#[test]
fn services_without_any_pod_evidence_name_the_pod_network_as_well() {
    let findings = Story::new().failed("reachability/service", services(|node| node == "win-b")).findings();
    assert_eq!(findings[0].confidence, Confidence::Possible);
    assert_eq!(findings[0].alternatives[0].layer, Layer::PodNetwork);
}

#[test]
fn a_dead_pod_network_takes_in_the_services_of_its_node() {
    let story = Story::new()
        .failed("reachability/pods", mesh(|from, to| from == "win-b" || to == "win-b"))
        .failed("reachability/service", services(|node| node == "win-b"));
    assert_eq!(story.causes(), ["pod network: win-b"]);
    assert_eq!(story.findings()[0].checks, ["reachability/pods", "reachability/service"]);
}

#[test]
fn services_dead_everywhere_are_not_blamed_on_each_node() {
    let story =
        Story::new().passed("reachability/pods", mesh(|_, _| false)).failed("reachability/service", services(|_| true));
    assert_eq!(story.causes(), ["service IP: cluster"]);
    assert!(!story.findings()[0].alternatives.is_empty());
}

#[test]
fn a_service_is_called_by_whose_it_is() {
    let made = ServiceMade {
        owner: "win-webserver@10.0.20348.1".into(),
        addresses: vec!["10.0.0.1".into()],
        node_ports: vec![],
    };
    let ways = ["linux-0", "win-a", "win-c"].map(|node| Cell {
        address: "10.0.0.1:80".into(),
        ..cell(if node == "linux-0" { FromLinuxPod } else { WindowsPod }, node, WindowsServiceIp, None, 8, 0)
    });
    let others = ["win-a", "win-c"]
        .map(|node| Cell { address: "10.0.0.2:80".into(), ..cell(WindowsPod, node, LinuxServiceIp, None, 8, 8) });
    let story = Story::new().and(Event::ServiceMade(made));
    let story =
        story.passed("reachability/linux-service", others.to_vec()).failed("reachability/service", ways.to_vec());
    let findings = explain(&story.0);
    assert!(findings.iter().any(|finding| finding.subject == "win-webserver@10.0.20348.1"), "{findings:#?}");
}

#[test]
fn a_hairpin_alone_is_called_one() {
    let story = Story::new()
        .passed("reachability/service", services(|_| false))
        .failed("reachability/own-service", vec![cell(WindowsPod, "win-b", OwnServiceIp, None, 8, 0)]);
    assert!(story.findings()[0].summary.contains("hairpin"));
}

#[test]
fn one_dead_backend_is_told_from_a_dead_node_and_accounts_for_lost_connections() {
    let mut dead = cell(FromLinuxPod, "linux-0", WindowsPodOtherNode, Some("win-a"), 4, 0);
    dead.address = "10.244.1.9:80".into();
    let alive = cell(FromLinuxPod, "linux-0", WindowsPodOtherNode, Some("win-a"), 4, 4);
    let lossy = ["win-b", "win-c"].map(|node| cell(WindowsPod, node, WindowsServiceIp, None, 8, 4));
    let story =
        Story::new().failed("reachability/pods", vec![dead, alive]).failed("reachability/service", lossy.into());
    assert_eq!(story.causes(), ["pod network: 10.244.1.9:80"]);
    assert_eq!(story.findings()[0].checks.len(), 2);
}

#[test]
fn a_refused_connection_was_delivered_so_the_network_is_not_to_blame() {
    let mut refused = cell(FromLinuxPod, "linux-0", WindowsPodOtherNode, Some("win-a"), 4, 0);
    (refused.refused, refused.timed_out) = (4, 0);
    assert_eq!(Story::new().failed("reachability/pods", vec![refused]).causes(), ["runtime: win-a:80"]);
}

#[test]
fn loss_from_one_node_only_is_that_nodes_rules() {
    let mut cells = services(|_| false);
    cells[2].answered = 4;
    cells[2].timed_out = 4;
    let story = Story::new().passed("reachability/pods", mesh(|_, _| false)).failed("reachability/service", cells);
    assert_eq!(story.causes(), ["service IP: win-b"]);
}

#[test]
fn what_a_documented_limitation_closes_is_no_evidence() {
    let closed = vec![cell(Vantage::WindowsHost, "win-a", WindowsServiceIp, None, 4, 0)];
    let story = Story::new()
        .and(Event::Probed { id: id("reachability/host"), cells: closed })
        .and(finished("reachability/host", Verdict::LimitationPresent("as documented".into())))
        .saw("win-webserver/logs", failed(), Vec::new());
    assert_eq!(story.findings(), []);
}

#[test]
fn a_node_port_dead_on_one_node_is_that_nodes() {
    let ports = |dead: &str| {
        ["win-a", "win-b", "linux-0"]
            .map(|to| cell(LinuxNode, "linux-0", NodePort, Some(to), 4, if to == dead { 0 } else { 4 }))
    };
    let story = Story::new().failed("reachability/node-port", ports("win-b").into());
    assert_eq!(story.causes(), ["node port: win-b"]);
}

#[test]
fn node_ports_that_answer_others_are_not_blamed_for_pods_that_do_not_reach_them() {
    let from = |source, node: &str, answered| {
        ["win-a", "linux-0"].map(|to| cell(source, node, NodePort, Some(to), 4, answered)).to_vec()
    };
    let story = Story::new()
        .passed("reachability/node-port-linux-node", from(LinuxNode, "linux-0", 4))
        .failed("reachability/windows-pod-to-node-port", from(WindowsPod, "win-c", 0));
    assert_eq!(story.causes(), ["node port: win-c"]);
    let summary = &story.findings()[0].summary;
    assert!(summary.contains("others do"), "{summary}");
}

#[test]
fn a_host_that_does_not_reach_its_pods_is_told_from_a_dead_pod_network() {
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/host", vec![cell(WindowsHost, "win-c", WindowsPodSameNode, Some("win-c"), 4, 0)]);
    assert_eq!(story.causes(), ["pod network: win-c"]);
    let summary = &story.findings()[0].summary;
    assert!(summary.contains("the host of win-c"), "{summary}");
}

#[test]
fn node_ports_of_the_other_nodes_dead_from_one_alone_are_that_ones() {
    let port = |from: &str, to: &str| {
        let answered = if from == "win-b" { 0 } else { 4 };
        cell(WindowsPod, from, NodePort, Some(to), 4, answered)
    };
    let ring = [("win-a", "win-b"), ("win-b", "win-c"), ("win-c", "win-a"), ("win-b", "win-a"), ("win-a", "win-c")];
    let story = Story::new().failed("reachability/node-port", ring.map(|(from, to)| port(from, to)).into());
    assert_eq!(story.causes(), ["node port: win-b"]);
    assert!(story.findings()[0].summary.contains("reach no node port"), "{:?}", story.findings());
}

#[test]
fn a_port_that_loses_connections_is_told_from_one_that_is_dead() {
    let port = |to: &str| cell(LinuxNode, "linux-0", NodePort, Some(to), 8, if to == "win-b" { 6 } else { 8 });
    let story = Story::new().failed("reachability/node-port", ["win-a", "win-b", "win-c"].map(port).into());
    assert_eq!(story.causes(), ["node port: win-b"]);
    assert!(story.findings()[0].summary.starts_with("a part of the connections"), "{:?}", story.findings());
}

#[test]
fn a_port_that_wants_a_backend_beside_it_is_told_from_a_dead_one() {
    let with = ["win-a", "win-b"].map(|to| cell(LinuxNode, "linux-0", NodePort, Some(to), 4, 4));
    let without = ["win-a", "win-b", "linux-0"].map(|to| {
        let answered = if to.starts_with("win") { 0 } else { 4 };
        cell(LinuxNode, "linux-0", Destination::NodePortNoBackend, Some(to), 4, answered)
    });
    let cells = with.into_iter().chain(without).collect();
    let story = Story::new().failed("reachability/node-port", cells);
    assert_eq!(story.causes(), ["node port: 10.0.20348.1"]);
    assert!(story.findings()[0].summary.contains("no backend there"), "{:?}", story.findings());
}

#[test]
fn a_port_closed_to_the_outside_alone_may_be_a_firewalls() {
    let mut outside =
        ["win-a", "win-b"].map(|to| cell(Outside, "", NodePort, Some(to), 4, if to == "win-b" { 0 } else { 4 }));
    outside.iter_mut().for_each(|cell| cell.source_node = None);
    let inside = ["win-a", "win-b"].map(|to| cell(LinuxNode, "linux-0", NodePort, Some(to), 4, 4));
    let story = Story::new()
        .passed("reachability/node-port-linux-node", inside.into())
        .failed("reachability/node-port-outside", outside.into());
    assert_eq!(story.causes(), ["node port: win-b"]);
    let finding = &story.findings()[0];
    assert_eq!((finding.confidence, finding.alternatives[0].layer), (Confidence::Possible, Layer::Environment));
}

#[test]
fn a_host_that_does_not_reach_its_own_pods_is_a_cause_of_its_own() {
    let host =
        |node: &str| cell(WindowsHost, node, WindowsPodSameNode, Some(node), 4, if node == "win-b" { 0 } else { 4 });
    let story = Story::new()
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/windows-host-to-pod", ["win-a", "win-b"].map(host).into());
    assert_eq!(story.causes(), ["pod network: win-b"]);
    assert!(story.findings()[0].summary.starts_with("the host of win-b"), "{:?}", story.findings());
}

#[test]
fn what_one_linux_node_alone_was_asked_for_may_be_so_on_all() {
    let mut story = Story::new();
    if let Some(Record { event: Event::ClusterObserved(observed), .. }) = story.0.get_mut(1) {
        observed.nodes.push(Node { name: "linux-1".into(), os: "linux".into(), ready: true, ..Node::default() });
    }
    let story = story
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/service", services(|node| node == "linux-0"));
    let finding = &story.findings()[0];
    assert_eq!((finding.subject.as_str(), finding.confidence), ("linux-0", Confidence::Possible));
    assert_eq!(finding.alternatives[0].subject, "linux");
}

#[test]
fn node_ports_dead_only_from_outside_are_a_firewalls() {
    let mut outside = ["win-a", "win-b"].map(|to| cell(Outside, "", NodePort, Some(to), 4, 0));
    outside.iter_mut().for_each(|cell| cell.source_node = None);
    let inside = ["win-a", "win-b"].map(|to| cell(LinuxNode, "linux-0", NodePort, Some(to), 4, 4));
    let story = Story::new()
        .passed("reachability/node-port-linux-node", inside.into())
        .failed("reachability/node-port-outside", outside.into());
    assert_eq!(story.causes(), ["environment: firewall"]);
}

#[test]
fn a_way_out_that_some_pods_lack_is_told_from_one_that_a_node_lacks() {
    let out = |node: &str, answered| cell(WindowsPod, node, Internet, None, 4, answered);
    let lacking = |cells: Vec<Cell>| {
        let story = Story::new().passed("reachability/pods", mesh(|_, _| false)).failed("reachability/outbound", cells);
        explain(&story.0)
            .into_iter()
            .map(|finding| (finding.layer, finding.subject, finding.summary))
            .collect::<Vec<_>>()
    };
    let node = lacking(vec![out("win-a", 4), out("win-b", 0), out("win-c", 4)]);
    assert_eq!((node[0].0, node[0].1.as_str()), (Layer::Outbound, "win-b"), "{node:?}");
    assert!(node[0].2.contains("though they reach pods inside it"), "{node:?}");
    let pod = lacking(vec![out("win-b", 0), out("win-b", 4), out("win-c", 4)]);
    assert!(pod[0].2.starts_with("some pods on win-b"), "{pod:?}");
    let flaky = lacking(vec![out("win-b", 3), out("win-c", 4)]);
    assert!(flaky[0].2.starts_with("a part of the connections"), "{flaky:?}");
    let nobody = lacking(vec![out("win-a", 0), out("win-b", 0), out("win-c", 0)]);
    assert_eq!(nobody[0].1, "windows", "{nobody:?}");
}

#[test]
fn a_load_balancer_that_leads_nowhere_beside_a_service_that_works_is_its_own_cause() {
    let balancer = cell(Outside, "", LoadBalancer, None, 4, 0);
    let story =
        Story::new().passed("reachability/service", services(|_| false)).failed("iis/load-balancer", vec![balancer]);
    let findings = explain(&story.0);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!((findings[0].layer, findings[0].confidence), (Layer::LoadBalancer, Confidence::Likely));
}

#[test]
fn a_silent_node_takes_in_what_goes_wrong_on_it() {
    let silent = Observation::NoExec { node: "win-b".into(), message: "timeout".into(), elsewhere_works: true };
    let mut lost = cell(WindowsPod, "win-b", WindowsServiceIp, None, 8, 0);
    (lost.lost, lost.timed_out) = (8, 0);
    let story = Story::new()
        .saw("nodes/answers@win-b/10.0.20348.1", failed(), vec![silent])
        .saw("nodes/ready@win-b/10.0.20348.1", unknown(), Vec::new())
        .and(Event::Probed { id: id("reachability/service@10.0.20348.1"), cells: vec![lost] })
        .and(finished("reachability/service@10.0.20348.1", unknown()));
    assert_eq!(story.causes(), ["node: win-b"]);
    assert_eq!(story.findings()[0].checks.len(), 3);
    assert!(story.findings()[0].summary.contains("though it is Ready"));
}

#[test]
fn exec_lost_everywhere_blames_no_node() {
    let lost = |node: &str| Observation::NoExec { node: node.into(), message: "EOF".into(), elsewhere_works: false };
    let story = Story::new().saw("nodes/answers@win-a/10.0.20348.1", unknown(), vec![lost("win-a")]).saw(
        "nodes/answers@win-b/10.0.20348.1",
        unknown(),
        vec![lost("win-b")],
    );
    assert_eq!(story.causes(), ["control plane: exec"]);
    assert_eq!(story.findings()[0].alternatives[0].layer, Layer::Environment);
}

#[test]
fn one_lost_exec_on_a_node_that_answers_others_blames_no_node() {
    let lost = Observation::NoExec { node: "win-b".into(), message: "EOF".into(), elsewhere_works: false };
    let story = Story::new().passed("reachability/pods", mesh(|_, _| false)).saw(
        "win-webserver/serves-page@10.0.20348.1",
        unknown(),
        vec![lost],
    );
    assert_eq!(story.causes(), ["control plane: exec"]);
    assert!(story.findings()[0].summary.starts_with("some execs"));
}

#[test]
fn a_node_from_which_nothing_came_back_is_silent_though_nobody_tried_another() {
    let lost = Observation::NoExec { node: "win-b".into(), message: "EOF".into(), elsewhere_works: false };
    let mut cells = services(|_| false);
    cells.retain(|cell| cell.source_node.as_deref() != Some("win-b"));
    let story = Story::new().passed("reachability/service", cells).saw(
        "win-webserver/serves-page@10.0.20348.1",
        unknown(),
        vec![lost],
    );
    assert_eq!(story.causes(), ["node: win-b"]);
    assert_eq!(story.findings()[0].confidence, Confidence::Likely);
}

#[test]
fn a_wrong_label_is_the_nodes_and_explains_nothing_else() {
    let label = Observation::Node {
        node: "win-b".into(),
        what: "label node.kubernetes.io/windows-build".into(),
        expected: "10.0.20348".into(),
        found: "10.0.17763".into(),
    };
    let story = Story::new()
        .saw("nodes/windows-build-label@win-b/10.0.20348.1", failed(), vec![label])
        .passed("reachability/pods", mesh(|_, _| false))
        .failed("reachability/service", services(|node| node == "win-b"));
    assert_eq!(story.causes(), ["node: win-b", "service IP: win-b"]);
}

#[test]
fn a_node_that_is_not_ready_accounts_for_its_unreachable_pods() {
    let ready = Observation::Node {
        node: "win-b".into(),
        what: "condition Ready".into(),
        expected: "True".into(),
        found: "Unknown".into(),
    };
    let story = Story::new()
        .saw("nodes/ready@win-b/10.0.20348.1", failed(), vec![ready])
        .failed("reachability/pods", mesh(|from, to| from == "win-b" || to == "win-b"));
    assert_eq!(story.causes(), ["node: win-b"]);
    assert_eq!(story.findings()[0].checks.len(), 2);
}

fn pull(node: &str, message: &str) -> Observation {
    Observation::Container {
        pod: "ns/web".into(),
        node: Some(node.into()),
        image: "registry.example/web:1".into(),
        reason: "ErrImagePull".into(),
        message: message.into(),
    }
}

#[test]
fn an_image_without_the_platform_is_not_taken_for_an_unknown_one() {
    let story = Story::new().saw(
        "win-webserver/pods-ready@10.0.26100.1",
        failed(),
        vec![pull("win-c", "no match for platform in manifest: not found")],
    );
    assert_eq!(story.causes(), ["image: 10.0.26100.1"]);
    assert_eq!(story.findings()[0].confidence, Confidence::Certain);
}

#[test]
fn what_the_registry_refuses_is_the_environments() {
    for message in ["401 Unauthorized", "web:1: not found", "pull access denied"] {
        let story = Story::new().saw("win-webserver/pods-ready", unknown(), vec![pull("win-c", message)]);
        assert_eq!(story.causes(), ["environment: registry.example"], "{message}");
    }
}

#[test]
fn an_image_that_takes_too_long_may_be_a_matter_of_its_node_or_its_registry() {
    let Observation::Container { pod, node, image, .. } = pull("win-c", "") else { unreachable!() };
    let pulling = Observation::Container { pod, node, image, reason: "Pulling".into(), message: String::new() };
    let finding = &Story::new().saw("win-webserver/pods-ready", unknown(), vec![pulling]).findings()[0];
    assert_eq!((finding.layer, finding.subject.as_str()), (Layer::Image, "win-c"));
    let others: Vec<Layer> = finding.alternatives.iter().map(|other| other.layer).collect();
    assert_eq!(others, [Layer::Node, Layer::Environment]);
}

#[test]
fn an_unreached_registry_may_be_the_nodes_way_out() {
    let story = Story::new()
        .and(Event::PodTimeline(crate::event::PodTimeline {
            owner: "win-webserver".into(),
            pod: "web".into(),
            node: "win-a".into(),
            target: None,
            phases: Vec::new(),
            images: Vec::new(),
            round: 1,
        }))
        .saw("win-webserver/pods-ready", unknown(), vec![pull("win-c", "dial tcp: i/o timeout")]);
    let finding = &story.findings()[0];
    assert_eq!((finding.layer, finding.confidence), (Layer::Environment, Confidence::Possible));
    assert_eq!(finding.alternatives[0].layer, Layer::Outbound);
}

#[test]
fn checks_that_waited_for_the_fixture_in_vain_share_its_cause() {
    let fixture = "win-webserver@10.0.26100.1".to_owned();
    let story = Story::new()
        .and(Event::FixtureChanged { fixture, state: FixtureState::Failed("no image".into()) })
        .saw("win-webserver/pods-ready@10.0.26100.1", failed(), vec![pull("win-c", "no matching manifest")])
        .saw("win-webserver/listed@10.0.26100.1", unknown(), Vec::new())
        .saw("win-webserver/listed@10.0.20348.1", unknown(), Vec::new());
    assert_eq!(
        story.findings()[0].checks,
        ["win-webserver/pods-ready@10.0.26100.1", "win-webserver/listed@10.0.26100.1"]
    );
}

fn sandbox(message: &str) -> Observation {
    Observation::Event {
        object: "pod/web".into(),
        node: Some("win-b".into()),
        reason: "FailedCreatePodSandBox".into(),
        message: message.into(),
    }
}

#[test]
fn the_runtimes_words_tell_what_a_sandbox_failed_of() {
    for (message, cause) in [
        ("hcnOpenNetwork failed in Win32: Element not found", "pod network: win-b"),
        ("failed to allocate for range 0: no IP addresses available", "pod network: win-b"),
        ("no runtime for \"docker\" is configured", "runtime: docker"),
        ("failed to get sandbox image \"pause:3.9\": no match for platform in manifest", "runtime: win-b"),
        ("The user name or password is incorrect.", "user: win-b"),
        ("failed to reserve sandbox name", "runtime: win-b"),
        ("There is not enough space on the disk.", "node: win-b"),
        ("HCS_E_IMAGE_MISMATCH", "image: win-b"),
    ] {
        let story = Story::new().saw("win-webserver/pods-ready", failed(), vec![sandbox(message)]);
        assert_eq!(story.causes(), [cause], "{message}");
    }
}

#[test]
fn an_image_of_the_sandbox_is_the_runtimes_to_name_and_may_lack_the_variant() {
    let message = "failed to get sandbox image \"pause:3.9\": failed to pull image: no match for platform in manifest";
    let findings = Story::new().saw("win-webserver/pods-ready", failed(), vec![sandbox(message)]).findings();
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].confidence, Confidence::Possible);
    assert_eq!(findings[0].alternatives[0].layer, Layer::Image);
}

#[test]
fn a_handler_that_no_node_knows_is_one_cause_for_each_place_that_lacks_it() {
    let lacking = |node: &str| match sandbox("no runtime for \"docker\" is configured") {
        Observation::Event { object, reason, message, .. } => {
            Observation::Event { object, node: Some(node.into()), reason, message }
        }
        other => other,
    };
    let seen = ["win-a", "win-b", "win-c"].map(lacking);
    let findings = Story::new().saw("runtime-class/pod-lands-on-build", failed(), seen.into()).findings();
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].subject.as_str(), findings[0].nodes.len()), ("docker", 3));
}

#[test]
fn pods_that_a_kubelet_gives_back_are_a_misunderstanding_between_scheduler_and_node() {
    for reason in ["PodOSNotSupported", "OutOfpods", "NodeAffinity"] {
        let given_back = Observation::Event {
            object: "pod/ns/web".into(),
            node: Some("win-b".into()),
            reason: reason.into(),
            message: "Pod was rejected".into(),
        };
        let findings = Story::new().saw("win-webserver/pods-ready", failed(), vec![given_back]).findings();
        assert_eq!((findings[0].layer, findings[0].subject.as_str()), (Layer::Scheduling, "win-b"), "{reason}");
        assert_eq!(findings[0].alternatives[0].layer, Layer::Node);
        assert!(findings[0].summary.contains(reason));
    }
}

#[test]
fn an_exec_that_finds_its_container_gone_blames_the_container_and_not_the_kubelet() {
    let gone = Observation::NoExec {
        node: "win-b".into(),
        message: "no command could be run in ns/web on win-b: container not found (\"web\") (HTTP 404)".into(),
        elsewhere_works: true,
    };
    let mut refused = cell(FromLinuxPod, "linux-0", WindowsPodOtherNode, Some("win-b"), 4, 0);
    (refused.refused, refused.timed_out) = (4, 0);
    let story = Story::new()
        .saw("nodes/answers@win-b/10.0.20348.1", failed(), vec![gone])
        .failed("reachability/pods", vec![refused]);
    assert_eq!(story.causes(), ["runtime: win-b"], "nothing listens where the server ended");
    assert_eq!(story.findings()[0].checks.len(), 2);
    assert!(story.findings()[0].summary.contains("start and end again"));
}

/// A run in which these checks only report.
fn with_notes(checks: &[&str]) -> Story {
    let results = checks.iter().map(|check| crate::event::PlannedResult {
        level: crate::verdict::Level::Info,
        ..crate::tests::planned(check)
    });
    Story::new().and(Event::Planned(crate::event::Plan { results: results.collect(), ..Default::default() }))
}

#[test]
fn what_a_check_only_reports_is_a_finding_too_and_what_another_passed_with_is_none() {
    let behind = || Observation::Node {
        node: "win-b".into(),
        what: "patch level".into(),
        expected: "10.0.20348.2".into(),
        found: "10.0.20348.1".into(),
    };
    let passed = || Verdict::Passed("win-b is behind".into());
    let noted = with_notes(&["nodes/patch-level"]).saw("nodes/patch-level", passed(), vec![behind()]);
    assert_eq!(noted.causes(), ["node: win-b"]);
    assert_eq!(noted.findings()[0].checks, ["nodes/patch-level"]);
    assert_eq!(Story::new().saw("nodes/patch-level", passed(), vec![behind()]).causes(), [] as [&str; 0]);
    assert_eq!(with_notes(&["nodes/patch-level"]).saw("nodes/patch-level", passed(), vec![]).causes(), [] as [&str; 0]);
}

#[test]
fn a_taint_is_about_what_may_be_placed_there() {
    let taint = |node: &str| Observation::Node {
        node: node.into(),
        what: "taint".into(),
        expected: "os=windows:NoSchedule".into(),
        found: "os=Windows:NoSchedule".into(),
    };
    let seen = ["win-a", "win-b", "win-c"].map(taint);
    let story = Story::new().saw("placement/windows-nodes-tainted", failed(), seen.into());
    assert_eq!(story.causes(), ["scheduling: windows"]);
}

#[test]
fn containers_that_are_never_created_may_be_the_runtimes_or_the_networks() {
    let stuck = Observation::Container {
        pod: "ns/web".into(),
        node: Some("win-b".into()),
        image: "web".into(),
        reason: "ContainerCreating".into(),
        message: String::new(),
    };
    let findings = Story::new().saw("win-webserver/pods-ready", failed(), vec![stuck]).findings();
    assert_eq!((findings[0].layer, findings[0].confidence), (Layer::Node, Confidence::Possible));
    let others: Vec<Layer> = findings[0].alternatives.iter().map(|other| other.layer).collect();
    assert_eq!(others, [Layer::Runtime, Layer::PodNetwork]);
}

#[test]
fn an_untolerated_taint_is_named_and_kubernetes_own_taints_are_a_sign() {
    let pending = |taints: &[&str]| Observation::Unschedulable {
        pod: "ns/web".into(),
        nodes: vec!["win-c".into()],
        untolerated: taints.iter().map(|taint| (*taint).to_owned()).collect(),
    };
    let own = Story::new().saw("win-webserver/pods-ready", failed(), vec![pending(&["os=Windows:NoSchedule"])]);
    assert_eq!(own.causes(), ["scheduling: win-c"]);
    assert!(own.findings()[0].summary.contains("os=Windows:NoSchedule"));
    let sign = Story::new().saw(
        "win-webserver/pods-ready",
        failed(),
        vec![pending(&["node.kubernetes.io/disk-pressure:NoSchedule"])],
    );
    assert_eq!(sign.causes(), ["node: win-c"]);
    let room = Story::new().saw("win-webserver/pods-ready", failed(), vec![pending(&[])]);
    assert_eq!(room.findings()[0].confidence, Confidence::Possible);
}

#[test]
fn a_scheduler_that_says_nothing_is_the_control_planes() {
    let idle = Observation::Idle { part: "kube-scheduler".into(), object: "pod ns/a".into() };
    assert_eq!(
        Story::new().saw("win-webserver/pods-ready", failed(), vec![idle]).causes(),
        ["control plane: kube-scheduler"]
    );
}

#[test]
fn a_refused_request_tells_a_webhook_from_a_missing_permission() {
    let refused = |code, message: &str| Observation::Refused {
        request: "create pods".into(),
        code,
        reason: "x".into(),
        message: message.into(),
    };
    for (code, message, cause) in [
        (500, "failed calling webhook \"hook.example\": refused", "admission: hook.example"),
        (403, "violates PodSecurity \"restricted\"", "admission: PodSecurity"),
        (400, "admission webhook \"policy.example\" denied the request: no", "admission: policy.example"),
        (422, "ValidatingAdmissionPolicy 'limits' with binding 'all' denied request: no", "admission: limits"),
        (403, "pods is forbidden: User \"me\" cannot create resource \"pods\"", "environment: create pods"),
        (403, "pods \"a\" is forbidden: exceeded quota: small", "admission: kube-apiserver"),
        (422, "Pod \"a\" is invalid: spec.hostPID: Forbidden: cannot be set for a windows pod", "admission: policy"),
        (503, "unavailable", "control plane: kube-apiserver"),
    ] {
        let story = Story::new().saw("win-webserver/applies", unknown(), vec![refused(code, message)]);
        assert_eq!(story.causes(), [cause], "{message}");
    }
}

#[test]
fn every_finding_says_what_to_look_at_and_what_it_rests_on() {
    let story = Story::new()
        .failed("reachability/pods", mesh(|from, to| from == "win-b" || to == "win-b"))
        .failed("reachability/service", services(|node| node == "win-a"))
        .saw("win-webserver/pods-ready", failed(), vec![sandbox("hcn"), pull("win-c", "no match for platform")]);
    let findings = story.findings();
    assert!(findings.len() >= 3);
    for finding in findings {
        assert!(!finding.advice.is_empty() && !finding.proof.is_empty() && !finding.checks.is_empty(), "{finding:?}");
    }
}
