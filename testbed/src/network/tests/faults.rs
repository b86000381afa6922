use super::*;

#[tokio::test]
async fn each_outcome_ends_a_connection_in_its_own_way() {
    let town = Town::new();
    let (from, to) = (town.pod("client-0"), town.pod_address("web-1"));
    for (outcome, error) in [
        ("dropped", ConnectError::TimedOut),
        ("refused", ConnectError::Refused),
        ("reset", ConnectError::Reset),
        ("noRoute", ConnectError::NoRoute),
    ] {
        town.break_it(&format!("  - network: {{ outcome: {outcome} }}"));
        assert_eq!(town.who(&from, to).await, Err(error));
        assert_eq!(town.counts(), (1, 1));
    }
    drop(town.faults.heal(None));
    assert!(town.who(&from, to).await.is_ok(), "healed at once");
}

#[tokio::test]
async fn a_connection_that_a_healthy_network_would_not_let_through_can_open() {
    let town = Town::new();
    let host = town.node("win-0");
    assert_eq!(town.who(&host, WEB).await, Err(ConnectError::TimedOut), "the documented limitation");
    town.break_it(
        "  - network: { from: { vantage: node, node: { os: windows } }, to: { kind: service }, outcome: opens }",
    );
    assert!(town.who(&host, WEB).await.is_ok());
    assert_eq!(town.counts(), (1, 1));
    town.break_it("  - network: { outcome: opens }");
    assert!(town.who(&town.pod("client-0"), WEB).await.is_ok(), "it would anyway");
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 244, 9, 9), 80);
    assert!(town.who(&host, nobody).await.is_err(), "nothing listens there");
    assert_eq!(town.counts(), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_silent_connection_opens_and_says_nothing() {
    let town = Town::new();
    town.break_it("  - network: { outcome: silent }");
    let mut open = town.network.connect(&town.pod("client-0"), town.pod_address("web-1"), SECOND).await.unwrap();
    let mut byte = [0];
    let heard = tokio::time::timeout(Duration::from_secs(3600), open.stream.read(&mut byte)).await;
    assert!(heard.is_err(), "{heard:?}");
}

#[tokio::test]
async fn a_rule_that_changes_nothing_is_considered_and_not_applied() {
    let town = Town::new();
    town.break_it("  - network: { outcome: dropped }");
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 244, 9, 9), 80);
    assert_eq!(town.who(&town.pod("client-0"), nobody).await, Err(ConnectError::TimedOut));
    assert_eq!(town.counts(), (1, 0));
}

#[tokio::test]
async fn a_rule_about_other_connections_is_not_considered() {
    let town = Town::new();
    town.break_it("  - network: { from: { node: { name: win-1 } }, to: { kind: pod, port: 8080 }, outcome: dropped }");
    assert!(town.who(&town.pod("client-0"), town.pod_address("web-1")).await.is_ok(), "another node");
    assert!(town.who(&town.pod("client-1"), WEB).await.is_ok(), "another kind");
    assert_eq!(town.counts(), (0, 0));
    assert!(town.who(&town.pod("client-1"), town.pod_address("web-1")).await.is_err());
    assert!(town.who(&town.node("win-1"), town.pod_address("web-1")).await.is_err());
}

#[tokio::test]
async fn a_rule_has_one_direction_unless_it_says_both_ways() {
    let town = Town::new();
    let (there, back) = ((town.pod("client-0"), "linux-web"), (town.pod("linux-client"), "web-0"));
    town.break_it("  - network: { from: { pod: { node: { name: win-0 } } }, to: { kind: pod }, outcome: dropped }");
    assert!(town.who(&there.0, town.pod_address(there.1)).await.is_err());
    assert!(town.who(&back.0, town.pod_address(back.1)).await.is_ok());
    town.break_it(
        "  - network: { from: { pod: { node: { name: win-0 } } }, to: { kind: pod }, bothWays: true, outcome: dropped }",
    );
    assert!(town.who(&there.0, town.pod_address(there.1)).await.is_err());
    assert!(town.who(&back.0, town.pod_address(back.1)).await.is_err());
    assert!(town.who(&town.pod("client-1"), town.pod_address("linux-web")).await.is_ok(), "other nodes are fine");
}

#[tokio::test]
async fn kube_proxy_dead_on_one_node_leaves_pod_addresses_alone() {
    let town = Town::new();
    town.break_it(
        "  - network: { from: { vantage: pod, node: { name: win-0 } }, to: { kind: service }, outcome: dropped }",
    );
    let broken = town.pod("client-0");
    assert_eq!(town.who(&broken, WEB).await, Err(ConnectError::TimedOut));
    assert_eq!(town.network.resolve(&broken, "web").await, Err(DnsError::TimedOut), "DNS is a Service too");
    assert!(town.who(&broken, town.pod_address("web-1")).await.is_ok());
    assert!(town.who(&town.pod("client-1"), WEB).await.is_ok());
}

#[tokio::test]
async fn without_hairpin_a_backend_loses_the_connections_that_come_back_to_it() {
    let town = Town::new();
    town.break_it("  - network: { to: { kind: service, place: self }, outcome: dropped }");
    let (names, failed) = town.many(&town.pod("web-0"), WEB, 40).await;
    assert_eq!(names, ["web-1"]);
    assert!(failed > 0);
    assert_eq!(town.many(&town.pod("client-0"), WEB, 40).await.1, 0);
}

#[tokio::test]
async fn same_node_and_other_node_are_told_apart() {
    let town = Town::new();
    town.break_it("  - network: { to: { place: otherNode }, outcome: dropped }");
    assert_eq!(town.many(&town.pod("client-0"), WEB, 40).await.0, ["web-0"]);
    town.break_it("  - network: { to: { place: sameNode }, outcome: dropped }");
    assert_eq!(town.many(&town.pod("client-0"), WEB, 40).await.0, ["web-1"]);
}

#[tokio::test]
async fn a_node_port_is_dead_where_there_is_no_local_backend() {
    let town = Town::new();
    town.endpoints("web", &["web-1"]);
    town.break_it(
        "  - network: { to: { kind: nodePort, node: { os: windows }, localBackend: false }, outcome: dropped }",
    );
    let from = town.node("linux-0");
    assert_eq!(town.who(&from, town.node_port("win-0")).await, Err(ConnectError::TimedOut));
    assert!(town.who(&from, town.node_port("win-1")).await.is_ok());
    assert!(town.who(&from, town.node_port("linux-0")).await.is_ok());
}

#[tokio::test]
async fn one_in_three_is_every_third_connection_of_each_pair() {
    let town = Town::new();
    town.break_it("  - network: { to: { kind: pod }, outcome: dropped, when: { oneIn: 3 } }");
    let to = town.pod_address("web-1");
    for from in ["client-0", "linux-client"] {
        let mut lost = vec![];
        for _ in 0..6 {
            lost.push(town.who(&town.pod(from), to).await.is_err());
        }
        assert_eq!(lost, [false, false, true, false, false, true], "from {from}");
    }
    assert_eq!(town.counts(), (12, 4));
}

#[tokio::test]
async fn removed_backends_still_get_a_part_of_the_connections() {
    let mut town = Town::new();
    town.break_it("  - network: { to: { kind: service }, backend: removed }");
    assert_eq!(town.many(&town.pod("client-0"), WEB, 30).await.1, 0, "nothing is removed yet");
    assert_eq!(town.counts().1, 0);
    town.stop("web-1");
    town.endpoints("web", &["web-0"]);
    let (names, failed) = town.many(&town.pod("client-0"), WEB, 60).await;
    assert_eq!(names, ["web-0"]);
    assert!((10..50).contains(&failed), "{failed} of 60");
    assert_eq!(town.counts().1, failed as u64);
}

#[tokio::test]
async fn frozen_backends_do_not_follow_a_scale_up() {
    let town = Town::new();
    town.endpoints("web", &["web-0"]);
    town.break_it("  - network: { to: { kind: service }, backend: frozen }");
    town.endpoints("web", &["web-0", "web-1"]);
    assert_eq!(town.many(&town.pod("client-0"), WEB, 30).await, (vec!["web-0".into()], 0));
}

#[tokio::test]
async fn a_wrong_backend_answers_in_the_services_place() {
    let town = Town::new();
    town.break_it("  - network: { to: { service: { name: web } }, backend: { pod: { name: linux-web } } }");
    assert_eq!(town.who(&town.pod("client-0"), WEB).await.unwrap(), "linux-web");
    assert_eq!(town.counts(), (1, 1));
}

#[tokio::test]
async fn a_rewritten_source_is_what_the_listener_sees() {
    let town = Town::new();
    let from = town.pod("client-0");
    town.break_it("  - network: { source: node }");
    assert_eq!(town.ask(&from, town.pod_address("web-1")).await.unwrap().1, town.nodes["win-0"].internal_ip);
    town.break_it("  - network: { source: { address: 10.9.9.9 } }");
    assert_eq!(town.ask(&from, WEB).await.unwrap().1, Ipv4Addr::new(10, 9, 9, 9));
    assert_eq!(town.counts(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_delay_takes_time_and_one_beyond_the_timeout_is_a_timeout() {
    let town = Town::new();
    let (from, to) = (town.pod("client-0"), town.pod_address("web-1"));
    town.break_it("  - network: { delay: 3s }");
    let slow = town.network.connect(&from, to, Duration::from_secs(5)).await.unwrap();
    assert!(slow.took >= Duration::from_secs(3), "{:?}", slow.took);
    assert_eq!(town.network.connect(&from, to, SECOND).await.unwrap_err(), ConnectError::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn new_pods_have_no_network_for_their_first_seconds() {
    let mut town = Town::new();
    town.break_it("  - network: { from: { pod: { os: windows, youngerThan: 40s } }, outcome: dropped }");
    tokio::time::advance(Duration::from_millis(41)).await; // 41 s at this clock's scale
    town.start("fresh", "win-0", false);
    let to = town.pod_address("web-1");
    assert!(town.who(&town.pod("client-0"), to).await.is_ok());
    assert!(town.who(&town.pod("fresh"), to).await.is_err());
    tokio::time::advance(Duration::from_millis(40)).await;
    assert!(town.who(&town.pod("fresh"), to).await.is_ok());
}

#[tokio::test]
async fn existing_pods_and_new_ones_are_told_apart() {
    let mut town = Town::new();
    town.break_it("  - network: { from: { pod: { existing: true } }, outcome: dropped }");
    town.start("fresh", "win-0", false);
    let to = town.pod_address("web-1");
    assert!(town.who(&town.pod("client-0"), to).await.is_err());
    assert!(town.who(&town.pod("fresh"), to).await.is_ok());
}

#[tokio::test]
async fn every_second_pod_is_counted_in_the_order_in_which_they_started() {
    let mut town = Town::new();
    town.break_it("  - network: { from: { pod: { name: 'client-*', nth: { every: 2 } } }, outcome: dropped }");
    town.start("client-2", "win-0", false);
    town.start("client-3", "win-0", false);
    let to = town.pod_address("linux-web");
    let mut lost = vec![];
    for client in ["client-3", "client-2", "client-1", "client-0"] {
        lost.push(town.who(&town.pod(client), to).await.is_err());
    }
    assert_eq!(lost, [true, false, true, false]);
}

#[tokio::test(start_paused = true)]
async fn an_effect_can_wait_for_a_scale_down_and_end_by_itself() {
    let town = Town::new();
    town.break_it(
        "  - network: { to: { kind: service }, outcome: reset, when: { after: { endpointRemoved: { name: web } }, for: 20s } }",
    );
    let from = town.pod("client-0");
    assert!(town.who(&from, WEB).await.is_ok());
    town.endpoints("linux-web", &[]);
    assert!(town.who(&from, WEB).await.is_ok(), "another Service lost one");
    town.endpoints("web", &["web-0"]);
    assert_eq!(town.who(&from, WEB).await, Err(ConnectError::Reset));
    tokio::time::advance(Duration::from_millis(21)).await;
    assert!(town.who(&from, WEB).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_effect_begins_and_ends_when_it_says() {
    let town = Town::new();
    town.break_it("  - network: { outcome: reset, when: { start: 10s, end: 20s } }");
    let (from, to) = (town.pod("client-0"), town.pod_address("web-1"));
    let mut lost = vec![];
    for _ in 0..3 {
        lost.push(town.who(&from, to).await.is_err());
        tokio::time::advance(Duration::from_millis(11)).await;
    }
    assert_eq!(lost, [false, true, false]);
}

#[tokio::test]
async fn pods_on_the_hosts_network_are_meant_only_by_rules_that_say_so() {
    let mut town = Town::new();
    town.start("host-pod", "linux-0", true);
    let (host, to) = (town.pod("host-pod"), town.pod_address("web-1"));
    town.break_it("  - network: { from: { pod: { namespace: shop } }, outcome: dropped }");
    assert!(town.who(&host, to).await.is_ok());
    town.break_it("  - network: { from: { pod: { hostNetwork: true } }, outcome: dropped }");
    assert!(town.who(&host, to).await.is_err());
    assert!(town.who(&town.pod("client-0"), to).await.is_ok());
    town.break_it("  - network: { from: { vantage: node }, outcome: dropped }");
    assert!(town.who(&host, to).await.is_err());
}

#[tokio::test]
async fn services_die_when_there_are_too_many() {
    let town = Town::new();
    town.break_it("  - network: { to: { kind: service, moreServicesThan: 2 }, outcome: dropped }");
    assert!(town.who(&town.pod("client-0"), WEB).await.is_ok());
    town.network.put_service(service("third", SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 30), 80), None));
    assert!(town.who(&town.pod("client-0"), WEB).await.is_err());
}

#[tokio::test]
async fn pings_can_be_lost_alone() {
    let town = Town::new();
    town.break_it("  - network: { to: { protocol: icmp }, outcome: dropped }");
    let from = town.pod("client-0");
    let lost = town.network.ping(&from, town.pods["web-1"].ip, SECOND).await;
    assert_eq!(lost, Err(PingError::TimedOut));
    assert!(town.who(&from, town.pod_address("web-1")).await.is_ok());
}

#[tokio::test]
async fn what_waits_for_its_own_service_leaves_others_alone() {
    let town = Town::new();
    town.break_it(
        "  - network: { to: { kind: service }, outcome: reset, when: { after: { endpointRemoved: {} }, own: service } }",
    );
    let from = town.pod("client-0");
    town.endpoints("web", &["web-0"]);
    assert_eq!(town.who(&from, WEB).await, Err(ConnectError::Reset));
    assert!(town.who(&from, LINUX_WEB).await.is_ok());
}

#[tokio::test]
async fn an_event_can_have_to_happen_several_times() {
    let mut town = Town::new();
    town.break_it(
        "  - network: { from: { node: { name: win-0 } }, outcome: noRoute, when: { after: { podStarted: { node: { name: win-0 } } }, times: 2 } }",
    );
    let (from, to) = (town.pod("client-0"), town.pod_address("web-1"));
    town.start("first", "win-0", false);
    town.start("elsewhere", "win-1", false);
    assert!(town.who(&from, to).await.is_ok());
    town.start("second", "win-0", false);
    assert_eq!(town.who(&from, to).await, Err(ConnectError::NoRoute));
}

#[tokio::test]
async fn a_frozen_service_keeps_the_backends_it_had_before_the_event() {
    let town = Town::new();
    town.break_it(
        "  - network: { to: { kind: service }, backend: frozen, when: { after: { endpointRemoved: {} }, own: service } }",
    );
    let from = town.pod("client-0");
    town.endpoints("web", &["web-0"]);
    assert_eq!(town.many(&from, WEB, 40).await.0, ["web-0", "web-1"]);
    town.endpoints("web", &["web-0", "linux-web"]);
    assert_eq!(town.many(&from, WEB, 40).await.0, ["web-0", "web-1"], "the new one is not taken up");
}

#[tokio::test]
async fn chances_follow_from_their_seed() {
    let lost = async |seed: u64| {
        let town = Town::new();
        town.break_it(&format!("  - network: {{ outcome: reset, when: {{ probability: 0.3, seed: {seed} }} }}"));
        let (from, to) = (town.pod("client-0"), town.pod_address("web-1"));
        let mut lost = vec![];
        for _ in 0..40 {
            lost.push(town.who(&from, to).await.is_err());
        }
        lost
    };
    let first = lost(1).await;
    assert_eq!(first, lost(1).await);
    assert_ne!(first, lost(2).await);
    let share = first.iter().filter(|lost| **lost).count();
    assert!((4..=20).contains(&share), "{share} of 40 were lost");
}

#[tokio::test]
async fn a_sticky_chance_is_decided_once_for_each_source() {
    let mut town = Town::new();
    town.break_it("  - network: { from: { pod: {} }, outcome: reset, when: { oneIn: 2, sticky: true } }");
    town.start("client-2", "win-0", false);
    let to = town.pod_address("web-1");
    let mut lost = vec![];
    for client in ["client-0", "client-1", "client-0", "client-1", "client-2", "client-2"] {
        lost.push(town.who(&town.pod(client), to).await.is_err());
    }
    assert_eq!(lost, [false, true, false, true, false, false]);
}

#[tokio::test]
async fn pods_can_be_numbered_on_each_node() {
    let mut town = Town::new();
    town.break_it("  - network: { from: { pod: { name: 'new-*', nth: { to: 1, per: node } } }, outcome: dropped }");
    for (name, node) in [("new-a", "win-0"), ("new-b", "win-0"), ("new-c", "win-1")] {
        town.start(name, node, false);
    }
    let to = town.pod_address("linux-web");
    let mut lost = vec![];
    for client in ["new-a", "new-b", "new-c"] {
        lost.push(town.who(&town.pod(client), to).await.is_err());
    }
    assert_eq!(lost, [true, false, true]);
}

#[tokio::test(start_paused = true)]
async fn large_answers_stall_where_small_ones_pass() {
    let mut town = Town::new();
    let large: Handler = Arc::new(|mut connection: Connection| {
        Box::pin(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut connection.stream, &[b'x'; 4000]).await;
        })
    });
    let guard = town.network.listen(&town.pods["web-1"], 9090, large);
    town.guards.push(("web-1".to_owned(), guard));
    town.break_it("  - network: { to: { kind: pod }, transfer: { after: 1400, outcome: stalls } }");
    let from = town.pod("client-0");
    assert!(town.who(&from, town.pod_address("web-1")).await.is_ok(), "a small answer");
    assert_eq!(town.counts(), (1, 0));
    let to = SocketAddrV4::new(town.pods["web-1"].ip, 9090);
    let mut open = town.network.connect(&from, to, SECOND).await.unwrap();
    let mut heard = vec![0; 1400];
    open.stream.read_exact(&mut heard).await.unwrap();
    let more = tokio::time::timeout(SECOND, open.stream.read(&mut heard)).await;
    assert!(more.is_err(), "{more:?}");
    assert_eq!(town.counts(), (2, 1));
}

#[tokio::test]
async fn an_answer_can_end_too_early() {
    let town = Town::new();
    town.break_it("  - network: { to: { kind: pod }, transfer: { after: 3, outcome: closes } }");
    let to = town.pod_address("web-1");
    let mut open = town.network.connect(&town.pod("client-0"), to, SECOND).await.unwrap();
    let mut heard = String::new();
    open.stream.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "web", "of `web-1 …`");
}
