//! The first process of a container: what it sees, how it starts and how it ends.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Container;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    cell::Cell,
    environment::{self, EnvironmentError},
    expand::expand,
    identity,
    log::Log,
    pull::Pulled,
    resources,
    user::{self, UserError},
    volume::Volumes,
};
use crate::{
    clock::Clock,
    command::{
        self, Adapter, Chunk, Exit, Files, HostFiles, Io, Link, Machine, Meter, NetworkLink, Session, Stdin, System,
    },
    directory::Member,
    fault::FaultBoard,
    image::{self, Image},
    network::{PodFacts, Source, search_list, suffixes},
    node::NodeMachine,
    shape::Os,
};

/// The cluster's name server, as kubelets are configured.
const DNS_SERVER: Ipv4Addr = Ipv4Addr::new(10, 96, 0, 10);
/// What Windows processes end with when their container is stopped: `STATUS_CONTROL_C_EXIT`.
const CONTROL_C_EXIT: Exit = 0xC000_013A;
/// What a process that was killed ends with on Linux: 128 and the signal's number.
const KILLED: Exit = 137;

/// A container cannot be configured; the kubelet tries again.
#[derive(Debug, Error)]
pub(super) enum ConfigError {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    User(UserError),
}

/// A container cannot be started, in containerd's words.
#[derive(Debug, Error)]
pub(super) enum StartFailure {
    #[error(
        "failed to create containerd task: failed to create shim task: hcs::CreateComputeSystem {container}: {text}: unknown"
    )]
    Image { container: String, text: &'static str },
    #[error(
        "failed to create containerd task: failed to create shim task: hcs::System::CreateProcess {container}: {text}: unknown"
    )]
    Windows { container: String, text: String },
    #[error(
        "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to \
         start container process: error during container init: exec: \"{program}\": executable file not found in $PATH: unknown"
    )]
    Linux { program: String },
    #[error("{message}")]
    Fault { message: String },
}

/// A process that is about to run.
pub(super) struct Prepared {
    pub(super) session: Session,
    argv: Vec<String>,
}

/// Puts together what the process will see.
///
/// # Errors
///
/// What cannot be configured: `CreateContainerConfigError`.
pub(super) async fn configure(
    cell: &Cell,
    container: &Container,
    image: &Image,
) -> Result<Result<Prepared, StartFailure>, ConfigError> {
    let pod = cell.pod();
    let world = &cell.host.world;
    let facts = cell.facts();
    let os = cell.os();
    let windows_start = |text: &dyn std::fmt::Display| StartFailure::Windows {
        container: container.name.clone(),
        text: text.to_string(),
    };
    let user = match identity::user(cell, container, image.user) {
        Ok(user) => user,
        Err(unknown @ UserError::Unknown) => return Ok(Err(windows_start(&unknown))),
        Err(other) => return Err(ConfigError::User(other)),
    };
    let spec = match identity::credential_spec(cell, container) {
        Ok(spec) => spec,
        // Inferred, not seen: what HCS says to a document that it cannot read.
        Err(_not_one) => return Ok(Err(windows_start(&"The parameter is incorrect. (0x57)"))),
    };
    let own_name = pod.spec.as_ref().and_then(|spec| spec.hostname.clone()).filter(|name| !name.is_empty());
    let host_name = match facts.host_network {
        true => cell.host.name().to_owned(),
        false => own_name.unwrap_or_else(|| facts.name.clone()),
    };
    let mut env = environment::base(os, &host_name, &user);
    environment::extend(&mut env, &pod, container, &world.client).await?;
    let link: Arc<dyn Link> = Arc::new(NetworkLink::new(
        world.network.clone(),
        world.clock.clone(),
        facts.clone(),
        cell.network_up.subscribe(),
    ));
    let member = Member::new(world.directory.clone(), spec, link.clone(), world.faults.clone(), facts.clone());
    let host_process = os == Os::Windows && user::is_host_process(&pod, container);
    let machine: Option<Arc<dyn Machine>> =
        host_process.then(|| Arc::new(NodeMachine(cell.host.clone())) as Arc<dyn Machine>);
    let own: Arc<dyn Files> = Arc::new(Volumes::new(world.client.clone(), pod, container, os));
    let session = Session {
        system: match os {
            Os::Windows => System::Windows { version: cell.host.shape.kernel_version().to_owned() },
            Os::Linux => System::Linux,
        },
        host_name,
        user,
        env,
        kit: if host_process { image::HOST } else { image.kit },
        files: match &machine {
            Some(machine) => Arc::new(HostFiles::new(own, machine.clone())),
            None => own,
        },
        link,
        member,
        adapter: Adapter {
            name: match facts.host_network {
                true => "Ethernet".to_owned(),
                false => format!("vEthernet ({}_vxlan0)", cell.sandbox_id()),
            },
            address: facts.ip,
            search: match world.faults.search(&Source::Pod(facts.clone()), &[]) {
                _ if facts.host_network => Vec::new(),
                Some((search, _)) => suffixes(&search, &facts.namespace),
                None => search_list(&facts.namespace, os, world.shape.features.partial_names),
            },
            dns_server: DNS_SERVER,
        },
        clock: world.clock.clone(),
        faults: world.faults.clone(),
        pod: facts.clone(),
        meter: Meter::new(resources::granted(cell, container)),
        machine,
    };
    let argv = argv(container, image, &session);
    Ok(Ok(Prepared { session, argv }))
}

/// The command line: the pod's command before the image's entry point, and each with its own arguments.
fn argv(container: &Container, image: &Image, session: &Session) -> Vec<String> {
    let own = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
    let expanded = |list: &[String]| {
        list.iter().map(|word| expand(word, |name| session.env.get(name).map(ToOwned::to_owned))).collect::<Vec<_>>()
    };
    let command = container.command.as_deref().filter(|command| !command.is_empty());
    let arguments = container.args.as_deref().filter(|arguments| !arguments.is_empty());
    let mut argv = command.map_or_else(|| own(image.entrypoint), expanded);
    argv.extend(match (arguments, command) {
        (Some(arguments), _) => expanded(arguments),
        (None, Some(_)) => Vec::new(),
        (None, None) => own(image.arguments),
    });
    argv
}

/// Whether the process can start, given what the pull said about its image.
///
/// # Errors
///
/// What containerd says when it cannot: `StartError`.
pub(super) fn check(container: &Container, pulled: &Pulled, prepared: &Prepared) -> Result<(), StartFailure> {
    if let Some(text) = pulled.mismatch {
        return Err(StartFailure::Image { container: container.name.clone(), text });
    }
    command::can_start(&prepared.session, &prepared.argv).map_err(|_missing| {
        if prepared.session.system.is_windows() {
            let text = "The system cannot find the file specified.".to_owned();
            StartFailure::Windows { container: container.name.clone(), text }
        } else {
            StartFailure::Linux { program: prepared.argv.first().cloned().unwrap_or_default() }
        }
    })
}

/// A process that runs.
pub(super) struct Process {
    exit: JoinHandle<Exit>,
    kill: CancellationToken,
    log: AbortOnDropHandle<()>,
    obeys: Option<Exit>,
}

impl Process {
    /// Starts it; what it writes goes into `log`.
    pub(super) fn start(prepared: Prepared, log: Arc<Log>) -> Self {
        let Prepared { session, argv } = prepared;
        let scribe = Scribe { faults: session.faults.clone(), clock: session.clock.clone(), pod: session.pod.clone() };
        let obeys = obeys(&session.system, &argv);
        let kill = CancellationToken::new();
        let (io, mut output) = Io::followed(Stdin::Empty);
        let killed = kill.clone();
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let exit = tokio::spawn(async move {
            let _end = end;
            tokio::select! {
                code = command::run(&session, &argv, &io) => code.unwrap_or(1),
                () = killed.cancelled() => KILLED,
            }
        });
        let log = tokio::spawn(async move {
            loop {
                // What was written before the end is all there when the end is noticed.
                tokio::select! {
                    biased;
                    chunk = output.recv() => match chunk {
                        Some(chunk) => scribe.write(&log, &chunk).await,
                        None => break,
                    },
                    () = ended.cancelled() => break,
                }
            }
            log.close();
        });
        Self { exit, kill, log: AbortOnDropHandle::new(log), obeys }
    }

    /// Waits for its end.
    pub(super) async fn exit(&mut self) -> Exit {
        let code = (&mut self.exit).await.unwrap_or(1);
        self.finish_log().await;
        code
    }

    /// Asks it to end and kills it if it has not after `grace` (real time).
    pub(super) async fn stop(&mut self, cell: &Cell, grace: Duration) -> Exit {
        let clock = &cell.host.world.clock;
        let patience = if self.obeys.is_some() { super::latency::of(cell.os()).stop.min(grace) } else { grace };
        let code = tokio::select! {
            code = &mut self.exit => code.unwrap_or(1),
            () = clock.pass(patience) => self.obeys.unwrap_or(KILLED),
        };
        self.kill.cancel();
        self.finish_log().await;
        code
    }

    async fn finish_log(&mut self) {
        let _its_task_does_not_panic = (&mut self.log).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// The runtime's part that puts what a process writes into its log.
struct Scribe {
    faults: FaultBoard,
    clock: Clock,
    pod: Arc<PodFacts>,
}

impl Scribe {
    /// Writes line by line, as far as faults let it.
    async fn write(&self, log: &Log, chunk: &Chunk) {
        for line in chunk.bytes.split_inclusive(|&byte| byte == b'\n') {
            let text = String::from_utf8_lossy(line);
            if let Some((effect, mark)) = self.faults.log(&self.pod, text.trim_end()) {
                self.faults.applied(mark);
                if effect.lost {
                    continue;
                }
                if let Some(delay) = effect.delay {
                    self.clock.pass(delay.0).await;
                }
            }
            log.append(&Chunk { stream: chunk.stream, bytes: chunk.bytes.slice_ref(line) });
        }
    }
}

/// What a process ends with when it is asked to; `None` when it does not listen.
///
/// The first process of a Linux container gets only the signals that it handles
/// (`pid_namespaces(7)`): shells and `sleep` handle none.
fn obeys(system: &System, argv: &[String]) -> Option<Exit> {
    if system.is_windows() {
        return Some(CONTROL_C_EXIT);
    }
    match command::program_name(argv.first()?).as_str() {
        "pause" => Some(0),
        "agnhost" => Some(2),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        command::{Stream, testing},
        fault::Fault,
    };

    #[tokio::test]
    async fn a_fault_keeps_lines_out_of_a_log() {
        let session = testing::windows(testing::FakeLink::default());
        let fault = "{ apiVersion: winconform/v1, kind: Fault, name: f, summary: F., effects: [ log: { lines: \"*secret*\", lost: true } ] }";
        session.faults.inject(Fault::parse(fault, "f").unwrap());
        let scribe = Scribe { faults: session.faults.clone(), clock: session.clock.clone(), pod: session.pod.clone() };
        let log = Log::default();
        let bytes = Bytes::from_static(b"one\r\nsecret\r\ntwo");
        scribe.write(&log, &Chunk { stream: Stream::Out, bytes }).await;
        log.close();
        let lines: Vec<_> = log.since(0).0.into_iter().map(|line| line.bytes).collect();
        assert_eq!(lines, [&b"one\r\n"[..], b"two"]);
        assert_eq!(session.faults.counters()[0].applied, 1);
    }
}
