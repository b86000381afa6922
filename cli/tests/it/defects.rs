//! Planted defects turn exactly the right checks red: a check that cannot fail does not count.
//!
//! One testbed for all of them, one defect at a time: put in through the control
//! socket, judged by the command as users run it, and healed again.

use std::{
    collections::BTreeSet,
    sync::{Mutex, OnceLock, PoisonError},
};

use tokio::runtime::Runtime;
use winconform_reports::{Disposition, Report, read_log};
use winconform_testbed::{client::Testbed, fault::Fault, serve::ServeOptions};

use crate::{
    command::{Done, Home},
    standing::start,
};

struct Patient {
    runtime: Runtime,
    testbed: Testbed,
}

fn patient() -> &'static Mutex<Patient> {
    static PATIENT: OnceLock<Mutex<Patient>> = OnceLock::new();
    PATIENT.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let testbed = runtime.block_on(start(&ServeOptions::default()));
        Mutex::new(Patient { runtime, testbed })
    })
}

/// What a run made of a defect.
struct Judged {
    red: BTreeSet<String>,
    unknown: BTreeSet<String>,
    findings: BTreeSet<(String, String)>,
}

/// Runs these checks on the patient as it is now.
fn run(patient: &Patient, filters: &str) -> (Done, Report) {
    let info = patient.testbed.info();
    let home = Home::new();
    let done = home.run(&format!(
        "run --kubeconfig {} --outside-proxy {} --timeout-scale 0.3 --out run {filters}",
        info.kubeconfig.display(),
        info.outside_proxy
    ));
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    (done, report)
}

/// Runs these checks on the patient in health, where nothing is red and something passed.
fn all_is_well(filters: &str) {
    let patient = patient().lock().unwrap_or_else(PoisonError::into_inner);
    let (done, _) = run(&patient, filters);
    assert_eq!(done.code, Some(0), "{done:#?}");
}

fn judge(fault: Fault, filters: &str) -> Judged {
    let patient = patient().lock().unwrap_or_else(PoisonError::into_inner);
    let name = fault.name.clone();
    patient.runtime.block_on(async { patient.testbed.control().await.unwrap().inject(fault).await.unwrap() });
    let (done, report) = run(&patient, filters);
    let counters =
        patient.runtime.block_on(async { patient.testbed.control().await.unwrap().heal(Some(&name)).await.unwrap() });
    assert!(counters.iter().any(|counter| counter.applied > 0), "{name} changed nothing, so it proves nothing");
    assert_eq!(done.code, Some(1), "{done:#?}");
    let of = |disposition| {
        let these = report.results.iter().filter(|result| result.disposition == disposition);
        these.map(|result| result.id.clone()).collect()
    };
    Judged {
        red: of(Disposition::Red),
        unknown: of(Disposition::Unknown),
        findings: (report.findings.iter())
            .map(|finding| (finding.layer.to_string(), finding.subject.clone()))
            .collect(),
    }
}

fn set(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn finding(layer: &str, subject: &str) -> BTreeSet<(String, String)> {
    BTreeSet::from([(layer.to_owned(), subject.to_owned())])
}

fn shipped(name: &str) -> Fault {
    Fault::find(name).unwrap()
}

#[test]
fn a_stale_build_label_fails_for_itself_and_where_it_would_lead_pods_astray() {
    let judged = judge(shipped("node-10-stale-build-label"), "");
    assert_eq!(judged.red, set(&["nodes/windows-build-label@win-2022-0", "placement/build-selector@10.0.17763.8511"]));
    assert_eq!(judged.unknown, set(&[]));
    assert_eq!(judged.findings, finding("node", "win-2022-0"));
}

#[test]
fn a_node_that_answers_nothing_fails_for_itself_and_leaves_the_rest_open() {
    let filters = "--check nodes/* --skip nodes/containers-on-node --check reachability/windows-pod-to-linux-pod";
    let judged = judge(shipped("node-02-ready-but-answers-nothing"), filters);
    assert_eq!(judged.red, set(&["nodes/answers@win-2022-0"]));
    assert_eq!(judged.unknown, set(&["reachability/windows-pod-to-linux-pod@10.0.20348.5499"]));
    assert_eq!(judged.findings, finding("node", "win-2022-0"));
}

#[test]
fn an_image_without_a_variant_for_a_build_fails_where_pods_must_start() {
    let suites = "--suite nodes --suite win-webserver --suite iis --suite reachability";
    let judged = judge(shipped("image-01-no-match-for-platform"), suites);
    let red = ["iis/deploys@10.0.26100.33296", "nodes/answers@win-2025-0", "win-webserver/pods-ready@10.0.26100.33296"];
    assert_eq!(judged.red, set(&red));
    assert!(judged.unknown.iter().all(|id| id.ends_with("@10.0.26100.33296")), "{:?}", judged.unknown);
    assert!(judged.unknown.contains("win-webserver/serves-page@10.0.26100.33296"));
    assert_eq!(judged.findings, finding("image", "10.0.26100.33296"));
}

#[test]
fn a_server_that_never_listens_fails_its_page_and_not_its_pods() {
    let fault = Fault::parse(
        "apiVersion: winconform/v1
kind: Fault
name: silent-server
summary: The web server of Windows Server 2019 cannot be reached even from its own pod.
source: [https://github.com/tigera/operator/issues/3193]
effects:
  - network:
      to: { kind: pod, place: self, pod: { node: { name: win-2019-0 } } }
      outcome: refused
expect: { verdict: red, must: [win-webserver/serves-page], finding: { layer: user, subject: win-2019-0 } }
",
        "silent-server",
    )
    .unwrap();
    let judged = judge(fault, "--suite win-webserver");
    assert_eq!(judged.red, set(&["win-webserver/serves-page@10.0.17763.8511"]));
    assert_eq!(judged.unknown, set(&[]));
}

#[test]
fn a_dead_kube_proxy_kills_services_from_its_node_and_its_own_port() {
    let judged = judge(shipped("node-04-kube-proxy-dead"), "");
    let ports = |check: &str| {
        ["10.0.17763.8511", "10.0.20348.5499", "10.0.26100.33296"]
            .map(|target| format!("reachability/{check}@{target}"))
    };
    let mut red = set(&[
        "reachability/windows-pod-to-linux-service-ip@10.0.26100.33296",
        "reachability/windows-pod-to-own-service-ip@10.0.26100.33296",
        "reachability/windows-pod-to-service-ip@10.0.26100.33296",
        "reachability/windows-pod-to-node-port@10.0.20348.5499", // whose ring leads to the dead node
        "reachability/service-name@10.0.26100.33296",
        "reachability/windows-pod-to-api-server@10.0.26100.33296",
        "win-webserver/port-mapping@10.0.26100.33296",
        // The domain is found by its name, so no account reaches it from there.
        "gmsa/kerberos-ticket@10.0.26100.33296",
        "gmsa/many-pods-keep-trust@10.0.26100.33296",
        "gmsa/secure-channel@10.0.26100.33296",
    ]);
    red.extend(ports("node-port-linux-node"));
    red.extend(ports("node-port-outside"));
    assert_eq!(judged.red, red);
    // What never worked cannot be scaled. (Limitations that could not be shown are inconclusive, which is not unknown.)
    assert_eq!(judged.unknown, set(&["win-webserver/scales@10.0.26100.33296"]));
    assert_eq!(judged.findings, finding("service IP", "win-2025-0"));
}

#[test]
fn a_missing_hairpin_is_seen_only_by_backends() {
    let judged = judge(shipped("svc-09-no-hairpin"), "");
    let own = |target: &str| format!("reachability/windows-pod-to-own-service-ip@{target}");
    assert_eq!(judged.red, ["10.0.17763.8511", "10.0.20348.5499", "10.0.26100.33296"].map(own).into());
    assert_eq!(judged.unknown, set(&[]));
}

/// A check of each target.
fn everywhere(check: &str) -> BTreeSet<String> {
    ["10.0.17763.8511", "10.0.20348.5499", "10.0.26100.33296"].map(|target| format!("{check}@{target}")).into()
}

#[test]
fn a_dead_address_of_the_dns_is_told_from_dead_dns() {
    let filters = "--check reachability/service-name --check reachability/windows-pod-to-service-ip";
    let address = judge(shipped("svc-01-cluster-dns-address-dead"), filters);
    assert_eq!(address.red, everywhere("reachability/service-name"));
    assert_eq!(address.findings, finding("service IP", "kube-dns"));
    let servers = judge(shipped("svc-25-cluster-dns-down"), filters);
    assert_eq!(servers.red, everywhere("reachability/service-name"));
    assert_eq!(servers.findings, finding("DNS", "cluster"));
}

#[test]
fn the_api_servers_service_alone_can_be_dead() {
    let filters = "--check reachability/windows-pod-to-api-server --check reachability/windows-pod-to-service-ip";
    let judged = judge(shipped("svc-12-api-server-service-unreachable"), filters);
    assert_eq!(judged.red, everywhere("reachability/windows-pod-to-api-server"));
    assert_eq!(judged.findings, finding("service IP", "kubernetes"));
}

#[test]
fn a_part_of_the_connections_lost_on_the_way_out_is_seen() {
    let judged = judge(shipped("net-07-source-ports-exhausted"), "--check reachability/outbound");
    assert_eq!(judged.red, everywhere("reachability/outbound"));
    assert_eq!(judged.findings, finding("outbound", "windows"));
}

#[test]
fn pings_that_are_dropped_are_no_dead_network() {
    let filters = "--check reachability/windows-pod-ping-* --check reachability/windows-pod-to-pod-across-nodes";
    let judged = judge(shipped("net-15-pings-dropped-between-pods"), filters);
    assert_eq!(judged.red, everywhere("reachability/windows-pod-ping-across-nodes"));
    assert_eq!(judged.findings, finding("pod network", "windows"));
}

#[test]
fn one_lost_connection_in_seven_is_not_missed() {
    let fault = Fault::parse(
        "apiVersion: winconform/v1
kind: Fault
name: one-in-seven
summary: One in seven connections from pods on a node to pods of Linux nodes is lost.
source: [https://github.com/kubernetes/kubernetes/issues/112836]
effects:
  - network:
      from: { pod: { node: { name: win-2022-1 } } }
      to: { kind: pod, pod: { os: linux } }
      outcome: dropped
      when: { oneIn: 7 }
expect: { verdict: red, must: [reachability/windows-pod-to-linux-pod], finding: { layer: pod network, subject: win-2022-1 } }
",
        "one-in-seven",
    )
    .unwrap();
    let judged = judge(fault, "--check reachability/windows-pod-to-linux-pod");
    assert_eq!(judged.red, set(&["reachability/windows-pod-to-linux-pod@10.0.20348.5499"]));
}

#[test]
fn a_runtime_that_takes_any_handler_and_one_that_lacks_its_own_are_told_apart() {
    let judged = judge(shipped("sched-17-any-handler-runs"), "--suite runtime-class --target 10.0.26100");
    assert_eq!(judged.red, set(&["runtime-class/unknown-handler-named@10.0.26100.33296"]));
    assert_eq!(judged.findings, finding("node", "win-2025-0"));
    let judged = judge(shipped("sched-01-no-runtime-for-handler"), "--suite runtime-class --target 10.0.26100");
    assert_eq!(judged.red, set(&["runtime-class/pod-lands-on-build@10.0.26100.33296"]));
    assert_eq!(judged.findings, finding("runtime", "runhcs-wcow-process"));
}

#[test]
fn pods_that_never_end_are_their_nodes_failure() {
    let judged = judge(shipped("node-15-pods-never-end"), "--check win-webserver/terminates --target 10.0.26100");
    assert_eq!(judged.red, set(&["win-webserver/terminates@10.0.26100.33296"]));
    assert_eq!(judged.findings, finding("node", "win-2025-0"));
}

#[test]
fn limits_that_a_node_does_not_keep_are_its_failure() {
    let no_limit_of_memory = Fault::parse(
        "apiVersion: winconform/v1
kind: Fault
name: memory-limit-dropped
summary: A node starts containers without their memory limit.
source: [https://github.com/kubernetes/kubernetes/issues/85379]
effects:
  - limits: { pods: { node: { name: win-2025-0 } }, memory: none }
expect: { verdict: red, must: [iis/resources-applied], finding: { layer: node, subject: win-2025-0 } }
",
        "memory-limit-dropped",
    );
    let processors = shipped("node-21-cpu-limits-dropped");
    for fault in [processors, shipped("node-22-memory-request-taken-for-limit"), no_limit_of_memory.unwrap()] {
        let name = fault.name.clone();
        let judged = judge(fault, "--check iis/resources-applied");
        assert_eq!(judged.red, set(&["iis/resources-applied@10.0.26100.33296"]), "{name}");
        assert_eq!((judged.unknown, judged.findings), (set(&[]), finding("node", "win-2025-0")), "{name}");
    }
}

#[test]
fn a_mapped_port_that_is_dead_fails_alone() {
    let judged = judge(shipped("svc-26-mapped-port-dead"), "--suite win-webserver --target 10.0.26100");
    assert_eq!((judged.red, judged.unknown), (set(&["win-webserver/port-mapping@10.0.26100.33296"]), set(&[])));
}

#[test]
fn rules_that_keep_a_backend_which_is_gone_fail_where_a_deployment_is_scaled() {
    for name in ["svc-06-stale-backends-after-deletion", "svc-14-connections-reset-in-a-rollout"] {
        let judged = judge(shipped(name), "--check win-webserver/scales --target 10.0.26100");
        assert_eq!(judged.red, set(&["win-webserver/scales@10.0.26100.33296"]), "{name}");
    }
}

#[test]
fn a_rebooted_node_is_judged_by_what_works_afterwards() {
    let filters = "--check lifecycle/reboot --allow-disruptive --target 10.0.26100";
    all_is_well(filters);
    let judged = judge(shipped("net-18-no-pod-network-after-a-reboot"), filters);
    assert_eq!(judged.red, set(&["lifecycle/reboot@10.0.26100.33296"]));
    assert_eq!(judged.findings, finding("node", "win-2025-0"));
}

#[test]
fn a_load_balancer_that_leads_nowhere_at_once_or_when_made_again_is_seen() {
    let filters = "--check iis/load-balancer --allow-load-balancer --target 10.0.26100";
    all_is_well(filters);
    for name in ["svc-03-load-balancer-not-programmed", "svc-19-load-balancer-lost-when-made-again"] {
        let judged = judge(shipped(name), filters);
        assert_eq!(judged.red, set(&["iis/load-balancer@10.0.26100.33296"]), "{name}");
        let layers: BTreeSet<&str> = judged.findings.iter().map(|(layer, _)| layer.as_str()).collect();
        assert_eq!(layers, BTreeSet::from(["load balancer"]), "{name}");
    }
}
