//! The lease by which the control plane knows that a node lives.
//!
//! Renewed at the testbed's time scale, so that whoever waits for a renewal waits
//! no longer than for anything else, but never less often than real kubelets: the
//! controller manager's patience is real.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use kube::{
    Api,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;
use tokio::time::MissedTickBehavior;

use super::host::Host;

/// How often the kubelet renews.
const RENEW: Duration = Duration::from_secs(10);
/// However fast the clock, no more often than this: each renewal is a request.
const LEAST: Duration = Duration::from_secs(1);
/// How long the lease says it holds.
const DURATION_SECONDS: i32 = 40;

/// Renews the node's lease until the testbed ends, except while a fault stops it.
pub(super) async fn keep(host: Arc<Host>, uid: String) {
    let leases: Api<Lease> = Api::namespaced(host.world.client.clone(), "kube-node-lease");
    let mut ticks = tokio::time::interval(host.world.clock.scaled(RENEW).clamp(LEAST, RENEW));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut faults = host.world.faults.changed();
    let mut power = host.power_changes();
    let mut exists = false;
    loop {
        if !host.power().is_on() {
            // Nothing runs that could.
        } else if host.effects().lease_stopped {
            host.effects_showed(|effect| effect.lease_stopped);
        } else {
            let renewed =
                if exists { renew(&leases, host.name()).await } else { create(&leases, host.name(), &uid).await };
            match renewed {
                Ok(()) => exists = true,
                Err(kube::Error::Api(status)) if status.code == 404 => {
                    exists = false; // somebody deleted it, or its namespace is not there yet
                    ticks.reset_after(Duration::from_millis(500));
                }
                Err(error) => tracing::debug!(node = host.name(), %error, "lease not renewed"),
            }
        }
        tokio::select! {
            _ = ticks.tick() => {}
            Ok(()) = faults.changed() => {}
            Ok(()) = power.changed() => {}
        }
    }
}

async fn create(leases: &Api<Lease>, node: &str, uid: &str) -> kube::Result<()> {
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(node.to_owned()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Node".to_owned(),
                name: node.to_owned(),
                uid: uid.to_owned(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(node.to_owned()),
            lease_duration_seconds: Some(DURATION_SECONDS),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        }),
    };
    match leases.create(&PostParams::default(), &lease).await {
        Err(kube::Error::Api(status)) if status.code == 409 => renew(leases, node).await,
        other => other.map(|_| ()),
    }
}

async fn renew(leases: &Api<Lease>, node: &str) -> kube::Result<()> {
    let now = json!({"spec": {"renewTime": MicroTime(Timestamp::now())}});
    leases.patch(node, &PatchParams::default(), &Patch::Merge(now)).await.map(|_| ())
}
