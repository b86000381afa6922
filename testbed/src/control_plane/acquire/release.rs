//! The official release, over HTTPS, each file checked against its published SHA-256.

use std::{
    fmt::Write as _,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use reqwest::Client;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::{AcquireError, Acquisition, Part, Parts, install, unfinished};
use crate::{
    control_plane::install_tls_provider,
    progress::{Reporter, Step, chain},
    shape::KUBERNETES_VERSION,
};

/// The release's directory in the cache.
pub(super) const DIRECTORY: &str = "release";

/// The etcd release that Kubernetes' own go.mod names.
const ETCD_VERSION: &str = "v3.7.0";

/// How long the site may take to show that it can be reached.
const REACHABLE: Duration = Duration::from_secs(3);

/// How long a download may bring nothing.
const STALLED: Duration = Duration::from_secs(30);

/// How many files are downloaded at once.
const AT_ONCE: usize = 3;

/// How often a download is tried that breaks on the way.
const TRIES: usize = 2;

/// What became of the attempt.
pub(super) enum Outcome {
    /// It is in the cache.
    Installed(Parts),
    /// The site offers nothing for us, or cannot be reached; why.
    Unavailable(String),
}

/// A file of the release, and what it must hash to.
struct File {
    part: Part,
    url: String,
    sha256: String,
}

/// Downloads the release into the cache, unless the site cannot be reached within seconds.
pub(super) async fn download(options: &Acquisition, reporter: &Reporter) -> Result<Outcome, AcquireError> {
    let Some(platform) = platform() else {
        return Ok(Outcome::Unavailable(format!(
            "there is no release of the control plane for {}",
            std::env::consts::OS
        )));
    };
    let client = client()?;
    let detail = || format!("asking {}", options.kubernetes_site);
    let asking = tokio::time::timeout(REACHABLE, files(options, &client, platform));
    let files = match reporter.during(Step::Download, detail, asking).await {
        Ok(Ok(files)) => files,
        Ok(Err(why)) => return Ok(Outcome::Unavailable(why)),
        Err(_elapsed) => {
            let why =
                format!("the release site {} did not answer within {} s", options.kubernetes_site, REACHABLE.as_secs());
            return Ok(Outcome::Unavailable(why));
        }
    };

    let place = unfinished(&options.cache)?;
    let received = AtomicU64::new(0);
    let detail = || format!("{} MB so far", received.load(Ordering::Relaxed) / 1_000_000);
    let fetching = stream::iter(&files)
        .map(|file| fetch(&client, file, place.path(), &received))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<()>>();
    reporter.during(Step::Download, detail, fetching).await?;
    install(place, &options.cache, DIRECTORY).await.map(Outcome::Installed)
}

/// The release's name of this machine, if there is a release for it.
fn platform() -> Option<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("linux-amd64"),
        ("linux", "aarch64") => Some("linux-arm64"),
        _ => None, // Kubernetes releases no servers for other systems
    }
}

fn client() -> Result<Client, AcquireError> {
    install_tls_provider(); // without one, the builder panics
    Client::builder().connect_timeout(REACHABLE).read_timeout(STALLED).build().map_err(AcquireError::HttpClient)
}

/// What there is to download. The checksums are small, so asking for them all shows whether the sites can be used.
async fn files(options: &Acquisition, client: &Client, platform: &str) -> Result<Vec<File>, String> {
    let parts = [Part::ApiServer, Part::ControllerManager, Part::Scheduler, Part::Kubectl];
    let directory =
        format!("{}/release/{KUBERNETES_VERSION}/bin/{}", options.kubernetes_site, platform.replace('-', "/"));
    let kubernetes = parts.map(async |part| {
        let url = format!("{directory}/{}", part.name());
        let sha256 = published(client, &format!("{url}.sha256"), None).await?;
        Ok::<_, String>(File { part, url, sha256 })
    });
    let etcd = async {
        let directory = format!("{}/{ETCD_VERSION}", options.etcd_site);
        let archive = format!("etcd-{ETCD_VERSION}-{platform}.tar.gz");
        let sha256 = published(client, &format!("{directory}/SHA256SUMS"), Some(&archive)).await?;
        Ok(File { part: Part::Etcd, url: format!("{directory}/{archive}"), sha256 })
    };
    let (mut files, etcd) = futures::try_join!(try_join_all(kubernetes), etcd)?;
    files.push(etcd);
    Ok(files)
}

/// A published SHA-256: alone in its file, or in the line that names `file`.
async fn published(client: &Client, url: &str, file: Option<&str>) -> Result<String, String> {
    let unusable = |error: reqwest::Error| format!("{url} could not be had ({})", chain(&error.without_url()));
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(unusable)?;
    let text = answer.text().await.map_err(unusable)?;
    checksum(&text, file).ok_or_else(|| format!("{url} holds no checksum"))
}

fn checksum(text: &str, file: Option<&str>) -> Option<String> {
    let line = match file {
        None => text.trim(),
        Some(file) => text
            .lines()
            .find(|line| line.split_whitespace().nth(1).is_some_and(|name| name.trim_start_matches('*') == file))?,
    };
    let sum = line.split_whitespace().next()?;
    let is_sha256 = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_sha256.then(|| sum.to_ascii_lowercase())
}

/// Downloads one file, a second time if the first breaks on the way, and checks and installs it.
async fn fetch(client: &Client, file: &File, place: &Path, received: &AtomicU64) -> Result<(), AcquireError> {
    let downloaded = place.join(format!("{}.part", file.part.name()));
    let mut tries = 1;
    let actual = loop {
        match receive(client, &file.url, &downloaded, received).await {
            Ok(sum) => break sum,
            Err(AcquireError::Download { url, source }) if tries < TRIES && source.status().is_none() => {
                tracing::warn!(url, error = chain(&source), "the download broke; trying again");
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    };
    if actual != file.sha256 {
        return Err(AcquireError::Checksum { url: file.url.clone(), expected: file.sha256.clone(), actual });
    }
    let program = place.join(file.part.name());
    if file.part == Part::Etcd {
        unpack(&downloaded, &program, &file.url).await?;
        let _ = tokio::fs::remove_file(&downloaded).await;
    } else {
        tokio::fs::rename(&downloaded, &program).await.map_err(|source| AcquireError::cache(&program, source))?;
    }
    let executable = std::fs::Permissions::from_mode(0o755);
    tokio::fs::set_permissions(&program, executable).await.map_err(|source| AcquireError::cache(&program, source))
}

/// Writes what `url` holds to `target`; returns its SHA-256.
async fn receive(client: &Client, url: &str, target: &Path, received: &AtomicU64) -> Result<String, AcquireError> {
    let broken = |source: reqwest::Error| AcquireError::Download { url: url.to_owned(), source: source.without_url() };
    let unwritable = |source| AcquireError::cache(target, source);
    let answer = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(broken)?;
    let mut file = tokio::fs::File::create(target).await.map_err(unwritable)?;
    let mut hash = Sha256::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(broken)?;
        hash.update(&chunk);
        file.write_all(&chunk).await.map_err(unwritable)?;
        received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
    }
    file.flush().await.map_err(unwritable)?;
    let mut sum = String::new();
    for byte in hash.finalize() {
        let _ = write!(sum, "{byte:02x}"); // writing to a string cannot fail
    }
    Ok(sum)
}

/// Takes the file `etcd` out of etcd's archive.
async fn unpack(archive: &Path, program: &Path, url: &str) -> Result<(), AcquireError> {
    let (archive, target) = (archive.to_owned(), program.to_owned());
    let unpacked = tokio::task::spawn_blocking(move || unpack_blocking(&archive, &target)).await;
    match unpacked.unwrap_or_else(|panicked| Err(io::Error::other(panicked))) {
        Ok(()) => Ok(()),
        Err(source) if source.kind() == io::ErrorKind::StorageFull => Err(AcquireError::cache(program, source)),
        Err(source) => Err(AcquireError::Archive { url: url.to_owned(), source }),
    }
}

fn unpack_blocking(archive: &Path, program: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(std::fs::File::open(archive)?));
    for entry in archive.entries()? {
        let mut entry = entry?;
        if entry.path()?.file_name().is_some_and(|name| name == Part::Etcd.name())
            && entry.header().entry_type().is_file()
        {
            io::copy(&mut entry.by_ref(), &mut std::fs::File::create(program)?)?;
            return Ok(());
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "there is no etcd in it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "0123456789abcdef0123456789abcdef0123456789ABCDEF0123456789abcdef";

    #[test]
    fn a_checksum_alone_in_its_file_is_found() {
        assert_eq!(checksum(&format!("{SUM}\n"), None), Some(SUM.to_lowercase()));
    }

    #[test]
    fn a_checksum_in_a_list_is_found_by_its_file() {
        let list = format!("{}  other.tar.gz\n{SUM} *etcd.tar.gz\n", "f".repeat(64));
        assert_eq!(checksum(&list, Some("etcd.tar.gz")), Some(SUM.to_lowercase()));
        assert_eq!(checksum(&list, Some("absent.tar.gz")), None);
    }

    #[test]
    fn a_page_of_a_captive_portal_is_no_checksum() {
        for page in ["<html>Please log in</html>", "", "deadbeef"] {
            assert_eq!(checksum(page, None), None);
        }
    }
}
