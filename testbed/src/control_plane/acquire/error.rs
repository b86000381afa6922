//! Why there is no control plane, and what to do about it.

use std::{
    io,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::process::ProcessError;

/// What can be done without downloading or building.
const OTHERWISE: &str = "or name a directory that holds etcd, kube-apiserver, kube-controller-manager and kube-scheduler with --control-plane-dir";

/// The control plane could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// The directory that the user named lacks something.
    #[error("{path} holds no control plane: {missing} missing", path = .path.display(), missing = listed(.missing))]
    Directory {
        /// The directory.
        path: PathBuf,
        /// The files that are not there.
        missing: Vec<&'static str>,
    },
    /// The cache cannot be used.
    #[error("the cache {path} could not be used", path = .path.display())]
    Cache {
        /// Its directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds {path} is full: the control plane needs about 1 GB there (XDG_CACHE_HOME, GOCACHE and TMPDIR name other places)", path = .path.display())]
    DiskFull {
        /// What could not be written.
        path: PathBuf,
    },
    /// The client for downloads could not be made.
    #[error("no client for downloads could be made")]
    HttpClient(#[source] reqwest::Error),
    /// A download began and did not end well.
    #[error("the download of {url} broke; try again, {OTHERWISE}")]
    Download {
        /// What was downloaded.
        url: String,
        /// How it broke.
        source: reqwest::Error,
    },
    /// A download is not what was published.
    #[error("{url} is broken: its SHA-256 is {actual}, and {expected} was published; try again, {OTHERWISE}")]
    Checksum {
        /// What was downloaded.
        url: String,
        /// The published checksum.
        expected: String,
        /// The checksum of what came.
        actual: String,
    },
    /// An archive does not hold what it should.
    #[error("{url} could not be unpacked")]
    Archive {
        /// The archive.
        url: String,
        /// Why not.
        source: io::Error,
    },
    /// There is no Go to build with.
    #[error("{why_not_downloaded}, so the control plane must be built, and there is no `{go}`: install Go {needed} or newer (https://go.dev/dl/), {OTHERWISE}", go = .go.display())]
    NoGo {
        /// The command that was looked for.
        go: PathBuf,
        /// The oldest release that will do.
        needed: &'static str,
        /// Why a download was no way.
        why_not_downloaded: String,
        /// What starting it said.
        source: io::Error,
    },
    /// Go is too old, and may not fetch a newer one.
    #[error(
        "{why_not_downloaded}, so the control plane must be built, and {found} is too old: install Go {needed} or newer (https://go.dev/dl/), or let Go fetch it (GOTOOLCHAIN=auto), {OTHERWISE}"
    )]
    OldGo {
        /// The Go that was found.
        found: String,
        /// The oldest release that will do.
        needed: &'static str,
        /// Why a download was no way.
        why_not_downloaded: String,
    },
    /// The build failed.
    #[error("the control plane could not be built (go build: {how})")]
    Build {
        /// How the compiler ended.
        how: String,
        /// The end of what it said.
        log_tail: Vec<String>,
    },
    /// The build could not be started.
    #[error("the control plane could not be built")]
    Process(#[from] ProcessError),
}

impl AcquireError {
    /// The end of the log that shows why, if there is one.
    #[must_use]
    pub fn log_tail(&self) -> &[String] {
        match self {
            Self::Build { log_tail, .. } => log_tail,
            _ => &[],
        }
    }

    pub(super) fn cache(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        if is_full(&source) { Self::DiskFull { path } } else { Self::Cache { path, source } }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn listed(missing: &[&str]) -> String {
    match missing {
        [one] => format!("{one} is"),
        several => format!("{} are", several.join(", ")),
    }
}
