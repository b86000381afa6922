//! Without `runAsUserName` the image decides: Server Core and what is made of it run as an administrator, Nano Server
//! does not.

use winconform_harness::{Answer, Check, Context, Explain, Failure};
use winconform_manifests::RUN_AS_USER_IMAGE_DEFAULT;
use winconform_reports::Verdict;

use super::{
    BASE, PAGE,
    user::{ADMINISTRATOR, CONTAINER_USER, first_process, judge},
};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "run-as-user/image-default",
    title: "A container whose pod names no user runs as its image's",
    passing: "A container without runAsUserName said that it is its image's user: ContainerAdministrator in Server Core, ContainerUser in Nano Server.",
    silent_on: "Images that name a user of their own.",
    creates: &[RUN_AS_USER_IMAGE_DEFAULT],
    explain: Explain {
        sources: &[
            PAGE,
            "https://learn.microsoft.com/en-us/virtualization/windowscontainers/manage-containers/container-security",
        ],
        failures: &[Failure {
            seen: "The container runs as another user.",
            advice: "A policy or a webhook of the cluster sets runAsUserName on pods, or a registry serves another image under Microsoft's name.",
        }],
        by_hand: &["kubectl run default --image=IMAGE -- cmd /c echo %USERNAME%"],
    },
    run: |cx| Box::pin(run(cx)),
    ..BASE
};

async fn run(cx: Context) -> Answer {
    let pod = cx.draft_one(&RUN_AS_USER_IMAGE_DEFAULT, "", &cx.open_nodes_here()?)?;
    let image = pod.pod_spec().and_then(|spec| spec.containers.first()?.image.clone()).unwrap_or_default();
    let Some(wanted) = user_of(&image) else {
        return Ok(Verdict::NotApplicable(format!("which user `{image}` runs as cannot be told from its name")));
    };
    cx.create(&pod).await?;
    let pod = cx.pod_ready(&pod).await?;
    let account = first_process(&cx, &pod).await?;
    Ok(judge(&cx, &pod, "the first process", account, wanted))
}

/// The user that an image of Microsoft's runs as, wherever it is served from; none for images of others.
///
/// `mcr.microsoft.com/windows/nanoserver:ltsc2022` says it in its path, `mcr.microsoft.com/dotnet/aspnet:8.0-nanoserver-1809`
/// in its tag, and a registry of the user's own keeps both.
fn user_of(image: &str) -> Option<&'static str> {
    let name = image.split_once('@').map_or(image, |(name, _digest)| name);
    let path = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) => path,
        _ => name,
    };
    let has = |word: &str| path.split(['/', ':', '-']).any(|part| part.eq_ignore_ascii_case(word));
    match () {
        () if has("nanoserver") => Some(CONTAINER_USER),
        () if has("servercore") || has("windowsservercore") || path.contains("windows/server:") => Some(ADMINISTRATOR),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_image_decides_wherever_it_is_served_from() {
        for (image, user) in [
            ("mcr.microsoft.com/windows/servercore:ltsc2022", Some(ADMINISTRATOR)),
            ("mcr.microsoft.com/windows/server:ltsc2025", Some(ADMINISTRATOR)),
            ("mcr.microsoft.com/windows/servercore/iis:windowsservercore-ltsc2022", Some(ADMINISTRATOR)),
            ("registry.example:5000/mirror/windows/servercore/insider:10.0.29531.1010", Some(ADMINISTRATOR)),
            ("mcr.microsoft.com/dotnet/framework/aspnet:4.8-windowsservercore-ltsc2022", Some(ADMINISTRATOR)),
            ("mcr.microsoft.com/windows/nanoserver:1809", Some(CONTAINER_USER)),
            ("mcr.microsoft.com/windows/nanoserver@sha256:0123", Some(CONTAINER_USER)),
            ("mcr.microsoft.com/powershell:lts-nanoserver-ltsc2022", Some(CONTAINER_USER)),
            ("registry.example/our/base:7", None),
            ("servercore-tools.example/base:7", None),
        ] {
            assert_eq!(user_of(image), user, "{image}");
        }
    }
}
