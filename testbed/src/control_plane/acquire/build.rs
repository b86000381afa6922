//! The control plane, built from the Go modules of its release.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use tokio::process::Command;

use super::{AcquireError, Acquisition, Parts, Platform, install, parts::MULTI_CALL, unfinished};
use crate::{
    process::{Start, Supervisor},
    progress::{Reporter, Step},
    shape::KUBERNETES_VERSION,
};

/// The sources, which an installed program has to bring along.
const SOURCES: [(&str, &str); 3] = [
    ("main.go", include_str!("../../../control-plane/main.go")),
    ("go.mod", include_str!("../../../control-plane/go.mod")),
    ("go.sum", include_str!("../../../control-plane/go.sum")),
];

/// The oldest Go that builds them, as go.mod says.
const GO: &str = "1.26";

/// The first Go that fetches a newer one by itself.
const SELF_UPDATING: (u32, u32) = (1, 21);

/// How many lines of a failed build a message shows.
const TAIL_LINES: usize = 12;

/// The name of the build's directory in the cache: another one as soon as a source changes.
pub(super) fn directory_name(platform: Option<Platform>) -> String {
    match platform.filter(|platform| !platform.is_here()) {
        Some(Platform { os, arch }) => format!("{}-{os}-{arch}", sources_name()),
        None => sources_name(),
    }
}

/// A name for the sources, another one as soon as one of them changes.
pub(crate) fn sources_name() -> String {
    let mut hash = Sha256::new();
    for (name, text) in SOURCES {
        hash.update(name);
        hash.update(text);
    }
    hash.update(linker_flags());
    let mut name = "built-".to_owned();
    for byte in &hash.finalize()[..6] {
        let _ = write!(name, "{byte:02x}"); // writing to a string cannot fail
    }
    name
}

/// Builds the control plane into the cache. `why` says why it was not downloaded.
pub(super) async fn build(
    options: &Acquisition,
    supervisor: &Supervisor,
    reporter: &Reporter,
    why: &str,
) -> Result<Parts, AcquireError> {
    let cache = &options.cache;
    let work = unfinished(cache)?;
    let sources = unfinished(cache)?;
    for (name, text) in SOURCES {
        let file = sources.path().join(name);
        tokio::fs::write(&file, text).await.map_err(|source| AcquireError::cache(&file, source))?;
    }
    check_go(&options.go, cache, why).await?;

    let log = sources.path().join("build.log");
    let process = supervisor.spawn(start(options, work.path(), sources.path(), &log)).await?;
    let ended = reporter.during(Step::Build, || Counted::of(&log).to_string(), process.ended()).await;
    if ended.success {
        return install(work, cache, &directory_name(options.platform)).await;
    }
    let log_tail = crate::process::tail(&log, TAIL_LINES);
    if log_tail.iter().any(|line| line.contains("no space left on device")) {
        return Err(AcquireError::DiskFull { path: cache.clone() });
    }
    Err(AcquireError::Build { how: ended.how, log_tail })
}

fn start(options: &Acquisition, work: &Path, sources: &Path, log: &Path) -> Start {
    Start {
        name: "go build".into(),
        program: options.go.clone(),
        arguments: vec![
            "build".into(),
            "-v".into(), // names each package, which is the sign of life
            "-mod=readonly".into(),
            "-trimpath".into(),
            "-ldflags".into(),
            linker_flags(),
            "-o".into(),
            work.join(MULTI_CALL).display().to_string(),
            ".".into(),
        ],
        environment: environment(options.platform),
        directory: sources.to_owned(),
        log: log.to_owned(),
        hold_stdin: false,
    }
}

fn environment(platform: Option<Platform>) -> Vec<(String, String)> {
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut environment = vec![
        own("CGO_ENABLED", "0"), // static, so that it runs anywhere
        own("GOWORK", "off"),
    ];
    if let Some(Platform { os, arch }) = platform {
        environment.extend([own("GOOS", os), own("GOARCH", arch)]);
    }
    environment
}

/// Without its version the API server takes itself for v0.0.0, and refuses to start.
fn linker_flags() -> String {
    let mut numbers = KUBERNETES_VERSION.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let version = "k8s.io/component-base/version";
    format!(
        "-s -w -X {version}.gitVersion={KUBERNETES_VERSION} -X {version}.gitMajor={major} -X {version}.gitMinor={minor}"
    )
}

/// Whether there is a Go that can build the sources, or fetch one that can.
async fn check_go(go: &Path, directory: &Path, why: &str) -> Result<(), AcquireError> {
    let mut ask = Command::new(go);
    ask.args(["env", "GOVERSION", "GOTOOLCHAIN"]).current_dir(directory).kill_on_drop(true);
    let missing =
        |source| AcquireError::NoGo { go: PathBuf::from(go), needed: GO, why_not_downloaded: why.to_owned(), source };
    let answer = ask.output().await.map_err(missing)?;
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    let mut lines = answer.lines();
    let (found, toolchain) = (lines.next().unwrap_or("this Go"), lines.next().unwrap_or_default());
    if will_do(found, toolchain) {
        return Ok(());
    }
    Err(AcquireError::OldGo { found: found.to_owned(), needed: GO, why_not_downloaded: why.to_owned() })
}

fn will_do(found: &str, toolchain: &str) -> bool {
    match (release(found), release(GO)) {
        (Some(found), Some(needed)) => found >= needed || (found >= SELF_UPDATING && toolchain != "local"),
        _ => true, // a development version: let it try
    }
}

/// `go1.26.8` is release 1.26.
fn release(version: &str) -> Option<(u32, u32)> {
    let mut numbers = version.trim_start_matches("go").split(['.', 'r', 'b', '-', ' ']);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// What a build's log shows so far.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    modules: usize,
    packages: usize,
}

impl Counted {
    fn of(log: &Path) -> Self {
        std::fs::read_to_string(log).map(|text| Self::in_text(&text)).unwrap_or_default()
    }

    fn in_text(text: &str) -> Self {
        let modules = text.lines().filter(|line| line.starts_with("go: downloading ")).count();
        Self { modules, packages: text.lines().filter(|line| !line.starts_with("go: ")).count() }
    }
}

impl std::fmt::Display for Counted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { modules: 0, packages: 0 } => f.write_str("about five minutes the first time"),
            Self { modules, packages: 0 } => write!(f, "{modules} modules downloaded"),
            Self { packages, .. } => write!(f, "{packages} packages compiled"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_go_that_is_new_enough_will_do_whatever_its_toolchain_setting() {
        assert!(will_do("go1.26.8", "local") && will_do("go1.27rc1", "local") && will_do("go2.0", "local"));
    }

    #[test]
    fn an_older_go_will_do_only_if_it_may_fetch_a_newer_one() {
        assert!(will_do("go1.25.1", "auto") && will_do("go1.21.0", "go1.21.0+auto"));
        assert!(!will_do("go1.25.1", "local") && !will_do("go1.20.14", ""));
    }

    #[test]
    fn a_development_go_is_let_try() {
        assert!(will_do("devel go1.28-abcdef", ""));
    }

    #[test]
    fn the_sign_of_life_counts_modules_and_then_packages() {
        let log = "go: downloading k8s.io/api v0.37.2\ngo: downloading k8s.io/kubectl v0.37.2\n";
        assert_eq!(Counted::in_text(log).to_string(), "2 modules downloaded");
        assert_eq!(
            Counted::in_text(&format!("{log}internal/abi\nk8s.io/api/core/v1\n")).to_string(),
            "2 packages compiled"
        );
    }

    #[test]
    fn the_version_is_linked_in() {
        assert!(linker_flags().ends_with("gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37"));
    }
}
