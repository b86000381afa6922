//! The control plane as containers, for machines that cannot run it themselves: macOS and
//! Windows, or Linux without Go.
//!
//! The image is made FROM scratch: our one static program and nothing else, so no base image
//! is needed and `docker import` is enough to make it. Each part is a container of its own, all
//! in the network of the first; the nodes and their network stay in this process. The engine's
//! own command line does the work, since whoever has an engine has that, with its contexts and
//! credentials (docs/decisions/0012).
//!
//! A part runs as a child of the supervisor (`docker start --attach --interactive`) and ends
//! when its standard input closes: however a testbed ends, its containers end with it.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    io::AsyncWriteExt as _,
    process::Command,
    time::{Instant, interval, timeout},
};

use super::{
    Layout,
    acquire::{AcquireError, Acquisition, Part, Platform, acquire, sources_name},
};
use crate::{
    process::{Start, Supervisor},
    progress::Reporter,
};

/// The port of the API server in its container.
pub(super) const API_PORT: u16 = 6443;

/// What containers call the machine that they run on.
const HOST: &str = "host.docker.internal";

/// The engines that are tried when none is named.
const ENGINES: [&str; 2] = ["docker", "podman"];

/// The label of our containers.
const LABEL: &str = "io.winconform.testbed";

/// How long a container may take to have its port.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the engine may take to remove what has ended.
const REMOVAL_PATIENCE: Duration = Duration::from_secs(5);

/// How often it is asked. There is no event to wait for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// How a control plane in containers is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerOptions {
    /// The engine's command; otherwise `docker`, then `podman`.
    pub engine: Option<PathBuf>,
    /// The image with the control plane; otherwise one is made.
    pub image: Option<String>,
}

/// The control plane cannot run in containers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// There is no engine.
    #[error(
        "there is no container engine: neither of {} can be started; install one, or use the embedded testbed (--testbed)",
        ENGINES.join(", ")
    )]
    NoEngine,
    /// The engine's command could not be started.
    #[error("the container engine `{engine}` could not be started", engine = .engine.display())]
    Start {
        /// The command.
        engine: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The engine did not do what it was asked.
    #[error("`{command}` failed: {said}")]
    Failed {
        /// The beginning of the command.
        command: String,
        /// What it said.
        said: String,
    },
    /// The engine runs something else than Linux containers.
    #[error("the container engine runs {0} containers, and the control plane is for Linux ones")]
    NotLinux(String),
    /// The program in the cache is not the one file that an image needs.
    #[error(
        "{directory} holds a program for each part, and an image needs the one that is built from source; name an image (--control-plane-image), or another directory",
        directory = .directory.display()
    )]
    NotOneProgram {
        /// The directory.
        directory: PathBuf,
    },
    /// A file for a container could not be packed.
    #[error("the files of the control plane could not be packed")]
    Pack(#[source] io::Error),
    /// The program could not be had.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// The API server's port was not published.
    #[error("the container engine published no port of the API server")]
    NoPort,
}

/// An engine, and the containers that one testbed has in it.
#[derive(Debug)]
pub(crate) struct Containers {
    engine: PathBuf,
    image: String,
    /// How the names of this testbed's containers begin.
    prefix: String,
    /// The address at which containers reach this machine, where that is not only a name.
    gateway: Option<Ipv4Addr>,
}

impl Containers {
    /// Finds an engine and the image in it, and makes the image where it is not there.
    pub(crate) async fn prepare(
        options: &ContainerOptions,
        acquisition: &Acquisition,
        supervisor: &Supervisor,
        reporter: &Reporter,
    ) -> Result<Self, ContainerError> {
        let (engine, platform) = find_engine(options.engine.as_deref()).await?;
        let prefix = prefix();
        let gateway = gateway(&engine).await;
        let own = format!("winconform-control-plane:{}", sources_name());
        let image = options.image.clone().unwrap_or(own);
        let containers = Self { engine, image, prefix, gateway };
        if options.image.is_none() && !containers.has_image().await {
            containers.make_image(acquisition, platform, supervisor, reporter).await?;
        }
        Ok(containers)
    }

    async fn has_image(&self) -> bool {
        run(&self.engine, &["image", "inspect", &self.image], None).await.is_ok()
    }

    /// Imports the static program as a file system of one file.
    async fn make_image(
        &self,
        acquisition: &Acquisition,
        platform: Platform,
        supervisor: &Supervisor,
        reporter: &Reporter,
    ) -> Result<(), ContainerError> {
        let acquisition = Acquisition { platform: Some(platform), ..acquisition.clone() };
        let parts = acquire(&acquisition, supervisor, reporter).await?;
        let program = parts
            .one_program()
            .ok_or_else(|| ContainerError::NotOneProgram { directory: parts.directory().to_owned() })?;
        let packed = pack(vec![(program, "control-plane".into())]).await?;
        let entry = r#"ENTRYPOINT ["/control-plane"]"#;
        run(&self.engine, &["import", "--change", entry, "-", &self.image], Some(packed)).await.map(drop)
    }

    /// The address that the virtual network listens on for the API server, and the name that it is dialled by.
    ///
    /// On Linux that is the bridge's own address, which nobody beyond this machine reaches; where the engine runs in
    /// a virtual machine, that machine leads its name to our loopback address.
    pub(crate) fn egress(&self) -> (Vec<Ipv4Addr>, &'static str) {
        (self.gateway.into_iter().chain([Ipv4Addr::LOCALHOST]).collect(), HOST)
    }

    /// Makes the container of a part, and says how it is started.
    pub(super) async fn create(
        &self,
        part: Part,
        flags: Vec<String>,
        layout: &Layout,
    ) -> Result<Start, ContainerError> {
        let name = self.name(part);
        let label = format!("{LABEL}={}", self.prefix);
        let mut words: Vec<String> =
            ["create", "--interactive", "--rm", "--name", &name, "--label", &label].map(str::to_owned).to_vec();
        match part {
            // The first one has the network that the others share.
            Part::Etcd => words.extend(
                ["--publish", &format!("127.0.0.1::{API_PORT}"), "--add-host", &format!("{HOST}:host-gateway")]
                    .map(str::to_owned),
            ),
            _ => words.extend(["--network".to_owned(), format!("container:{}", self.name(Part::Etcd))]),
        }
        words.push(self.image.clone());
        words.extend(["attached".to_owned(), part.name().to_owned()]);
        words.extend(flags);
        run(&self.engine, &words.iter().map(String::as_str).collect::<Vec<_>>(), None).await?;
        let files = layout.files().await.map_err(ContainerError::Pack)?;
        let there = |file: &PathBuf| file.strip_prefix("/").unwrap_or(file).to_owned();
        let packed = pack(files.iter().map(|file| (file.clone(), there(file))).collect()).await?;
        run(&self.engine, &["cp", "-", &format!("{name}:/")], Some(packed)).await?;
        Ok(Start {
            name: part.name().into(),
            program: self.engine.clone(),
            arguments: ["start", "--attach", "--interactive", &name].map(str::to_owned).to_vec(),
            environment: Vec::new(),
            directory: layout.root().to_owned(),
            log: layout.log(part.name()),
            hold_stdin: true,
        })
    }

    /// Where the API server's port is on this machine.
    pub(super) async fn api(&self) -> Result<SocketAddrV4, ContainerError> {
        let deadline = Instant::now() + PATIENCE;
        let mut ask = interval(ASK_EVERY);
        let port = format!("{API_PORT}/tcp");
        while Instant::now() < deadline {
            ask.tick().await;
            let name = self.name(Part::Etcd);
            let Ok(said) = run(&self.engine, &["port", &name, &port], None).await else { continue };
            if let Some(address) = said.lines().find_map(|line| line.trim().parse().ok()) {
                return Ok(address);
            }
        }
        Err(ContainerError::NoPort)
    }

    /// Removes what this process still has in an engine; the containers' own ends are usually faster.
    pub(crate) async fn remove(options: &ContainerOptions) {
        let Ok((engine, _)) = find_engine(options.engine.as_deref()).await else { return };
        let names = Part::NEEDED.map(|part| format!("{}-{}", prefix(), part.name()));
        let mut words = vec!["rm", "--force", "--volumes"];
        words.extend(names.iter().map(String::as_str));
        // Most are gone or going already, which some engines call an error, and none waits for.
        let _ = run(&engine, &words, None).await;
        let filter = format!("label={LABEL}={}", prefix());
        let mut ask = interval(ASK_EVERY);
        let gone = async {
            while run(&engine, &["ps", "--all", "--quiet", "--filter", &filter], None)
                .await
                .is_ok_and(|ids| !ids.is_empty())
            {
                ask.tick().await;
            }
        };
        let _ = timeout(REMOVAL_PATIENCE, gone).await;
    }

    fn name(&self, part: Part) -> String {
        format!("{}-{}", self.prefix, part.name())
    }
}

/// How the names of this process's containers begin.
fn prefix() -> String {
    format!("winconform-{}", std::process::id())
}

/// An engine that answers, and what its containers run on.
async fn find_engine(named: Option<&Path>) -> Result<(PathBuf, Platform), ContainerError> {
    let candidates: Vec<PathBuf> = match named {
        Some(engine) => vec![engine.to_owned()],
        None => ENGINES.iter().map(PathBuf::from).collect(),
    };
    let mut last = ContainerError::NoEngine;
    for engine in candidates {
        let format = "{{.Server.Os}}/{{.Server.Arch}}";
        match run(&engine, &["version", "--format", format], None).await {
            Ok(said) => {
                let (os, arch) = said.trim().split_once('/').unwrap_or(("linux", ""));
                if !os.is_empty() && os != "linux" {
                    return Err(ContainerError::NotLinux(os.to_owned()));
                }
                return Ok((engine, Platform { os: "linux", arch: go_arch(arch) }));
            }
            // One that is installed and does not answer says more than one that is not there.
            Err(error @ ContainerError::Failed { .. }) => last = error,
            Err(error) if named.is_some() => return Err(error),
            Err(_not_there) => {}
        }
    }
    Err(last)
}

/// A processor as Go names it; engines use either kind of name.
fn go_arch(engine: &str) -> &'static str {
    match engine {
        "arm64" | "aarch64" => "arm64",
        "amd64" | "x86_64" => "amd64",
        _ if cfg!(target_arch = "aarch64") => "arm64",
        _ => "amd64",
    }
}

/// The address of the engine's bridge on this machine, where it has one.
async fn gateway(engine: &Path) -> Option<Ipv4Addr> {
    let format = "{{range .IPAM.Config}}{{.Gateway}} {{.Subnet}} {{end}}";
    let said = run(engine, &["network", "inspect", "bridge", "--format", format], None).await.ok()?;
    gateway_in(&said)
}

/// The gateway if it is named, else the first address of the network, which engines take for it.
fn gateway_in(said: &str) -> Option<Ipv4Addr> {
    let words = || said.split_whitespace();
    let first_of = |word: &str| {
        let network: Ipv4Addr = word.split_once('/')?.0.parse().ok()?;
        Some(Ipv4Addr::from(u32::from(network).checked_add(1)?))
    };
    words().find_map(|word| word.parse().ok()).or_else(|| words().find_map(first_of))
}

/// A tar of files under new names.
async fn pack(files: Vec<(PathBuf, PathBuf)>) -> Result<Vec<u8>, ContainerError> {
    let packing = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(Vec::new());
        for (file, name) in files {
            archive.append_path_with_name(&file, &name)?;
        }
        archive.into_inner()
    });
    packing.await.map_err(io::Error::other).and_then(|packed| packed).map_err(ContainerError::Pack)
}

/// Runs the engine's command, with something on its standard input or not; gives what it printed.
async fn run(engine: &Path, words: &[&str], input: Option<Vec<u8>>) -> Result<String, ContainerError> {
    let failed = |source| ContainerError::Start { engine: engine.to_owned(), source };
    let mut command = Command::new(engine);
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    let mut child = command.spawn().map_err(failed)?;
    let stdin = child.stdin.take();
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // A command that ends early says why by itself.
            let _ = stdin.write_all(&input).await;
        }
    };
    let ((), output) = tokio::join!(feed, child.wait_with_output());
    let output = output.map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let beginning: Vec<&str> = words.iter().take(2).copied().collect();
    Err(ContainerError::Failed {
        command: format!("{} {}", engine.display(), beginning.join(" ")),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_engine_that_is_not_there_is_named() {
        let missing = find_engine(Some(Path::new("/nowhere/docker"))).await.unwrap_err();
        assert_eq!(missing.to_string(), "the container engine `/nowhere/docker` could not be started");
    }

    #[tokio::test]
    async fn an_engine_that_does_not_answer_is_quoted() {
        let broken = find_engine(Some(Path::new("false"))).await.unwrap_err();
        assert!(broken.to_string().starts_with("`false version --format` failed"), "{broken}");
    }

    #[test]
    fn a_bridge_that_names_no_gateway_has_its_first_address() {
        assert_eq!(gateway_in("172.17.0.1 172.17.0.0/16 "), Some(Ipv4Addr::new(172, 17, 0, 1)));
        assert_eq!(gateway_in(" 172.18.0.0/16 "), Some(Ipv4Addr::new(172, 18, 0, 1)));
        assert_eq!(gateway_in(" fd00::/64 "), None);
    }

    #[test]
    fn processors_have_gos_names() {
        assert_eq!([go_arch("x86_64"), go_arch("aarch64"), go_arch("amd64")], ["amd64", "arm64", "amd64"]);
    }
}
