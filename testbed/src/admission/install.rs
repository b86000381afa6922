//! Everything that an administrator would have installed: the custom resource, credential specs, the webhook.

use std::time::Duration;

use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        core::v1::{Namespace, Pod, Secret},
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    runtime::{conditions::is_crd_established, wait::await_condition},
};
use serde_json::json;
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};

use super::{NAME, cluster::credential_specs};
use crate::{
    shape::{Os, Shape},
    world::KubeletTls,
};

const CRD: &str = include_str!("../../active-directory/crd.yaml");
const CREDENTIAL_SPECS: &str = include_str!("../../active-directory/credential-specs.yaml");
const WEBHOOK: &str = include_str!("../../active-directory/webhook.yaml");
const CONFIGURATIONS: &str = include_str!("../../active-directory/webhook-configurations.yaml");

/// How often it is looked at whether the API server has taken up the configurations. There is no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often it is looked at before the testbed gives up.
const LOOKS: usize = 500;

/// The webhook could not be installed.
#[derive(Debug, Error)]
pub enum InstallError {
    /// The API server did not take an object.
    #[error("the API server did not take {what}")]
    Refused {
        /// Which one.
        what: String,
        /// What it said.
        #[source]
        error: Box<kube::Error>,
    },
    /// Something did not become what it should.
    #[error("{what} did not come up")]
    NotReady {
        /// What.
        what: &'static str,
        /// What the watch said.
        #[source]
        error: Box<kube::runtime::wait::Error>,
    },
    /// The webhook's pods did not become ready.
    #[error("the pods of the webhook for credential specs were not ready after {} s; shapes need room for two pods on Linux nodes, or `active_directory: false`", PATIENCE.as_secs())]
    Late,
    /// A file that ships with the testbed is no good.
    #[error("an object of the testbed's own is not usable")]
    Object(#[from] serde_saphyr::Error),
    /// The API server does not ask the webhook.
    #[error("the API server did not take up the webhook for credential specs: {last}")]
    NotAsked {
        /// What it last said.
        last: String,
    },
}

/// How long the webhook's pods may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Installs everything and returns when the API server asks the webhook about pods.
///
/// The webhook runs on Linux; a cluster without a Linux node has only the custom resource.
///
/// # Errors
///
/// When the API server refuses an object, or something does not come up.
pub(crate) async fn install(client: &Client, tls: &KubeletTls, shape: &Shape) -> Result<(), InstallError> {
    if shape.nodes_of(Os::Linux).next().is_none() {
        tracing::info!("no Linux node, so no webhook for credential specs");
        return specs(client).await;
    }
    tokio::try_join!(specs(client), webhook(client, tls))?;
    register(client, tls).await?; // not before: until it answers, nobody else's pods would be admitted
    asked(client).await
}

/// The custom resource, and what is kept in it.
async fn specs(client: &Client) -> Result<(), InstallError> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    for document in objects(CRD)? {
        apply(client, document).await?;
    }
    let name = "gmsacredentialspecs.windows.k8s.io";
    await_condition(crds, name, is_crd_established()).await.map_err(|error| InstallError::NotReady {
        what: "the custom resource for credential specs",
        error: Box::new(error),
    })?;
    for spec in objects(CREDENTIAL_SPECS)? {
        apply(client, spec).await?;
    }
    Ok(())
}

/// The webhook's pods, up to their being ready.
async fn webhook(client: &Client, tls: &KubeletTls) -> Result<(), InstallError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    let refused = |what: &str| {
        let what = what.to_owned();
        move |error| InstallError::Refused { what, error: Box::new(error) }
    };
    namespaces.create(&PostParams::default(), &namespace).await.map_err(refused("the webhook's namespace"))?;
    let secret = Secret {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        data: Some(
            [("tls_private_key", &tls.key), ("tls_certificate", &tls.certificate)]
                .map(|(key, pem)| (key.to_owned(), ByteString(pem.as_bytes().to_vec())))
                .into(),
        ),
        ..Secret::default()
    };
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAME);
    secrets.create(&PostParams::default(), &secret).await.map_err(refused("the webhook's certificate"))?;
    for object in objects(WEBHOOK)? {
        apply(client, object).await?;
    }
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAME);
    let available = |deployment: Option<&Deployment>| {
        let status = deployment.and_then(|deployment| deployment.status.as_ref());
        status.and_then(|status| status.available_replicas) >= Some(2)
    };
    tokio::time::timeout(PATIENCE, await_condition(deployments, NAME, available))
        .await
        .map_err(|_elapsed| InstallError::Late)?
        .map(drop)
        .map_err(|error| InstallError::NotReady { what: "the webhook for credential specs", error: Box::new(error) })
}

/// From now on no pod but the webhook's own is admitted without it.
async fn register(client: &Client, tls: &KubeletTls) -> Result<(), InstallError> {
    let authority = json!(ByteString(tls.client_ca.as_bytes().to_vec()));
    for mut configuration in objects(CONFIGURATIONS)? {
        if let Some(config) = configuration.data.pointer_mut("/webhooks/0/clientConfig") {
            config["caBundle"] = authority.clone();
        }
        apply(client, configuration).await?;
    }
    Ok(())
}

/// Returns when the API server asks the webhook: when a spec that nobody has is not admitted any more.
async fn asked(client: &Client) -> Result<(), InstallError> {
    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": NAME},
        "spec": {
            "os": {"name": "windows"},
            "securityContext": {"windowsOptions": {"gmsaCredentialSpecName": "winconform-asks-for-none"}},
            "containers": [{"name": "none", "image": "none"}],
        },
    }))
    .unwrap_or_default();
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut last = "it admits what the webhook refuses".to_owned();
    for _ in 0..LOOKS {
        look.tick().await;
        match pods.create(&params, &pod).await {
            Err(kube::Error::Api(status)) if status.code == 404 && status.message.contains(super::WEBHOOK) => {
                return Ok(());
            }
            Err(error) => last = error.to_string(),
            Ok(_admitted) => {}
        }
    }
    Err(InstallError::NotAsked { last })
}

/// The objects of a file of the testbed's own.
fn objects(yaml: &str) -> Result<Vec<DynamicObject>, serde_saphyr::Error> {
    serde_saphyr::from_multiple(yaml)
}

async fn apply(client: &Client, object: DynamicObject) -> Result<(), InstallError> {
    let types = object.types.clone().unwrap_or_default();
    let (group, version) = types.api_version.split_once('/').unwrap_or(("", types.api_version.as_str()));
    let resource = match types.kind.as_str() {
        "GMSACredentialSpec" => credential_specs(),
        kind => ApiResource::from_gvk(&kube::api::GroupVersionKind::gvk(group, version, kind)),
    };
    let api: Api<DynamicObject> = match object.metadata.namespace.as_deref() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    // An API server holds the creation of custom resources back for two seconds after their kind came to be; what is
    // applied is not.
    let name = object.metadata.name.clone().unwrap_or_default();
    let params = PatchParams::apply("winconform-testbed").force();
    api.patch(&name, &params, &Patch::Apply(&object))
        .await
        .map(drop)
        .map_err(|error| InstallError::Refused { what: format!("{} {}", types.kind, name), error: Box::new(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::CredentialSpec;

    #[test]
    fn every_object_reads_and_every_spec_is_one_of_the_domains_accounts() {
        for yaml in [CRD, WEBHOOK, CONFIGURATIONS] {
            assert!(
                objects(yaml).unwrap().iter().all(|object| object.types.is_some() && object.metadata.name.is_some())
            );
        }
        let specs = objects(CREDENTIAL_SPECS).unwrap();
        for spec in &specs {
            let parsed = CredentialSpec::parse(&spec.data["credspec"].to_string()).unwrap();
            assert_eq!(Some(&parsed.account), spec.metadata.name.as_ref());
            assert!(parsed.is_domain(crate::directory::DOMAIN));
            assert!(crate::directory::Directory::has_account(&parsed.account));
        }
        assert_eq!(specs.len(), 2);
    }

    #[test]
    fn the_image_of_the_deployment_is_in_a_registry_for_linux() {
        let deployment =
            objects(WEBHOOK).unwrap().into_iter().find(|object| object.types.as_ref().unwrap().kind == "Deployment");
        let image = deployment.unwrap().data.pointer("/spec/template/spec/containers/0/image").unwrap().clone();
        let host =
            crate::image::HostPlatform { os: Os::Linux, arch: "amd64", version: None, runtime: "containerd://2.1.4" };
        assert!(crate::image::find(image.as_str().unwrap(), &host).is_ok());
    }
}
