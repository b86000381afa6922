//! The matrix of paths, with members and Services that no control plane made.

use std::{collections::BTreeMap, sync::Arc};

use super::*;
use crate::{
    fault::Fault,
    shape::{Features, Os},
};

mod dns;
mod faults;
mod healthy;
mod ways_in;

const SECOND: Duration = Duration::from_secs(1);
const WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 20), 80);
const LINUX_WEB: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 96, 0, 21), 80);
const BALANCER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 250, 0, 0), 80);
const NODE_PORT: u16 = 30080;

/// Two Windows nodes with pods, one without, and a Linux node:
/// win-0 runs web-0 and client-0, win-1 runs web-1 and client-1, linux-0 runs linux-web and linux-client.
struct Town {
    network: Network,
    faults: FaultBoard,
    nodes: BTreeMap<&'static str, Arc<NodeFacts>>,
    pods: BTreeMap<&'static str, Arc<PodFacts>>,
    guards: Vec<(String, ListenGuard)>,
}

impl Town {
    fn new() -> Self {
        Self::with(&Features::default())
    }

    fn with(features: &Features) -> Self {
        let clock = Clock::new(0.001);
        let faults = FaultBoard::new(clock.clone());
        let network = Network::new(clock, faults.clone(), features);
        let mut town = Self { network, faults, nodes: BTreeMap::new(), pods: BTreeMap::new(), guards: vec![] };
        for (index, (name, os)) in
            [("win-0", Os::Windows), ("win-1", Os::Windows), ("win-empty", Os::Windows), ("linux-0", Os::Linux)]
                .into_iter()
                .enumerate()
        {
            let node = Arc::new(NodeFacts {
                name: name.into(),
                os,
                arch: "amd64".into(),
                build: (os == Os::Windows).then(|| "10.0.20348.5499".into()),
                runtime: "containerd://2.1.4".into(),
                labels: BTreeMap::new(),
                internal_ip: Ipv4Addr::new(10, 240, 0, 10 + u8::try_from(index).unwrap()),
                external_ip: None,
            });
            town.network.add_node(Arc::clone(&node));
            town.nodes.insert(name, node);
        }
        for (name, node) in [
            ("web-0", "win-0"),
            ("client-0", "win-0"),
            ("web-1", "win-1"),
            ("client-1", "win-1"),
            ("linux-web", "linux-0"),
            ("linux-client", "linux-0"),
        ] {
            town.start(name, node, false);
        }
        for name in ["web-0", "web-1", "linux-web"] {
            town.serve(name, 8080);
        }
        let web = service("web", WEB, Some(NODE_PORT));
        town.network.put_service(Service { load_balancers: vec![*BALANCER.ip()], ..web });
        town.network.put_service(service("linux-web", LINUX_WEB, None));
        town.endpoints("web", &["web-0", "web-1"]);
        town.endpoints("linux-web", &["linux-web"]);
        town
    }

    fn start(&mut self, name: &'static str, node: &str, host_network: bool) {
        let node = Arc::clone(&self.nodes[node]);
        let last = 10 + u8::try_from(self.pods.len()).unwrap();
        let pod = Arc::new(PodFacts {
            namespace: "shop".into(),
            name: name.into(),
            uid: format!("uid-{name}"),
            ip: if host_network { node.internal_ip } else { Ipv4Addr::new(10, 244, 1, last) },
            node,
            host_network,
            images: vec![],
            labels: BTreeMap::new(),
            service_account: "default".into(),
            run_as_user: None,
            gmsa: None,
            runtime_class: None,
            ordinal: 1,
            started: now(),
        });
        self.network.attach(Arc::clone(&pod));
        self.pods.insert(name, pod);
    }

    /// Makes a pod answer every connection with its name and whom it takes the client for.
    fn serve(&mut self, name: &'static str, port: u16) {
        let guard = self.network.listen(&self.pods[name], port, says_who(name));
        self.guards.push((name.to_owned(), guard));
    }

    fn stop(&mut self, name: &str) {
        self.network.detach(&self.pods[name].uid);
        self.guards.retain(|(owner, _)| owner != name);
    }

    fn endpoints(&self, service: &str, pods: &[&str]) {
        self.endpoints_with(service, pods, |_| {});
    }

    fn endpoints_with(&self, service: &str, pods: &[&str], change: impl Fn(&mut Endpoint)) {
        let endpoints = pods.iter().map(|name| {
            let pod = &self.pods[name];
            let mut endpoint = Endpoint {
                ip: pod.ip,
                node: Some(pod.node.name.clone()),
                ready: true,
                serving: true,
                terminating: false,
                hostname: None,
                ports: vec![(String::new(), Protocol::Tcp, 8080)],
            };
            change(&mut endpoint);
            endpoint
        });
        self.network.put_slice(&format!("{service}-1"), service_name(service), endpoints.collect());
    }

    fn pod(&self, name: &str) -> Source {
        Source::Pod(Arc::clone(&self.pods[name]))
    }

    fn node(&self, name: &str) -> Source {
        Source::Node(Arc::clone(&self.nodes[name]))
    }

    fn pod_address(&self, name: &str) -> SocketAddrV4 {
        SocketAddrV4::new(self.pods[name].ip, 8080)
    }

    fn node_port(&self, name: &str) -> SocketAddrV4 {
        SocketAddrV4::new(self.nodes[name].internal_ip, NODE_PORT)
    }

    /// Who answers, and whom they take the client for.
    async fn ask(&self, from: &Source, to: SocketAddrV4) -> Result<(String, Ipv4Addr), ConnectError> {
        let mut connection = self.network.connect(from, to, SECOND).await?;
        let mut said = String::new();
        connection.stream.read_to_string(&mut said).await.unwrap();
        let (name, client) = said.split_once(' ').unwrap_or_else(|| panic!("{said:?}"));
        Ok((name.to_owned(), client.parse().unwrap()))
    }

    async fn who(&self, from: &Source, to: SocketAddrV4) -> Result<String, ConnectError> {
        self.ask(from, to).await.map(|(name, _)| name)
    }

    /// Everybody who answered in many attempts, in order, and how many failed.
    async fn many(&self, from: &Source, to: SocketAddrV4, attempts: usize) -> (Vec<String>, usize) {
        let (mut names, mut failed) = (std::collections::BTreeSet::new(), 0);
        for _ in 0..attempts {
            match self.who(from, to).await {
                Ok(name) => drop(names.insert(name)),
                Err(_) => failed += 1,
            }
        }
        (names.into_iter().collect(), failed)
    }

    /// Puts effects into force, written as in a fault file.
    fn break_it(&self, effects: &str) {
        let yaml = format!("apiVersion: winconform/v1\nkind: Fault\nname: test\nsummary: Test.\neffects:\n{effects}");
        self.faults.inject(Fault::parse(&yaml, "test").unwrap_or_else(|error| {
            panic!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default())
        }));
    }

    /// Considered and applied, of the only effect.
    fn counts(&self) -> (u64, u64) {
        let counters = self.faults.counters();
        assert_eq!(counters.len(), 1);
        (counters[0].considered, counters[0].applied)
    }
}

fn says_who(name: &'static str) -> Handler {
    Arc::new(move |mut connection: Connection| {
        Box::pin(async move {
            let said = format!("{name} {}", connection.peer.ip());
            let _ = tokio::io::AsyncWriteExt::write_all(&mut connection.stream, said.as_bytes()).await;
        })
    })
}

fn service_name(name: &str) -> ServiceName {
    ServiceName { namespace: "shop".into(), name: name.into() }
}

fn service(name: &str, address: SocketAddrV4, node_port: Option<u16>) -> Service {
    Service {
        name: service_name(name),
        addresses: vec![*address.ip()],
        load_balancers: vec![],
        ports: vec![ServicePort { name: String::new(), port: address.port(), node_port, protocol: Protocol::Tcp }],
        affinity: false,
        internal_local: false,
        external_local: false,
        external_name: None,
        wants_load_balancer: false,
    }
}
