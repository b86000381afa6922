//! Getting the control plane: from a stand-in for the release sites, and from a stand-in for Go.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use sha2::{Digest as _, Sha256};
use winconform_testbed::{
    control_plane::{AcquireError, Acquisition, Part, Parts, acquire},
    process::Supervisor,
    progress::{Progress, Reporter, Step},
};

use crate::{failing_start::write_program, help::executable};

/// How the stand-in for the release sites behaves.
#[derive(Clone, Default)]
struct Site {
    /// The file whose content is not what was published.
    tampered: Option<&'static str>,
    /// The file whose first download breaks in the middle.
    breaks_once: Option<&'static str>,
    /// The file that is not there.
    missing: Option<&'static str>,
    /// How many files were asked for.
    asked: Arc<AtomicUsize>,
    broken: Arc<AtomicUsize>,
}

fn etcd_archive() -> Vec<u8> {
    let mut archive = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
    for (path, content) in [("etcd-v3.7.0-linux-amd64/README.md", "read me"), ("etcd-v3.7.0-linux-amd64/etcd", "etcd")]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn hex_sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn answer(State(site): State<Site>, request: Request) -> Response {
    site.asked.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path().to_owned();
    let name = path.rsplit('/').next().unwrap_or_default();
    if site.missing == Some(name) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if name == "SHA256SUMS" {
        let sum = hex_sha256(&etcd_archive());
        return format!("{sum}  etcd-v3.7.0-linux-amd64.tar.gz\n{sum}  etcd-v3.7.0-linux-arm64.tar.gz\n")
            .into_response();
    }
    if let Some(program) = name.strip_suffix(".sha256") {
        return hex_sha256(program.as_bytes()).into_response();
    }
    if site.breaks_once == Some(name) && site.broken.fetch_add(1, Ordering::Relaxed) == 0 {
        let chunks = [Ok("half"), Err(std::io::Error::other("broken"))];
        return Body::from_stream(futures::stream::iter(chunks)).into_response();
    }
    let content = if name.starts_with("etcd") { etcd_archive() } else { name.as_bytes().to_vec() };
    if site.tampered == Some(name) { "something else".into_response() } else { content.into_response() }
}

/// Serves the site; returns its address.
async fn serve(site: Site) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer).with_state(site)).await });
    format!("http://{address}")
}

/// Looks only in `cache` and at `site`; there is no Go.
fn only(cache: &Path, site: &str) -> Acquisition {
    Acquisition {
        directory: None,
        assets: None,
        cache: cache.to_owned(),
        kubernetes_site: site.to_owned(),
        etcd_site: site.to_owned(),
        go: PathBuf::from("/nowhere/go"),
        platform: None,
    }
}

async fn get(options: &Acquisition) -> Result<Parts, AcquireError> {
    let supervisor = Supervisor::start(&executable()).unwrap();
    let got = acquire(options, &supervisor, &Reporter::silent()).await;
    supervisor.shut_down().await;
    got
}

fn unfinished(cache: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(cache).unwrap().flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name != ".lock").collect()
}

#[cfg(target_os = "linux")]
mod releases {
    use super::*;

    #[tokio::test]
    async fn a_release_is_downloaded_checked_and_kept() {
        let cache = tempfile::tempdir().unwrap();
        let site = Site::default();
        let options = only(cache.path(), &serve(site.clone()).await);
        let parts = get(&options).await.unwrap();
        for part in Part::NEEDED.into_iter().chain([Part::Kubectl]) {
            let (program, arguments) = parts.command(part);
            assert_eq!(std::fs::read_to_string(program).unwrap(), part.name());
            assert!(arguments.is_empty());
        }
        let asked = site.asked.load(Ordering::Relaxed);
        assert_eq!(get(&options).await.unwrap(), parts);
        assert_eq!(site.asked.load(Ordering::Relaxed), asked, "the second time asks nobody");
    }

    #[tokio::test]
    async fn a_download_that_is_not_what_was_published_is_refused_and_not_kept() {
        for file in ["kube-scheduler", "etcd-v3.7.0-linux-amd64.tar.gz"] {
            if file.contains("amd64") && !cfg!(target_arch = "x86_64") {
                continue;
            }
            let cache = tempfile::tempdir().unwrap();
            let site = serve(Site { tampered: Some(file), ..Site::default() }).await;
            let error = get(&only(cache.path(), &site)).await.unwrap_err();
            let actual = hex_sha256(b"something else");
            let said = error.to_string();
            assert!(said.contains(file) && said.contains(&actual) && said.contains("--control-plane-dir"), "{said}");
            assert_eq!(unfinished(cache.path()), [] as [String; 0]);
        }
    }

    #[tokio::test]
    async fn a_download_that_breaks_on_the_way_is_tried_again() {
        let cache = tempfile::tempdir().unwrap();
        let site = Site { breaks_once: Some("kube-apiserver"), ..Site::default() };
        let options = only(cache.path(), &serve(site.clone()).await);
        let parts = get(&options).await.unwrap();
        assert_eq!(std::fs::read_to_string(parts.command(Part::ApiServer).0).unwrap(), "kube-apiserver");
        assert_eq!(site.broken.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn without_a_release_and_without_go_the_user_is_told_what_to_install() {
        let cache = tempfile::tempdir().unwrap();
        let site = serve(Site { missing: Some("kubectl.sha256"), ..Site::default() }).await;
        let said = get(&only(cache.path(), &site)).await.unwrap_err().to_string();
        assert!(said.contains("404") && said.contains("install Go 1.26 or newer"), "{said}");
    }

    #[tokio::test]
    async fn a_site_that_cannot_be_reached_is_named_when_there_is_no_other_way() {
        let cache = tempfile::tempdir().unwrap();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let said = get(&only(cache.path(), &format!("http://{nobody}"))).await.unwrap_err().to_string();
        assert!(said.contains(&nobody.to_string()) && said.contains("there is no `/nowhere/go`"), "{said}");
    }

    #[tokio::test]
    async fn a_site_that_never_answers_is_given_up() {
        let cache = tempfile::tempdir().unwrap();
        let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let site = format!("http://{}", silent.local_addr().unwrap());
        let said = get(&only(cache.path(), &site)).await.unwrap_err().to_string();
        assert!(said.contains("did not answer within 3 s"), "{said}");
    }
}

/// A Go that answers `env` as told, and does for `build` what `build` says; `$out` is the file to make.
fn fake_go(directory: &Path, version: &str, build: &str) -> PathBuf {
    let file = directory.join("go");
    let script = format!(
        "if [ \"$1\" = env ]; then printf '{version}\\n'; exit 0; fi\n\
         while [ $# -gt 1 ]; do if [ \"$1\" = -o ]; then out=$2; fi; shift; done\n{build}"
    );
    write_program(&file, &script);
    file
}

/// Looks only in `cache` and for a fake Go; no site can be reached.
fn build_only(cache: &Path, go: PathBuf) -> Acquisition {
    Acquisition { go, ..only(cache, "http://127.0.0.1:1") }
}

#[tokio::test]
async fn without_a_release_the_control_plane_is_built_from_the_sources_we_bring() {
    let cache = tempfile::tempdir().unwrap();
    let go = fake_go(cache.path(), "go1.26.8\\nauto", "cat main.go go.mod go.sum > \"$out\"");
    let parts = get(&build_only(cache.path(), go)).await.unwrap();
    let (program, arguments) = parts.command(Part::Scheduler);
    assert_eq!(arguments, ["kube-scheduler"]);
    let built = std::fs::read_to_string(program).unwrap();
    assert!(built.contains("package main") && built.contains("k8s.io/kubernetes v1.37.2"));
}

#[tokio::test]
async fn several_testbeds_at_once_build_once_and_the_others_say_that_they_wait() {
    let cache = tempfile::tempdir().unwrap();
    let count = cache.path().join("builds");
    // The build lasts until the other testbed waits.
    let waits = cache.path().join("waits");
    let script = format!(
        "echo built >> {count}; while [ ! -e {waits} ]; do sleep 0.05; done; echo program > \"$out\"",
        count = count.display(),
        waits = waits.display()
    );
    let options = build_only(cache.path(), fake_go(cache.path(), "go1.26.8\\nauto", &script));
    let said = Mutex::new(Vec::new());
    let said = Arc::new(said);
    let reporter = Reporter::new({
        let said = Arc::clone(&said);
        move |progress| {
            if let Progress::Step { what, .. } = progress {
                if what == Step::Wait {
                    std::fs::write(&waits, "").unwrap();
                }
                said.lock().unwrap().push(what);
            }
        }
    });
    let supervisor = Supervisor::start(&executable()).unwrap();
    let (one, other) =
        tokio::join!(acquire(&options, &supervisor, &reporter), acquire(&options, &supervisor, &reporter));
    supervisor.shut_down().await;
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(std::fs::read_to_string(count).unwrap(), "built\n");
    assert!(said.lock().unwrap().contains(&Step::Wait));
}

#[tokio::test]
async fn a_build_that_fails_shows_the_end_of_what_it_said() {
    let cache = tempfile::tempdir().unwrap();
    let go = fake_go(cache.path(), "go1.26.8\\nauto", "echo k8s.io/api; echo main.go:12: undefined: x >&2; exit 1");
    let error = get(&build_only(cache.path(), go)).await.unwrap_err();
    assert_eq!(error.to_string(), "the control plane could not be built (go build: exit code 1)");
    assert_eq!(error.log_tail(), ["k8s.io/api", "main.go:12: undefined: x"]);
}

#[tokio::test]
async fn a_full_disk_is_called_a_full_disk() {
    let cache = tempfile::tempdir().unwrap();
    let go = fake_go(cache.path(), "go1.26.8\\nauto", "echo write /tmp/x: no space left on device >&2; exit 1");
    let error = get(&build_only(cache.path(), go)).await.unwrap_err();
    assert!(matches!(error, AcquireError::DiskFull { .. }), "{error}");
}

#[tokio::test]
async fn an_old_go_that_may_not_update_itself_is_told_apart_from_none() {
    let cache = tempfile::tempdir().unwrap();
    let go = fake_go(cache.path(), "go1.24.1\\nlocal", "exit 1");
    let said = get(&build_only(cache.path(), go)).await.unwrap_err().to_string();
    assert!(said.contains("go1.24.1 is too old") && said.contains("GOTOOLCHAIN=auto"), "{said}");
}

#[tokio::test]
async fn a_build_that_is_given_up_ends_its_compiler() {
    let cache = tempfile::tempdir().unwrap();
    let begun = cache.path().join("begun");
    let script = format!("sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600'", begun.display());
    let options = build_only(cache.path(), fake_go(cache.path(), "go1.26.8\\nauto", &script));
    let supervisor = Supervisor::start(&executable()).unwrap();
    let reporter = Reporter::silent();
    let compiler = tokio::select! {
        _ = acquire(&options, &supervisor, &reporter) => panic!("the build does not end"),
        compiler = async {
            crate::help::eventually("the compiler", || begun.exists(), |exists| *exists).await;
            std::fs::read_to_string(&begun).unwrap().trim().parse::<u32>().unwrap()
        } => compiler,
    };
    supervisor.shut_down().await;
    crate::help::eventually("the compiler's end", || crate::help::alive(&[compiler]), Vec::is_empty).await;
}
