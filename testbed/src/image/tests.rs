use super::*;
use crate::shape::Os;

fn host(version: &str) -> HostPlatform<'_> {
    HostPlatform { os: Os::Windows, arch: "amd64", version: Some(version), runtime: "containerd://2.1.4" }
}

const LINUX: HostPlatform<'_> =
    HostPlatform { os: Os::Linux, arch: "amd64", version: None, runtime: "containerd://2.1.4" };

#[test]
fn an_image_of_another_release_fails_with_containerds_words() {
    let refused = find("mcr.microsoft.com/windows/servercore:ltsc2019", &host("10.0.20348.5499")).unwrap_err();
    assert_eq!(
        refused.text(),
        "rpc error: code = NotFound desc = failed to pull and unpack image \
         \"mcr.microsoft.com/windows/servercore:ltsc2019\": no match for platform in manifest: not found"
    );
}

#[test]
fn windows_server_2025_also_takes_the_image_of_2022() {
    let image = find("mcr.microsoft.com/windows/servercore:ltsc2022", &host("10.0.26100.33296")).unwrap();
    assert_eq!(image.version.as_deref(), Some("10.0.20348.5499"));
}

#[test]
fn a_preview_build_has_images_of_its_own_and_those_that_its_containerd_lets_it_run() {
    let at = |runtime| HostPlatform { runtime, ..host("10.0.29531.1010") };
    let (new, old) = (at("containerd://2.3.1"), at("containerd://2.1.4"));
    let servercore = |tag: &str| format!("mcr.microsoft.com/windows/servercore{tag}");
    for (tag, with_new, with_old) in [
        ("/insider:10.0.29531.1010", true, true),
        (":ltsc2025", true, true),
        (":ltsc2022", true, false),
        (":ltsc2019", false, false),
        (":10.0.29531.1010", false, false),
        ("/insider:ltsc2025", false, false),
    ] {
        assert_eq!(find(&servercore(tag), &new).is_ok(), with_new, "{tag} with the new rule");
        assert_eq!(find(&servercore(tag), &old).is_ok(), with_old, "{tag} with the old rule");
    }
    let baked: Vec<_> = baked(&old).into_iter().map(|image| image.name).collect();
    assert!(baked.contains(&servercore("/insider:10.0.29531.1010")), "{baked:?}");
    assert!(!baked.contains(&servercore(":ltsc2022")), "{baked:?}");
}

#[test]
fn exact_tags_exist_and_invented_ones_do_not() {
    let host = host("10.0.20348.5499");
    assert!(find("mcr.microsoft.com/windows/servercore:10.0.20348.5386", &host).is_ok());
    assert!(find("mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022", &host).is_ok());
    let refused = find("mcr.microsoft.com/windows/servercore:latest", &host).unwrap_err();
    assert!(matches!(refused, PullError::NotFound { .. }), "there is no `latest` of a Windows base image: {refused}");
}

#[test]
fn a_linux_image_has_nothing_for_windows() {
    let refused = find("busybox:1.37", &host("10.0.20348.5499")).unwrap_err();
    assert!(matches!(refused, PullError::NoMatch { .. }), "{refused}");
    assert!(find("busybox:1.37", &LINUX).is_ok());
}

#[test]
fn missing_repositories_and_registries_differ() {
    let text = |name| find(name, &LINUX).unwrap_err().text();
    insta::assert_snapshot!([text("nosuch/image"), text("registry.k8s.io/nosuch:1"), text("nosuch.invalid/a:1"), text("Bad name")].join("\n"), @r#"
    rpc error: code = Unknown desc = failed to pull and unpack image "docker.io/nosuch/image:latest": failed to resolve reference "docker.io/nosuch/image:latest": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed
    rpc error: code = NotFound desc = failed to pull and unpack image "registry.k8s.io/nosuch:1": failed to resolve reference "registry.k8s.io/nosuch:1": registry.k8s.io/nosuch:1: not found
    rpc error: code = Unknown desc = failed to pull and unpack image "nosuch.invalid/a:1": failed to resolve reference "nosuch.invalid/a:1": failed to do request: Head "https://nosuch.invalid/v2/a/manifests/1": dial tcp: lookup nosuch.invalid: no such host
    Failed to apply default image tag "Bad name": couldn't parse image name "Bad name": invalid reference format
    "#);
}

#[test]
fn every_node_has_the_base_images_of_its_release() {
    for version in ["10.0.17763.8511", "10.0.20348.5499", "10.0.26100.33296"] {
        let names: Vec<_> = baked(&host(version)).into_iter().map(|image| image.name).collect();
        assert!(names.contains(&format!("mcr.microsoft.com/windows/servercore:{version}")), "{names:?}");
        assert!(names.iter().any(|name| name.contains("/pause:")), "{names:?}");
    }
}
