use std::{error::Error as _, sync::Arc};

use proptest::prelude::*;

use super::*;
use crate::{
    clock::Clock,
    network::{NodeFacts, PodFacts},
    shape::Os,
};

/// The whole message, causes included.
fn refused(yaml: &str) -> String {
    let error = Fault::parse(yaml, "mine.yaml").unwrap_err();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        said = format!("{said}: {source}");
        cause = source.source();
    }
    said
}

fn with(effects: &str) -> String {
    format!("apiVersion: winconform/v1\nkind: Fault\nname: mine\nsummary: Mine.\neffects:\n{effects}\n")
}

fn fault(effects: &str) -> Fault {
    Fault::parse(&with(effects), "mine.yaml").unwrap_or_else(|error| panic!("{error}: {:?}", error.source()))
}

fn node(name: &str) -> Arc<NodeFacts> {
    Arc::new(NodeFacts {
        name: name.into(),
        os: Os::Windows,
        arch: "amd64".into(),
        build: Some("10.0.20348.5499".into()),
        runtime: "containerd://2.1.4".into(),
        labels: [("pool".into(), "a".into())].into(),
        internal_ip: [10, 240, 0, 10].into(),
        external_ip: None,
    })
}

fn pod(name: &str, node: &Arc<NodeFacts>) -> Arc<PodFacts> {
    Arc::new(PodFacts {
        namespace: "shop".into(),
        name: name.into(),
        uid: name.into(),
        node: Arc::clone(node),
        ip: [10, 244, 0, 5].into(),
        host_network: false,
        images: vec!["mcr.microsoft.com/windows/servercore:ltsc2022".into()],
        labels: [("app".into(), "web".into())].into(),
        service_account: "builder".into(),
        run_as_user: None,
        gmsa: Some("webapp01".into()),
        runtime_class: None,
        ordinal: 1,
        started: tokio::time::Instant::now().into_std(),
    })
}

#[test]
fn a_broken_file_is_refused_with_line_and_reason() {
    let said = [
        refused(&with("  - netwrok: { outcome: dropped }")),
        refused(&with("  - network:\n      from: {}\n      outcom: dropped")),
        refused(&with("  - network: { outcome: lost }")),
        refused(&with("  - network: { delay: 40 }")),
        refused(&with("  - node: { leaseStopped: true }\n  - dns: {}")),
        refused(&with("  - pod: { stage: sandbox, outcome: exits }")),
        refused(&with("  - network: { outcome: dropped, when: { for: 5s } }")),
        refused(&with("  - network: { outcome: dropped, when: { oneIn: 0 } }")),
        refused(&with("  - network: { outcome: dropped, when: { start: 5s, end: 2s } }")),
        refused(&with("  - network: { outcome: dropped, backend: removed }")),
        refused(&with("  - command: { pods: { nth: { every: 0 } }, hang: true }")),
        refused(&with("  - command: { pods: { nth: { per: node } }, hang: true }")),
        refused(&with("  - network: { outcome: dropped, when: { probability: 1.5 } }")),
        refused(&with("  - network: { outcome: dropped, when: { seed: 5 } }")),
        refused(&with("  - network: { outcome: dropped, when: { sticky: true } }")),
        refused(&with("  - network: { outcome: dropped, when: { own: service } }")),
        refused(&with("  - network: { outcome: dropped, transfer: { outcome: stalls } }")),
        refused(&with("  - network: { transfer: { after: 5 } }")),
        refused(&with("  - admission: {}")),
        refused(&with("  - admission: { outcome: down, message: no }")),
        refused(&with("  - admission: { outcome: ignores }")),
        refused(&with("  - admission: { outcome: patches }")),
        refused(&with("  - admission: { name: hook, outcome: down }")),
        refused(&with("  - admission: { outcome: denies, code: 200 }")),
        refused(&with("  - api: {}")),
        refused(&with("  - api: { status: 503, connection: cut }")),
        refused(&with("  - api: { connection: cut, retryAfter: 1 }")),
        refused(&with("  - api: { status: 200 }")),
        refused(&with("  - node: { resources: { pods: many } }")),
        refused(&with("  - command: { programs: 'curl *', commands: '*', hang: true }")),
        refused(&with("  - command: { programs: 'curl *', transport: statusLost }")),
        refused(&with("  - log: { lines: '*' }")),
        refused(&with("  - log: { lost: true, delay: 1s }")),
        refused(&with("  - image: { anyVersion: true, missing: true }")),
        refused(&with("  - dns: { search: whole, delay: 1s }")),
        refused(&with("  - api: { patch: [{ op: frob }] }")),
        refused(&with("  - api: { patch: [{ op: remove, path: /a }], status: 503 }")),
        refused(&with("  - object: { manifest: { apiVersion: v1, kind: Namespace, metadata: {} } }")),
        refused(&with("  - identity: { outcome: userUnknown, accounts: webapp01 }")),
        refused(&with("  - identity: { outcome: trustLost, status: 1311 }")),
        refused(&with("  - identity: { outcome: shareDenied, user: SYSTEM }")),
        refused(&with("  - limits: { pods: { os: windows } }")),
        refused(&with("  - limits: { memory: much }")),
        refused(&with("  []")),
        refused("apiVersion: winconform/v2\nkind: Fault\n"),
        refused("kind: Fault\nname: mine"),
        refused("name: [unclosed"),
        refused(""),
    ];
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn every_example_of_the_documentation_loads_and_every_effect_has_one() {
    let text = include_str!("../../../docs/faults.md");
    let examples: Vec<Fault> = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| {
            let yaml = rest.split("```").next().unwrap();
            Fault::parse(yaml, "docs/faults.md").unwrap_or_else(|error| panic!("{error} {:?}\n{yaml}", error.source()))
        })
        .collect();
    for name in Effect::NAMES {
        assert!(text.contains(&format!("\n## `{name}`")), "{name} has no section");
        let shown = examples.iter().flat_map(|fault| &fault.effects).any(|effect| effect.name() == name);
        assert!(shown, "{name} has no example");
    }
}

#[test]
fn faults_read_back_what_they_print() {
    for name in catalogue::names() {
        let fault = catalogue::get(name).unwrap();
        let json = serde_json::to_string(&fault).unwrap();
        assert_eq!(serde_json::from_str::<Fault>(&json).unwrap(), fault, "{name} as JSON");
        let yaml = serde_saphyr::to_string(&fault).unwrap();
        assert_eq!(Fault::parse(&yaml, name).unwrap(), fault, "{name} as YAML");
    }
}

#[test]
fn a_fault_is_found_by_name_by_id_and_by_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, with("  - network: { outcome: dropped }")).unwrap();
    assert_eq!(Fault::find("svc-09").unwrap().name, "svc-09-no-hairpin");
    assert_eq!(Fault::find("svc-09-no-hairpin").unwrap().name, "svc-09-no-hairpin");
    assert_eq!(Fault::find(path.to_str().unwrap()).unwrap().name, "mine");
    assert!(matches!(Fault::find("./nothing.yaml"), Err(FaultError::Unreadable { .. })));
    let said = Fault::find("svc-09-no-hairpinn").unwrap_err().to_string();
    assert!(said.contains("did you mean `svc-09-no-hairpin`?"), "{said}");
}

#[test]
fn node_effects_merge_and_the_later_one_wins() {
    let board = FaultBoard::default();
    board.inject(fault(
        "  - node:
      nodes: { name: win-0, build: 10.0.20348.*, labels: { pool: a } }
      conditions: [{ type: Ready, status: 'False' }, { type: DiskPressure, status: 'True' }]
      labels: { a: one, b: null }
      kubelet: silent
  - node:
      conditions: [{ type: Ready, status: Unknown }]
      nodeInfo: { kernelVersion: 10.0.1.1 }
      leaseStopped: true",
    ));
    let effects = board.node(&node("win-0"));
    assert_eq!(effects.conditions.len(), 2);
    assert_eq!(effects.conditions[1].status, ConditionStatus::Unknown);
    assert_eq!(effects.labels["b"], None);
    assert_eq!((effects.kubelet, effects.lease_stopped), (KubeletApi::Silent, true));
    assert_eq!(effects.node_info.kernel_version.as_deref(), Some("10.0.1.1"));
    assert_eq!(board.node(&node("win-1")).kubelet, KubeletApi::Answers);
    drop(board.heal(None));
    assert_eq!(board.node(&node("win-0")), NodeEffects::default());
}

#[test]
fn a_pod_effect_bites_at_its_stage_only() {
    let board = FaultBoard::default();
    board.inject(fault("  - pod: { pods: { labels: { app: web } }, stage: sandbox, outcome: fails, message: no }"));
    let pod = pod("web-0", &node("win-0"));
    assert_eq!(board.pod(&pod, Stage::Start), None);
    let found = board.pod(&pod, Stage::Sandbox).unwrap();
    assert_eq!((found.outcome, found.message.as_deref()), (Outcome::Fails, Some("no")));
    assert_eq!((board.counters()[0].considered, board.counters()[0].applied), (1, 1));
}

#[test]
fn images_and_commands_are_selected_by_pattern() {
    let board = FaultBoard::default();
    board.inject(fault(
        "  - image: { images: ['*servercore*', '!*insider*'], missing: true }
  - command: { pods: { gmsa: 'webapp*' }, commands: '*nltest*', exitCode: 1 }",
    ));
    let node = node("win-0");
    assert!(board.image("mcr.microsoft.com/windows/servercore:1", &node).unwrap().0.missing);
    assert!(board.image("mcr.microsoft.com/windows/servercore/insider:1", &node).is_none());
    let argv = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert!(board.command(&pod("a", &node), &argv("cmd /c nltest /sc_verify:x")).is_some());
    assert!(board.command(&pod("a", &node), &argv("whoami")).is_none());
}

#[test]
fn programs_are_selected_apart_from_whole_commands_and_lines_by_what_they_say() {
    let board = FaultBoard::default();
    board.inject(fault(
        "  - command: { programs: 'crictl * ps *', exitCode: 1 }
  - log: { pods: { namespace: shop }, lines: '!Listening*', lost: true }",
    ));
    let pod = pod("a", &node("win-0"));
    let argv = ["crictl", "-r", "x", "ps", "-o"].map(str::to_owned);
    assert!(board.command(&pod, &argv).is_none());
    assert!(board.program(&pod, "crictl -r x ps -o json").is_some());
    assert!(board.program(&pod, "crictl -r x pods").is_none());
    assert!(board.log(&pod, "Listening at http://*:80/").is_none());
    assert!(board.log(&pod, "GET /").is_some_and(|(effect, _)| effect.lost));
}

#[test]
fn requests_are_selected_by_what_they_send() {
    let board = FaultBoard::default();
    assert!(!board.reads_requests());
    board.inject(fault("  - api: { requests: { fields: { /spec/runtimeClassName: '*-missing' } }, status: 500 }"));
    assert!(board.reads_requests());
    let asked = |body| board.api(&ApiRequest { body, ..ApiRequest::default() }, false).is_some();
    assert!(asked(Some(serde_json::json!({"spec": {"runtimeClassName": "a-missing"}}))));
    assert!(!asked(Some(serde_json::json!({"spec": {"runtimeClassName": "a"}}))));
    assert!(!asked(None));
}

#[tokio::test(start_paused = true)]
async fn objects_are_wanted_while_their_effect_is_in_force() {
    let board = FaultBoard::new(Clock::new(1.0));
    board.inject(fault(
        "  - object:
      when: { start: 10s, end: 20s }
      manifest: { apiVersion: v1, kind: Namespace, metadata: { name: other } }",
    ));
    let mut wanted = vec![board.objects().len()];
    for _ in 0..2 {
        tokio::time::advance(std::time::Duration::from_secs(10)).await;
        wanted.push(board.objects().len());
    }
    assert_eq!(wanted, [0, 1, 0]);
}

#[test]
fn only_the_second_pod_means_the_second_in_starting_order_whoever_is_asked_first() {
    let board = FaultBoard::default();
    let node = node("win-0");
    let pods: Vec<_> = ["a", "b", "c"].iter().map(|name| pod(name, &node)).collect();
    board.happened(&Happening::PodStarted(Arc::clone(&pods[0])));
    board.inject(fault(
        "  - pod: { pods: { serviceAccount: builder, nth: { only: 2 } }, stage: ready, outcome: stuck }",
    ));
    board.happened(&Happening::PodStarted(Arc::clone(&pods[1])));
    let hit: Vec<_> = pods.iter().rev().map(|pod| board.pod(pod, Stage::Ready).is_some()).collect();
    assert_eq!(hit, [false, true, false]);
}

#[test]
fn a_fault_of_the_same_name_replaces_the_old_one() {
    let board = FaultBoard::default();
    board.inject(fault("  - network: { outcome: dropped }"));
    board.inject(fault("  - network: { outcome: reset }\n  - network: { delay: 1s }"));
    assert_eq!((board.names().len(), board.counters().len()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn watchers_are_told_when_an_effect_begins_and_ends_by_itself() {
    let board = FaultBoard::new(Clock::new(0.1));
    let mut changed = board.changed();
    board.inject(fault("  - node: { leaseStopped: true, when: { start: 10s, end: 20s } }"));
    changed.changed().await.unwrap();
    let node = node("win-0");
    let mut seen = vec![board.node(&node).lease_stopped];
    for _ in 0..2 {
        changed.changed().await.unwrap();
        seen.push(board.node(&node).lease_stopped);
    }
    assert_eq!(seen, [false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn a_default_board_takes_the_clock_of_its_network() {
    let board = FaultBoard::default();
    let _network = crate::network::Network::new(Clock::new(0.1), board.clone(), &crate::shape::Features::default());
    board.inject(fault("  - node: { leaseStopped: true, when: { start: 10s } }"));
    tokio::time::advance(std::time::Duration::from_millis(1001)).await;
    assert!(board.node(&node("win-0")).lease_stopped);
}

#[test]
fn a_reboot_can_be_waited_for() {
    let board = FaultBoard::default();
    board.inject(fault("  - image: { error: no, when: { after: { nodeRebooted: { name: win-0 } } } }"));
    let (rebooted, other) = (node("win-0"), node("win-1"));
    board.happened(&Happening::NodeRebooted(other));
    assert!(board.image("any", &rebooted).is_none());
    board.happened(&Happening::NodeRebooted(Arc::clone(&rebooted)));
    assert!(board.image("any", &rebooted).is_some());
}

#[test]
fn an_identity_effect_means_the_account_or_the_user_that_it_names() {
    let board = FaultBoard::new(Clock::new(1.0));
    board.inject(fault(
        "  - identity: { accounts: webapp01, outcome: trustLost, status: 1787 }\n  - identity: { users: ContainerUser, outcome: userUnknown }",
    ));
    let node = node("win-0");
    let pod = pod("a", &node);
    let asked = |account, user, outcome| {
        let found = board.identity(&Who { pod: &pod, account, user }, &[outcome]);
        found.inspect(|(_, mark)| board.applied(*mark)).map(|(effect, _)| effect.status)
    };
    assert_eq!(asked(Some("webapp01"), None, Identity::TrustLost), Some(Some(TrustStatus::NoTrustSamAccount)));
    assert_eq!(asked(Some("webapp02"), None, Identity::TrustLost), None);
    assert_eq!(asked(None, None, Identity::TrustLost), None, "nobody's trust is lost without an account");
    assert_eq!(asked(Some("webapp01"), None, Identity::ShareDenied), None);
    assert_eq!(asked(None, Some("ContainerUser"), Identity::UserUnknown), Some(None));
    assert_eq!(asked(None, Some("ContainerAdministrator"), Identity::UserUnknown), None);
    let counts: Vec<_> = board.counters().iter().map(|counter| (counter.considered, counter.applied)).collect();
    assert_eq!(counts, [(1, 1), (1, 1)]);
}

proptest! {
    #[test]
    fn no_text_makes_the_loader_panic(text in "\\PC{0,80}") {
        let _ = Fault::parse(&text, "any");
    }

    #[test]
    fn no_effect_makes_the_loader_panic(
        kind in "network|dns|node|pod|image|command|[a-z]{1,6}",
        field in "from|to|when|outcome|delay|pods|stage|names|answer|[a-zA-Z]{1,8}",
        value in "null|\\{\\}|\\[\\]|dropped|sandbox|[0-9]{1,12}s?|\\{ pod: \\{ nth: \\{ every: [0-9]{1,3} \\} \\} \\}|[^\\n]{0,12}",
    ) {
        let yaml = with(&format!("  - {kind}: {{ {field}: {value} }}"));
        if let Err(error) = Fault::parse(&yaml, "any") {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn a_pattern_without_wildcards_fits_only_itself(a in "[a-z.]{0,8}", b in "[a-z.]{0,8}") {
        prop_assert_eq!(Pattern::new(a.clone()).matches(&b), a == b);
    }
}
