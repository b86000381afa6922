//! The testbed's own process: starts everything, says when it is ready, and ends everything.
//!
//! It lives as long as its standard input stays open: the one who started it
//! holds the other end, so it ends when they do, however they do. A detached
//! testbed lives until it is told to stop, or until nobody has used it for a while.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use thiserror::Error;
use tokio::{net::TcpListener, sync::mpsc};
use tokio_util::sync::CancellationToken;

pub use self::options::{OptionsError, ServeOptions};
use self::{
    ending::Ending,
    handlers::{Handlers, Reset},
    reset::{Inventory, ResetError},
    state::StateDir,
};
use crate::{
    admission::{self, InstallError},
    clock::Clock,
    cluster_dns,
    control::{self, ControlError},
    control_plane::{
        self, AcquireError, CONTEXT, Containers, ControlPlane, ControlPlaneError, Egress, Engine, Front, Layout, Part,
        Parts,
    },
    directory::Directory,
    fault::FaultBoard,
    fault_objects,
    fault_webhooks::{self, WebhookError, WebhookParts},
    join::{self, JoinError, JoinOptions, Joined, Reached},
    kubelet_api,
    network::{Network, NetworkError},
    node::{self, NodeError, Nodes, TlsError},
    process::{Executable, ProcessError, Supervisor, supervise},
    progress::{Info, Progress, Reporter, Step, chain, millis},
    registry::{Registry, RegistryError},
    shape::{Shape, ShapeError},
    world::World,
};

mod ending;
mod handlers;
mod options;
mod reset;
mod state;

/// How long the end of everything may take before the testbed goes without waiting for it.
const LAST_PATIENCE: Duration = Duration::from_secs(5);

/// A testbed could not start, or could not go on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The arguments are no good.
    #[error("the testbed was started wrongly")]
    Options(#[from] OptionsError),
    /// The shape is no good.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The testbed has no place for its files.
    #[error("the testbed has no place for its files: {reason}")]
    State {
        /// What did not work, and what to do about it.
        reason: String,
        /// Why not.
        source: io::Error,
    },
    /// The operating system refused what every process may do.
    #[error("the testbed's process could not be set up")]
    Process(#[source] io::Error),
    /// The supervisor could not be started, or ended.
    #[error(transparent)]
    Supervisor(#[from] ProcessError),
    /// There is no control plane.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The control plane did not start, or ended.
    #[error("the control plane does not run")]
    ControlPlane(#[from] ControlPlaneError),
    /// The virtual network did not start.
    #[error("the virtual network does not run")]
    Network(#[from] NetworkError),
    /// The control plane could not be joined.
    #[error("the control plane could not be joined")]
    Join(#[from] JoinError),
    /// What the API server in its container comes through cannot be used.
    #[error("the virtual network cannot be opened to the API server in its container")]
    EgressTls(#[source] TlsError),
    /// The virtual nodes did not start, or ended.
    #[error("the virtual nodes do not run")]
    Node(#[from] NodeError),
    /// The domain's webhook could not be installed.
    #[error("the webhook for credential specs does not run")]
    Install(#[from] InstallError),
    /// The DNS could not be made known.
    #[error("the Service of the cluster's DNS could not be made")]
    ClusterDns(#[source] kube::Error),
    /// The webhooks of faults could not be served.
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    /// The testbed could not be made what it was.
    #[error(transparent)]
    Reset(#[from] ResetError),
    /// The control socket could not be opened.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The API server did not say its version.
    #[error("the API server did not say its version")]
    Version(#[source] Box<kube::Error>),
    /// The testbed could not be entered in the user's list.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl ServeError {
    /// The end of the log that shows why, if there is one.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        match self {
            Self::Acquire(error) => error.log_tail(),
            Self::ControlPlane(error) => error.log_tail(),
            _ => &[],
        }
    }
}

/// What a program does that was started as `PROGRAM … serve|supervise|acquire …`.
///
/// `arguments` begin with that word. This makes a runtime of its own, so it must not be called inside one.
#[must_use]
pub fn main_serve(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let subcommand = arguments.next().unwrap_or_default();
    let arguments: Vec<String> = arguments.collect();
    let runtime = match subcommand.as_str() {
        "supervise" => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        _ => tokio::runtime::Builder::new_multi_thread().enable_all().build(),
    };
    let Ok(runtime) = runtime else { return ExitCode::FAILURE };
    let reporter = Reporter::new(write_line);
    let done = runtime.block_on(async {
        match subcommand.as_str() {
            "serve" => told(&reporter, serve_arguments(&arguments, &reporter).await),
            "acquire" => told(&reporter, acquire(&arguments, &reporter).await),
            "supervise" => supervise().await.is_ok(),
            _ => false,
        }
    });
    runtime.shutdown_background(); // a thread that waits for input or a lock must not hold the process
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A failure's last word to the one who started us.
fn told(reporter: &Reporter, result: Result<(), ServeError>) -> bool {
    if let Err(error) = &result {
        tracing::error!(error = chain(error), "the testbed ends");
        reporter.tell(Progress::Failed { message: chain(error), log_tail: error.log_tail().to_vec() });
    }
    result.is_ok()
}

/// One line of JSON on standard output. Whoever does not listen any more does not have to.
fn write_line(progress: Progress) {
    if let Ok(mut line) = serde_json::to_vec(&progress) {
        line.push(b'\n');
        let mut out = io::stdout().lock();
        let _ = out.write_all(&line).and_then(|()| out.flush());
    }
}

async fn serve_arguments(arguments: &[String], reporter: &Reporter) -> Result<(), ServeError> {
    serve(ServeOptions::from_args(arguments)?, reporter).await
}

/// Fills the cache and says where the control plane is.
async fn acquire(arguments: &[String], reporter: &Reporter) -> Result<(), ServeError> {
    let options = ServeOptions::from_args(arguments)?;
    let ending = Ending::watch(options.detached).map_err(ServeError::Process)?;
    let executable = Executable::of_this_process("acquire").map_err(ServeError::Process)?;
    let supervisor = Supervisor::start(&executable)?;
    let acquisition = options.acquisition();
    let acquired = tokio::select! {
        () = ending.begun() => Ok(None),
        () = supervisor.ended() => Err(ProcessError::SupervisorEnded.into()),
        parts = control_plane::acquire(&acquisition, &supervisor, reporter) => parts.map(Some).map_err(ServeError::from),
    };
    shut_down(supervisor).await;
    if let Some(parts) = acquired? {
        reporter.tell(Progress::Acquired { directory: parts.directory().to_owned() });
    }
    Ok(())
}

/// Runs a testbed until it is told to end, and tells `reporter` how its start goes.
///
/// # Errors
///
/// When something does not start, or ends before the testbed does.
pub async fn serve(options: ServeOptions, reporter: &Reporter) -> Result<(), ServeError> {
    if options.detached {
        // A session of its own: the terminal's Ctrl-C and its closing are not meant for us. An
        // error means that we lead one already.
        let _ = rustix::process::setsid();
    }
    let ending = Ending::watch(options.detached).map_err(ServeError::Process)?;
    let executable = Executable::of_this_process("serve").map_err(ServeError::Process)?;
    let mut shape = Shape::find(&options.shape)?;
    if options.control_plane_only {
        shape.nodes.clear();
    }
    let shape = Arc::new(shape);
    state::sweep().await;
    let state = StateDir::create().await?;
    state.log_to_file();
    let supervisor = Supervisor::start(&executable)?;
    if !options.keep_state {
        supervisor.remove_at_end(state.layout().root().to_owned());
    }
    let cancel = CancellationToken::new();
    let testbed =
        Testbed { options: &options, shape, state: &state, supervisor: &supervisor, reporter, ending: &ending };
    let result = tokio::select! {
        biased; // when several are true, the first is why
        () = ending.begun() => Ok(()),
        () = supervisor.ended() => Err(ProcessError::SupervisorEnded.into()),
        result = testbed.run(&cancel) => result,
    };
    cancel.cancel();
    if let Some(name) = &options.name {
        registry(&options).forget(name, std::process::id()).await;
    }
    shut_down(supervisor).await;
    tidy_up(&options).await;
    if !options.keep_state {
        state.remove().await;
    }
    result
}

/// Takes away what is neither a process nor a file of ours: containers, and nodes in somebody else's cluster.
///
/// Whoever ends this process by force finds them by their labels: `testbed leave` does the same.
async fn tidy_up(options: &ServeOptions) {
    if let Some(containers) = &options.containers {
        Containers::remove(containers).await;
    }
    if let Some(join) = &options.join
        && let Err(error) = join::leave(join).await
    {
        tracing::error!(error = chain(&error), "the joined nodes were not all removed");
    }
}

/// Ends everything; a supervisor that hangs is left to see that its pipe is closed.
async fn shut_down(supervisor: Supervisor) {
    if tokio::time::timeout(LAST_PATIENCE, supervisor.shut_down()).await.is_err() {
        tracing::error!("the supervisor did not end in time");
    }
}

/// Where a standing testbed is listed.
fn registry(options: &ServeOptions) -> Registry {
    options.registry.as_deref().map_or_else(Registry::of_user, Registry::at)
}

/// What a testbed is started from.
struct Testbed<'a> {
    options: &'a ServeOptions,
    shape: Arc<Shape>,
    state: &'a StateDir,
    supervisor: &'a Supervisor,
    reporter: &'a Reporter,
    ending: &'a Ending,
}

impl Testbed<'_> {
    /// Returns only when something has failed.
    async fn run(self, cancel: &CancellationToken) -> Result<(), ServeError> {
        match &self.options.join {
            Some(join) => self.joined(join, cancel).await,
            None => self.own(cancel).await,
        }
    }

    /// A control plane of its own, with its nodes.
    async fn own(self, cancel: &CancellationToken) -> Result<(), ServeError> {
        let acquisition = self.options.acquisition();
        let (parts, containers) = match &self.options.containers {
            Some(options) => {
                let containers = Containers::prepare(options, &acquisition, self.supervisor, self.reporter);
                (None, Some(containers.await.map_err(ControlPlaneError::Container)?))
            }
            None => (Some(control_plane::acquire(&acquisition, self.supervisor, self.reporter).await?), None),
        };
        let engine = match (&parts, &containers) {
            (_, Some(containers)) => Engine::Containers(containers),
            (Some(parts), None) => Engine::Processes(parts),
            (None, None) => return Err(NodeError::Ended.into()), // one of them is there: see above
        };
        self.live(engine, parts.as_ref(), cancel).await
    }

    async fn live(
        &self,
        engine: Engine<'_>,
        parts: Option<&Parts>,
        cancel: &CancellationToken,
    ) -> Result<(), ServeError> {
        let started = Instant::now();
        let layout = self.state.layout();
        let clock = Clock::new(self.options.latency.factor());
        let faults = FaultBoard::default();
        let network = Network::new(clock.clone(), faults.clone(), &self.shape.features);
        let (egress, port) = self.egress(engine, &network, cancel).await?;
        if let Err(error) = network.open_loopback(cancel.clone()) {
            tracing::info!(error = chain(&error), "node ports and load balancers have no real listeners");
        }
        let outside = network.serve_outside(cancel.clone()).await?;

        let api_front = self.options.api_front && parts.is_some();
        let front = api_front.then(|| Front { faults: faults.clone(), clock: clock.clone(), cancel: cancel.clone() });
        let starting = ControlPlane::start(engine, layout, self.supervisor, &self.shape, &egress, front);
        let control_plane = self.reporter.during(Step::ControlPlane, String::new, starting).await?;
        if let Some(listener) = port {
            let tls = kubelet_api::server_config(&control_plane.kubelet_tls).map_err(ServeError::EgressTls)?;
            network.serve_egress_through_tls(listener, tls, cancel.clone());
        }
        network.forward_api_server(control_plane.api.into());
        network.watch(control_plane.client.clone(), cancel.clone());
        let webhooks = WebhookParts {
            client: control_plane.client.clone(),
            tls: control_plane.webhook_tls.clone(),
            faults: faults.clone(),
            clock: clock.clone(),
        };
        fault_webhooks::serve(webhooks, cancel.clone()).await?;
        fault_objects::serve(control_plane.client.clone(), faults.clone(), cancel.clone());
        let world = World {
            client: control_plane.client.clone(),
            clock,
            shape: self.shape.clone(),
            directory: self.shape.features.active_directory.then(|| Directory::open(&network)),
            network,
            faults: faults.clone(),
            kubelet_tls: control_plane.kubelet_tls.clone(),
            joined: None,
            cancel: cancel.clone(),
        };
        let mut nodes = node::start(&world).await?;
        let detail = || format!("{} nodes", world.shape.nodes.len());
        let ready = async {
            tokio::try_join!(
                async { control_plane.settled(&self.shape.features).await.map_err(ServeError::from) },
                async { cluster_dns::open(&world.client, &world.network).await.map_err(ServeError::ClusterDns) },
                async { nodes.ready().await.map_err(ServeError::from) },
                async { version(&world.client).await },
                async {
                    if self.shape.features.active_directory {
                        admission::install(&world.client, &control_plane.gmsa_webhook_tls, &self.shape).await?;
                    }
                    Ok(())
                },
            )
        };
        let ((), (), (), version, ()) = self.reporter.during(Step::Nodes, detail, ready).await?;

        let kubectl = parts.map_or_else(|| vec!["kubectl".to_owned()], kubectl_of);
        let kubeconfig = control_plane.kubeconfig.clone();
        let cluster = Cluster {
            kubeconfig,
            context: CONTEXT.into(),
            kubectl,
            version,
            outside,
            api_front,
            shape: self.shape.clone(),
        };
        let (asking, mut resets) = mpsc::channel(1);
        self.ready(cluster, started, faults, Some(asking), cancel).await?;

        let mut baseline = None;
        loop {
            tokio::select! {
                error = control_plane.ended() => return Err(error.into()),
                stopped = nodes.stopped() => return stopped.and(Err(NodeError::Ended)).map_err(ServeError::from),
                Some(asked) = resets.recv() => {
                    let done = renew(&world, &mut nodes, &mut baseline).await;
                    let _nobody_waits = asked.send(done.map_err(|error| chain(&error)));
                }
            }
        }
    }

    /// The nodes alone, in a control plane of somebody else's.
    async fn joined(self, options: &JoinOptions, cancel: &CancellationToken) -> Result<(), ServeError> {
        let started = Instant::now();
        let Reached { client, context, server } = &join::connect(options).await?;
        let address = join::address(options)?;
        let shape = Arc::new(join::windows_only(self.shape.as_ref().clone())?);
        let clock = Clock::new(self.options.latency.factor());
        let faults = FaultBoard::default();
        let network = Network::new(clock.clone(), faults.clone(), &shape.features);
        let outside = network.serve_outside(cancel.clone()).await?;
        let joining = join::tls(client, &shape, address);
        let kubelet_tls = self.reporter.during(Step::Join, || context.clone(), joining).await?;
        let version = version(client).await?;
        join::lead_to_api_server(client, &network, server).await;
        network.watch(client.clone(), cancel.clone());
        let joined = Joined { name: join::name_of(context), address };
        let world = World {
            client: client.clone(),
            clock,
            shape: shape.clone(),
            directory: shape.features.active_directory.then(|| Directory::open(&network)),
            network,
            faults: faults.clone(),
            kubelet_tls,
            joined: Some(joined),
            cancel: cancel.clone(),
        };
        let mut nodes = node::start(&world).await?;
        let detail = || format!("{} nodes at {address}", shape.nodes.len());
        let ports = nodes.ports().clone();
        let ready = async {
            nodes.ready().await?;
            let reaching = ports.iter().map(|(node, port)| join::reached(client, node, *port));
            futures::future::try_join_all(reaching).await.map_err(ServeError::from)
        };
        self.reporter.during(Step::Nodes, detail, ready).await?;

        let cluster = Cluster {
            kubeconfig: kubeconfig_of(options),
            context: context.clone(),
            kubectl: ["kubectl", "--context", context].map(str::to_owned).to_vec(),
            version,
            outside,
            api_front: false,
            shape,
        };
        self.ready(cluster, started, faults, None, cancel).await?;
        nodes.stopped().await.and(Err(NodeError::Ended)).map_err(ServeError::from)
    }

    /// Opens the way by which the API server finds the virtual network.
    async fn egress(
        &self,
        engine: Engine<'_>,
        network: &Network,
        cancel: &CancellationToken,
    ) -> Result<(Egress, Option<TcpListener>), ServeError> {
        if self.options.control_plane_only {
            return Ok((Egress::None, None));
        }
        match engine {
            Engine::Processes(_) => {
                let socket = self.state.layout().egress_socket();
                network.serve_egress(&socket, cancel.clone())?;
                Ok((Egress::Socket(socket), None))
            }
            Engine::Containers(containers) => {
                let (addresses, host) = containers.egress();
                let failed = |source| NetworkError::EgressPort { source };
                let addresses: Vec<SocketAddr> = addresses.into_iter().map(|ip| (ip, 0).into()).collect();
                let listener = TcpListener::bind(addresses.as_slice()).await.map_err(failed)?;
                let port = listener.local_addr().map_err(failed)?.port();
                Ok((Egress::Address(format!("{host}:{port}")), Some(listener)))
            }
        }
    }

    /// Opens the control socket, enters the list, and says that it is ready.
    async fn ready(
        &self,
        cluster: Cluster,
        started: Instant,
        faults: FaultBoard,
        resets: Option<mpsc::Sender<Reset>>,
        cancel: &CancellationToken,
    ) -> Result<(), ServeError> {
        let layout: &Layout = self.state.layout();
        let info = Info {
            kubeconfig: cluster.kubeconfig,
            context: cluster.context,
            outside_proxy: format!("http://{}", cluster.outside),
            control_socket: layout.control_socket(),
            state_dir: layout.root().to_owned(),
            version: cluster.version,
            boot_ms: millis(started.elapsed()),
            shape: cluster.shape.name.clone(),
            latency: self.options.latency,
            kubectl: cluster.kubectl,
            pid: std::process::id(),
        };
        let ending = self.ending.clone();
        let handlers = Handlers::new(&info, cluster.outside, &cluster.shape, cluster.api_front, ending, resets);
        let handlers = Arc::new(handlers);
        control::serve(&layout.control_socket(), faults, handlers, cancel.clone()).await?;
        if let Some(name) = &self.options.name {
            registry(self.options).enter(name, &info).await?;
        }
        if let Some(idle) = self.options.exit_when_idle {
            self.ending.begin_when_idle(idle);
        }
        self.reporter.tell(Progress::Ready(Box::new(info)));
        Ok(())
    }
}

/// What there is to know of a cluster that is ready.
struct Cluster {
    kubeconfig: PathBuf,
    context: String,
    kubectl: Vec<String>,
    version: String,
    outside: SocketAddr,
    api_front: bool,
    shape: Arc<Shape>,
}

fn kubectl_of(parts: &Parts) -> Vec<String> {
    let (kubectl, first) = parts.command(Part::Kubectl);
    std::iter::once(kubectl.display().to_string()).chain(first).collect()
}

/// The file that the user's clients read.
fn kubeconfig_of(options: &JoinOptions) -> PathBuf {
    let named = options.kubeconfig.clone();
    let of_user = || std::env::var_os("KUBECONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    named.or_else(of_user).unwrap_or_else(|| {
        etcetera::home_dir().map_or_else(|_homeless| PathBuf::from(".kube/config"), |home| home.join(".kube/config"))
    })
}

/// Makes the cluster what it was at the first time; then nothing is to be done.
async fn renew(world: &World, nodes: &mut Nodes, baseline: &mut Option<Inventory>) -> Result<(), ServeError> {
    let Some(baseline) = baseline else {
        *baseline = Some(Inventory::take(&world.client).await?);
        return Ok(());
    };
    nodes.end().await;
    reset::clear(&world.client, baseline).await?;
    *nodes = node::start(world).await?;
    nodes.ready().await?;
    Ok(reset::until_as(&world.client, baseline).await?)
}

async fn version(client: &kube::Client) -> Result<String, ServeError> {
    let version = client.apiserver_version().await.map_err(|error| ServeError::Version(Box::new(error)))?;
    Ok(version.git_version)
}
