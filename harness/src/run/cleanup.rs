//! What dead runs left behind: found by label, removed only when nobody renews its Lease.

use std::{collections::BTreeMap, time::Duration};

use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Namespace, node::v1::RuntimeClass};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams},
    runtime::wait::await_condition,
};
use thiserror::Error;
use tokio::time::timeout;

use super::{
    cordon::lift_of_dead_run,
    namespaces::{LEASE, remove_one},
};
use crate::{
    budgets::{Budget, Budgets},
    cluster::{ApiError, Permission, may},
    placement::{MANAGED_BY, RUN_LABEL},
};

/// What finding and removing the leftovers of dead runs asks for; objects of the whole
/// cluster are looked for by those who may create them.
pub(super) const ASKS: &[Permission] = &[
    may("list", "", "namespaces"),
    may("watch", "", "namespaces"),
    may("delete", "", "namespaces"),
    may("get", "coordination.k8s.io", "leases"),
    may("list", "coordination.k8s.io", "leases"),
    may("watch", "coordination.k8s.io", "leases"),
];

/// A lease this old belongs to nobody, however skewed the clocks are.
const CERTAINLY_STALE: Duration = Duration::from_secs(3600);

/// A run that left something in the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadRun {
    /// Its id.
    pub run: String,
    /// Its namespaces.
    pub namespaces: Vec<String>,
    /// Whether it is still alive: its Lease was renewed while we looked.
    pub alive: bool,
}

/// What a cleanup did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Namespaces that were removed.
    pub removed: Vec<String>,
    /// Runs that are alive, and were left alone.
    pub alive: Vec<String>,
    /// What could not be removed, with the reason.
    pub left: Vec<String>,
}

/// The leftovers could not be looked for.
#[derive(Debug, Error)]
#[error("the namespaces of earlier runs could not be listed")]
pub struct CleanupError(#[source] Box<ApiError>);

/// Finds the runs that have namespaces in the cluster, and which of them live.
///
/// A run's objects of the whole cluster go before its namespaces, so a run is found by those alone.
///
/// Clocks of clusters and laptops differ, so a Lease is not compared with our
/// clock but watched for its own duration: a living run renews it in that time.
///
/// # Errors
///
/// When namespaces cannot be listed.
pub async fn find_runs(client: &Client) -> Result<Vec<DeadRun>, CleanupError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let ours = ListParams::default().labels(&format!("{}={}", MANAGED_BY.0, MANAGED_BY.1));
    let found = namespaces.list(&ours).await.map_err(|error| CleanupError(Box::new(error.into())))?;
    let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for namespace in found.items {
        if let Some(run) = namespace.labels().get(RUN_LABEL) {
            runs.entry(run.clone()).or_default().push(namespace.name_any());
        }
    }
    let looks = runs.into_iter().map(|(run, namespaces)| async move {
        let alive = is_alive(client, &run).await;
        DeadRun { run, namespaces, alive }
    });
    Ok(join_all(looks).await)
}

/// Removes what dead runs left, never a living one's.
///
/// # Errors
///
/// When namespaces cannot be listed.
pub async fn cleanup(client: &Client, budgets: Budgets) -> Result<Leftovers, CleanupError> {
    let mut leftovers = Leftovers::default();
    for run in find_runs(client).await? {
        if run.alive {
            leftovers.alive.push(run.run);
            continue;
        }
        leftovers.left.extend(lift_of_dead_run(client, &run.run).await);
        leftovers.left.extend(remove_cluster_wide(client, &run.run).await);
        let removals = run.namespaces.iter().map(|name| remove_one(client, name, Some(budgets)));
        for (name, left) in run.namespaces.iter().zip(join_all(removals).await) {
            match left {
                Some(left) => leftovers.left.push(left),
                None => leftovers.removed.push(name.clone()),
            }
        }
    }
    Ok(leftovers)
}

/// Removes a run's objects of the whole cluster; returns what is left and why.
///
/// An identity that may not list them has created none: those checks were not asked.
pub(super) async fn remove_cluster_wide(client: &Client, run: &str) -> Vec<String> {
    let classes: Api<RuntimeClass> = Api::all(client.clone());
    let own = ListParams::default().labels(&format!("{RUN_LABEL}={run}"));
    let Ok(Ok(found)) = timeout(Budget::Api.unscaled(), classes.list_metadata(&own)).await else { return Vec::new() };
    let names: Vec<String> = found.items.iter().map(ResourceExt::name_any).collect();
    let remove = async |name: &String| match classes.delete(name, &DeleteParams::background()).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) if status.code == 404 => None,
        Err(error) => Some(format!("runtimeclass/{name}: {}", ApiError::from(error))),
    };
    join_all(names.iter().map(remove)).await.into_iter().flatten().collect()
}

async fn is_alive(client: &Client, run: &str) -> bool {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &super::stage::Names::of(run).main);
    let Ok(Some(lease)) = leases.get_opt(LEASE).await else {
        // Without a lease it died before it had one, or its namespace is going already.
        return false;
    };
    let Some(renewed) = lease.spec.as_ref().and_then(|spec| spec.renew_time.clone()) else { return false };
    let age = Timestamp::now().duration_since(renewed.0);
    if age.unsigned_abs() > CERTAINLY_STALE {
        return false;
    }
    let seconds = lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or(30);
    let duration = Duration::from_secs(u64::try_from(seconds.clamp(1, 300)).unwrap_or(30));
    let was_renewed = move |now: Option<&Lease>| {
        now.and_then(|lease| lease.spec.as_ref()?.renew_time.clone()).is_some_and(|now| now != renewed)
    };
    matches!(timeout(duration, await_condition(leases, LEASE, was_renewed)).await, Ok(Ok(_)))
}
