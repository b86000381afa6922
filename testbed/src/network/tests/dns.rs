use super::*;

async fn resolve(town: &Town, from: &Source, name: &str) -> Result<Vec<Ipv4Addr>, DnsError> {
    town.network.resolve(from, name).await
}

#[tokio::test]
async fn both_systems_resolve_bare_and_full_names() {
    let town = Town::new();
    for from in ["client-0", "linux-client"] {
        for name in ["web", "WEB", "web.shop.svc.cluster.local", "web.shop.svc.cluster.local."] {
            assert_eq!(resolve(&town, &town.pod(from), name).await, Ok(vec![*WEB.ip()]), "{name} from {from}");
        }
        assert_eq!(resolve(&town, &town.pod(from), "nothing").await, Err(DnsError::NoSuchName));
    }
}

#[tokio::test]
async fn only_linux_completes_a_name_with_a_dot() {
    let town = Town::new();
    for name in ["web.shop", "web.shop.svc"] {
        assert_eq!(resolve(&town, &town.pod("linux-client"), name).await, Ok(vec![*WEB.ip()]), "{name}");
        assert_eq!(resolve(&town, &town.pod("client-0"), name).await, Err(DnsError::NoSuchName), "{name}");
    }
}

#[tokio::test]
async fn where_that_limitation_is_lifted_windows_completes_a_name_with_a_dot_too() {
    let town = Town::with(&Features { partial_names: true, ..Features::default() });
    for name in ["web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"] {
        assert_eq!(resolve(&town, &town.pod("client-0"), name).await, Ok(vec![*WEB.ip()]), "{name}");
    }
    assert_eq!(resolve(&town, &town.pod("client-0"), "web.shop.").await, Err(DnsError::NoSuchName), "it is complete");
}

#[tokio::test]
async fn a_fault_gives_a_resolver_another_list_of_suffixes() {
    let town = Town::new();
    let from = town.pod("client-0");
    let found = Ok(vec![*WEB.ip()]);
    town.break_it("  - dns: { from: { vantage: pod }, search: whole }");
    assert_eq!(resolve(&town, &from, "web.shop").await, found);
    assert_eq!(resolve(&town, &from, "web").await, found);
    assert_eq!(town.counts(), (2, 1), "a bare name is found anyway");
    town.break_it("  - dns: { search: none }");
    assert_eq!(resolve(&town, &from, "web").await, Err(DnsError::NoSuchName));
    assert_eq!(resolve(&town, &from, "web.shop.svc.cluster.local").await, found);
    assert_eq!(town.counts(), (2, 1));
    town.break_it("  - dns: { search: { suffixes: [shop.svc.cluster.local, example.org] } }");
    assert_eq!(resolve(&town, &town.pod("linux-client"), "web").await, found);
    assert_eq!(resolve(&town, &town.pod("linux-client"), "web.shop").await, Err(DnsError::NoSuchName));
}

#[tokio::test]
async fn who_is_not_in_a_pod_knows_no_cluster_names() {
    let mut town = Town::new();
    town.start("host-pod", "win-0", true);
    for from in [town.node("win-0"), town.pod("host-pod"), Source::Outside] {
        let answer = resolve(&town, &from, "web.shop.svc.cluster.local").await;
        assert_eq!(answer, Err(DnsError::NoSuchName), "{from:?}");
    }
}

#[tokio::test]
async fn addresses_and_localhost_need_no_server() {
    let town = Town::new();
    town.break_it("  - dns: { answer: timeout }");
    assert_eq!(resolve(&town, &Source::Outside, "10.1.2.3").await, Ok(vec![Ipv4Addr::new(10, 1, 2, 3)]));
    assert_eq!(resolve(&town, &town.pod("client-0"), "localhost").await, Ok(vec![Ipv4Addr::LOCALHOST]));
}

#[tokio::test]
async fn a_headless_service_resolves_to_its_ready_backends_and_their_names() {
    let town = Town::new();
    town.network.put_service(Service { addresses: vec![], ..service("web", WEB, None) });
    town.endpoints_with("web", &["web-0", "web-1"], |endpoint| endpoint.hostname = Some("one".into()));
    let both = vec![town.pods["web-0"].ip, town.pods["web-1"].ip];
    assert_eq!(resolve(&town, &town.pod("client-0"), "web").await, Ok(both.clone()));
    assert_eq!(resolve(&town, &town.pod("client-0"), "one.web.shop.svc.cluster.local").await, Ok(both));
    town.endpoints_with("web", &["web-0"], |endpoint| endpoint.ready = false);
    assert_eq!(resolve(&town, &town.pod("client-0"), "web").await, Err(DnsError::NoSuchName));
}

#[tokio::test]
async fn names_of_the_world_resolve_everywhere() {
    let town = Town::new();
    let world = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 443);
    let _guard = town.network.listen_outside(Some("www.example.com"), world, says_who("world"));
    town.network.put_service(Service {
        addresses: vec![],
        external_name: Some("www.example.com".into()),
        ..service("shop", WEB, None)
    });
    for from in [town.pod("client-0"), town.pod("linux-client"), town.node("win-0"), Source::Outside] {
        assert_eq!(resolve(&town, &from, "www.example.com").await, Ok(vec![*world.ip()]), "{from:?}");
    }
    assert_eq!(resolve(&town, &town.pod("client-0"), "shop").await, Ok(vec![*world.ip()]));
}

#[tokio::test]
async fn an_alias_of_itself_resolves_to_nothing() {
    let town = Town::new();
    let alias = Some("loop.shop.svc.cluster.local".into());
    town.network.put_service(Service { addresses: vec![], external_name: alias, ..service("loop", WEB, None) });
    assert_eq!(resolve(&town, &town.pod("client-0"), "loop").await, Err(DnsError::NoSuchName));
}

#[tokio::test]
async fn a_dead_path_to_the_server_is_a_timeout_and_a_name_rule_is_its_answer() {
    let town = Town::new();
    let from = town.pod("client-0");
    town.break_it(
        "  - network: { from: { vantage: pod, node: { os: windows } }, to: { kind: dns }, outcome: dropped }",
    );
    assert_eq!(resolve(&town, &from, "web").await, Err(DnsError::TimedOut));
    assert_eq!(town.counts(), (1, 1));
    assert!(resolve(&town, &town.pod("linux-client"), "web").await.is_ok());
    for (answer, expected) in [
        ("timeout", Err(DnsError::TimedOut)),
        ("noSuchName", Err(DnsError::NoSuchName)),
        ("serverFailure", Err(DnsError::ServerFailure)),
        ("{ addresses: [10.1.1.1] }", Ok(vec![Ipv4Addr::new(10, 1, 1, 1)])),
    ] {
        town.break_it(&format!("  - dns: {{ names: 'web.*', answer: {answer} }}"));
        assert_eq!(resolve(&town, &from, "web").await, expected);
        assert_eq!(resolve(&town, &from, "linux-web").await, Ok(vec![*LINUX_WEB.ip()]), "another name");
        assert_eq!(town.counts(), (1, 1));
    }
}

#[tokio::test]
async fn an_answer_that_would_have_been_the_same_does_not_count_as_changed() {
    let town = Town::new();
    town.break_it("  - dns: { answer: noSuchName }");
    assert_eq!(resolve(&town, &town.pod("client-0"), "web.shop").await, Err(DnsError::NoSuchName));
    assert_eq!(town.counts(), (1, 0));
}

#[tokio::test]
async fn a_question_to_a_server_pod_goes_around_a_dead_service_address() {
    let mut town = Town::new();
    town.start("dns-pod", "linux-0", false);
    let name = ServiceName { namespace: "kube-system".into(), name: "kube-dns".into() };
    let port = ServicePort { name: "dns".into(), port: 53, node_port: None, protocol: Protocol::Udp };
    let dns = service("kube-dns", SocketAddrV4::new(DNS_SERVER, 53), None);
    town.network.put_service(Service { name: name.clone(), ports: vec![port], ..dns });
    let endpoint = Endpoint {
        ip: town.pods["dns-pod"].ip,
        node: Some("linux-0".into()),
        ready: true,
        serving: true,
        terminating: false,
        hostname: None,
        ports: vec![("dns".into(), Protocol::Udp, 53)],
    };
    town.network.put_slice("kube-dns", name.clone(), vec![endpoint]);
    let from = town.pod("client-0");
    let pod = town.pods["dns-pod"].ip;
    town.break_it("  - network: { to: { kind: service, port: 53, protocol: udp }, outcome: dropped }");
    assert_eq!(resolve(&town, &from, "web").await, Err(DnsError::TimedOut));
    let answer = town.network.lookup(&from, Some(pod), "web").await.unwrap();
    assert_eq!((answer.name.as_str(), answer.addresses), ("web.shop.svc.cluster.local", vec![*WEB.ip()]));
    drop(town.faults.heal(None));
    assert!(resolve(&town, &from, "web").await.is_ok());
    town.network.put_slice("kube-dns", name, vec![]);
    assert_eq!(resolve(&town, &from, "web").await, Err(DnsError::TimedOut), "no server is ready");
}
