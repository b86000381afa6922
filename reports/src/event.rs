//! Everything a report can ever know about a run.
//!
//! The harness emits [`Event`]s, the log keeps each with its time as a
//! [`Record`], and every report is a projection of those records. Whatever is
//! not in here is not in any report. New variants are added at the end; a
//! changed meaning raises [`SCHEMA`].

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    compare::Snapshot,
    disposition::Policy,
    id::{CheckId, ResultId},
    verdict::{Level, Verdict},
    words::first_few,
};

/// The version of the log's format, in its first line. The number after the
/// slash is raised when an older reader would misread a newer log.
pub const SCHEMA: &str = "winconform.events/1";

/// One line of the log: an event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Milliseconds since the run started.
    pub ms: u64,
    /// What happened.
    pub event: Event,
}

/// Anything worth reporting.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The first event of every log.
    RunStarted(RunStarted),
    /// What the cluster looks like; the facts every plan rests on.
    ClusterObserved(Observed),
    /// What will be asked, what will be created, and what was left out.
    Planned(Plan),
    /// A shared set of objects moved on.
    FixtureChanged {
        /// The fixture and its place, for example `win-webserver@10.0.20348.5499`.
        fixture: String,
        /// What it came to.
        state: FixtureState,
    },
    /// A pod of ours reached a new phase of its start.
    PodProgress(PodProgress),
    /// How long each phase of a pod's start took, once it is known.
    PodTimeline(PodTimeline),
    /// A check began to ask (its fixtures are ready).
    CheckStarted {
        /// Which one.
        id: ResultId,
    },
    /// Connections were tried; the source × destination matrix is made of these.
    Probed {
        /// The check that asked.
        id: ResultId,
        /// One entry for each pair of source and destination.
        cells: Vec<Cell>,
    },
    /// A check has its verdict.
    CheckFinished(Box<Finished>),
    /// Our objects were removed, or some could not be.
    CleanedUp {
        /// Objects that could not be removed, as `kind/name`, with the reason.
        left: Vec<String>,
    },
    /// The last event of a run that ended by itself.
    RunFinished(RunFinished),
    /// A Service of ours was accepted, so that addresses can be called by name.
    ServiceMade(ServiceMade),
    /// What this run is judged against (`--baseline`).
    BaselineGiven(Box<Snapshot>),
    /// Everything is going to be asked once more (`--repeat`); the first round needs no such event.
    RoundStarted {
        /// Counted from 1.
        round: u32,
    },
    /// A node told more of itself than the API server knows of it.
    NodeTold(NodeTold),
}

/// A Service that is asked, and what it is called: ours, or one of the cluster's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceMade {
    /// The fixture or the check it belongs to, for example `win-webserver@10.0.20348.5499`; its own name where it is the cluster's.
    pub owner: String,
    /// Its virtual addresses.
    pub addresses: Vec<String>,
    /// Its node ports.
    pub node_ports: Vec<u16>,
}

/// How the run was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunStarted {
    /// Always [`SCHEMA`] of the writer.
    pub schema: String,
    /// The run's id, for example `20261123-0915-k3f9`; part of every name we create.
    pub run: String,
    /// Wall-clock time of the start.
    pub started: Timestamp,
    /// The version of winconform.
    pub version: String,
    /// The user's policy, which decides dispositions.
    pub policy: Policy,
    /// All budgets are multiplied by this (`--timeout-scale`).
    pub timeout_scale: f64,
    /// Where the testbed is the cluster: what it is and how long it took to boot.
    pub testbed: Option<TestbedFacts>,
    /// How often everything is asked (`--repeat`).
    #[serde(default = "once")]
    pub rounds: u32,
    /// How often a check that did not pass is asked again (`--retries`).
    #[serde(default)]
    pub retries: u32,
}

/// What logs mean that were written before there were rounds.
pub(crate) fn once() -> u32 {
    1
}

/// The testbed a run was made on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestbedFacts {
    /// The shape's name, for example `default`.
    pub shape: String,
    /// The latency profile, for example `fast`.
    pub latency: String,
    /// From the start of its process to nodes that pods can be scheduled on, in milliseconds.
    pub boot_ms: u64,
    /// Names of the faults that were injected before the run.
    pub faults: Vec<String>,
}

/// The cluster as it was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// The cluster as a whole.
    pub cluster: Cluster,
    /// Every node, in the order of their names.
    pub nodes: Vec<Node>,
    /// The targets, in the order of their names.
    pub targets: Vec<Target>,
}

/// The cluster as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    /// The kubeconfig context, or `in-cluster`.
    pub context: String,
    /// The API server's address, without credentials.
    pub server: String,
    /// The API server's version, for example `v1.37.2`.
    pub version: String,
    /// Who runs it, where its nodes say so: `Azure Kubernetes Service`.
    #[serde(default)]
    pub provider: Option<String>,
    /// The DaemonSets of `kube-system`, in the order of their names; empty where we may not list them.
    #[serde(default)]
    pub system: Vec<SystemWorkload>,
}

/// Something that runs on every node, such as the pod network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemWorkload {
    /// Its name, for example `kube-proxy-windows`.
    pub name: String,
    /// What it is for, where its name is a known one.
    pub role: Option<SystemRole>,
    /// The images of its containers, with their tags.
    pub images: Vec<String>,
    /// kube-proxy's mode, where its command line says it: `kernelspace`.
    pub mode: Option<String>,
}

/// What something that runs on every node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SystemRole {
    /// The pod network.
    Cni,
    /// Service rules.
    KubeProxy,
}

/// What a node told of itself, from a HostProcess pod.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeTold {
    /// The node.
    pub node: String,
    /// The updates that are installed, for example `KB5034439`.
    pub updates: Vec<String>,
}

/// A node as it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Node {
    /// `metadata.name`.
    pub name: String,
    /// `windows` or `linux`, from `status.nodeInfo.operatingSystem`.
    pub os: String,
    /// `amd64`, `arm64`.
    pub arch: String,
    /// The marketing name, for example `Windows Server 2022 Datacenter`.
    pub os_image: String,
    /// `10.0.20348.5499` on Windows: the patch level is the fourth number.
    pub kernel_version: String,
    /// For example `containerd://1.7.29`.
    pub container_runtime: String,
    /// For example `v1.37.2`.
    pub kubelet: String,
    /// Whether its condition Ready was True.
    pub ready: bool,
    /// Whether it was cordoned.
    pub unschedulable: bool,
    /// `key=value:effect` of each taint.
    pub taints: Vec<String>,
    /// The target it belongs to, on Windows.
    pub target: Option<String>,
    /// The updates that are installed, in the order of their names; none where nobody could ask.
    #[serde(default)]
    pub updates: Option<Vec<String>>,
}

/// Windows nodes that are alike: equal kernel version, runtime and kubelet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// As shown and filtered, for example `10.0.20348.5499`.
    pub name: String,
    /// The product where the build is known, for example `Windows Server 2022`.
    pub product: Option<String>,
    /// The names of its nodes.
    pub nodes: Vec<String>,
}

/// What a run is going to do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Every answer the run will give, in report order.
    pub results: Vec<PlannedResult>,
    /// Fixtures, for example `win-webserver@10.0.20348.5499`.
    pub fixtures: Vec<String>,
    /// Checks that the user's filters, or `--allow-…` switches not given, kept out.
    pub left_out: Vec<LeftOut>,
}

/// One answer the run will give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedResult {
    /// The check and its place.
    pub id: ResultId,
    /// The check's one-sentence title.
    pub title: String,
    /// The guide's statement, for example `R3`.
    pub statement: String,
    /// How much hangs on it.
    pub level: Level,
}

/// A check that was kept out of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// The check.
    pub check: CheckId,
    /// Its level; a core check left out makes the result partial.
    pub level: Level,
    /// Why, for example `--skip nodes/*`.
    pub reason: String,
}

/// What a fixture came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixtureState {
    /// Its objects are being created.
    Starting,
    /// Its objects are ready.
    Ready,
    /// It cannot become ready.
    Failed(String),
    /// Its last user is done and its objects are being removed.
    Removed,
}

/// A pod of ours on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodProgress {
    /// The fixture or the check that owns it.
    pub owner: String,
    /// The pod's name.
    pub pod: String,
    /// The node, once it is known.
    pub node: Option<String>,
    /// Where it is: `scheduled`, `pulling`, `pulled`, `created`, `started`, `ready`, or a waiting reason.
    pub phase: String,
}

/// How long a pod took to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PodTimeline {
    /// The fixture or the check that owns it.
    pub owner: String,
    /// The pod's name.
    pub pod: String,
    /// The node it ran on.
    pub node: String,
    /// The target, where the node is a Windows node.
    pub target: Option<String>,
    /// The phases, in order.
    pub phases: Vec<Phase>,
    /// The images that its containers run.
    #[serde(default)]
    pub images: Vec<PodImage>,
    /// The round in which it started, counted from 1.
    #[serde(default = "once")]
    pub round: u32,
}

/// An image as a node runs it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct PodImage {
    /// As the pod names it.
    pub image: String,
    /// What the node made of the name: `sha256:…`.
    pub digest: String,
}

/// A named stretch of time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phase {
    /// `scheduled`, `sandbox`, `pulled`, `started`, `ready`, `first answer`, …
    pub name: String,
    /// How long, in milliseconds.
    pub ms: u64,
}

/// Where a probe starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Vantage {
    /// The machine winconform runs on.
    Outside,
    /// A pod in the host's network on a Linux node.
    LinuxNode,
    /// An ordinary pod on a Linux node.
    LinuxPod,
    /// An ordinary pod on a Windows node.
    WindowsPod,
    /// A HostProcess pod on a Windows node.
    WindowsHost,
    /// The API server's proxy.
    ApiServer,
}

impl Vantage {
    /// Words for tables: `windows pod`.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Outside => "outside",
            Self::LinuxNode => "linux node",
            Self::LinuxPod => "linux pod",
            Self::WindowsPod => "windows pod",
            Self::WindowsHost => "windows host",
            Self::ApiServer => "api server",
        }
    }
}

/// What a probe is aimed at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// A Windows pod's IP, source and destination on one node.
    WindowsPodSameNode,
    /// A Windows pod's IP on another node.
    WindowsPodOtherNode,
    /// A Windows pod on the source's node, asked by ping.
    PingSameNode,
    /// A Windows pod on another node, asked by ping.
    PingOtherNode,
    /// A Linux pod's IP.
    LinuxPod,
    /// The virtual IP of a Service with Windows backends.
    WindowsServiceIp,
    /// The virtual IP of a Service that the source itself backs (hairpin).
    OwnServiceIp,
    /// The virtual IP of a Service with Linux backends.
    LinuxServiceIp,
    /// The name of a Service.
    ServiceName,
    /// The same with a namespace and without a domain, which Windows takes for complete.
    PartialName,
    /// A node port of a Service with Windows backends.
    NodePort,
    /// The same on a node that runs none of them.
    NodePortNoBackend,
    /// The source's own node's port.
    OwnNodePort,
    /// A load balancer's address.
    LoadBalancer,
    /// An address outside the cluster.
    Internet,
    /// The API server, by its Service.
    ApiServer,
    /// The cluster's DNS, by the address that pods are told.
    DnsService,
    /// A DNS server behind that address, asked directly.
    DnsServer,
}

impl Destination {
    /// Words for tables: `service ip`.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::WindowsPodSameNode => "windows pod, same node",
            Self::WindowsPodOtherNode => "windows pod, other node",
            Self::PingSameNode => "ping to windows pod, same node",
            Self::PingOtherNode => "ping to windows pod, other node",
            Self::LinuxPod => "linux pod",
            Self::WindowsServiceIp => "service ip",
            Self::OwnServiceIp => "own service ip",
            Self::LinuxServiceIp => "linux service ip",
            Self::ServiceName => "service name",
            Self::PartialName => "partially qualified name",
            Self::NodePort => "node port",
            Self::NodePortNoBackend => "node port, no backend there",
            Self::OwnNodePort => "own node port",
            Self::LoadBalancer => "load balancer",
            Self::Internet => "internet",
            Self::ApiServer => "api server",
            Self::DnsService => "dns service",
            Self::DnsServer => "dns server",
        }
    }

    /// Whether it is a node port, with or without a backend beside it.
    #[must_use]
    pub fn is_node_port(self) -> bool {
        matches!(self, Self::NodePort | Self::NodePortNoBackend | Self::OwnNodePort)
    }
}

/// One pair of source and destination, and what came of the connections tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cell {
    /// Where the connections started.
    pub source: Vantage,
    /// The node they started on; none for the outside.
    pub source_node: Option<String>,
    /// What they were aimed at.
    pub destination: Destination,
    /// The address, for example `10.244.3.7:80`.
    pub address: String,
    /// The node behind the address, where it is one.
    pub destination_node: Option<String>,
    /// How many connections were tried.
    pub tried: u32,
    /// How many brought the expected answer.
    pub answered: u32,
    /// How many connected but were answered wrongly or not at all, also when asked alone.
    pub connected_only: u32,
    /// How many connected and waited in vain behind others, while each was answered when asked
    /// alone: a server with much to do, and no loss.
    #[serde(default)]
    pub slow: u32,
    /// How many were refused.
    pub refused: u32,
    /// How many timed out while connecting.
    pub timed_out: u32,
    /// How many ended otherwise (name not found, reset, no route).
    pub otherwise: u32,
    /// How many could not be tried at all, or whose outcome was lost: our transport, not the cluster's network.
    pub lost: u32,
    /// The first thing that went wrong, in words.
    pub example: Option<String>,
}

impl Cell {
    /// A pair of which nothing was tried yet.
    #[must_use]
    pub fn untried(
        source: Vantage,
        source_node: Option<String>,
        destination: Destination,
        address: String,
        destination_node: Option<String>,
    ) -> Self {
        Self {
            source,
            source_node,
            destination,
            address,
            destination_node,
            tried: 0,
            answered: 0,
            connected_only: 0,
            slow: 0,
            refused: 0,
            timed_out: 0,
            otherwise: 0,
            lost: 0,
            example: None,
        }
    }
}

/// A check's verdict and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The check and its place.
    pub id: ResultId,
    /// The answer.
    pub verdict: Verdict,
    /// How often it was asked in this round (1 unless retries are on).
    pub attempts: u32,
    /// Whether an attempt failed before one passed.
    pub flaky: bool,
    /// The attempts before the one that gave the verdict, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Attempt>,
    /// The round, counted from 1.
    #[serde(default = "once")]
    pub round: u32,
    /// From its start to its verdict, in milliseconds; waiting for fixtures is not counted.
    pub ms: u64,
    /// Named stretches of that time.
    pub phases: Vec<Phase>,
    /// Machine-readable facts that the verdict rests on; findings are made of these.
    pub observations: Vec<Observation>,
    /// What was collected for people to look at.
    pub evidence: Vec<Evidence>,
}

/// An attempt after which the check was asked again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// What it came to.
    pub verdict: Verdict,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// Machine-readable facts that it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
}

/// A machine-readable fact that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// A container waits or ended for a reason.
    Container {
        /// `namespace/pod`.
        pod: String,
        /// The node, once scheduled.
        node: Option<String>,
        /// The image.
        image: String,
        /// The waiting or terminated reason, for example `ErrImagePull`.
        reason: String,
        /// The runtime's message.
        message: String,
    },
    /// A warning event about an object of ours, or about a node.
    Event {
        /// `pod/name` or `node/name`.
        object: String,
        /// The node, where known.
        node: Option<String>,
        /// The event's reason, for example `FailedCreatePodSandBox`.
        reason: String,
        /// The event's message.
        message: String,
    },
    /// A pod that no node would take.
    Unschedulable {
        /// `namespace/pod`.
        pod: String,
        /// The nodes it was meant for.
        nodes: Vec<String>,
        /// Taints of those nodes that it does not tolerate, computed, never read from the message.
        untolerated: Vec<String>,
    },
    /// A node's condition, label or field was not as it should be.
    Node {
        /// The node.
        node: String,
        /// What was looked at, for example `condition Ready` or `label node.kubernetes.io/windows-build`.
        what: String,
        /// What it should be.
        expected: String,
        /// What it was.
        found: String,
    },
    /// Our exec on a node was lost or refused while a control elsewhere worked.
    NoExec {
        /// The node.
        node: String,
        /// What the API server said.
        message: String,
        /// Whether an exec on another node worked at about the same time.
        elsewhere_works: bool,
    },
    /// A name was asked for.
    Name {
        /// Where: a pod or a host.
        source: Vantage,
        /// The node it is on.
        node: String,
        /// The name as it was asked for.
        name: String,
        /// Who was asked.
        asked: NameServer,
        /// The address that was asked, where it is known.
        server: Option<String>,
        /// What came of it.
        outcome: NameOutcome,
    },
    /// The API server refused a request of ours.
    Refused {
        /// `create pods` …
        request: String,
        /// The HTTP status.
        code: u16,
        /// The reason, for example `Forbidden`.
        reason: String,
        /// The message.
        message: String,
    },
    /// The control plane did nothing with an object of ours, and said nothing about it.
    Idle {
        /// Which part of it should have: `kube-scheduler`, `kube-controller-manager`.
        part: String,
        /// The object, for example `pod winconform-k3f9/windows-pod-win-0`.
        object: String,
    },
    /// A container is somebody else than it should be, to Windows or to its domain.
    Identity {
        /// The node it runs on; none where the node does not matter.
        node: Option<String>,
        /// Whom it is about: the user, or the group managed service account's credential spec.
        who: String,
        /// Whether that is an account of a domain, and not a user of Windows.
        of_domain: bool,
        /// What was asked, for example `whoami` or `nltest /sc_verify`.
        what: String,
        /// What it should have said.
        expected: String,
        /// What it said.
        found: String,
    },
    /// A step of the guide, taken as printed, and what the cluster made of it.
    Step {
        /// What was done, for example `apply win-webserver.yaml: Deployment win-webserver`.
        step: String,
        /// Whether the cluster did what the guide says.
        worked: bool,
        /// What came of it.
        outcome: String,
        /// Why, where there is more to say than the outcome.
        why: Option<String>,
    },
}

/// Who was asked for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameServer {
    /// The pod's own resolver, as applications use it.
    Resolver,
    /// The cluster's DNS by its Service's address.
    Service,
    /// A server behind that address.
    Server,
}

impl NameServer {
    /// Words for sentences: `its resolver`.
    #[must_use]
    pub fn as_words(self) -> &'static str {
        match self {
            Self::Resolver => "the pod's resolver",
            Self::Service => "the DNS Service's address",
            Self::Server => "a DNS server behind it",
        }
    }
}

/// What came of a question for a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NameOutcome {
    /// The right address.
    Right,
    /// Another one.
    Wrong(String),
    /// There is no such name.
    NoSuchName,
    /// The server could not say.
    ServerFailed,
    /// Nobody answered.
    TimedOut,
    /// Nothing that is understood.
    Unclear(String),
}

impl NameOutcome {
    /// Words for sentences: `no answer`.
    #[must_use]
    pub fn as_words(&self) -> &'static str {
        match self {
            Self::Right => "the right address",
            Self::Wrong(_) => "another address",
            Self::NoSuchName => "no such name",
            Self::ServerFailed => "a server's failure",
            Self::TimedOut => "no answer in time",
            Self::Unclear(_) => "an answer that is not understood",
        }
    }
}

impl Observation {
    /// The node it is about, where it names one.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        match self {
            Self::Container { node, .. } | Self::Event { node, .. } | Self::Identity { node, .. } => node.as_deref(),
            Self::Node { node, .. } | Self::NoExec { node, .. } | Self::Name { node, .. } => Some(node),
            _ => None,
        }
    }
}

impl Observation {
    /// What kind of fact it is, and what kind of thing it says: `container ErrImagePull`.
    ///
    /// Two failures of one check with equal signatures are the same failure, whatever
    /// the names of pods and the words of messages.
    #[must_use]
    pub fn signature(&self) -> String {
        match self {
            Self::Container { reason, .. } => format!("container {reason}"),
            Self::Event { reason, .. } => format!("event {reason}"),
            Self::Unschedulable { untolerated, .. } => format!("unschedulable {}", untolerated.join(" ")),
            Self::Node { what, .. } => format!("node {what}"),
            Self::NoExec { .. } => "no_exec".to_owned(),
            Self::Name { asked, outcome, .. } => format!("name {} {}", asked.as_words(), outcome.as_words()),
            Self::Refused { code, reason, .. } => format!("refused {code} {reason}"),
            Self::Idle { part, .. } => format!("idle {part}"),
            Self::Identity { what, found, .. } => format!("identity {what} {found}"),
            Self::Step { step, worked, .. } => format!("step {step} {worked}"),
        }
    }

    /// The fact in a sentence.
    #[must_use]
    pub fn words(&self) -> String {
        let on = |node: &Option<String>| node.as_deref().map(|node| format!(" on {node}")).unwrap_or_default();
        match self {
            Self::Container { pod, node, image, reason, message } => {
                format!("container of {pod}{} ({image}): {reason}: {message}", on(node))
            }
            Self::Event { object, node, reason, message } => {
                format!("event about {object}{}: {reason}: {message}", on(node))
            }
            Self::Unschedulable { pod, nodes, untolerated } if untolerated.is_empty() => {
                format!("no node takes {pod}, meant for {}", first_few(nodes.iter().map(String::as_str), 6))
            }
            Self::Unschedulable { pod, nodes, untolerated } => {
                let nodes = first_few(nodes.iter().map(String::as_str), 6);
                format!("no node takes {pod}, meant for {nodes}; it does not tolerate {}", untolerated.join(", "))
            }
            Self::Node { node, what, expected, found } => format!("{what} of {node} is {found}, expected {expected}"),
            Self::NoExec { node, message, elsewhere_works } => {
                let elsewhere = if *elsewhere_works { "works" } else { "does not work either" };
                format!("exec on {node}: {message}; elsewhere it {elsewhere}")
            }
            Self::Name { source, node, name, asked, server, outcome } => {
                let at = server.as_deref().map(|server| format!(" ({server})")).unwrap_or_default();
                let (source, asked) = (source.as_words(), asked.as_words());
                format!("{source} on {node} asked {asked}{at} for {name}: {}", outcome.as_words())
            }
            Self::Refused { request, code, reason, message } => {
                format!("the API server refused to {request}: {code} {reason}: {message}")
            }
            Self::Idle { part, object } => format!("{part} has done nothing about {object}"),
            Self::Identity { node, who, what, expected, found, .. } => {
                format!("{who}{}: {what} is {found}, expected {expected}", on(node))
            }
            Self::Step { step, worked, outcome, why } => {
                let worked = if *worked { "worked" } else { "did not work" };
                let why = why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
                format!("{step}: {worked}: {outcome}{why}")
            }
        }
    }
}

/// Something collected for people to look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What it is, for example `events of namespace winconform-k3f9`.
    pub title: String,
    /// The file in the run's folder, relative to it.
    pub path: Option<String>,
    /// A short excerpt, where that says enough.
    pub excerpt: Option<String>,
}

/// How the run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunFinished {
    /// From the first request to the cluster to the last verdict's cleanup, in milliseconds; the testbed's boot is apart.
    pub wall_ms: u64,
    /// The longest chain of what the cluster took, in milliseconds.
    pub critical_path_ms: u64,
    /// That chain in words, longest first part first, for example `win-webserver@10.0.17763.8511 ready 5.1 s`.
    pub critical_path: Vec<String>,
    /// Requests sent to the API server.
    pub api_requests: u64,
    /// Why the run ended before all was asked, where it did.
    pub aborted: Option<String>,
}
