//! The node as the programs on it see it.
//!
//! Only HostProcess containers have it. What it says is a picture of the simulated
//! state at that moment: the sandboxes and containers that the runtime has, the
//! endpoints and load balancers that HNS has, what the kubelet and its helpers
//! have logged.

use std::net::{Ipv4Addr, SocketAddrV4};

use jiff::Timestamp;

/// A node, to the programs on it.
pub(crate) trait Machine: Send + Sync {
    /// How it is now.
    fn look(&self) -> Picture;

    /// Restarts it, soon.
    fn reboot(&self);
}

/// A node at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// Its name.
    pub(crate) name: String,
    /// `Windows Server 2022 Datacenter`.
    pub(crate) product: String,
    /// `containerd://2.1.4`.
    pub(crate) runtime: String,
    /// Its own address.
    pub(crate) address: Ipv4Addr,
    /// The range of its pods, `10.244.1.0/24`.
    pub(crate) pod_range: Option<String>,
    /// When it was last started.
    pub(crate) booted: Timestamp,
    /// Whether that was after a restart that somebody asked for.
    pub(crate) restarted: bool,
    /// The pods' places in its runtime.
    pub(crate) sandboxes: Vec<Sandbox>,
    /// The ways to Services, as kube-proxy has asked HNS for them.
    pub(crate) load_balancers: Vec<LoadBalancer>,
    /// What happened, as the kubelet tells it.
    pub(crate) journal: Vec<Entry>,
    /// Name, id and size of each image.
    pub(crate) images: Vec<(String, String, u64)>,
}

/// A sandbox with its containers.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) attempt: u32,
    pub(crate) created: Timestamp,
    pub(crate) ready: bool,
    /// Its address; none on the host's own network.
    pub(crate) ip: Option<Ipv4Addr>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) handler: String,
    pub(crate) containers: Vec<Contained>,
}

/// A container in a sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Contained {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) attempt: u32,
    /// As the pod names it.
    pub(crate) image: String,
    /// `repository@sha256:…`.
    pub(crate) image_id: String,
    pub(crate) running: bool,
    pub(crate) created: Timestamp,
}

/// A way to a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadBalancer {
    /// `namespace/name:port`.
    pub(crate) service: String,
    /// The addresses; none for a node port.
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// The port there.
    pub(crate) port: u16,
    /// 6 or 17.
    pub(crate) protocol: u8,
    /// Where it leads, and whether that is on this node.
    pub(crate) backends: Vec<(SocketAddrV4, bool)>,
}

/// Something that happened on the node.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) at: Timestamp,
    /// `Pod` or `Node`.
    pub(crate) kind: String,
    /// `namespace/name`, or the node's name.
    pub(crate) object: String,
    pub(crate) field_path: Option<String>,
    /// `Normal` or `Warning`.
    pub(crate) class: &'static str,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// A stable GUID for something.
pub(super) fn guid(parts: &[&str]) -> String {
    let hex = crate::image::digest(parts);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-A{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32)).to_uppercase()
}

#[cfg(test)]
pub(super) mod testing {
    //! A node with one pod and one Service.

    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;
    use crate::command::{HostFiles, Session, testing};

    /// A node that remembers whether it was restarted.
    pub(crate) struct FakeMachine(pub(crate) AtomicBool);

    impl Machine for FakeMachine {
        fn look(&self) -> Picture {
            let at = Timestamp::from_second(1_795_000_000).unwrap();
            let entry = |reason: &str, message: &str| Entry {
                at,
                kind: "Pod".into(),
                object: "shop/web-0".into(),
                field_path: Some("spec.containers{web}".into()),
                class: "Normal",
                reason: reason.into(),
                message: message.into(),
            };
            let container = Contained {
                id: "c0ffee".repeat(10),
                name: "web".into(),
                attempt: 1,
                image: "mcr.microsoft.com/windows/servercore:ltsc2022".into(),
                image_id: format!("mcr.microsoft.com/windows/servercore@sha256:{}", "ab".repeat(32)),
                running: true,
                created: at,
            };
            let gone = Contained { name: "setup".into(), running: false, ..container.clone() };
            Picture {
                name: "win-0".into(),
                product: "Windows Server 2022 Datacenter".into(),
                runtime: "containerd://2.1.4".into(),
                address: Ipv4Addr::new(10, 240, 0, 10),
                pod_range: Some("10.244.1.0/24".into()),
                booted: at,
                restarted: true,
                sandboxes: vec![Sandbox {
                    id: "5a".repeat(32),
                    namespace: "shop".into(),
                    name: "web-0".into(),
                    uid: "u-1".into(),
                    attempt: 0,
                    created: at,
                    ready: true,
                    ip: Some(Ipv4Addr::new(10, 244, 1, 5)),
                    labels: vec![("app".into(), "web".into())],
                    handler: String::new(),
                    containers: vec![gone, container],
                }],
                load_balancers: vec![LoadBalancer {
                    service: "shop/web:http".into(),
                    addresses: vec![Ipv4Addr::new(10, 96, 0, 20)],
                    port: 80,
                    protocol: 6,
                    backends: vec![
                        (SocketAddrV4::new(Ipv4Addr::new(10, 244, 1, 5), 8080), true),
                        (SocketAddrV4::new(Ipv4Addr::new(10, 244, 2, 7), 8080), false),
                    ],
                }],
                journal: vec![entry("Started", "Container started"), entry("BackOff", "say \"no\"")],
                images: vec![(
                    "mcr.microsoft.com/windows/servercore:ltsc2022".into(),
                    "x@sha256:cd".into(),
                    2_000_000_000,
                )],
            }
        }

        fn reboot(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// A session of a HostProcess container.
    pub(crate) fn host() -> (Session, Arc<FakeMachine>) {
        let machine = Arc::new(FakeMachine(AtomicBool::new(false)));
        let mut session = testing::windows(testing::FakeLink::default());
        session.files = Arc::new(HostFiles::new(session.files.clone(), machine.clone()));
        session.kit = crate::image::HOST;
        session.machine = Some(machine.clone());
        (session, machine)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::testing::host;
    use crate::{
        command::testing::{FakeLink, execute, windows},
        fault::Fault,
    };

    #[tokio::test]
    async fn the_runtime_lists_sandboxes_and_running_containers_as_crictl_does() {
        let (session, _) = host();
        let json = async |argv: &[&str]| -> serde_json::Value {
            serde_json::from_str(&execute(&session, argv, "").await.stdout).unwrap()
        };
        let pods = json(&["crictl", "pods", "-o", "json"]).await;
        let containers =
            json(&["crictl.exe", "-r", "npipe:////./pipe/containerd-containerd", "ps", "-o", "json"]).await;
        let all = json(&["crictl", "ps", "-a", "--output=json"]).await;
        assert_eq!(containers["containers"].as_array().unwrap().len(), 1);
        assert_eq!(all["containers"].as_array().unwrap().len(), 2);
        assert_eq!(containers["containers"][0]["podSandboxId"], pods["items"][0]["id"]);
        insta::assert_json_snapshot!([&pods["items"][0], &containers["containers"][0]]);
        let quiet = execute(&session, &["crictl", "pods", "-q", "--namespace", "shop"], "").await;
        assert_eq!(quiet.stdout, format!("{}\n", "5a".repeat(32)));
        let unknown = execute(&session, &["crictl", "frob"], "").await;
        assert_eq!((unknown.stdout.as_str(), unknown.code), ("No help topic for 'frob'\n", 3));
    }

    #[tokio::test]
    async fn a_fault_reaches_programs_that_a_shell_starts_and_leaves_the_others_alone() {
        let (session, _) = host();
        session.faults.inject(
            Fault::parse(
                "{ apiVersion: winconform/v1, kind: Fault, name: f, summary: F., effects: [ command: { programs: \"crictl * ps *\", stdout: \"gone\\n\" } ] }",
                "f",
            )
            .unwrap(),
        );
        let line = r"crictl -r npipe:////./pipe/containerd-containerd ps -o json && C:\k\crictl.exe -r x pods -q";
        let done = execute(&session, &["cmd", "/s", "/c", line], "").await;
        assert_eq!(done.stdout, format!("gone\r\n{}\n", "5a".repeat(32)));
        let counter = &session.faults.counters()[0];
        assert_eq!((counter.considered, counter.applied), (1, 1));
    }

    #[tokio::test]
    async fn what_is_collected_of_a_node_tells_its_state() {
        let (session, _) = host();
        let mut text = String::new();
        for argv in [
            &["cmd", "/s", "/c", "hnsdiag list networks & hnsdiag list endpoints & hnsdiag list loadbalancers"][..],
            &[
                "powershell",
                "-Command",
                "Get-Content -ErrorAction SilentlyContinue -Tail 80 -Path C:\\k\\kubelet.err.log,C:\\no\\such.log,C:\\k\\containerd.err.log,C:\\var\\log\\kube-proxy\\*.log",
            ],
            &["wevtutil", "qe", "System", "/c:5", "/rd:true", "/f:text"],
            &[
                "powershell",
                "-Command",
                "Get-HnsEndpoint | Select-Object Name, IPAddress, IsRemoteEndpoint | ConvertTo-Json",
            ],
            &[
                "powershell",
                "-Command",
                "(Get-HnsPolicyList).Policies.VIPs; Get-WinEvent -LogName System -MaxEvents 1 | Select-Object -ExpandProperty Id",
            ],
        ] {
            let done = execute(&session, argv, "").await;
            text = text + "# " + &argv.join(" ") + "\n" + &done.stdout.replace("\r\n", "\n") + &done.stderr;
        }
        insta::assert_snapshot!(text);
    }

    #[tokio::test]
    async fn a_node_is_restarted_by_programs_on_it_and_by_no_container() {
        for argv in [&["shutdown", "/r", "/t", "0"][..], &["powershell", "-Command", "Restart-Computer -Force"]] {
            let (session, machine) = host();
            let done = execute(&session, argv, "").await;
            assert_eq!((done.code, machine.0.load(Ordering::Relaxed)), (0, true), "{argv:?}");
        }
        let mut container = windows(FakeLink::default());
        container.kit = crate::image::HOST;
        let done = execute(&container, &["shutdown", "/r", "/t", "0"], "").await;
        assert_eq!((done.stderr.as_str(), done.code), ("Access is denied.(5)\r\n", 5));
    }

    #[tokio::test]
    async fn the_small_programs_of_windows_print_their_tables() {
        let (session, _) = host();
        let mut text = String::new();
        for argv in [&["tasklist"][..], &["route", "print"], &["netstat", "-an"]] {
            text += &execute(&session, argv, "").await.stdout.replace("\r\n", "\n");
        }
        insta::assert_snapshot!(text);
    }
}
