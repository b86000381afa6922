use super::*;

#[tokio::test]
async fn pods_and_nodes_reach_pods_and_are_seen_under_their_own_addresses() {
    let town = Town::new();
    for from in ["client-0", "client-1", "linux-client", "web-0"] {
        let (name, client) = town.ask(&town.pod(from), town.pod_address("web-0")).await.unwrap();
        assert_eq!((name.as_str(), client), ("web-0", town.pods[from].ip), "from {from}");
    }
    for from in ["win-0", "win-1", "linux-0"] {
        let (_, client) = town.ask(&town.node(from), town.pod_address("web-0")).await.unwrap();
        assert_eq!(client, town.nodes[from].internal_ip, "from {from}");
    }
    assert_eq!(town.who(&Source::ApiServer, town.pod_address("linux-web")).await.unwrap(), "linux-web");
}

#[tokio::test]
async fn a_service_sends_pods_to_every_ready_backend_and_keeps_their_addresses() {
    let town = Town::new();
    for from in ["client-0", "linux-client", "web-0"] {
        let (names, failed) = town.many(&town.pod(from), WEB, 40).await;
        assert_eq!((names, failed), (vec!["web-0".into(), "web-1".into()], 0), "from {from}");
        assert_eq!(town.ask(&town.pod(from), WEB).await.unwrap().1, town.pods[from].ip);
    }
    assert_eq!(town.who(&town.pod("client-0"), LINUX_WEB).await.unwrap(), "linux-web");
    assert!(town.who(&town.node("linux-0"), WEB).await.is_ok());
}

#[tokio::test]
async fn a_connection_ends_with_the_process_that_it_leads_to() {
    let mut town = Town::new();
    let silent: Handler = Arc::new(|connection: Connection| Box::pin(say_nothing_to(connection)));
    let guard = town.network.listen(&town.pods["web-0"], 8081, silent);
    town.guards.push(("web-0".to_owned(), guard));
    let port = SocketAddrV4::new(town.pods["web-0"].ip, 8081);
    let mut connection = town.network.connect(&town.pod("client-0"), port, SECOND).await.unwrap();
    town.stop("web-0");
    let mut said = String::new();
    assert_eq!(connection.stream.read_to_string(&mut said).await.unwrap(), 0, "it is closed, not kept open for ever");
}

/// Keeps a connection that waits for more.
async fn say_nothing_to(mut connection: Connection) {
    let mut ignored = [0; 16];
    while let Ok(1..) = connection.stream.read(&mut ignored).await {}
}

#[tokio::test]
async fn a_closed_port_refuses_and_an_address_nobody_has_times_out() {
    let town = Town::new();
    let closed = SocketAddrV4::new(town.pods["web-0"].ip, 81);
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 244, 9, 9), 80);
    let other_port = SocketAddrV4::new(*WEB.ip(), 81);
    let from = town.pod("client-0");
    assert_eq!(town.who(&from, closed).await, Err(ConnectError::Refused));
    assert_eq!(
        town.who(&from, SocketAddrV4::new(town.nodes["win-1"].internal_ip, 22)).await,
        Err(ConnectError::Refused)
    );
    assert_eq!(town.who(&from, nobody).await, Err(ConnectError::TimedOut));
    assert_eq!(town.who(&from, other_port).await, Err(ConnectError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_takes_as_long_as_the_caller_waits_at_the_clocks_scale() {
    let town = Town::new();
    let nobody = SocketAddrV4::new(Ipv4Addr::new(10, 244, 9, 9), 80);
    let before = tokio::time::Instant::now();
    let lost = town.network.connect(&town.pod("client-0"), nobody, Duration::from_secs(10)).await;
    assert_eq!(lost.unwrap_err(), ConnectError::TimedOut);
    assert_eq!(before.elapsed().as_millis(), 10);
}

#[tokio::test]
async fn a_closed_listener_refuses_and_the_newest_of_two_answers() {
    let mut town = Town::new();
    let pod = Arc::clone(&town.pods["client-0"]);
    let to = SocketAddrV4::new(pod.ip, 9000);
    let old = town.network.listen(&pod, 9000, says_who("old"));
    let new = town.network.listen(&pod, 9000, says_who("new"));
    assert_eq!(town.who(&town.pod("web-1"), to).await.unwrap(), "new");
    drop(old);
    assert_eq!(town.who(&town.pod("web-1"), to).await.unwrap(), "new");
    drop(new);
    assert_eq!(town.who(&town.pod("web-1"), to).await, Err(ConnectError::Refused));
    town.stop("client-0");
    assert_eq!(town.who(&town.pod("web-1"), to).await, Err(ConnectError::TimedOut));
}

#[tokio::test]
async fn localhost_is_the_pod_itself() {
    let town = Town::new();
    let localhost = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8080);
    assert_eq!(town.who(&town.pod("web-1"), localhost).await.unwrap(), "web-1");
    assert_eq!(town.who(&town.pod("client-1"), localhost).await, Err(ConnectError::Refused));
}

#[tokio::test]
async fn every_node_with_a_pod_forwards_node_ports_under_its_own_address() {
    let town = Town::new();
    for node in ["win-0", "win-1", "linux-0"] {
        for from in [town.pod("linux-client"), Source::Outside, town.pod("client-0")] {
            let (names, failed) = town.many(&from, town.node_port(node), 40).await;
            assert_eq!((names.len(), failed), (2, 0), "to {node} from {from:?}");
            let (_, client) = town.ask(&from, town.node_port(node)).await.unwrap();
            assert_eq!(client, town.nodes[node].internal_ip);
        }
    }
}

#[tokio::test]
async fn a_windows_node_without_a_pod_forwards_no_node_port() {
    let mut town = Town::new();
    let to = town.node_port("win-empty");
    assert_eq!(town.who(&Source::Outside, to).await, Err(ConnectError::TimedOut));
    town.start("host-pod", "win-empty", true);
    assert_eq!(town.who(&Source::Outside, to).await, Err(ConnectError::TimedOut), "the host's own network is not one");
    town.start("any-pod", "win-empty", false);
    assert!(town.who(&Source::Outside, to).await.is_ok());
}

#[tokio::test]
async fn a_windows_host_reaches_pods_and_the_api_server_but_no_service_and_not_its_own_node_port() {
    let mut town = Town::new();
    town.start("host-pod", "win-0", true);
    let _api = town.network.inner.members.listen(API_SERVER, None, says_who("api-server"));
    let kubernetes = SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 1), 443);
    let name = ServiceName { namespace: "default".into(), name: "kubernetes".into() };
    town.network.put_service(Service { name: name.clone(), ..service("kubernetes", kubernetes, None) });
    let endpoint = Endpoint {
        ip: *API_SERVER.ip(),
        node: None,
        ready: true,
        serving: true,
        terminating: false,
        hostname: None,
        ports: vec![(String::new(), Protocol::Tcp, API_SERVER.port())],
    };
    town.network.put_slice("kubernetes", name, vec![endpoint]);
    for host in [town.node("win-0"), town.pod("host-pod")] {
        assert!(town.who(&host, town.pod_address("web-0")).await.is_ok());
        assert_eq!(town.who(&host, API_SERVER).await.unwrap(), "api-server");
        assert_eq!(town.who(&host, kubernetes).await.unwrap(), "api-server");
        assert!(town.who(&host, town.node_port("win-1")).await.is_ok(), "of another node");
        for closed in [WEB, LINUX_WEB, BALANCER, town.node_port("win-0")] {
            assert_eq!(town.who(&host, closed).await, Err(ConnectError::TimedOut), "{closed}");
        }
    }
}

#[tokio::test]
async fn each_limitation_of_a_windows_host_is_lifted_by_itself() {
    let town = Town::with(&Features { host_reaches_services: true, ..Features::default() });
    let host = town.node("win-0");
    for open in [WEB, LINUX_WEB] {
        assert!(town.who(&host, open).await.is_ok(), "{open}");
    }
    assert_eq!(town.who(&host, town.node_port("win-0")).await, Err(ConnectError::TimedOut));
    let town = Town::with(&Features { host_reaches_own_node_port: true, ..Features::default() });
    let host = town.node("win-0");
    assert!(town.who(&host, town.node_port("win-0")).await.is_ok());
    assert_eq!(town.who(&host, WEB).await, Err(ConnectError::TimedOut));
}

#[tokio::test]
async fn outside_reaches_node_ports_and_load_balancers_only() {
    let town = Town::new();
    let (names, failed) = town.many(&Source::Outside, BALANCER, 40).await;
    assert_eq!((names.len(), failed), (2, 0));
    for closed in
        [WEB, town.pod_address("web-0"), SocketAddrV4::new(town.nodes["win-0"].internal_ip, 10250), API_SERVER]
    {
        assert_eq!(town.who(&Source::Outside, closed).await, Err(ConnectError::TimedOut), "{closed}");
    }
}

#[tokio::test]
async fn a_service_falls_back_to_backends_that_serve_while_they_terminate() {
    let town = Town::new();
    let ending = |endpoint: &mut Endpoint| (endpoint.ready, endpoint.terminating) = (false, true);
    town.endpoints_with("web", &["web-0"], ending);
    assert_eq!(town.who(&town.pod("client-0"), WEB).await.unwrap(), "web-0");
    town.endpoints_with("web", &["web-0"], |endpoint| {
        ending(endpoint);
        endpoint.serving = false;
    });
    assert!(town.who(&town.pod("client-0"), WEB).await.is_err());
}

#[tokio::test]
async fn a_backend_that_is_not_ready_gets_no_connections() {
    let town = Town::new();
    let unready = town.pods["web-0"].ip;
    town.endpoints_with("web", &["web-0", "web-1"], |endpoint| endpoint.ready = endpoint.ip != unready);
    assert_eq!(town.many(&town.pod("client-0"), WEB, 20).await, (vec!["web-1".into()], 0));
}

#[tokio::test]
async fn a_service_without_backends_is_refused_by_linux_and_lost_on_windows() {
    let town = Town::new();
    town.endpoints("web", &[]);
    assert_eq!(town.who(&town.pod("linux-client"), WEB).await, Err(ConnectError::Refused));
    assert_eq!(town.who(&town.pod("client-0"), WEB).await, Err(ConnectError::TimedOut));
}

#[tokio::test]
async fn session_affinity_keeps_a_client_on_its_backend_until_that_is_gone() {
    let town = Town::new();
    town.network.put_service(Service { affinity: true, ..service("web", WEB, None) });
    let from = town.pod("client-0");
    let (names, _) = town.many(&from, WEB, 20).await;
    assert_eq!(names.len(), 1);
    let other = if names[0] == "web-0" { "web-1" } else { "web-0" };
    town.endpoints("web", &[other]);
    assert_eq!(town.who(&from, WEB).await.unwrap(), other);
}

#[tokio::test]
async fn an_external_traffic_policy_of_local_keeps_the_client_and_uses_the_nodes_own_backends() {
    let town = Town::new();
    let web = service("web", WEB, Some(NODE_PORT));
    let balancers = vec![*BALANCER.ip()];
    town.network.put_service(Service { external_local: true, load_balancers: balancers, ..web });
    for _ in 0..10 {
        let answer = town.ask(&Source::Outside, town.node_port("win-1")).await.unwrap();
        assert_eq!(answer, ("web-1".into(), OUTSIDE));
    }
    assert_eq!(town.who(&Source::Outside, town.node_port("linux-0")).await, Err(ConnectError::TimedOut));
    assert_eq!(town.many(&Source::Outside, BALANCER, 20).await.1, 0, "it goes to nodes with a backend only");
}

#[tokio::test]
async fn an_internal_traffic_policy_of_local_uses_the_nodes_own_backends() {
    let town = Town::new();
    town.network.put_service(Service { internal_local: true, ..service("web", WEB, None) });
    assert_eq!(town.many(&town.pod("client-0"), WEB, 10).await, (vec!["web-0".into()], 0));
    assert_eq!(town.who(&town.pod("linux-client"), WEB).await, Err(ConnectError::TimedOut));
}

#[tokio::test]
async fn pings_reach_pods_and_nodes_but_no_service_and_from_windows_nothing_outside() {
    let town = Town::new();
    let world = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 1), 443);
    let _guard = town.network.listen_outside(None, world, says_who("world"));
    let ping = async |from: &str, to: Ipv4Addr| town.network.ping(&town.pod(from), to, SECOND).await.is_ok();
    assert!(ping("client-0", town.pods["web-1"].ip).await);
    assert!(ping("client-0", town.nodes["linux-0"].internal_ip).await);
    assert!(!ping("client-0", *WEB.ip()).await);
    assert!(!ping("client-0", *world.ip()).await);
    assert!(ping("linux-client", *world.ip()).await);
    assert_eq!(town.who(&town.pod("client-0"), world).await.unwrap(), "world", "TCP works from Windows too");
}
