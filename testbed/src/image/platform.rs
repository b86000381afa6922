//! Which image of a manifest list a node's containerd takes.
//!
//! The rule is containerd's `platforms` package (`platform_windows_compat.go`)
//! together with hcsshim's `osversion/platform_compat_windows.go`. Up to build
//! 20347 host and image builds must be equal; later hosts also run older images
//! down to a floor, and how that floor is found changed in `platforms` 1.0.0-rc.5
//! (pull request 34; part of containerd from 2.3 on).

use crate::shape::Os;

/// The builds from which Windows kept its container interface stable.
const STABLE: [u32; 2] = [20348, 26100];
/// The first host build that runs images older than itself.
const FIRST_STABLE: u32 = 20348;

/// One entry of a manifest list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    /// The operating system.
    pub(crate) os: Os,
    /// `amd64` or `arm64`.
    pub(crate) arch: &'static str,
    /// `os.version` of a Windows image; `None` matches every host.
    pub(crate) version: Option<String>,
}

/// What decides on a node's side.
#[derive(Debug, Clone)]
pub(crate) struct HostPlatform<'a> {
    /// The operating system.
    pub(crate) os: Os,
    /// `amd64` or `arm64`.
    pub(crate) arch: &'a str,
    /// The Windows version, `10.0.20348.5499`.
    pub(crate) version: Option<&'a str>,
    /// `containerd://2.1.4`.
    pub(crate) runtime: &'a str,
}

/// How a host build's floor is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// `platforms` before 1.0.0-rc.5: the largest stable build strictly below the host's.
    Old,
    /// Since then: one stable build below the largest that is not above the host's.
    New,
}

impl Rule {
    /// The rule of a `containerRuntimeVersion`.
    pub(crate) fn of_runtime(runtime: &str) -> Self {
        let Some(version) = runtime.strip_prefix("containerd://") else { return Self::Old };
        let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse::<u32>().unwrap_or(0));
        let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        if (major, minor) >= (2, 3) { Self::New } else { Self::Old }
    }
}

/// Whether a host of one build runs images of another, with process isolation.
pub(crate) fn accepts(host: u32, image: u32, rule: Rule) -> bool {
    if host < FIRST_STABLE {
        return image == host;
    }
    let floor = match rule {
        Rule::Old => STABLE.iter().rev().find(|&&stable| stable < host).copied().unwrap_or(FIRST_STABLE),
        Rule::New => {
            let latest = STABLE.iter().rposition(|&stable| stable <= host).unwrap_or(0);
            STABLE.get(latest.saturating_sub(1)).copied().unwrap_or(FIRST_STABLE)
        }
    };
    (floor..=host).contains(&image)
}

/// The build, third part of a Windows version.
pub(crate) fn build(version: &str) -> Option<u32> {
    version.split('.').nth(2)?.parse().ok()
}

/// The patch level, fourth part of a Windows version.
pub(crate) fn patch(version: &str) -> Option<u32> {
    version.split('.').nth(3)?.parse().ok()
}

/// The entry that the host takes: of several that match, the newest.
pub(crate) fn choose<'a>(host: &HostPlatform<'_>, entries: &'a [Platform]) -> Option<&'a Platform> {
    let rule = Rule::of_runtime(host.runtime);
    entries
        .iter()
        .filter(|entry| entry.os == host.os && entry.arch == host.arch)
        .filter(|entry| match (entry.version.as_deref().and_then(build), host.version.and_then(build)) {
            (Some(image), Some(host)) => accepts(host, image, rule),
            _ => true,
        })
        .max_by_key(|entry| entry.version.as_deref().and_then(build))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_host_accepts_the_builds_that_containerd_accepts() {
        let images = [17763, 20348, 25398, 26100, 26200, 29531];
        let accepted =
            |host, rule| images.into_iter().filter(move |&image| accepts(host, image, rule)).collect::<Vec<_>>();
        for (host, old, new) in [
            (17763, &[17763][..], &[17763][..]),
            (20348, &[20348], &[20348]),
            (25398, &[20348, 25398], &[20348, 25398]),
            (26100, &[20348, 25398, 26100], &[20348, 25398, 26100]),
            (26200, &[26100, 26200], &[20348, 25398, 26100, 26200]),
            (29531, &[26100, 26200, 29531], &[20348, 25398, 26100, 26200, 29531]),
        ] {
            assert_eq!(accepted(host, Rule::Old), old, "old rule on {host}");
            assert_eq!(accepted(host, Rule::New), new, "new rule on {host}");
        }
    }

    #[test]
    fn the_rule_follows_the_runtimes_version() {
        for (runtime, rule) in [
            ("containerd://1.7.29+azure", Rule::Old),
            ("containerd://2.1.4", Rule::Old),
            ("containerd://2.3.0", Rule::New),
            ("containerd://3.0.0-beta.1", Rule::New),
            ("containerd://?", Rule::Old),
            ("docker://19.3.14", Rule::Old),
        ] {
            assert_eq!(Rule::of_runtime(runtime), rule, "{runtime}");
        }
    }

    fn windows(version: Option<&str>) -> Platform {
        Platform { os: Os::Windows, arch: "amd64", version: version.map(ToOwned::to_owned) }
    }

    #[test]
    fn of_several_matching_entries_the_newest_is_taken() {
        let entries = [windows(Some("10.0.20348.1")), windows(Some("10.0.26100.1")), windows(Some("10.0.17763.1"))];
        let host = HostPlatform {
            os: Os::Windows,
            arch: "amd64",
            version: Some("10.0.26100.33296"),
            runtime: "containerd://2.1.4",
        };
        assert_eq!(choose(&host, &entries), Some(&entries[1]));
    }

    #[test]
    fn an_entry_without_a_version_matches_every_windows_host_and_no_linux_one() {
        let entries = [windows(None)];
        let mut host = HostPlatform { os: Os::Windows, arch: "amd64", version: Some("10.0.17763.1"), runtime: "" };
        assert_eq!(choose(&host, &entries), Some(&entries[0]));
        host.os = Os::Linux;
        assert_eq!(choose(&host, &entries), None);
    }
}
