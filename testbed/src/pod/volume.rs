//! Files that volumes bring into a container, read from the API server when a program opens them.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::{
    authentication::v1::{TokenRequest, TokenRequestSpec},
    core::v1::{ConfigMap, Container, KeyToPath, Pod, Secret, ServiceAccount, Volume, VolumeMount, VolumeProjection},
};
use kube::{Api, Client, api::PostParams};

use super::environment;
use crate::{
    command::{Files, Scratch},
    shape::Os,
};

/// The mounted files of one container, and what it wrote.
pub(crate) struct Volumes {
    client: Client,
    pod: Arc<Pod>,
    mounts: Vec<VolumeMount>,
    windows: bool,
    scratch: Scratch,
}

impl Volumes {
    /// The files of `container`.
    pub(crate) fn new(client: Client, pod: Arc<Pod>, container: &Container, os: Os) -> Self {
        let windows = os == Os::Windows;
        let mounts = container.volume_mounts.clone().unwrap_or_default();
        Self { client, pod, mounts, windows, scratch: Scratch::new(windows) }
    }

    fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The volume that holds `path`, and the path inside it.
    fn locate<'a>(&'a self, path: &str) -> Option<(&'a Volume, String)> {
        let path = normal(path, self.windows);
        let volumes = self.pod.spec.as_ref()?.volumes.as_deref()?;
        self.mounts.iter().find_map(|mount| {
            let rest = path.strip_prefix(&normal(&mount.mount_path, self.windows))?;
            let inside = if rest.is_empty() { String::new() } else { rest.strip_prefix('/')?.to_owned() };
            let inside = match mount.sub_path.as_deref().filter(|sub| !sub.is_empty()) {
                Some(sub) => [sub, &inside].join("/").trim_end_matches('/').to_owned(),
                None => inside,
            };
            Some((volumes.iter().find(|volume| volume.name == mount.name)?, inside))
        })
    }

    async fn mounted(&self, path: &str) -> Option<Vec<u8>> {
        let (volume, file) = self.locate(path)?;
        if let Some(source) = &volume.config_map {
            return self.config_map(&source.name, source.items.as_deref(), &file).await;
        }
        if let Some(source) = &volume.secret {
            return self.secret(source.secret_name.as_deref()?, source.items.as_deref(), &file).await;
        }
        let projections = volume.projected.as_ref()?.sources.as_deref()?;
        for projection in projections {
            if let Some(bytes) = self.projected(projection, &file).await {
                return Some(bytes);
            }
        }
        None
    }

    async fn projected(&self, projection: &VolumeProjection, file: &str) -> Option<Vec<u8>> {
        if let Some(token) = projection.service_account_token.as_ref().filter(|token| token.path == file) {
            return self.token(token.audience.clone(), token.expiration_seconds).await;
        }
        if let Some(source) = &projection.config_map {
            return self.config_map(&source.name, source.items.as_deref(), file).await;
        }
        if let Some(source) = &projection.secret {
            return self.secret(&source.name, source.items.as_deref(), file).await;
        }
        let item = projection.downward_api.as_ref()?.items.as_ref()?.iter().find(|item| item.path == file)?;
        environment::field(&self.pod, &item.field_ref.as_ref()?.field_path).map(String::into_bytes)
    }

    async fn config_map(&self, name: &str, items: Option<&[KeyToPath]>, file: &str) -> Option<Vec<u8>> {
        let key = key(items, file)?;
        let map = Api::<ConfigMap>::namespaced(self.client.clone(), self.namespace()).get(name).await.ok()?;
        let text = map.data.as_ref().and_then(|data| data.get(&key)).map(|text| text.clone().into_bytes());
        text.or_else(|| map.binary_data.and_then(|mut data| data.remove(&key)).map(|bytes| bytes.0))
    }

    async fn secret(&self, name: &str, items: Option<&[KeyToPath]>, file: &str) -> Option<Vec<u8>> {
        let key = key(items, file)?;
        let secret = Api::<Secret>::namespaced(self.client.clone(), self.namespace()).get(name).await.ok()?;
        secret.data?.remove(&key).map(|bytes| bytes.0)
    }

    /// A token bound to the pod, asked for when it is first read.
    async fn token(&self, audience: Option<String>, expiration_seconds: Option<i64>) -> Option<Vec<u8>> {
        let account = self.pod.spec.as_ref()?.service_account_name.clone()?;
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                attestations: None,
                audiences: audience.map(|audience| vec![audience]),
                expiration_seconds,
                bound_object_ref: Some(k8s_openapi::api::authentication::v1::BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: self.pod.metadata.name.clone(),
                    uid: self.pod.metadata.uid.clone(),
                }),
            }),
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), self.namespace());
        let answer = accounts.create_token_request(&account, &PostParams::default(), &request).await.ok()?;
        answer.status?.token.map(String::into_bytes)
    }

    fn names(&self, folder: &str) -> Option<Vec<String>> {
        let (volume, inside) = self.locate(folder)?;
        if !inside.is_empty() {
            return None;
        }
        let sources = volume.projected.as_ref()?.sources.as_deref()?;
        let mut names = Vec::new();
        for source in sources {
            names.extend(source.service_account_token.iter().map(|token| token.path.clone()));
            let items = source.config_map.as_ref().and_then(|map| map.items.as_deref());
            names.extend(items.unwrap_or_default().iter().map(|item| item.path.clone()));
            let items = source.downward_api.as_ref().and_then(|downward| downward.items.as_deref());
            names.extend(items.unwrap_or_default().iter().map(|item| item.path.clone()));
        }
        names.sort();
        Some(names)
    }
}

/// The key whose content is the file: the one that an item maps there, or the file's own name.
fn key(items: Option<&[KeyToPath]>, file: &str) -> Option<String> {
    match items {
        Some(items) => items.iter().find(|item| item.path == file).map(|item| item.key.clone()),
        None => Some(file.to_owned()),
    }
}

/// A path with `/` and without a drive; the case stays, since volumes' names are compared with it.
fn normal(path: &str, windows: bool) -> String {
    let path = if windows { path.replace('\\', "/") } else { path.to_owned() };
    let path = match path.split_once(':') {
        Some((drive, rest)) if windows && drive.len() == 1 => rest.to_owned(),
        _ => path,
    };
    let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}

impl Files for Volumes {
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<Vec<u8>>> {
        async move {
            match self.scratch.get(path) {
                Some(bytes) => Some(bytes),
                None => self.mounted(path).await,
            }
        }
        .boxed()
    }

    fn write(&self, path: &str, bytes: &[u8], append: bool) {
        self.scratch.put(path, bytes, append);
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Option<Vec<String>>> {
        async move {
            let mut names = self.names(folder).unwrap_or_default();
            names.extend(self.scratch.below(folder));
            Some(names).filter(|names| !names.is_empty())
        }
        .boxed()
    }
}
