//! The images that the virtual registries hold.
//!
//! A table of repositories: which platforms each tag has, how big the download
//! is, and which programs are inside. Sizes are those of the AKS node image
//! notes of 2026-07.

use super::{
    kit,
    platform::{Platform, build as build_of},
    reference::{Reference, Version},
};
use crate::{command::Kit, shape::Os};

/// Windows releases that base images exist for: tag words, and the newest version of their moving tags.
const RELEASES: &[(&[&str], &str)] = &[
    (&["ltsc2016", "1607"], "10.0.14393.8422"),
    (&["ltsc2019", "1809"], "10.0.17763.8511"),
    (&["ltsc2022"], "10.0.20348.5499"),
    (&["ltsc2025"], "10.0.26100.33296"),
];

/// The newest build that is a release.
const NEWEST_RELEASE: u32 = 26100;

/// Which tags a repository has.
#[derive(Debug, Clone, Copy)]
enum Tags {
    /// One Windows release each, by word after this prefix, or an exact version.
    Release(&'static str),
    /// One exact version of a build that is no release yet.
    Insider,
    /// Any version number; a manifest list of Linux and these Windows releases.
    Mixed(&'static [&'static str]),
    /// Any tag; Linux only.
    Linux,
    /// Any tag; Windows without a version, for HostProcess containers.
    AnyWindows,
}

/// What is inside.
#[derive(Debug, Clone, Copy)]
pub(super) struct Content {
    /// The bytes of the compressed download.
    pub(super) size: u64,
    /// The user that the image config names, or what the runtime makes of none.
    pub(super) user: &'static str,
    /// What runs when the pod names no command.
    pub(super) entrypoint: &'static [&'static str],
    /// What the entry point gets when the pod names no arguments.
    pub(super) arguments: &'static [&'static str],
    /// The programs.
    pub(super) kit: Kit,
}

struct Repository {
    name: &'static str,
    tags: Tags,
    windows: Content,
    linux: Content,
}

const MIB: u64 = 1 << 20;
const ADMINISTRATOR: &str = "ContainerAdministrator";
const CONTAINER_USER: &str = "ContainerUser";

const NOTHING: Content = Content { size: 0, user: "", entrypoint: &[], arguments: &[], kit: &[] };
const SERVERCORE: Content = Content {
    size: 2_030 * MIB,
    user: ADMINISTRATOR,
    entrypoint: &[],
    arguments: &[r"c:\windows\system32\cmd.exe"],
    kit: kit::SERVERCORE,
};
const NANOSERVER: Content = Content { size: 118 * MIB, user: CONTAINER_USER, kit: kit::NANOSERVER, ..SERVERCORE };
const IIS: Content = Content {
    size: 2_110 * MIB,
    entrypoint: &[r"C:\ServiceMonitor.exe", "w3svc"],
    arguments: &[],
    kit: kit::IIS,
    ..SERVERCORE
};
const HOST_PROCESS: Content =
    Content { size: MIB / 100, user: ADMINISTRATOR, arguments: &["cmd.exe"], kit: kit::SERVERCORE, ..NOTHING };
const PAUSE_WINDOWS: Content =
    Content { size: 119 * MIB, user: CONTAINER_USER, entrypoint: &["/pause.exe"], kit: kit::PAUSE_WINDOWS, ..NOTHING };
const PAUSE_LINUX: Content =
    Content { size: MIB / 3, user: "65535", entrypoint: &["/pause"], kit: kit::PAUSE, ..NOTHING };
const AGNHOST_WINDOWS: Content = Content {
    size: 460 * MIB,
    user: ADMINISTRATOR,
    entrypoint: &["/agnhost"],
    arguments: &["pause"],
    kit: kit::AGNHOST_WINDOWS,
};
const AGNHOST_LINUX: Content =
    Content { size: 54 * MIB, user: "0", entrypoint: &["/agnhost"], arguments: &["pause"], kit: kit::AGNHOST_LINUX };
const GMSA_WEBHOOK: Content = Content {
    size: 22 * MIB,
    user: "65532",
    entrypoint: &["/k8s-gmsa-webhook"],
    arguments: &[],
    kit: kit::GMSA_WEBHOOK,
};
const BUSYBOX: Content = Content { size: 2 * MIB, user: "0", entrypoint: &[], arguments: &["sh"], kit: kit::BUSYBOX };
const BUSYBOX_WINDOWS: Content = Content { size: 126 * MIB, arguments: &["cmd.exe"], ..NANOSERVER };
const CURL: Content =
    Content { size: 9 * MIB, user: "100", entrypoint: &["curl"], arguments: &["--help"], kit: kit::CURL };
const NETSHOOT: Content =
    Content { size: 180 * MIB, user: "0", entrypoint: &[], arguments: &["bash"], kit: kit::NETSHOOT };

const REPOSITORIES: &[Repository] = &[
    windows("mcr.microsoft.com/windows/servercore", Tags::Release(""), SERVERCORE),
    windows("mcr.microsoft.com/windows/server", Tags::Release(""), Content { size: 4_300 * MIB, ..SERVERCORE }),
    windows("mcr.microsoft.com/windows/servercore/insider", Tags::Insider, SERVERCORE),
    windows("mcr.microsoft.com/windows/nanoserver", Tags::Release(""), NANOSERVER),
    windows("mcr.microsoft.com/windows/nanoserver/insider", Tags::Insider, NANOSERVER),
    windows("mcr.microsoft.com/windows/servercore/iis", Tags::Release("windowsservercore-"), IIS),
    windows(
        "mcr.microsoft.com/oss/kubernetes/windows-host-process-containers-base-image",
        Tags::AnyWindows,
        HOST_PROCESS,
    ),
    mixed("mcr.microsoft.com/oss/kubernetes/pause", &["1809", "ltsc2022", "ltsc2025"], PAUSE_WINDOWS, PAUSE_LINUX),
    mixed("mcr.microsoft.com/oss/v2/kubernetes/pause", &["1809", "ltsc2022", "ltsc2025"], PAUSE_WINDOWS, PAUSE_LINUX),
    mixed("registry.k8s.io/pause", &["1809", "ltsc2022", "ltsc2025"], PAUSE_WINDOWS, PAUSE_LINUX),
    mixed("registry.k8s.io/e2e-test-images/agnhost", &["1809", "ltsc2022", "ltsc2025"], AGNHOST_WINDOWS, AGNHOST_LINUX),
    mixed("registry.k8s.io/e2e-test-images/busybox", &["1809", "ltsc2022", "ltsc2025"], BUSYBOX_WINDOWS, BUSYBOX),
    linux("registry.k8s.io/gmsa-webhook/k8s-gmsa-webhook", GMSA_WEBHOOK),
    linux("docker.io/library/busybox", BUSYBOX),
    linux("docker.io/library/alpine", Content { size: 4 * MIB, arguments: &["/bin/sh"], ..BUSYBOX }),
    linux("docker.io/alpine/curl", Content { kit: kit::CURL, ..CURL }),
    linux("docker.io/curlimages/curl", CURL),
    linux("quay.io/curl/curl", CURL),
    linux("docker.io/nicolaka/netshoot", NETSHOOT),
];

const fn windows(name: &'static str, tags: Tags, content: Content) -> Repository {
    Repository { name, tags, windows: content, linux: NOTHING }
}

const fn linux(name: &'static str, content: Content) -> Repository {
    Repository { name, tags: Tags::Linux, windows: NOTHING, linux: content }
}

const fn mixed(name: &'static str, releases: &'static [&'static str], windows: Content, linux: Content) -> Repository {
    Repository { name, tags: Tags::Mixed(releases), windows, linux }
}

/// A manifest list, and what each of its images holds.
pub(super) struct Manifest {
    pub(super) platforms: Vec<Platform>,
    windows: Content,
    linux: Content,
}

impl Manifest {
    /// The content of the image for one system.
    pub(super) fn content(&self, os: Os) -> Content {
        match os {
            Os::Windows => self.windows,
            Os::Linux => self.linux,
        }
    }
}

/// What the registries hold under a name; `None` when there is no such repository or tag.
pub(super) fn find(reference: &Reference) -> Option<Manifest> {
    let name = reference.name();
    let repository = REPOSITORIES.iter().find(|repository| repository.name == name)?;
    let Version::Tag(tag) = &reference.version else { return None };
    let platforms = platforms(repository.tags, tag)?;
    Some(Manifest { platforms, windows: repository.windows, linux: repository.linux })
}

fn platforms(tags: Tags, tag: &str) -> Option<Vec<Platform>> {
    let tag = tag.strip_suffix("-amd64").unwrap_or(tag);
    let entry = |version: &str| Platform { os: Os::Windows, arch: "amd64", version: Some(version.to_owned()) };
    let linux = || ["amd64", "arm64"].map(|arch| Platform { os: Os::Linux, arch, version: None });
    Some(match tags {
        Tags::Release(prefix) => {
            let word = tag.strip_prefix(prefix)?;
            vec![entry(&release(word)?)]
        }
        Tags::Insider => vec![entry(exact(tag).filter(|version| build_of(version) > Some(NEWEST_RELEASE))?)],
        Tags::Mixed(releases) => linux()
            .into_iter()
            .chain(releases.iter().filter_map(|word| release(word)).map(|version| entry(&version)))
            .collect(),
        Tags::Linux => linux().into(),
        Tags::AnyWindows => vec![Platform { os: Os::Windows, arch: "amd64", version: None }],
    })
}

/// The version behind a tag word: a release's name, or an exact version.
fn release(word: &str) -> Option<String> {
    if let Some((_, version)) = RELEASES.iter().find(|(words, _)| words.contains(&word)) {
        return Some((*version).to_owned());
    }
    let version = exact(word)?;
    RELEASES.iter().any(|(_, newest)| build_of(newest) == build_of(version)).then(|| version.to_owned())
}

/// A tag that is a whole version.
fn exact(word: &str) -> Option<&str> {
    let numbers: Vec<_> = word.split('.').collect();
    let exact = word.starts_with("10.0.") && numbers.len() == 4 && numbers.iter().all(|n| n.parse::<u32>().is_ok());
    exact.then_some(word)
}

/// The base images that node images of a Windows version come with, as AKS bakes them.
pub(super) fn baked(version: Option<&str>) -> Vec<String> {
    let Some(build) = version.and_then(build_of) else {
        return vec!["registry.k8s.io/pause:3.10.2".to_owned()];
    };
    let mut images = vec!["mcr.microsoft.com/oss/kubernetes/pause:3.10.2".to_owned()];
    for (words, release) in RELEASES {
        let same = build_of(release) == Some(build);
        // AKS bakes the images of 2022 into nodes of 2025; a preview comes with all that could run there.
        let portable = build >= 26100 && build_of(release) >= Some(20348);
        if same || portable {
            images.extend(words.iter().map(|word| format!("mcr.microsoft.com/windows/servercore:{word}")));
            images.extend(words.iter().map(|word| format!("mcr.microsoft.com/windows/nanoserver:{word}")));
        }
    }
    if let Some(version) = version {
        let insider = if build > NEWEST_RELEASE { "/insider" } else { "" };
        images.push(format!("mcr.microsoft.com/windows/servercore{insider}:{version}"));
        images.push(format!("mcr.microsoft.com/windows/nanoserver{insider}:{version}"));
    }
    images
}
