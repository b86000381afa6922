//! The real control plane: where it comes from, how it is started, how it is watched.
//!
//! etcd and the API server start together, since the API server waits for etcd
//! by itself. The controller manager and the scheduler follow as soon as the
//! API server is ready: earlier they would back off, for longer than they save.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures::future::select_all;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client, runtime::wait::await_condition};
use thiserror::Error;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};
use tokio_util::sync::CancellationToken;

pub(crate) use self::pki::Identity;
pub use self::{
    acquire::{AcquireError, Acquisition, Part, Parts, Platform, acquire},
    container::{ContainerError, ContainerOptions},
    flags::{API_ADDRESS, POD_RANGE, SERVICE_ADDRESS, SERVICE_RANGE},
    kubeconfig::CONTEXT,
    pki::PkiError,
};
pub(crate) use self::{container::Containers, flags::Egress, layout::Layout, pki::kubelet_alone};
use self::{flags::Place, pki::Pki};
use crate::{
    api_front::{self, FrontError, FrontParts},
    clock::Clock,
    fault::FaultBoard,
    process::{Process, ProcessError, Start, Supervisor},
    shape::{Features, Shape},
    world::KubeletTls,
};

mod acquire;
mod container;
mod flags;
mod kubeconfig;
mod layout;
mod pki;
mod policy;
#[cfg(test)]
mod tests;

/// How long the control plane may take to get ready; it needs three seconds on an idle machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How often a starting API server is asked whether it is ready. There is no event to wait for.
const ASK_EVERY: Duration = Duration::from_millis(25);

/// How many ports are tried, should others take the free one before the API server does.
const PORTS_TRIED: usize = 5;

/// The control plane did not start, or did not stay.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ControlPlaneError {
    /// A certificate could not be made.
    #[error("the testbed's certificates could not be made")]
    Pki(#[from] PkiError),
    /// A file of the testbed could not be written.
    #[error("a file of the testbed could not be written")]
    Write(#[source] io::Error),
    /// A part could not be started.
    #[error("the control plane could not be started")]
    Process(#[from] ProcessError),
    /// A container could not be made or started.
    #[error("the control plane's containers could not be started")]
    Container(#[from] ContainerError),
    /// A part ended.
    #[error("{name} ended with {how}")]
    Ended {
        /// The part.
        name: String,
        /// How it ended.
        how: String,
        /// The end of its log.
        log_tail: Vec<String>,
    },
    /// The API server runs but is not ready.
    #[error("{name} was not ready after {} s: {last}", PATIENCE.as_secs())]
    NotReady {
        /// The part.
        name: String,
        /// What it last answered.
        last: String,
        /// The end of its log.
        log_tail: Vec<String>,
    },
    /// No port could be had.
    #[error("there is no free port on 127.0.0.1")]
    NoPort(#[source] io::Error),
    /// The client could not be made.
    #[error("no client for the API server could be made")]
    Client(#[source] Box<kube::Error>),
    /// The kubeconfig written for the testbed does not read back.
    #[error("the testbed's own kubeconfig is not usable")]
    Kubeconfig(#[source] Box<kube::config::KubeconfigError>),
    /// What stands in front of the API server could not be opened.
    #[error("the front of the API server could not be opened")]
    Front(#[from] FrontError),
    /// The cluster's first objects did not appear.
    #[error("the default service account did not appear")]
    ServiceAccount(#[source] Box<kube::runtime::wait::Error>),
    /// What the shape forbids could not be forbidden.
    #[error("the policy against HostProcess containers could not be put into force")]
    Policy(#[source] Box<kube::Error>),
}

impl ControlPlaneError {
    /// The end of the log that shows why, if there is one.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        match self {
            Self::Ended { log_tail, .. } | Self::NotReady { log_tail, .. } => log_tail,
            _ => &[],
        }
    }
}

/// A running control plane.
pub(crate) struct ControlPlane {
    /// A client of the API server, as an administrator.
    pub(crate) client: Client,
    /// Where the API server really listens.
    pub(crate) api: SocketAddrV4,
    /// The administrator's kubeconfig.
    pub(crate) kubeconfig: PathBuf,
    /// What the virtual kubelets serve and trust.
    pub(crate) kubelet_tls: KubeletTls,
    /// What webhooks of the testbed's own serve with.
    pub(crate) webhook_tls: KubeletTls,
    /// What the webhook for credential specs serves with.
    pub(crate) gmsa_webhook_tls: KubeletTls,
    processes: Vec<Process>,
}

impl ControlPlane {
    /// Starts all parts and returns when the API server is ready.
    ///
    /// # Errors
    ///
    /// When a file cannot be written, or when a part does not start or ends; with the end of its log.
    pub(crate) async fn start(
        engine: Engine<'_>,
        layout: &Layout,
        supervisor: &Supervisor,
        shape: &Arc<Shape>,
        egress: &Egress,
        front: Option<Front>,
    ) -> Result<Self, ControlPlaneError> {
        let place = engine.place();
        let launcher =
            Launcher { engine, layout, supervisor, egress: *egress != Egress::None, behind_front: front.is_some() };
        layout.create().await.map_err(ControlPlaneError::Write)?;
        let etcd = launcher.start(Part::Etcd, flags::etcd(layout, place)).await?;
        let pki = make_pki(shape.clone()).await?;
        write_files(layout, &pki, egress).await.map_err(ControlPlaneError::Write)?;

        let (api_server, api, client) = match engine {
            Engine::Processes(_) => launcher.start_api_server(&etcd, &pki).await?,
            Engine::Containers(containers) => launcher.start_api_container(&etcd, &pki, containers).await?,
        };
        let mut users = vec![("controller-manager", &pki.controller_manager), ("scheduler", &pki.scheduler)];
        let mut seen_at = api;
        if let Some(front) = front {
            seen_at = front.open(api, &pki).await?;
            users.push(("admin", &pki.admin)); // our own client went straight to the API server, and goes on so
        }
        // Containers find each other in their own network.
        let server = match engine {
            Engine::Processes(_) => format!("https://{seen_at}"),
            Engine::Containers(_) => format!("https://127.0.0.1:{}", container::API_PORT),
        };
        for (user, identity) in users {
            let text = kubeconfig::kubeconfig(&server, &pki.authority, identity);
            Layout::write(&layout.kubeconfig(user), text).await.map_err(ControlPlaneError::Write)?;
        }
        let controller_manager = launcher.start(Part::ControllerManager, flags::controller_manager(layout)).await?;
        let scheduler = launcher.start(Part::Scheduler, flags::scheduler(layout)).await?;

        Ok(Self {
            client,
            api,
            kubeconfig: layout.kubeconfig("admin"),
            kubelet_tls: pki.kubelet_tls(),
            webhook_tls: pki.webhook_tls(),
            gmsa_webhook_tls: pki.gmsa_webhook_tls(),
            processes: vec![etcd, api_server, controller_manager, scheduler],
        })
    }

    /// Returns when the controller manager has made what pods need, the default service account, and when the API
    /// server enforces what the shape forbids.
    ///
    /// # Errors
    ///
    /// When that does not come, or when a part ends before.
    pub(crate) async fn settled(&self, features: &Features) -> Result<(), ControlPlaneError> {
        self.has_service_account().await?;
        if !features.host_process {
            self.within_patience(policy::forbid_host_process(&self.client), "it does not enforce its policy")
                .await?
                .map_err(|error| ControlPlaneError::Policy(Box::new(error)))?;
        }
        Ok(())
    }

    async fn has_service_account(&self) -> Result<(), ControlPlaneError> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "default");
        let appeared = await_condition(accounts, "default", |account: Option<&ServiceAccount>| account.is_some());
        self.within_patience(appeared, "there is no default service account")
            .await?
            .map(|_account| ())
            .map_err(|error| ControlPlaneError::ServiceAccount(Box::new(error)))
    }

    /// What `work` comes to, unless a part ends before or it takes too long.
    async fn within_patience<T>(&self, work: impl Future<Output = T>, last: &str) -> Result<T, ControlPlaneError> {
        tokio::select! {
            ended = self.ended() => Err(ended),
            done = timeout_at(Instant::now() + PATIENCE, work) => done.map_err(|_elapsed| self.not_settled(last)),
        }
    }

    /// Returns when a part has ended, which none does by itself.
    pub(crate) async fn ended(&self) -> ControlPlaneError {
        let ends = self.processes.iter().map(|process| Box::pin(ended(process)));
        select_all(ends).await.0
    }

    fn not_settled(&self, last: &str) -> ControlPlaneError {
        let controller_manager = self.processes.iter().find(|process| process.name() == Part::ControllerManager.name());
        ControlPlaneError::NotReady {
            name: Part::ControllerManager.name().into(),
            last: last.into(),
            log_tail: controller_manager.map(Process::log_tail).unwrap_or_default(),
        }
    }
}

/// What stands in front of the API server, where something does.
pub(crate) struct Front {
    /// What changes answers.
    pub(crate) faults: FaultBoard,
    /// How long delays are.
    pub(crate) clock: Clock,
    /// Ends it.
    pub(crate) cancel: CancellationToken,
}

impl Front {
    async fn open(self, api: SocketAddrV4, pki: &Pki) -> Result<SocketAddrV4, FrontError> {
        let parts = FrontParts {
            api,
            serving: &pki.api_server,
            authority: &pki.authority,
            own: &pki.front,
            clients: vec![
                (&pki.admin, pki::ADMIN.0, pki::ADMIN.1),
                (&pki.controller_manager, pki::CONTROLLER_MANAGER, None),
                (&pki.scheduler, pki::SCHEDULER, None),
            ],
            faults: self.faults,
            clock: self.clock,
        };
        api_front::serve(parts, self.cancel).await
    }
}

/// What runs the parts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Engine<'a> {
    /// This machine.
    Processes(&'a Parts),
    /// A container engine.
    Containers(&'a Containers),
}

impl Engine<'_> {
    fn place(self) -> Place {
        match self {
            Self::Processes(_) => Place::Here,
            Self::Containers(_) => Place::Containers,
        }
    }
}

struct Launcher<'a> {
    engine: Engine<'a>,
    layout: &'a Layout,
    supervisor: &'a Supervisor,
    egress: bool,
    behind_front: bool,
}

impl Launcher<'_> {
    async fn start(&self, part: Part, flags: Vec<String>) -> Result<Process, ControlPlaneError> {
        let start = match self.engine {
            Engine::Processes(parts) => {
                let (program, mut arguments) = parts.command(part);
                arguments.extend(flags);
                Start {
                    name: part.name().into(),
                    program,
                    arguments,
                    environment: Vec::new(),
                    directory: self.layout.root().to_owned(),
                    log: self.layout.log(part.name()),
                    hold_stdin: false,
                }
            }
            Engine::Containers(containers) => containers.create(part, flags, self.layout).await?,
        };
        Ok(self.supervisor.spawn(start).await?)
    }

    fn api_server_flags(&self, port: u16) -> Vec<String> {
        let mut flags = flags::api_server(self.layout, self.engine.place(), port);
        if self.egress {
            flags.extend(flags::through_egress(self.layout));
        }
        if self.behind_front {
            flags.extend(flags::behind_front(self.layout));
        }
        flags
    }

    /// Starts the API server in a container, whose engine finds a free port.
    async fn start_api_container(
        &self,
        etcd: &Process,
        pki: &Pki,
        containers: &Containers,
    ) -> Result<(Process, SocketAddrV4, Client), ControlPlaneError> {
        let api = tokio::select! {
            failed = ended(etcd) => return Err(failed),
            api = containers.api() => api?,
        };
        let text = kubeconfig::kubeconfig(&format!("https://{api}"), &pki.authority, &pki.admin);
        Layout::write(&self.layout.kubeconfig("admin"), &text).await.map_err(ControlPlaneError::Write)?;
        let client = client(&text).await?;
        let process = self.start(Part::ApiServer, self.api_server_flags(container::API_PORT)).await?;
        tokio::select! {
            failed = ended(etcd) => Err(failed),
            failed = ended(&process) => Err(failed),
            ready = ready(&client, &process) => ready.map(|()| (process, api, client)),
        }
    }

    /// Starts the API server on a free port, on another one if that was taken meanwhile.
    async fn start_api_server(
        &self,
        etcd: &Process,
        pki: &Pki,
    ) -> Result<(Process, SocketAddrV4, Client), ControlPlaneError> {
        let mut tries = 1..=PORTS_TRIED;
        loop {
            let api = free_address().map_err(ControlPlaneError::NoPort)?;
            let text = kubeconfig::kubeconfig(&format!("https://{api}"), &pki.authority, &pki.admin);
            Layout::write(&self.layout.kubeconfig("admin"), &text).await.map_err(ControlPlaneError::Write)?;
            let client = client(&text).await?;
            let process = self.start(Part::ApiServer, self.api_server_flags(api.port())).await?;
            tries.next();
            let failed = tokio::select! {
                failed = ended(etcd) => return Err(failed),
                failed = ended(&process) => failed,
                ready = ready(&client, &process) => return ready.map(|()| (process, api, client)),
            };
            if tries.is_empty() || !port_was_taken(failed.log_tail()) {
                return Err(failed);
            }
            tracing::info!(%api, "the port was taken by another program; trying another one");
        }
    }
}

async fn make_pki(shape: Arc<Shape>) -> Result<Pki, ControlPlaneError> {
    let made = tokio::task::spawn_blocking(move || {
        let nodes = shape.nodes.iter().enumerate().map(|(index, node)| (node.name.as_str(), Shape::internal_ip(index)));
        Pki::new(&[Ipv4Addr::LOCALHOST, API_ADDRESS, SERVICE_ADDRESS], nodes)
    });
    match made.await {
        Ok(pki) => Ok(pki?),
        Err(error) => Err(ControlPlaneError::Write(io::Error::other(error))),
    }
}

async fn write_files(layout: &Layout, pki: &Pki, egress: &Egress) -> io::Result<()> {
    let files = [
        ("ca.crt", &pki.authority),
        ("apiserver.crt", &pki.api_server.certificate),
        ("apiserver.key", &pki.api_server.key),
        ("kubelet-client.crt", &pki.kubelet_client.certificate),
        ("kubelet-client.key", &pki.kubelet_client.key),
        ("sa.key", &pki.service_account_key),
        ("sa.pub", &pki.service_account_public_key),
    ];
    for (name, text) in files {
        Layout::write(&layout.pki(name), text).await?;
    }
    match flags::egress_configuration(egress, layout) {
        Some(text) => Layout::write(&layout.egress_configuration(), text).await,
        None => Ok(()),
    }
}

/// Makes rustls use ring in this process; whoever came first is left in place.
pub(crate) fn install_tls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A client that goes to the API server directly, whatever proxy the environment names.
async fn client(kubeconfig: &str) -> Result<Client, ControlPlaneError> {
    use kube::config::{KubeConfigOptions, Kubeconfig};
    install_tls_provider();
    let unusable = |error| ControlPlaneError::Kubeconfig(Box::new(error));
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(unusable)?;
    let mut config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.map_err(unusable)?;
    config.proxy_url = None;
    Client::try_from(config).map_err(|error| ControlPlaneError::Client(Box::new(error)))
}

/// An address that nobody listens on at this moment.
fn free_address() -> io::Result<SocketAddrV4> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr()?.port()))
}

fn port_was_taken(log_tail: &[String]) -> bool {
    log_tail.iter().any(|line| line.contains("address already in use"))
}

async fn ended(process: &Process) -> ControlPlaneError {
    let ended = process.ended().await;
    ControlPlaneError::Ended { name: process.name().into(), how: ended.how, log_tail: process.log_tail() }
}

/// Returns when the API server says that it is ready.
async fn ready(client: &Client, process: &Process) -> Result<(), ControlPlaneError> {
    let deadline = Instant::now() + PATIENCE;
    let mut last = "no answer".to_owned();
    let mut ask = interval(ASK_EVERY);
    ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < deadline {
        ask.tick().await;
        let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else { continue };
        match timeout_at(deadline, client.request_text(request)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => last = error.to_string(),
            Err(_elapsed) => {}
        }
    }
    Err(ControlPlaneError::NotReady { name: process.name().into(), last, log_tail: process.log_tail() })
}
