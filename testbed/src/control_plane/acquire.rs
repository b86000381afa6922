//! Where the control plane comes from: a directory, the cache, the release site, or a build.
//!
//! In this order. What was downloaded or built is kept in the cache, so the
//! second testbed of a machine starts at once; while one testbed fills the
//! cache, others wait for it.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy as _;

pub(crate) use self::build::sources_name;
pub use self::{
    error::AcquireError,
    parts::{Part, Parts},
};
use crate::{
    process::Supervisor,
    progress::{Reporter, Step},
    shape::KUBERNETES_VERSION,
};

mod build;
mod error;
mod parts;
mod release;

/// Where to look for the control plane.
#[derive(Debug, Clone)]
pub struct Acquisition {
    /// The directory the user named. It must hold a control plane.
    pub directory: Option<PathBuf>,
    /// A directory the environment names. It may hold one.
    pub assets: Option<PathBuf>,
    /// Where downloads and builds are kept.
    pub cache: PathBuf,
    /// Where Kubernetes' releases are, without a slash at the end.
    pub kubernetes_site: String,
    /// Where etcd's releases are, without a slash at the end.
    pub etcd_site: String,
    /// The Go command to build with.
    pub go: PathBuf,
    /// What it is to run on, where it is one program for a container; otherwise this machine.
    pub platform: Option<Platform>,
}

/// An operating system and a processor, as Go names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Platform {
    /// For example `linux`.
    pub os: &'static str,
    /// For example `amd64`.
    pub arch: &'static str,
}

impl Platform {
    /// Whether this machine is one.
    #[must_use]
    pub fn is_here(self) -> bool {
        let arch = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        self.os == std::env::consts::OS && self.arch == arch
    }
}

impl Acquisition {
    /// Kubernetes' own release site.
    pub const KUBERNETES_SITE: &'static str = "https://dl.k8s.io";

    /// etcd's own release site.
    pub const ETCD_SITE: &'static str = "https://github.com/etcd-io/etcd/releases/download";

    /// What users have: `$KUBEBUILDER_ASSETS`, the user's cache, the official sites, and `go` in the `PATH`.
    #[must_use]
    pub fn usual() -> Self {
        let cache = etcetera::choose_base_strategy()
            .map_or_else(|_homeless| std::env::temp_dir(), |directories| directories.cache_dir());
        Self {
            directory: None,
            assets: std::env::var_os("KUBEBUILDER_ASSETS").filter(|path| !path.is_empty()).map(PathBuf::from),
            cache: cache.join("winconform").join(KUBERNETES_VERSION),
            kubernetes_site: Self::KUBERNETES_SITE.into(),
            etcd_site: Self::ETCD_SITE.into(),
            go: "go".into(),
            platform: None,
        }
    }
}

/// Finds, downloads or builds the control plane.
///
/// # Errors
///
/// When there is no way to have it on this machine, with what to do about it.
pub async fn acquire(
    options: &Acquisition,
    supervisor: &Supervisor,
    reporter: &Reporter,
) -> Result<Parts, AcquireError> {
    if let Some(directory) = &options.directory {
        return Parts::find(directory).map_err(|missing| AcquireError::Directory { path: directory.clone(), missing });
    }
    if let Some(parts) = options.assets.as_deref().and_then(|assets| Parts::find(assets).ok()) {
        return Ok(parts);
    }
    if let Some(parts) = cached(options) {
        return Ok(parts);
    }
    let _lock = lock(&options.cache, reporter).await?;
    if let Some(parts) = cached(options) {
        return Ok(parts); // by whoever held the lock before
    }
    remove_leftovers(&options.cache).await;
    if options.platform.is_some() {
        // A release has a program for each part, and an image is made of one.
        return build::build(options, supervisor, reporter, "an image is made of one program").await;
    }
    match release::download(options, reporter).await? {
        release::Outcome::Installed(parts) => Ok(parts),
        release::Outcome::Unavailable(why) => {
            tracing::info!(why, "the release site cannot be used; building instead");
            build::build(options, supervisor, reporter, &why).await
        }
    }
}

/// What an earlier testbed left in the cache.
fn cached(options: &Acquisition) -> Option<Parts> {
    let built = Parts::find(&options.cache.join(build::directory_name(options.platform))).ok();
    match options.platform {
        Some(_) => built,
        None => built.or_else(|| Parts::find(&options.cache.join(release::DIRECTORY)).ok()),
    }
}

/// Holds the cache's lock, after whoever else holds it.
async fn lock(cache: &Path, reporter: &Reporter) -> Result<File, AcquireError> {
    let failed = |source| AcquireError::cache(cache, source);
    tokio::fs::create_dir_all(cache).await.map_err(failed)?;
    let lock = File::options().create(true).truncate(false).write(true).open(cache.join(".lock")).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::Error(source)) => Err(failed(source)),
        Err(TryLockError::WouldBlock) => {
            let waiting = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock));
            let detail = || format!("the lock is {}", cache.join(".lock").display());
            match reporter.during(Step::Wait, detail, waiting).await {
                Ok(locked) => locked.map_err(failed),
                Err(error) => Err(failed(io::Error::other(error))),
            }
        }
    }
}

/// Removes what a killed download or build left; only the holder of the lock may.
async fn remove_leftovers(cache: &Path) {
    let Ok(mut entries) = tokio::fs::read_dir(cache).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = tokio::fs::remove_dir_all(entry.path()).await;
        }
    }
}

/// How the names of directories that are not complete yet begin.
const UNFINISHED: &str = ".unfinished-";

/// A directory in the cache to fill, to be handed to [`install`] when complete.
fn unfinished(cache: &Path) -> Result<tempfile::TempDir, AcquireError> {
    tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(cache).map_err(|source| AcquireError::cache(cache, source))
}

/// Gives a complete directory its name, in one step.
async fn install(complete: tempfile::TempDir, cache: &Path, name: &str) -> Result<Parts, AcquireError> {
    let place = cache.join(name);
    let _ = tokio::fs::remove_dir_all(&place).await; // incomplete, or we would not be here
    tokio::fs::rename(complete.path(), &place).await.map_err(|source| AcquireError::cache(cache, source))?;
    let _renamed = complete.keep();
    Parts::find(&place).map_err(|missing| AcquireError::Directory { path: place, missing })
}
