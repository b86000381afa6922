//! Sessions for tests, with a network that says what it is told to say.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};

use super::{
    Adapter, Allowance, Environment, Exit, Io, Link, Meter, Scratch, Session, Sink, Stdin, System, link::Listening, run,
};
use crate::{
    clock::Clock,
    directory::{CredentialSpec, Directory, Member},
    fault::FaultBoard,
    network::{ConnectError, Connection, DnsError, Handler, NodeFacts, PingError, PodFacts, Resolved},
    shape::Os,
};

/// A network with a few listeners, names and refusals.
#[derive(Default, Clone)]
pub(crate) struct FakeLink {
    pub(crate) handlers: BTreeMap<SocketAddrV4, Handler>,
    pub(crate) errors: BTreeMap<SocketAddrV4, ConnectError>,
    pub(crate) names: BTreeMap<String, Vec<Ipv4Addr>>,
    pub(crate) dns_errors: BTreeMap<String, DnsError>,
    /// Names that nobody ever answers for.
    pub(crate) unanswered: Vec<String>,
    pub(crate) replies: Vec<Ipv4Addr>,
}

impl Link for FakeLink {
    fn connect(&self, to: SocketAddrV4, _timeout: Duration) -> BoxFuture<'_, Result<Connection, ConnectError>> {
        async move {
            if let Some(error) = self.errors.get(&to) {
                return Err(*error);
            }
            let Some(handler) = self.handlers.get(&to) else { return Err(ConnectError::Refused) };
            let here = SocketAddrV4::new(Ipv4Addr::new(10, 244, 1, 5), 50123);
            let (near, far) = tokio::io::duplex(64 * 1024);
            tokio::spawn(handler(Connection { stream: far, peer: here, local: to, took: Duration::from_millis(1) }));
            Ok(Connection { stream: near, peer: to, local: here, took: Duration::from_millis(1) })
        }
        .boxed()
    }

    fn lookup<'a>(&'a self, _server: Option<Ipv4Addr>, name: &'a str) -> BoxFuture<'a, Result<Resolved, DnsError>> {
        if self.unanswered.iter().any(|known| known == name) {
            return std::future::pending().boxed();
        }
        let full = if name.contains('.') { name.to_owned() } else { format!("{name}.default.svc.cluster.local") };
        let answer = match (self.dns_errors.get(name), self.names.get(name)) {
            (Some(error), _) => Err(*error),
            (None, Some(addresses)) => Ok(Resolved { name: full, addresses: addresses.clone() }),
            (None, None) => Err(DnsError::NoSuchName),
        };
        std::future::ready(answer).boxed()
    }

    fn ping(&self, to: Ipv4Addr, _timeout: Duration) -> BoxFuture<'_, Result<Duration, PingError>> {
        let found = self.replies.contains(&to);
        std::future::ready(if found { Ok(Duration::from_micros(300)) } else { Err(PingError::TimedOut) }).boxed()
    }

    fn listen(&self, _port: u16, _handler: Handler) -> Listening {
        Box::new(())
    }
}

const WINDOWS: super::Kit = &[
    "cmd",
    "powershell",
    "curl",
    "ping",
    "nslookup",
    "ipconfig",
    "whoami",
    "hostname",
    "timeout",
    "findstr",
    "more",
    "where",
    "net",
    "nltest",
    "klist",
];
const LINUX: super::Kit = &[
    "sh", "curl", "wget", "ping", "nslookup", "cat", "echo", "printf", "hostname", "id", "whoami", "sleep", "true",
    "false", "seq", "env", "date", "uname", "ls", "head", "tail", "grep", "wc", "test", "[", "pwd", "touch", "rm",
    "tee", "printenv",
];

/// A session on Windows Server 2022.
pub(crate) fn windows(link: FakeLink) -> Session {
    let mut env = Environment::new(true);
    env.set("USERNAME", "ContainerAdministrator");
    env.set("OS", "Windows_NT");
    session(
        System::Windows { version: "10.0.20348.5499".into() },
        r"User Manager\ContainerAdministrator",
        env,
        WINDOWS,
        link,
    )
}

/// A session on Linux.
pub(crate) fn linux(link: FakeLink) -> Session {
    let mut env = Environment::new(false);
    env.set("HOME", "/root");
    session(System::Linux, "0", env, LINUX, link)
}

fn session(system: System, user: &str, env: Environment, kit: super::Kit, link: FakeLink) -> Session {
    Session {
        files: Arc::new(Scratch::new(system.is_windows())),
        system,
        host_name: "web-0".into(),
        user: user.into(),
        env,
        kit,
        member: membership(None, &link),
        link: Arc::new(link),
        adapter: Adapter {
            name: "vEthernet (0f7e_vxlan0)".into(),
            address: Ipv4Addr::new(10, 244, 1, 5),
            search: vec!["default.svc.cluster.local".into()],
            dns_server: Ipv4Addr::new(10, 96, 0, 10),
        },
        clock: Clock::new(0.0),
        faults: FaultBoard::default(),
        pod: pod(None),
        meter: Meter::new(Allowance { cores: 4.0, memory: Some(800 << 20), idle_cores: 0.0, idle_memory: 0 }),
        machine: None,
    }
}

/// A network on which the testbed's domain answers.
pub(crate) fn domain() -> FakeLink {
    let mut link = FakeLink::default();
    let servers = [("corp.example", [198, 51, 100, 10]), ("files.corp.example", [198, 51, 100, 20])];
    for (name, address) in servers {
        link.names.insert(name.into(), vec![address.into()]);
        for port in [88, 389, 445] {
            let address = SocketAddrV4::new(address.into(), port);
            link.handlers.insert(address, Arc::new(|connection| async move { drop(connection) }.boxed()));
        }
    }
    link
}

/// A session on Windows whose container got the credential spec of the account `webapp01`.
pub(crate) fn member(link: FakeLink) -> Session {
    let spec =
        CredentialSpec { domain: "corp.example".into(), short_domain: "CORP".into(), account: "webapp01".into() };
    Session { member: membership(Some(spec), &link), ..windows(link) }
}

fn membership(spec: Option<CredentialSpec>, link: &FakeLink) -> Member {
    let pod = pod(spec.as_ref());
    Member::new(Some(Directory::default()), spec, Arc::new(link.clone()), FaultBoard::default(), pod)
}

/// The pod that all of these are in.
fn pod(spec: Option<&CredentialSpec>) -> Arc<PodFacts> {
    let node = Arc::new(NodeFacts {
        name: "win-0".into(),
        os: Os::Windows,
        arch: "amd64".into(),
        build: Some("10.0.20348.5499".into()),
        runtime: "containerd://2.1.4".into(),
        labels: BTreeMap::new(),
        internal_ip: [10, 240, 0, 10].into(),
        external_ip: None,
    });
    Arc::new(PodFacts {
        namespace: "default".into(),
        name: "web-0".into(),
        uid: "web-0".into(),
        node,
        ip: [10, 244, 1, 5].into(),
        host_network: false,
        images: Vec::new(),
        labels: BTreeMap::new(),
        service_account: "default".into(),
        run_as_user: None,
        gmsa: spec.map(|spec| spec.account.clone()),
        runtime_class: None,
        ordinal: 1,
        started: std::time::Instant::now(),
    })
}

/// What a command wrote, and its exit code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: Exit,
}

/// Runs `argv` to its end.
pub(crate) async fn execute(session: &Session, argv: &[&str], stdin: &str) -> Finished {
    let argv: Vec<_> = argv.iter().map(|&word| word.to_owned()).collect();
    let io = Io { stdin: Stdin::held(stdin.as_bytes().to_vec()), stdout: Sink::keeping(), stderr: Sink::keeping() };
    let code = run(session, &argv, &io).await.unwrap();
    let text = |sink: &Sink| String::from_utf8_lossy(&sink.take()).into_owned();
    Finished { stdout: text(&io.stdout), stderr: text(&io.stderr), code }
}
