//! The programs that run in virtual containers, by name.
//!
//! A container's entry point, an exec and a probe all start the same way: an
//! argument vector is looked up among the programs its image carries ([`Kit`])
//! and run in a [`Session`], which is everything a process can see: its user,
//! environment, files and network. Output, exit codes and line ends are those of
//! the originals; what a program prints is decided here and nowhere else.

mod cmd;
mod crictl;
mod curl;
mod effort;
mod environment;
mod event_log;
mod files;
mod hns;
mod io;
mod ipconfig;
mod klist;
mod line;
mod link;
mod machine;
mod machine_log;
mod meter;
mod net;
mod nltest;
mod nslookup;
mod ping;
mod plumbing;
mod powershell;
mod sequence;
mod sh;
mod unix;
mod windows;

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use futures::future::{BoxFuture, FutureExt};
use thiserror::Error;

pub(crate) use self::{
    curl::secure,
    environment::Environment,
    files::{Files, Scratch},
    io::{Chunk, Io, Output, Sink, Stdin, Stream},
    line::escape_all,
    link::{Link, NetworkLink},
    machine::{Contained, Entry, LoadBalancer, Machine, Picture, Sandbox},
    machine_log::HostFiles,
    meter::{Allowance, Meter, Sample},
    sequence::Sequence,
};
use crate::{
    clock::Clock,
    directory::{FileError, Member, Unc},
    fault::{CommandEffect, FaultBoard, Mark},
    image,
    network::PodFacts,
};

/// What a process ends with. Windows codes are 32 bits wide (`0xC000013A` is a
/// container that was told to stop), so nothing narrower will do.
pub(crate) type Exit = u32;

/// The programs of an image, by lower-case name without `.exe`.
pub(crate) type Kit = &'static [&'static str];

/// The system a process believes it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum System {
    /// Windows, with the four-part version that `ver` prints.
    Windows {
        /// For example `10.0.20348.5499`.
        version: String,
    },
    /// Linux.
    Linux,
}

impl System {
    /// Whether this is Windows.
    pub(crate) fn is_windows(&self) -> bool {
        matches!(self, Self::Windows { .. })
    }

    /// The end of a line of text.
    pub(crate) fn line_end(&self) -> &'static str {
        if self.is_windows() { "\r\n" } else { "\n" }
    }
}

/// The network as a process can see it without using it.
#[derive(Debug, Clone)]
pub(crate) struct Adapter {
    /// What Windows calls it, `vEthernet (…)`.
    pub(crate) name: String,
    /// The pod's address, or the node's for programs on the host.
    pub(crate) address: Ipv4Addr,
    /// The suffixes that incomplete names get, `<namespace>.svc.cluster.local` first; none on the host.
    pub(crate) search: Vec<String>,
    /// The cluster's name server.
    pub(crate) dns_server: Ipv4Addr,
}

impl Adapter {
    /// The router: the first address of the /24.
    pub(crate) fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.address.octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    /// The number of the interface.
    pub(crate) fn index(&self) -> u8 {
        self.address.octets()[3] % 60 + 4
    }

    /// The hardware address, from the range of Hyper-V.
    pub(crate) fn mac(&self) -> String {
        let [_, b, c, d] = self.address.octets();
        format!("00-15-5D-{b:02X}-{c:02X}-{d:02X}")
    }

    /// The IPv6 address that every Windows interface gives itself.
    pub(crate) fn link_local(&self) -> Ipv6Addr {
        let [_, b, c, d] = self.address.octets().map(u16::from);
        Ipv6Addr::new(0xfe80, 0, 0, 0, 0x8193, 0xc200 | b, 0xbe00 | c, 0x9300 | d)
    }
}

/// Everything a process can see.
#[derive(Clone)]
pub(crate) struct Session {
    /// The operating system.
    pub(crate) system: System,
    /// What `hostname` prints.
    pub(crate) host_name: String,
    /// What `whoami` prints (Windows, lower case with its domain) or the numeric user (Linux).
    pub(crate) user: String,
    /// The environment.
    pub(crate) env: Environment,
    /// The programs there are.
    pub(crate) kit: Kit,
    /// The files there are.
    pub(crate) files: Arc<dyn Files>,
    /// The way into the network.
    pub(crate) link: Arc<dyn Link>,
    /// What its container is to a Windows domain.
    pub(crate) member: Member,
    /// The network card.
    pub(crate) adapter: Adapter,
    /// How time passes.
    pub(crate) clock: Clock,
    /// Which defects are in force.
    pub(crate) faults: FaultBoard,
    /// The pod it is in.
    pub(crate) pod: Arc<PodFacts>,
    /// What the container's processes use.
    pub(crate) meter: Meter,
    /// The node, for programs that run on it.
    pub(crate) machine: Option<Arc<dyn Machine>>,
}

impl Session {
    /// How long something took, in real time, given how long it took here.
    ///
    /// At scale 0 nothing waits, and times are reported as they were.
    pub(crate) fn unscaled(&self, here: Duration) -> Duration {
        let scale = self.clock.scale();
        if scale > 0.0 {
            Duration::try_from_secs_f64(here.as_secs_f64() / scale).unwrap_or(Duration::MAX)
        } else {
            here
        }
    }

    fn has(&self, program: &str) -> bool {
        self.kit.contains(&program)
    }

    /// The bytes of a file of the container, or on Windows of a file server.
    async fn read(&self, path: &str) -> Result<Vec<u8>, FileError> {
        match self.remote(path) {
            Some(unc) => self.member.read_remote(&unc).await,
            None => self.files.read(path).await.ok_or(FileError::NotFound),
        }
    }

    /// Whether a file can be written there.
    async fn may_write(&self, path: &str) -> Result<(), FileError> {
        match self.remote(path) {
            Some(unc) => self.member.mount(&unc).await,
            None => Ok(()),
        }
    }

    /// Writes a file, or appends to it.
    async fn write(&self, path: &str, bytes: &[u8], append: bool) -> Result<(), FileError> {
        match self.remote(path) {
            Some(unc) => self.member.write_remote(&unc, bytes, append).await,
            None => {
                self.files.write(path, bytes, append);
                Ok(())
            }
        }
    }

    fn remote(&self, path: &str) -> Option<Unc> {
        Unc::parse(path).filter(|_| self.system.is_windows())
    }
}

/// A process could not be created.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum StartError {
    /// The image has no such program.
    #[error("no program `{program}`")]
    NoSuchProgram {
        /// As it was asked for.
        program: String,
    },
    /// There is nothing to start.
    #[error("the command is empty")]
    Empty,
}

/// The name a program is known by: no folder, no `.exe`, lower case.
pub(crate) fn program_name(argument: &str) -> String {
    let file = argument.rsplit(['/', '\\']).next().unwrap_or(argument);
    let lower = file.to_ascii_lowercase();
    lower.strip_suffix(".exe").map_or(lower.clone(), ToOwned::to_owned)
}

/// Whether `argv` names a program that the image has.
///
/// # Errors
///
/// When it does not.
pub(crate) fn can_start(session: &Session, argv: &[String]) -> Result<(), StartError> {
    let first = argv.first().ok_or(StartError::Empty)?;
    if session.has(&program_name(first)) { Ok(()) } else { Err(StartError::NoSuchProgram { program: first.clone() }) }
}

/// Runs `argv` to its end. Dropping the future is how a process is killed.
///
/// # Errors
///
/// When the image has no such program: the runtime's failure, not the program's.
pub(crate) fn run<'a>(session: &'a Session, argv: &'a [String], io: &'a Io) -> BoxFuture<'a, Result<Exit, StartError>> {
    async move {
        can_start(session, argv)?;
        let (first, arguments) = argv.split_first().ok_or(StartError::Empty)?;
        let name = program_name(first);
        let line = [std::slice::from_ref(&name), arguments].concat().join(" ");
        match session.faults.program(&session.pod, &line) {
            Some((effect, mark)) => Ok(broken(session, &effect, mark, (&name, arguments), io).await),
            None => Ok(start(session, &name, arguments, io).await),
        }
    }
    .boxed()
}

/// Runs a program as far as a fault lets it.
async fn broken(
    session: &Session,
    effect: &CommandEffect,
    mark: Mark,
    (name, arguments): (&str, &[String]),
    io: &Io,
) -> Exit {
    let told = effect.stdout.is_some() || effect.stderr.is_some();
    if told || effect.hang || effect.delay.is_some() {
        session.faults.applied(mark);
    }
    if let Some(delay) = effect.delay {
        session.clock.pass(delay.0).await;
    }
    if effect.hang {
        std::future::pending::<()>().await;
    }
    if told {
        let line_end = session.system.line_end();
        let lines = |text: &str| text.replace("\r\n", "\n").replace('\n', line_end);
        io.stdout.text(lines(effect.stdout.as_deref().unwrap_or_default()));
        io.stderr.text(lines(effect.stderr.as_deref().unwrap_or_default()));
        return effect.exit_code.unwrap_or(0);
    }
    let Some(code) = effect.exit_code else { return start(session, name, arguments, io).await };
    let muted = Io { stdin: io.stdin.clone(), stdout: Sink::Null, stderr: Sink::Null };
    // It may be the true one.
    if start(session, name, arguments, &muted).await != code {
        session.faults.applied(mark);
    }
    code
}

/// Runs a program that is there.
fn start<'a>(session: &'a Session, name: &'a str, arguments: &'a [String], io: &'a Io) -> BoxFuture<'a, Exit> {
    async move {
        match name {
            "cmd" => cmd::main(session, &escape_all(arguments), io).await,
            "powershell" | "pwsh" => powershell::main(session, arguments, io).await,
            "sh" | "bash" | "ash" => sh::main(session, arguments, io).await,
            "curl" => curl::main(session, arguments, io).await,
            "ping" => ping::main(session, arguments, io).await,
            "nslookup" => nslookup::main(session, arguments, io).await,
            "nltest" => nltest::main(session, arguments, io).await,
            "klist" => klist::main(session, arguments, io).await,
            "net" => net::main(session, arguments, io).await,
            "ipconfig" => ipconfig::main(session, arguments, io).await,
            "crictl" => crictl::main(session, arguments, io).await,
            "pause" | "agnhost" | "servicemonitor" | "k8s-gmsa-webhook" => {
                image::serve(session, name, arguments, io).await
            }
            other if session.system.is_windows() => windows::main(session, other, arguments, io).await,
            other => unix::main(session, other, arguments, io).await,
        }
    }
    .boxed()
}

/// Runs a program that a shell was asked for; what the shell says when there is none is the shell's affair.
async fn run_from_shell(session: &Session, argv: &[String], io: &Io) -> Option<Exit> {
    run(session, argv, io).await.ok()
}

#[cfg(test)]
pub(crate) mod testing;
