//! The sandbox: the pod's place on the node and in the network, before any container.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::node::v1::RuntimeClass;
use kube::Api;
use thiserror::Error;

use super::{cell::Cell, identity, latency, user};
use crate::{
    fault::{Outcome, Stage},
    node::{self, Kind},
    shape::Os,
};

/// Why there is no sandbox, in the words of the kubelet and containerd.
#[derive(Debug, Error)]
enum SandboxError {
    #[error("failed to get sandbox runtime: no runtime for \"{handler}\" is configured")]
    NoHandler { handler: String },
    #[error("RuntimeHandler \"{handler}\" not supported")]
    NotDockers { handler: String },
    // Inferred, not seen: Docker on Windows has no network of that name.
    #[error("failed to start sandbox container for pod \"{pod}\": Error response from daemon: network host not found")]
    NoHostNetwork { pod: String },
    #[error("failed to get sandbox runtime: runtimeclass.node.k8s.io \"{name}\" not found")]
    NoClass { name: String },
    #[error(
        "failed to create containerd task: failed to create shim task: hcs::System::CreateProcess {id}: {source}: unknown"
    )]
    User { id: String, source: user::UserError },
    #[error(
        "failed to setup network for sandbox \"{id}\": plugin type=\"win-overlay\" name=\"vxlan0\" failed (add): {source}"
    )]
    Address { id: String, source: node::Exhausted },
    #[error("the API server did not answer")]
    Api(#[from] kube::Error),
    #[error("{message}")]
    Fault { message: String, reported: bool },
}

/// Creates the sandbox, trying again as a kubelet does until it stands.
pub(super) async fn create(cell: &Arc<Cell>) {
    loop {
        let failure = match attempt(cell).await {
            Ok(()) => return,
            Err(failure) => failure,
        };
        if !matches!(failure, SandboxError::Fault { reported: true, .. }) {
            let code =
                if matches!(failure, SandboxError::Fault { .. }) { "" } else { "rpc error: code = Unknown desc = " };
            cell.event(
                Kind::Warning,
                "FailedCreatePodSandBox",
                format!("Failed to create pod sandbox: {code}{failure}"),
            );
        }
        cell.host.world.clock.pass(latency::SANDBOX_RETRY).await;
    }
}

async fn attempt(cell: &Arc<Cell>) -> Result<(), SandboxError> {
    let world = &cell.host.world;
    let id = cell.sandbox_id();
    let handler = handler(cell).await?;
    if !node::handlers(&cell.host.shape, &cell.host.effects()).contains(&handler) {
        cell.host.effects_showed(|effect| effect.handlers.is_some());
        return Err(match cell.host.shape.runs_docker() {
            true => SandboxError::NotDockers { handler },
            false => SandboxError::NoHandler { handler },
        });
    }
    if cell.host.shape.runs_docker() && cell.os() == Os::Windows && cell.on_host_network() {
        return Err(SandboxError::NoHostNetwork { pod: cell.name().to_owned() });
    }
    let effect = cell.stage(Stage::Sandbox, |_| ()).await;
    if let Some(effect) = effect.filter(|effect| matches!(effect.outcome, Outcome::Fails | Outcome::Exits)) {
        let reported = cell.report(&effect);
        let message = effect
            .message
            .unwrap_or_else(|| "rpc error: code = DeadlineExceeded desc = context deadline exceeded".to_owned());
        return Err(SandboxError::Fault { message, reported });
    }
    world.clock.pass(latency::of(cell.os()).sandbox).await;
    if let Err(source) = identity::sandbox_user(cell) {
        return Err(SandboxError::User { id, source });
    }
    let ip = if cell.on_host_network() {
        cell.host.facts.internal_ip
    } else {
        let Some(block) = cell.host.block().await else { std::future::pending().await };
        cell.host.addresses.take(block).map_err(|source| SandboxError::Address { id, source })?
    };
    let facts = cell.settle(ip);
    cell.update(|state| {
        state.ip = Some(ip);
        state.sandbox = true;
    });
    if latency::of(cell.os()).network == Duration::ZERO || facts.host_network {
        attach(cell);
    }
    Ok(())
}

/// The runtime handler that the pod's RuntimeClass names; empty without one.
async fn handler(cell: &Cell) -> Result<String, SandboxError> {
    let Some(class) = cell.pod().spec.as_ref().and_then(|spec| spec.runtime_class_name.clone()) else {
        return Ok(String::new());
    };
    let classes: Api<RuntimeClass> = Api::all(cell.host.world.client.clone());
    match classes.get_opt(&class).await? {
        Some(class) => Ok(class.handler),
        None => Err(SandboxError::NoClass { name: class }),
    }
}

/// Opens the network for the pod.
fn attach(cell: &Cell) {
    let facts = cell.facts();
    if !facts.host_network {
        cell.host.world.network.attach(facts);
    }
    cell.network_up.send_replace(true);
}

/// Opens the network once Windows has programmed it, which happens after the first process has started.
pub(super) async fn attach_late(cell: &Cell) {
    if !*cell.network_up.borrow() {
        cell.host.world.clock.pass(latency::of(cell.os()).network).await;
        attach(cell);
    }
}
