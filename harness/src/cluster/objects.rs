//! Creating and deleting objects, whatever their kind: one code path for all.

use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, DynamicObject, PostParams},
};
use winconform_manifests::Object;

/// Names one object that was created.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Created {
    resource: ApiResource,
    /// The kind as `kubectl` prints it.
    kind: &'static str,
    /// None for an object of the whole cluster.
    namespace: Option<String>,
    name: String,
}

impl Created {
    /// What `object` is called once it is created in `namespace`.
    pub(crate) fn of(object: &Object, namespace: &str) -> Self {
        let (group, plural) = object.resource();
        let (version, kind) = ("v1", object.kind_name());
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        Self {
            resource: ApiResource {
                group: group.to_owned(),
                version: version.to_owned(),
                api_version,
                kind: kind.to_owned(),
                plural: plural.to_owned(),
            },
            kind,
            namespace: (!object.is_cluster_scoped()).then(|| namespace.to_owned()),
            name: object.name().to_owned(),
        }
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
