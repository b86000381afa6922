//! Pulling images before anything is asked (`--prepull`).
//!
//! A Windows base image takes minutes, which would otherwise be spent inside each
//! fixture's own budget. Here one pod on each node names all images of that node and
//! ends at once. Whether the images came is no verdict: a fixture whose image is
//! missing says so with everything that is known about it.

use std::sync::Arc;

use futures::future::join_all;
use k8s_openapi::{
    api::core::v1::{Container, ContainerStatus, Pod, PodSpec},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use tokio::time::Instant;
use winconform_manifests::{Kind, Object};
use winconform_reports::{
    Chain,
    event::{self, FixtureState},
};

use super::{images::NeededImages, live_fixture::fixture_pods, stage::Stage};
use crate::{
    blame::Trouble,
    budgets::Budget,
    cluster::{Created, NodeFacts, Os, create, delete},
    placement::{Placing, place, slug},
    wait::{Look, until},
};

/// What these pods are called in the log, and the owner of their time.
pub(super) const OWNER: &str = "images";

/// Reasons by which a kubelet says that an image does not come.
const NOT_COMING: [&str; 4] = ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"];

/// Pulls what each node needs; returns when every node has its images, or will not get them.
pub(super) async fn pull(stage: &Stage, needed: &NeededImages) {
    let from = Instant::now();
    let by_node = needed.by_node();
    let nodes = by_node.iter().filter_map(|(name, images)| Some((stage.facts.node(name)?, images)));
    join_all(nodes.map(async |(node, images)| {
        let fixture = format!("{OWNER}@{}", node.name);
        let report = |state| stage.journal.emit(event::Event::FixtureChanged { fixture: fixture.clone(), state });
        report(FixtureState::Starting);
        match pull_on(stage, node, images).await {
            Ok(()) => report(FixtureState::Ready),
            Err(trouble) => report(FixtureState::Failed(Chain(&trouble).to_string())),
        }
    }))
    .await;
    stage.cluster_time.note(OWNER, from);
}

async fn pull_on(stage: &Stage, node: &NodeFacts, images: &[&str]) -> Result<(), Trouble> {
    let name = slug(&format!("{OWNER}@{}", node.name));
    let mut object = Object { kind: Kind::Pod(Box::new(pod(node, images))) };
    let namespace = &stage.names.main;
    let placing = Placing {
        namespace,
        run: &stage.names.run,
        slug: &name,
        nodes: &[node],
        // The names are as the user wants them already; only the secret is still missing.
        images: &stage.settings.images.secret_only(),
    };
    place(&mut object, &placing).map_err(Trouble::Unexpected)?;
    let created = Created::of(&object, namespace);
    create(&stage.client, namespace, &object, false)
        .await
        .map_err(|error| Trouble::api(format!("create {created}"), error))?;
    let pulled = until(&stage.views.signal, stage.budgets, &format!("images on {}", node.name), || {
        look(&fixture_pods(&stage.views, &name), images)
    })
    .await;
    // What cannot be removed now goes with the namespace.
    let _ = delete(&stage.client, &created).await;
    match pulled? {
        None => Ok(()),
        Some(missing) => Err(Trouble::Unexpected(missing)),
    }
}

/// A pod that names the images and ends at once.
fn pod(node: &NodeFacts, images: &[&str]) -> Pod {
    let command: &[&str] = match node.os {
        Os::Windows => &["cmd", "/c", "exit 0"],
        Os::Linux => &["true"],
    };
    let container = |(index, image): (usize, &&str)| Container {
        name: format!("image-{index}"),
        image: Some((*image).to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(command.iter().map(|&word| word.to_owned()).collect()),
        ..Container::default()
    };
    Pod {
        metadata: ObjectMeta::default(),
        spec: Some(PodSpec {
            containers: images.iter().enumerate().map(container).collect(),
            restart_policy: Some("Never".to_owned()),
            automount_service_account_token: Some(false),
            ..PodSpec::default()
        }),
        status: None,
    }
}

/// Nothing once all images are there; a sentence once one will not come.
fn look(pods: &[Arc<Pod>], images: &[&str]) -> Look<Option<String>> {
    let statuses: Vec<&ContainerStatus> =
        (pods.iter()).filter_map(|pod| pod.status.as_ref()?.container_statuses.as_deref()).flatten().collect();
    let here = |status: &&&ContainerStatus| !status.image_id.is_empty();
    let count = statuses.iter().filter(here).count();
    if count == images.len() {
        return Look::Ready(None);
    }
    let failed = statuses.iter().find_map(|status| {
        let waiting = status.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting.reason.as_deref().filter(|reason| NOT_COMING.contains(reason))?;
        Some(format!("{}: {reason} {}", status.image, waiting.message.as_deref().unwrap_or_default()))
    });
    // The others may still be coming, but whoever waits for them will see it too.
    match failed {
        Some(failed) => Look::Ready(Some(failed)),
        None => Look::NotYet(Budget::Prepull, format!("{count} of {} images pulled", images.len())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pods(statuses: serde_json::Value) -> Vec<Arc<Pod>> {
        let pod = json!({ "metadata": { "name": "p" }, "spec": { "containers": [] }, "status": { "containerStatuses": statuses } });
        vec![Arc::new(serde_json::from_value(pod).unwrap())]
    }

    fn status(image_id: &str, reason: &str) -> serde_json::Value {
        json!({ "name": "a", "image": "r/a:1", "imageID": image_id, "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": reason, "message": "no such host" } } })
    }

    #[test]
    fn images_are_there_when_every_container_has_an_id() {
        let images = ["r/a:1", "r/b:1"];
        let partly =
            look(&pods(json!([status("sha256:1", "ContainerCreating"), status("", "ContainerCreating")])), &images);
        assert!(matches!(&partly, Look::NotYet(Budget::Prepull, seen) if seen == "1 of 2 images pulled"), "{partly:?}");
        let all = look(&pods(json!([status("sha256:1", "X"), status("sha256:2", "X")])), &images);
        assert!(matches!(all, Look::Ready(None)), "{all:?}");
    }

    #[test]
    fn an_image_that_does_not_come_is_not_waited_for() {
        let failed = look(&pods(json!([status("", "ErrImagePull")])), &["r/a:1"]);
        assert!(matches!(&failed, Look::Ready(Some(why)) if why == "r/a:1: ErrImagePull no such host"), "{failed:?}");
    }
}
