//! Ways into the shared testbed besides its administrator's: identities, and what stands in between.

use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::ServiceAccount,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
};
use serde_json::Value;

use crate::standing::info;

/// A kubeconfig for a server whose certificate is not asked for.
pub(crate) fn kubeconfig_for(server: &str, user: &str) -> String {
    kubeconfig_through(server, user, "")
}

/// The same with more fields for the cluster, for example `, proxy-url: …`.
pub(crate) fn kubeconfig_through(server: &str, user: &str, more: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n\
         clusters: [{{name: c, cluster: {{server: '{server}', insecure-skip-tls-verify: true{more}}}}}]\n\
         users:\n- name: u\n  user:\n    {user}\n"
    )
}

/// The address of the shared testbed.
pub(crate) fn server() -> String {
    let kubeconfig = kube::config::Kubeconfig::read_from(&info().kubeconfig).unwrap();
    kubeconfig.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap()
}

/// A token of a service account in the namespace `default`.
pub(crate) async fn token_of(client: &Client, account: &str) -> String {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    let request = TokenRequest {
        metadata: ObjectMeta::default(),
        spec: Some(TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() }),
        status: None,
    };
    let given = accounts.create_token_request(account, &PostParams::default(), &request).await.unwrap();
    given.status.unwrap().token.unwrap()
}

/// Creates objects as `kubectl create` does.
pub(crate) async fn apply(client: &Client, objects: Vec<Value>) {
    for object in objects {
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        let types = object.types.clone().unwrap();
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(&types).unwrap());
        let api: Api<DynamicObject> = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        api.create(&PostParams::default(), &object).await.unwrap();
    }
}
