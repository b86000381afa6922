//! What a cluster's owner forbids, or has there besides, is told truly and is never the cluster's failure.
//!
//! One testbed for all, one obstacle at a time.

use std::sync::{Mutex, OnceLock, PoisonError};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    core::v1::{ContainerStatus, Namespace, Pod, ResourceQuota},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, PostParams},
    runtime::{WatchStreamExt, wait::await_condition, watcher},
};
use serde_json::json;
use tokio::{runtime::Runtime, task::JoinHandle};
use winconform_reports::{Report, VerdictKind, read_log};
use winconform_testbed::{client::Testbed, fault::Fault, serve::ServeOptions};

use crate::{command::Home, standing::start};

struct Owned {
    runtime: Runtime,
    testbed: Testbed,
    client: Client,
}

fn owned() -> &'static Mutex<Owned> {
    static OWNED: OnceLock<Mutex<Owned>> = OnceLock::new();
    OWNED.get_or_init(|| {
        winconform::prepare(false);
        let runtime = Runtime::new().unwrap();
        let (testbed, client) = runtime.block_on(async {
            let testbed = start(&ServeOptions::default()).await;
            let kubeconfig = kube::config::Kubeconfig::read_from(&testbed.info().kubeconfig).unwrap();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
            (testbed, Client::try_from(config).unwrap())
        });
        Mutex::new(Owned { runtime, testbed, client })
    })
}

/// What an owner's controller does to each new namespace of ours.
#[derive(Clone, Copy)]
enum Rule {
    DeniesTraffic,
    AllowsThreePods,
}

impl Rule {
    async fn apply(self, client: &Client, namespace: &str) {
        match self {
            Self::DeniesTraffic => {
                let policies: Api<NetworkPolicy> = Api::namespaced(client.clone(), namespace);
                let policy = json!({
                    "metadata": { "name": "deny-by-default" },
                    "spec": { "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }
                });
                policies.create(&PostParams::default(), &serde_json::from_value(policy).unwrap()).await.unwrap();
            }
            Self::AllowsThreePods => {
                let quotas: Api<ResourceQuota> = Api::namespaced(client.clone(), namespace);
                let quota = json!({ "metadata": { "name": "small" }, "spec": { "hard": { "pods": "3" } } });
                quotas.create(&PostParams::default(), &serde_json::from_value(quota).unwrap()).await.unwrap();
            }
        }
    }
}

/// Applies a rule to every namespace of ours as soon as it is there, until it is aborted.
fn enforce(owned: &Owned, rule: Rule) -> JoinHandle<()> {
    let client = owned.client.clone();
    owned.runtime.spawn(async move {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let ours = watcher::Config::default().labels("app.kubernetes.io/managed-by=winconform");
        let mut new = watcher(namespaces, ours).applied_objects().boxed();
        let mut known = std::collections::BTreeSet::new();
        while let Ok(Some(namespace)) = new.try_next().await {
            let going = namespace.metadata.deletion_timestamp.is_some();
            if !going && known.insert(namespace.name_any()) {
                rule.apply(&client, &namespace.name_any()).await;
            }
        }
    })
}

/// What a run says while a rule is enforced and a fault is in force.
fn told(rule: Option<Rule>, fault: Option<&str>, filters: &str) -> (Option<i32>, Vec<(String, VerdictKind, String)>) {
    let owned = owned().lock().unwrap_or_else(PoisonError::into_inner);
    let fault = fault.map(|fault| Fault::find(fault).or_else(|_| Fault::parse(fault, "a test's own")).unwrap());
    run(&owned, rule, fault, filters)
}

fn run(
    owned: &Owned,
    rule: Option<Rule>,
    fault: Option<Fault>,
    filters: &str,
) -> (Option<i32>, Vec<(String, VerdictKind, String)>) {
    let name = fault.as_ref().map(|fault| fault.name.clone());
    if let Some(fault) = fault {
        owned.runtime.block_on(async { owned.testbed.control().await.unwrap().inject(fault).await.unwrap() });
    }
    let enforcing = rule.map(|rule| enforce(owned, rule));
    let home = Home::new();
    let info = owned.testbed.info();
    let line = format!(
        "run --kubeconfig {} --outside-proxy {} --timeout-scale 0.1 --out run {filters}",
        info.kubeconfig.display(),
        info.outside_proxy
    );
    let done = home.run(&line);
    if let Some(enforcing) = enforcing {
        enforcing.abort();
    }
    if name.is_some() {
        owned.runtime.block_on(async {
            owned.testbed.control().await.unwrap().heal(name.as_deref()).await.unwrap();
        });
    }
    let report = Report::from_records(&read_log(&home.path("run/events.ndjson")).unwrap().records);
    let results = report.results.iter().map(|result| (result.id.clone(), result.verdict, result.reason.clone()));
    (done.code, results.collect())
}

fn all_undetermined(results: &[(String, VerdictKind, String)], word: &str) {
    assert!(!results.is_empty());
    for (id, verdict, reason) in results {
        assert_eq!(*verdict, VerdictKind::Undetermined, "{id}: {reason}");
        assert!(reason.contains(word), "{id}: {reason}");
    }
}

const NOTHING_ARRIVES: &str = "apiVersion: winconform/v1
kind: Fault
name: nothing-arrives
summary: The network plug-in enforces a policy that denies everything.
source: [https://kubernetes.io/docs/concepts/services-networking/network-policies/]
effects:
  - network:
      from: { vantage: pod, node: { os: windows } }
      to: { kind: pod }
      outcome: dropped
";

#[test]
fn a_network_policy_that_denies_everything_is_named_and_is_no_broken_network() {
    let check = "--check reachability/windows-pod-to-linux-pod --target 10.0.20348";
    let (code, results) = told(Some(Rule::DeniesTraffic), Some(NOTHING_ARRIVES), check);
    assert_eq!(code, Some(2), "{results:?}");
    all_undetermined(&results, "deny-by-default");
    let (code, results) = told(None, Some(NOTHING_ARRIVES), check);
    assert_eq!((code, results[0].1), (Some(1), VerdictKind::Failed), "without the policy it is the network's failure");
}

#[test]
fn a_quota_that_is_too_small_is_named() {
    // The canary and two backends fit; the quota is there long before the third is wanted.
    let (code, results) = told(Some(Rule::AllowsThreePods), None, "--check win-webserver/scales --target 10.0.26100");
    assert_eq!(code, Some(2), "{results:?}");
    all_undetermined(&results, "exceeded quota");
}

/// Set as the namespace is made: a controller that sets it afterwards comes too late for the first pods.
const RESTRICTED: &str = "apiVersion: winconform/v1
kind: Fault
name: every-namespace-is-restricted
summary: A policy gives every namespace the Pod Security level `restricted`, whatever it asks for.
source: [https://kubernetes.io/docs/concepts/security/pod-security-admission/]
effects:
  - admission:
      name: levels.policy.example.com
      objects: { resources: [namespaces], name: winconform-* }
      outcome: patches
      patch: [{ op: replace, path: /metadata/labels/pod-security.kubernetes.io~1enforce, value: restricted }]
";

#[test]
fn a_pod_security_level_that_forbids_our_pods_is_named() {
    let checks = "--check placement/selector-and-toleration --check win-webserver/terminates --target 10.0.26100";
    let (code, results) = told(None, Some(RESTRICTED), checks);
    assert_eq!(code, Some(2), "{results:?}");
    all_undetermined(&results, "violates PodSecurity");
}

#[test]
fn a_policy_webhook_that_forbids_our_pods_is_named() {
    let fault = "apiVersion: winconform/v1
kind: Fault
name: policy-wants-limits
summary: A policy refuses pods without a memory limit.
source: [https://open-policy-agent.github.io/gatekeeper/website/docs/]
effects:
  - admission:
      name: limits.policy.example.com
      objects: { fields: { /spec/containers/0/resources/limits/memory: \"\" } }
      outcome: denies
      code: 403
      message: every container needs a memory limit
";
    let checks = "--check placement/no-such-build --check placement/pod-os-field --check runtime-class/missing-class-rejected \
                  --check placement/selector-and-toleration --check runtime-class/fills-in-scheduling --target 10.0.26100";
    let (code, results) = told(None, Some(fault), checks);
    assert_eq!(code, Some(2), "{results:?}");
    all_undetermined(&results, "limits.policy.example.com");
}

#[test]
fn nodes_that_say_strange_things_of_themselves_are_told_of_and_stop_nothing() {
    let fault = "apiVersion: winconform/v1
kind: Fault
name: strange-nodes
summary: One node says nothing of its kernel and has lost its labels, another has a build and a taint that nobody knows.
source: [https://kubernetes.io/docs/reference/labels-annotations-taints/]
effects:
  - node:
      nodes: { name: win-2019-0 }
      nodeInfo: { kernelVersion: \"\", osImage: \"\", containerRuntimeVersion: \"\" }
      labels: { node.kubernetes.io/windows-build: null, kubernetes.io/arch: null }
  - node:
      nodes: { name: win-2025-0 }
      nodeInfo: { kernelVersion: 10.0.26100.332960 }
      taints: [{ key: example.com/odd-key, value: \"\", effect: NoSchedule }]
";
    let checks = "--suite nodes --suite placement --suite runtime-class";
    let (code, results) = told(None, Some(fault), checks);
    assert_eq!(code, Some(1), "{results:?}");
    let of = |id: &str| results.iter().find(|(known, ..)| known == id).unwrap_or_else(|| panic!("{id}: {results:?}"));
    for (id, verdict, reason) in &results {
        assert!(!reason.contains("panic"), "{id}: {reason}");
        let about_the_labels = id.starts_with("nodes/") && id.ends_with("@win-2019-0");
        assert!(*verdict != VerdictKind::Failed || about_the_labels, "{id}: {reason}");
    }
    assert_eq!(of("nodes/windows-build-label@win-2019-0").1, VerdictKind::Failed);
    assert_eq!(of("placement/selector-and-toleration@10.0.26100.332960").1, VerdictKind::Passed);
    assert!(of("placement/needs-toleration@10.0.26100.332960").2.contains("example.com/odd-key:NoSchedule"));
    assert!(of("nodes/patch-level").2.contains("10.0.26100.332960 on win-2025-0"));
}

/// A pod of somebody else's on a Windows node, of a DaemonSet as it seems.
fn somebodys_pod(owned: &Owned, name: &str, image: &str) -> Api<Pod> {
    let pods: Api<Pod> = Api::namespaced(owned.client.clone(), "kube-system");
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": name } },
        "spec": {
            "nodeName": "win-2022-0",
            "terminationGracePeriodSeconds": 0,
            "containers": [{ "name": "c", "image": image, "command": ["cmd", "/c", "ping -t 127.0.0.1"] }]
        }
    });
    owned.runtime.block_on(async {
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    });
    pods
}

fn wait_for(owned: &Owned, pods: &Api<Pod>, name: &str, reached: impl Fn(&Pod) -> bool) {
    let reached = |pod: Option<&Pod>| pod.is_some_and(&reached);
    owned.runtime.block_on(async { await_condition(pods.clone(), name, reached).await.unwrap() });
}

fn remove(owned: &Owned, pods: &Api<Pod>, name: &str) {
    owned.runtime.block_on(async { pods.delete(name, &DeleteParams::default().grace_period(0)).await.unwrap() });
}

#[test]
fn a_linux_pod_that_is_stuck_on_a_windows_node_is_reported_and_fails_nothing() {
    let owned = owned().lock().unwrap_or_else(PoisonError::into_inner);
    let pods = somebodys_pod(&owned, "log-agent", "docker.io/library/alpine:3.22");
    wait_for(&owned, &pods, "log-agent", |pod| {
        let state = |status: &ContainerStatus| status.state.clone()?.waiting?.reason;
        let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
        statuses.filter_map(state).any(|reason| reason == "ErrImagePull")
    });
    let (code, results) = run(&owned, None, None, "--check placement/stray-linux-pods --check nodes/known-build");
    remove(&owned, &pods, "log-agent");
    assert_eq!(code, Some(0), "{results:?}");
    let (_, verdict, reason) = results.iter().find(|(id, ..)| id == "placement/stray-linux-pods").unwrap();
    assert_eq!(*verdict, VerdictKind::Passed);
    assert!(reason.contains("kube-system/log-agent on win-2022-0"), "{reason}");
}

#[test]
fn a_system_pod_that_restarts_during_the_run_is_reported_and_fails_nothing() {
    const RESTARTS: &str = "apiVersion: winconform/v1
kind: Fault
name: proxy-restarts
summary: A pod of the system ends again and again.
source: [https://github.com/Azure/AKS/issues/4679]
effects:
  - pod:
      pods: { labels: { app: kube-proxy-windows } }
      stage: run
      outcome: exits
      exitCode: 2
";
    let owned = owned().lock().unwrap_or_else(PoisonError::into_inner);
    let pods = somebodys_pod(&owned, "kube-proxy-windows", "mcr.microsoft.com/windows/servercore:ltsc2022");
    wait_for(&owned, &pods, "kube-proxy-windows", |pod| {
        pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Running"))
    });
    let checks = "--check nodes/system-pods-stable --check win-webserver/pods-ready";
    let fault = Fault::parse(RESTARTS, "a test's own").unwrap();
    let (code, results) = run(&owned, None, Some(fault), checks);
    remove(&owned, &pods, "kube-proxy-windows");
    assert_eq!(code, Some(0), "{results:?}");
    let (_, verdict, reason) = results.iter().find(|(id, ..)| id == "nodes/system-pods-stable").unwrap();
    assert_eq!(*verdict, VerdictKind::Passed);
    assert!(reason.contains("kube-system/kube-proxy-windows on win-2022-0"), "{reason}");
}

#[test]
fn what_is_not_a_failure_is_reported_by_name() {
    let reason = |fault: &str, check: &str| {
        let (code, results) = told(None, Some(fault), &format!("--check {check} --check nodes/os-and-arch-labels"));
        assert_eq!(code, Some(0), "{results:?}");
        results.into_iter().filter(|(id, ..)| id.starts_with(check)).map(|(_, _, reason)| reason).collect::<String>()
    };
    let mixed = reason("node-11-mixed-patch-levels", "nodes/patch-level");
    assert!(mixed.contains("win-2022-1 (10.0.20348.2113) behind 10.0.20348.5499"), "{mixed}");
    let landed = reason("sched-05-windows-nodes-untainted", "placement/unselected-pod");
    assert!(landed.contains("no taint keeps pods off the windows nodes win-2019-0, win-2022-0"), "{landed}");
    let spelled = reason("sched-04-taint-in-another-spelling", "placement/windows-nodes-tainted");
    assert!(spelled.contains("os=Windows:NoSchedule (not the guide's"), "{spelled}");
}
