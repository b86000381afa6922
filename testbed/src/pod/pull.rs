//! Getting a container's image onto the node.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Container;

use super::{
    cell::Cell,
    latency::{self, Backoff, go_millis},
    state::Slot,
};
use crate::{
    fault::ImageEffect,
    image::{self, HostPlatform, Image, PullError},
    node::Kind,
};

/// An image on the node.
pub(super) struct Pulled {
    pub(super) image: Image,
    /// What Windows will say when the image is for another version than its manifest said.
    pub(super) mismatch: Option<&'static str>,
}

/// How a pull failed: the kubelet's reason and its text.
struct Failure {
    reason: &'static str,
    text: String,
}

/// Pulls the image, trying again with growing pauses until it is there.
pub(super) async fn pull(cell: &Cell, slot: Slot, container: &Container) -> Pulled {
    let name = container.image.clone().unwrap_or_default();
    let mut backoff = Backoff::default();
    loop {
        let failure = match attempt(cell, slot, container, &name).await {
            Ok(pulled) => return pulled,
            Err(failure) => failure,
        };
        fail(cell, slot, &name, &failure);
        let pause = backoff.next();
        if failure.reason == "ErrImagePull" {
            // The kubelet's next look at the pod finds the image backing off.
            let soon = Duration::from_secs(2).min(pause);
            cell.host.world.clock.pass(soon).await;
            cell.container_event(slot, Kind::Normal, "BackOff", format!("Back-off pulling image \"{name}\""));
            cell.container_event(slot, Kind::Warning, "Failed", "Error: ImagePullBackOff");
            let message = format!("Back-off pulling image \"{name}\": ErrImagePull: {}", failure.text);
            wait(cell, slot, "ImagePullBackOff", Some(message));
            cell.host.world.clock.pass(pause - soon).await;
        } else {
            cell.host.world.clock.pass(pause).await;
        }
    }
}

fn wait(cell: &Cell, slot: Slot, reason: &str, message: Option<String>) {
    cell.update(|state| {
        if let Some(record) = state.record_mut(slot) {
            record.wait(reason, message);
        }
    });
}

fn fail(cell: &Cell, slot: Slot, name: &str, failure: &Failure) {
    let told = match failure.reason {
        "ErrImageNeverPull" => ("ErrImageNeverPull", failure.text.clone()),
        "InvalidImageName" => {
            ("InspectFailed", format!("Failed to apply default image tag \"{name}\": {}", failure.text))
        }
        _ => ("Failed", format!("Failed to pull image \"{name}\": {}", failure.text)),
    };
    cell.container_event(slot, Kind::Warning, told.0, told.1);
    cell.container_event(slot, Kind::Warning, "Failed", format!("Error: {}", failure.reason));
    wait(cell, slot, failure.reason, Some(failure.text.clone()));
}

async fn attempt(cell: &Cell, slot: Slot, container: &Container, name: &str) -> Result<Pulled, Failure> {
    let host = &cell.host;
    let (effect, mark) = host.world.faults.image(name, &host.facts).unzip();
    let applied = || mark.into_iter().for_each(|mark| host.world.faults.applied(mark));
    let found = image::find(name, &host.platform()).or_else(|error| match &effect {
        Some(ImageEffect { any_version: true, .. }) => {
            let tolerant = HostPlatform { version: None, ..host.platform() };
            image::find(name, &tolerant).inspect(|_| applied())
        }
        _ => Err(error),
    });
    let policy = container.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
    let present = found.as_ref().is_ok_and(|image| host.images.has(&image.name));
    if policy == "Never" && !present {
        let text = format!("Container image \"{name}\" is not present with pull policy of Never");
        return Err(Failure { reason: "ErrImageNeverPull", text });
    }
    if present && policy != "Always" && effect.is_none() {
        let text = format!("Container image \"{name}\" already present on machine and can be accessed by the pod");
        cell.container_event(slot, Kind::Normal, "Pulled", text);
        return found.map(|image| Pulled { image, mismatch: None }).map_err(|error| refuse(&error));
    }
    if let Err(error @ PullError::InvalidName { .. }) = &found {
        return Err(refuse(error));
    }
    cell.container_event(slot, Kind::Normal, "Pulling", format!("Pulling image \"{name}\""));
    let asked = Instant::now();
    let turn = host.images.pulling.lock().await;
    let begun = Instant::now();
    let clock = &host.world.clock;
    clock.pass(latency::RESOLVE).await;
    if let Some(delay) = effect.as_ref().and_then(|effect| effect.delay) {
        applied();
        clock.pass(delay.0).await;
    }
    let mut image = match (found, &effect) {
        (_, Some(ImageEffect { error: Some(text), .. })) => {
            applied();
            return Err(Failure { reason: "ErrImagePull", text: text.clone() });
        }
        (Ok(image), Some(ImageEffect { missing: true, .. })) => {
            applied();
            return Err(refuse(&PullError::NoMatch { name: image.name }));
        }
        (found, _) => found.map_err(|error| refuse(&error))?,
    };
    if !present {
        clock.pass(latency::pull(image.size)).await;
    }
    drop(turn);
    host.images.add(image.clone());
    let real = |since: Instant| {
        let scale = clock.scale();
        if scale > 0.0 { since.elapsed().div_f64(scale) } else { Duration::ZERO }
    };
    let text = format!(
        "Successfully pulled image \"{name}\" in {} ({} including waiting). Image size: {} bytes.",
        go_millis(real(begun)),
        go_millis(real(asked)),
        image.size
    );
    cell.container_event(slot, Kind::Normal, "Pulled", text);
    let mismatch = match effect.and_then(|effect| effect.os_version) {
        Some(version) => {
            image.version = Some(version);
            image::mismatch(&image, &host.platform()).inspect(|_| applied())
        }
        None => None,
    };
    Ok(Pulled { image, mismatch })
}

fn refuse(error: &PullError) -> Failure {
    let reason = if matches!(error, PullError::InvalidName { .. }) { "InvalidImageName" } else { "ErrImagePull" };
    Failure { reason, text: error.text() }
}
