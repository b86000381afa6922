//! The run's namespaces, the Lease that shows it is alive, and their end.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::{
    api::{
        coordination::v1::{Lease, LeaseSpec},
        core::v1::{Namespace, ServiceAccount},
    },
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
    runtime::wait::{await_condition, conditions::is_deleted},
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use winconform_reports::Chain;

use super::{RunError, pull_secret, stage::Names};
use crate::{
    budgets::{Budget, Budgets},
    cluster::{ApiError, Permission, may},
    image::ImageSource,
    placement::{MANAGED_BY, RUN_LABEL},
    wait::pause,
};

/// The name of the Lease in a run's main namespace.
pub(super) const LEASE: &str = "winconform-run";

/// What a run's namespaces and its Lease ask for.
pub(super) const ASKS: &[Permission] = &[
    may("create", "", "namespaces"),
    may("delete", "", "namespaces"),
    // Their end is watched.
    may("list", "", "namespaces"),
    may("watch", "", "namespaces"),
    may("list", "", "serviceaccounts"),
    may("watch", "", "serviceaccounts"),
    may("create", "coordination.k8s.io", "leases"),
    may("patch", "coordination.k8s.io", "leases"),
];

/// Creates both namespaces and waits until pods can be created in them.
pub(super) async fn create(client: &Client, names: &Names, images: &ImageSource) -> Result<(), RunError> {
    let one = async |name: &str, host: bool| {
        let failed = |action: String| move |error| RunError::Namespace { action, error: Box::new(error) };
        create_one(client, name, &names.run, host).await.map_err(failed(format!("create namespace {name}")))?;
        match &images.pull_secret {
            Some(secret) => pull_secret::copy(client, secret, name, &names.run).await,
            None => Ok(()),
        }
    };
    let (main, host) = futures::join!(one(&names.main, false), one(&names.host, true));
    main.and(host)
}

/// Creates a namespace of a run's and waits until pods can be created in it.
pub(super) async fn create_one(client: &Client, name: &str, run: &str, host: bool) -> Result<(), ApiError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    namespaces.create(&PostParams::default(), &namespace(name, run, host)).await?;
    // Pods are refused until the controller manager has made the default account.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    let exists = |account: Option<&ServiceAccount>| account.is_some();
    let appears = async {
        // A watch that fails says nothing of the account; the next one begins with a list.
        while await_condition(accounts.clone(), "default", exists).await.is_err() {
            pause(Duration::from_millis(250)).await;
        }
    };
    timeout(Budget::Api.unscaled(), appears).await.map_err(|_elapsed| {
        let why = "the API server showed no service account `default` in it; is the controller manager running?";
        kube::Error::ReadEvents(std::io::Error::other(why)).into()
    })
}

fn namespace(name: &str, run: &str, host: bool) -> Namespace {
    let mut labels =
        BTreeMap::from([(RUN_LABEL, run), MANAGED_BY].map(|(key, value)| (key.to_owned(), value.to_owned())));
    // Pod Security: host pods need `privileged`, everything else keeps to `baseline`.
    let level = if host { "privileged" } else { "baseline" };
    labels.insert("pod-security.kubernetes.io/enforce".to_owned(), level.to_owned());
    Namespace {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
        ..Namespace::default()
    }
}

/// Renews the run's Lease until it is stopped.
#[derive(Debug)]
pub(super) struct Heartbeat {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Heartbeat {
    /// Creates the Lease and keeps renewing it.
    pub(super) async fn start(client: &Client, names: &Names, budgets: Budgets) -> Result<Self, RunError> {
        let duration = budgets.stretch(Duration::from_secs(30)).max(Duration::from_secs(3));
        let leases: Api<Lease> = Api::namespaced(client.clone(), &names.main);
        let labels =
            BTreeMap::from([(RUN_LABEL, names.run.as_str()), MANAGED_BY].map(|(k, v)| (k.to_owned(), v.to_owned())));
        let lease = Lease {
            metadata: ObjectMeta { name: Some(LEASE.to_owned()), labels: Some(labels), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(format!("winconform/{}", names.run)),
                lease_duration_seconds: Some(i32::try_from(duration.as_secs()).unwrap_or(30)),
                acquire_time: Some(MicroTime(Timestamp::now())),
                renew_time: Some(MicroTime(Timestamp::now())),
                ..LeaseSpec::default()
            }),
        };
        leases.create(&PostParams::default(), &lease).await.map_err(|error| RunError::Namespace {
            action: format!("create lease {}/{LEASE}", names.main),
            error: Box::new(ApiError::from(error)),
        })?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let stopped = stop.clone();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stopped.cancelled() => return,
                    () = pause(duration / 3) => {}
                }
                let renewal = serde_json::json!({ "spec": { "renewTime": MicroTime(Timestamp::now()) } });
                // A renewal that fails is tried again in a third of the lease: two may be lost.
                if let Err(error) = leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(&renewal)).await {
                    tracing::warn!(error = %Chain(&error), "the run's lease could not be renewed");
                }
            }
        });
        tasks.close();
        Ok(Self { stop, tasks })
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

/// Deletes a run's namespaces. With budgets, waits until they are gone.
///
/// Returns what is left, each with the reason.
pub(super) async fn remove(client: &Client, names: &Names, waiting: Option<Budgets>) -> Vec<String> {
    let removals = [&names.main, &names.host].map(|name| remove_one(client, name, waiting));
    join_all(removals).await.into_iter().flatten().collect()
}

/// Deletes one namespace; returns what is left and why.
pub(super) async fn remove_one(client: &Client, name: &str, waiting: Option<Budgets>) -> Option<String> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let limit = waiting.map_or(Budget::Api.unscaled(), |budgets| budgets.of(Budget::Api));
    let deleted = match timeout(limit, namespaces.delete(name, &DeleteParams::background())).await {
        Err(_) => return Some(format!("namespace/{name}: the API server did not answer")),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => return None,
        Ok(Err(error)) => return Some(format!("namespace/{name}: {}", ApiError::from(error))),
        Ok(Ok(deleted)) => deleted,
    };
    let budgets = waiting?;
    let uid = deleted.left().and_then(|namespace| namespace.metadata.uid)?;
    let limit = budgets.of(Budget::Terminate);
    match timeout(limit, await_condition(namespaces, name, is_deleted(&uid))).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(format!("namespace/{name}: {}", Chain(&error))),
        Err(_) => Some(format!(
            "namespace/{name}: still terminating after {}; its conditions say why",
            crate::blame::seconds(limit)
        )),
    }
}
