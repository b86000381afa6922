//! Creating and deleting objects, whatever their kind: one code path for all.

use std::collections::BTreeMap;

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::Value;
use winconform_manifests::Object;

/// Labels of an object.
pub(crate) type Labels = BTreeMap<String, String>;

/// Names one object that was created.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Created {
    resource: ApiResource,
    /// The kind as `kubectl` prints it.
    kind: String,
    /// None for an object of the whole cluster.
    namespace: Option<String>,
    name: String,
}

impl Created {
    /// What `object` is called once it is created in `namespace`.
    pub(crate) fn of(object: &Object, namespace: &str) -> Self {
        let (group, plural) = object.resource();
        let (version, kind) = ("v1", object.kind_name().to_owned());
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Self {
            resource: ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version,
                kind: kind.clone(),
                plural: plural.to_owned(),
            },
            kind,
            namespace: (!object.is_cluster_scoped()).then(|| namespace.to_owned()),
            name: object.name().to_owned(),
        }
    }

    /// What an object as somebody else wrote it is called once it is created in `namespace`.
    fn of_written(object: &DynamicObject, namespace: &str) -> Option<Self> {
        let types = object.types.as_ref()?;
        let (group, version) = types.api_version.split_once('/').unwrap_or(("", types.api_version.as_str()));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
        // The one kind of the guide's that belongs to no namespace.
        let cluster_wide = types.kind == "RuntimeClass";
        Some(Self {
            kind: types.kind.to_ascii_lowercase(),
            resource,
            namespace: (!cluster_wide).then(|| namespace.to_owned()),
            name: object.metadata.name.clone()?,
        })
    }

    fn api(&self, client: &Client) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }
}

impl std::fmt::Display for Created {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// Creates an object, or with `dry_run` asks whether it would be accepted; gives it back as the API server made it.
///
/// # Errors
///
/// When the API server refuses it or is lost.
pub(crate) async fn create(
    client: &Client,
    namespace: &str,
    object: &Object,
    dry_run: bool,
) -> Result<Object, kube::Error> {
    let value = object.to_json().map_err(kube::Error::SerdeError)?;
    let value: DynamicObject = serde_json::from_value(value).map_err(kube::Error::SerdeError)?;
    let params = PostParams { dry_run, ..PostParams::default() };
    let created = Created::of(object, namespace).api(client).create(&params, &value).await?;
    let created = serde_json::to_value(created).map_err(kube::Error::SerdeError)?;
    Object::from_json(created).map_err(kube::Error::SerdeError)
}

/// Prepares an object as somebody else wrote it: only what finds and removes it is added.
///
/// # Errors
///
/// A sentence, when it is no object.
pub(crate) fn written(value: Value, namespace: &str, labels: &Labels) -> Result<(Created, DynamicObject), String> {
    let mut object: DynamicObject =
        serde_json::from_value(value).map_err(|error| format!("it is no object: {error}"))?;
    let created = Created::of_written(&object, namespace)
        .ok_or_else(|| "it is no object: it lacks apiVersion, kind or metadata.name".to_owned())?;
    object.metadata.namespace.clone_from(&created.namespace);
    object.metadata.labels.get_or_insert_default().extend(labels.clone());
    if let Some(template) = object.data.pointer_mut("/spec/template/metadata/labels").and_then(Value::as_object_mut) {
        template.extend(labels.iter().map(|(key, value)| (key.clone(), Value::from(value.clone()))));
    }
    Ok((created, object))
}

/// Creates an object as somebody else wrote it.
///
/// # Errors
///
/// When the API server refuses it or is lost.
pub(crate) async fn create_written(
    client: &Client,
    created: &Created,
    object: &DynamicObject,
) -> Result<(), kube::Error> {
    created.api(client).create(&PostParams::default(), object).await.map(drop)
}

/// Deletes an object; one that is gone already is no error.
///
/// # Errors
///
/// When the API server refuses or is lost.
pub(crate) async fn delete(client: &Client, created: &Created) -> Result<(), kube::Error> {
    match created.api(client).delete(&created.name, &DeleteParams::background()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}
