//! Objects that a check makes for itself.
//!
//! They are completed like those of fixtures (name, labels, place, image), so
//! nothing of ours goes where it is not meant to. The runner removes them when the
//! check is done, however that came about. A check that asks whether an object is
//! *refused* uses [`Context::submit`], or [`Context::dry_run`] where nothing
//! needs to exist.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Event, Pod},
};
use kube::{
    Api,
    api::{Patch, PatchParams},
    core::Status,
};
use tokio::time::Instant;
use winconform_manifests::{Kind, Manifest, Object};
use winconform_reports::Chain;

use super::Context;
use crate::{
    blame::Trouble,
    budgets::Budget,
    cluster::{self, Created, NodeFacts},
    placement::{FIXTURE_LABEL, MANAGED_BY, Placing, RUN_LABEL, place, slug},
    probe::PodRef,
    run::{
        LogTail,
        live_fixture::{fixture_pods, labelled_pods, not_created, pod_ref, pods_ready, report_service},
    },
    wait::{Cause, Look, WaitError, look_at_pod, pod_key},
};

/// What the API server made of an object.
#[derive(Debug, Clone)]
pub enum Admission {
    /// It takes it, as it is here: admission may have changed it.
    Accepted(Box<Object>),
    /// It does not take it, and says why (4xx).
    Rejected(Box<Status>),
}

/// What the scheduler made of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scheduling {
    /// It was bound to this node.
    On(String),
    /// No node takes it (condition PodScheduled is False, reason Unschedulable).
    Unschedulable {
        /// The scheduler's words, for people: releases change them.
        message: String,
    },
}

impl Context {
    /// The objects of a manifest, completed for `nodes`, which must be alike.
    /// `name` tells the check's objects apart; empty where there is only one draft.
    ///
    /// # Errors
    ///
    /// When the manifest cannot be read or a node has no image for it.
    pub fn draft(&self, manifest: &Manifest, name: &str, nodes: &[&NodeFacts]) -> Result<Vec<Object>, Trouble> {
        let mut objects = manifest.objects().map_err(|error| Trouble::Unexpected(Chain(&error).to_string()))?;
        for object in &mut objects {
            let host = object.pod_spec().is_some_and(|spec| spec.host_network == Some(true));
            let slug = self.own_slug(name, object.is_cluster_scoped());
            let namespace = self.stage.names.namespace(host);
            let images = &self.stage.settings.images;
            let placing = Placing { namespace, run: &self.stage.names.run, slug: &slug, nodes, images };
            place(object, &placing).map_err(Trouble::Unexpected)?;
        }
        Ok(objects)
    }

    /// The only object of a manifest, completed for `nodes`; see [`Context::draft`].
    ///
    /// # Errors
    ///
    /// When the manifest cannot be read or a node has no image for it.
    pub fn draft_one(&self, manifest: &Manifest, name: &str, nodes: &[&NodeFacts]) -> Result<Object, Trouble> {
        let drafted = self.draft(manifest, name, nodes)?;
        drafted.into_iter().next().ok_or_else(|| Trouble::Unexpected(format!("{} is empty", manifest.path)))
    }

    /// The name of an object of the check's own; cluster-wide ones carry the run's id.
    fn own_slug(&self, name: &str, cluster_scoped: bool) -> String {
        let mut tail = if name.is_empty() { String::new() } else { format!("-{name}") };
        // What an earlier attempt left may still be going.
        if self.attempt > 1 {
            tail = format!("{tail}-try-{}", self.attempt);
        }
        match cluster_scoped {
            true => slug(&format!("winconform-{}-{}{tail}", self.stage.names.run, self.id)),
            false => slug(&format!("{}{tail}", self.id)),
        }
    }

    /// The open nodes of the check's place, which its pods can be meant for.
    ///
    /// # Errors
    ///
    /// When there is none any more.
    pub fn open_nodes_here(&self) -> Result<Vec<&NodeFacts>, Trouble> {
        let nodes: Vec<&NodeFacts> = self.facts().nodes_of(self.place()).filter(|node| node.is_open()).collect();
        match nodes.is_empty() {
            true => Err(Trouble::Unexpected("no node of this place takes pods".to_owned())),
            false => Ok(nodes),
        }
    }

    /// Creates an object of the check's own; gives it back as the API server made it.
    ///
    /// # Errors
    ///
    /// When the API server refuses it or is lost.
    pub async fn create(&self, object: &Object) -> Result<Object, Trouble> {
        let created = Created::of(object, &self.namespace_of(object));
        // Noted before it is sent: an answer that is lost leaves an object all the same.
        self.note(|notes| {
            notes.slugs.insert(object.name().to_owned());
            notes.created.push(created.clone());
        });
        let made = cluster::create(&self.stage.client, &self.namespace_of(object), object, false).await;
        if let Err(kube::Error::Api(status)) = &made
            && status.code == 409
        {
            // Somebody else's object has that name, and it is not ours to remove.
            self.note(|notes| notes.forget(&created));
        }
        let made = made.map_err(|error| Trouble::api(format!("create {created}"), error))?;
        report_service(&self.stage, &self.id.to_string(), &made);
        Ok(made)
    }

    /// Creates an object that may be refused, and says whether it was.
    ///
    /// # Errors
    ///
    /// When the API server is lost, or fails for a reason of its own (401, 429, 5xx).
    pub async fn submit(&self, object: &Object) -> Result<Admission, Trouble> {
        let made = admission(self.create(object).await);
        self.seen(&format!("whether {} is taken", object.kind_name()), made)
    }

    /// Asks whether an object would be accepted; nothing comes into being.
    ///
    /// # Errors
    ///
    /// When the API server is lost, or fails for a reason of its own (401, 429, 5xx).
    pub async fn dry_run(&self, object: &Object) -> Result<Admission, Trouble> {
        let namespace = self.namespace_of(object);
        let asked = cluster::create(&self.stage.client, &namespace, object, true).await;
        let action = || format!("try {} (dry run)", Created::of(object, &namespace));
        let would = admission(asked.map_err(|error| Trouble::api(action(), error)));
        self.seen(&format!("whether {} {} would be taken", object.kind_name(), object.name()), would)
    }

    /// Deletes an object of the check's own now, not only when the check is done.
    ///
    /// # Errors
    ///
    /// When the API server refuses or is lost.
    pub async fn delete(&self, object: &Object) -> Result<(), Trouble> {
        let created = Created::of(object, &self.namespace_of(object));
        let deleted = cluster::delete(&self.stage.client, &created).await;
        deleted.map_err(|error| Trouble::api(format!("delete {created}"), error))
    }

    /// Sets how many pods a Deployment of the check's own has.
    ///
    /// # Errors
    ///
    /// When the API server refuses or is lost.
    pub async fn scale(&self, deployment: &Object, replicas: u32) -> Result<(), Trouble> {
        let deployments: Api<Deployment> = Api::namespaced(self.client(), &self.namespace_of(deployment));
        let patch = serde_json::json!({ "spec": { "replicas": replicas } });
        let patched = deployments.patch_scale(deployment.name(), &PatchParams::default(), &Patch::Merge(patch)).await;
        patched
            .map(drop)
            .map_err(|error| Trouble::api(format!("scale deployment {} to {replicas}", deployment.name()), error))
    }

    /// Waits until all pods of an object of the check's own are Ready.
    ///
    /// # Errors
    ///
    /// When a budget is spent, a cause shows that cannot heal, or the API server is lost.
    pub async fn pods_ready(&self, object: &Object) -> Result<Vec<PodRef>, Trouble> {
        self.pods_ready_of(object, object.pods()).await
    }

    /// Waits until `wanted` pods of an object of the check's own are Ready.
    ///
    /// # Errors
    ///
    /// As [`Context::pods_ready`].
    pub async fn pods_ready_of(&self, object: &Object, wanted: usize) -> Result<Vec<PodRef>, Trouble> {
        let host = self.namespace_of(object) == self.stage.names.host;
        let from = Instant::now();
        let owner = self.id.to_string();
        let pods = pods_ready(&self.stage, &owner, object.name(), host, wanted, from).await;
        self.stage.cluster_time.note(&owner, from);
        let pods = pods.map(|pods| pods.iter().map(|pod| pod_ref(pod, self.facts())).collect());
        self.seen(&format!("the pods of {}", object.name()), pods)
    }

    /// Waits until a pod of the check's own is Ready.
    ///
    /// # Errors
    ///
    /// As [`Context::pods_ready`].
    pub async fn pod_ready(&self, pod: &Object) -> Result<PodRef, Trouble> {
        let ready = self.pods_ready(pod).await?;
        ready.into_iter().next().ok_or_else(|| Trouble::Unexpected(format!("{} makes no pod", pod.name())))
    }

    /// Waits until a pod of the check's own is Ready, or a cause shows that keeps it from that for good.
    ///
    /// # Errors
    ///
    /// When a budget is spent without either, or the API server is lost.
    pub async fn pod_ready_or_cause(&self, pod: &Object) -> Result<Result<PodRef, Cause>, Trouble> {
        let came = match self.pod_ready(pod).await {
            Ok(pod) => Ok(Ok(pod)),
            Err(Trouble::Wait(WaitError::Hopeless { cause, .. })) => Ok(Err(*cause)),
            Err(trouble) => Err(trouble),
        };
        self.seen(&format!("what becomes of {}", pod.name()), came)
    }

    /// Waits until the scheduler has spoken of a pod of the check's own.
    ///
    /// # Errors
    ///
    /// When it says nothing within the schedule budget, or the API server is lost.
    pub async fn scheduling(&self, pod: &Object) -> Result<Scheduling, Trouble> {
        let namespace = self.namespace_of(pod);
        let found = self
            .wait(&format!("the scheduler's word on pod {}", pod.name()), || {
                let pod = self.pods().peek(|pods| pods.get(&namespace, pod.name()).cloned());
                match pod.as_deref().and_then(scheduling_of) {
                    Some(found) => Look::Ready(found),
                    None => Look::NotYet(Budget::Schedule, "the scheduler has not spoken".to_owned()),
                }
            })
            .await?;
        Ok(found)
    }

    /// A pod of the check's own as it is now; none before the watch has it, or when it is gone.
    #[must_use]
    pub fn own_pod(&self, pod: &Object) -> Option<Arc<Pod>> {
        let namespace = self.namespace_of(pod);
        self.pods().peek(|pods| pods.get(&namespace, pod.name()).cloned())
    }

    /// The pods of an object of the check's own as they are now, without those on their way out.
    #[must_use]
    pub fn own_pods(&self, object: &Object) -> Vec<Arc<Pod>> {
        fixture_pods(&self.stage.views, object.name())
    }

    /// Waits until an object of the check's own is gone with all its pods, and says how long that took.
    ///
    /// # Errors
    ///
    /// When something of it is still there after `grace` and the terminate budget, or the API server is lost.
    pub async fn gone(&self, object: &Object, grace: Duration) -> Result<Duration, WaitError> {
        let (from, slug) = (Instant::now(), object.name().to_owned());
        let what = format!("the end of {} {slug}", object.kind_name());
        let look = || {
            let left = labelled_pods(&self.stage.views, &slug);
            let Some(pod) = left.first() else { return Look::Ready(()) };
            let is = if pod.metadata.deletion_timestamp.is_some() { "is terminating" } else { "was not asked to go" };
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap_or_default();
            Look::NotYet(Budget::Terminate, format!("pod {} on {node} {is}, {} in all", pod_key(pod), left.len()))
        };
        // The budget counts from the end of the pods' own grace period.
        match tokio::time::timeout(self.stage.budgets.stretch(grace), self.wait(&what, look)).await {
            Ok(gone) => gone?,
            Err(_) => self.wait(&what, look).await?,
        }
        Ok(from.elapsed())
    }

    /// The pods of an object of the check's own, those on their way out among them.
    #[must_use]
    pub fn own_pods_and_leaving(&self, object: &Object) -> Vec<Arc<Pod>> {
        labelled_pods(&self.stage.views, object.name())
    }

    /// Follows what a pod of the check's own prints, from the beginning and to the end of the run.
    #[must_use]
    pub fn follow(&self, pod: &PodRef) -> LogTail {
        LogTail::follow(self.stage.client.clone(), pod, self.stage.stop.clone())
    }

    /// The events about a pod of ours, oldest first.
    #[must_use]
    pub fn events_of(&self, pod: &Pod) -> Vec<Arc<Event>> {
        self.events_with(pod.metadata.namespace.as_deref(), pod.metadata.uid.as_deref())
    }

    /// The events about an object of the check's own, as the API server gave it back; oldest first.
    #[must_use]
    pub fn events_about(&self, made: &Object) -> Vec<Arc<Event>> {
        self.events_with(made.metadata().namespace.as_deref(), made.metadata().uid.as_deref())
    }

    fn events_with(&self, namespace: Option<&str>, uid: Option<&str>) -> Vec<Arc<Event>> {
        let host = namespace == Some(self.stage.names.host.as_str());
        let Some(uid) = uid else { return Vec::new() };
        let mut found: Vec<Arc<Event>> = self.stage.views.events(host).peek(|events| {
            let about = |event: &&Arc<Event>| event.involved_object.uid.as_deref() == Some(uid);
            events.all().filter(about).cloned().collect()
        });
        found.sort_by_key(|event| event.last_timestamp.as_ref().map(|time| time.0));
        found
    }

    /// Creates an object as somebody else wrote it, in the run's namespace, with the labels by which
    /// its pods are found as those of `slug`; nothing else about it is changed.
    ///
    /// # Errors
    ///
    /// When it is no object, or the API server is lost or fails for a reason of its own.
    pub async fn apply_written(&self, slug: &str, object: serde_json::Value) -> Result<Option<Box<Status>>, Trouble> {
        let own = [(RUN_LABEL, self.stage.names.run.as_str()), (FIXTURE_LABEL, slug), MANAGED_BY];
        let labels = own.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let (created, object) =
            cluster::written(object, &self.stage.names.main, &labels).map_err(Trouble::Unexpected)?;
        match cluster::create_written(&self.stage.client, &created, &object).await {
            Ok(()) => {
                self.note(|notes| {
                    notes.slugs.insert(slug.to_owned());
                    notes.created.push(created);
                });
                Ok(None)
            }
            Err(error) => match admission(Err(Trouble::api(format!("create {created}"), error)))? {
                Admission::Rejected(status) => Ok(Some(status)),
                Admission::Accepted(_) => Ok(None),
            },
        }
    }

    /// The pods of a name given to [`Context::apply_written`], without those on their way out.
    #[must_use]
    pub fn pods_called(&self, slug: &str) -> Vec<Arc<Pod>> {
        fixture_pods(&self.stage.views, slug)
    }

    /// Looks whether a pod of ours is Ready, or can still become it.
    #[must_use]
    pub fn look_at(&self, pod: &Arc<Pod>) -> Look<Arc<Pod>> {
        let host = pod.metadata.namespace.as_deref() == Some(self.stage.names.host.as_str());
        self.stage.views.events(host).peek(|events| look_at_pod(Some(pod), events, self.facts()))
    }

    /// Why a ReplicaSet of the Deployment `name` cannot create its pods, where one says so.
    #[must_use]
    pub fn pods_refused(&self, deployment: &str) -> Option<Cause> {
        self.stage.views.events(false).peek(|events| not_created(deployment, events))
    }

    /// Cordons a node, for as long as the check is asked: the runner lifts it, whatever becomes of the check.
    ///
    /// # Errors
    ///
    /// When it is cordoned already, or the API server refuses or is lost.
    pub async fn cordon(&self, node: &str) -> Result<(), Trouble> {
        self.stage.cordons.put(&self.id.to_string(), node).await
    }

    fn namespace_of(&self, object: &Object) -> String {
        object.metadata().namespace.clone().unwrap_or_else(|| self.stage.names.main.clone())
    }
}

/// Tells an object that was refused from an API server that could not answer.
fn admission(created: Result<Object, Trouble>) -> Result<Admission, Trouble> {
    match created {
        Ok(object) => Ok(Admission::Accepted(Box::new(object))),
        Err(Trouble::Api { action, error }) => match error.status() {
            // A webhook that cannot be reached is a 500, a server under load a 429, lost credentials a 401.
            Some(status) if (400..500).contains(&status.code) && !matches!(status.code, 401 | 408 | 429) => {
                Ok(Admission::Rejected(Box::new(status.clone())))
            }
            _ => Err(Trouble::Api { action, error }),
        },
        Err(trouble) => Err(trouble),
    }
}

/// What the scheduler has said of a pod so far.
fn scheduling_of(pod: &Pod) -> Option<Scheduling> {
    if let Some(node) = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).filter(|node| !node.is_empty()) {
        return Some(Scheduling::On(node));
    }
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let spoken = conditions.iter().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    })?;
    Some(Scheduling::Unschedulable { message: spoken.message.clone().unwrap_or_else(|| pod_key(pod)) })
}

/// The pod in an object.
///
/// # Errors
///
/// When it is none: a manifest of ours holds another kind than its check takes it for.
pub fn pod_in(object: &mut Object) -> Result<&mut Pod, Trouble> {
    let kind = object.kind_name();
    match &mut object.kind {
        Kind::Pod(pod) => Ok(pod),
        _ => Err(Trouble::Unexpected(format!("expected a pod, the manifest holds a {kind}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(code: u16) -> Result<Admission, Trouble> {
        let error = kube::Error::Api(Status::failure("no", "Because").with_code(code).boxed());
        admission(Err(Trouble::api("create pod a", error)))
    }

    #[test]
    fn a_refusal_is_an_answer_and_a_server_in_trouble_is_none() {
        for code in [400, 403, 404, 409, 417, 422] {
            assert!(matches!(refused(code), Ok(Admission::Rejected(_))), "{code}");
        }
        for code in [401, 408, 429, 500, 503] {
            assert!(matches!(refused(code), Err(Trouble::Api { .. })), "{code}");
        }
    }

    #[test]
    fn the_scheduler_has_spoken_when_it_bound_the_pod_or_said_that_it_cannot() {
        let pod = |spec, conditions| -> Pod {
            serde_json::from_value(json!({ "spec": spec, "status": { "conditions": conditions } })).unwrap()
        };
        let unscheduled =
            json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "m" }]);
        let gated = json!([{ "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" }]);
        let spec = json!({ "containers": [] });
        assert_eq!(scheduling_of(&pod(spec.clone(), json!([]))), None);
        assert_eq!(scheduling_of(&pod(spec.clone(), gated)), None);
        assert_eq!(scheduling_of(&pod(spec, unscheduled)), Some(Scheduling::Unschedulable { message: "m".to_owned() }));
        let bound = json!({ "containers": [], "nodeName": "win-0" });
        assert_eq!(scheduling_of(&pod(bound, json!([]))), Some(Scheduling::On("win-0".to_owned())));
    }
}
