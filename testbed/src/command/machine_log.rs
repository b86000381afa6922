//! The logs of a node's services, as files.

use futures::future::{BoxFuture, FutureExt};

use super::{
    Files,
    files::normal,
    machine::{Entry, Machine, Picture},
};
use std::sync::Arc;

/// Where node images keep the logs: those of AKS, and of sig-windows-tools.
const LOGS: &[(&str, &str)] = &[
    ("c:/k/kubelet.err.log", "kubelet"),
    ("c:/var/log/kubelet/kubelet.log", "kubelet"),
    ("c:/k/kubeproxy.err.log", "kube-proxy"),
    ("c:/var/log/kube-proxy/kube-proxy.log", "kube-proxy"),
    ("c:/k/containerd.err.log", "containerd"),
];

/// The files of a HostProcess container: its own, and the node's logs.
pub(crate) struct HostFiles {
    own: Arc<dyn Files>,
    machine: Arc<dyn Machine>,
}

impl HostFiles {
    /// The files of one container on a node.
    pub(crate) fn new(own: Arc<dyn Files>, machine: Arc<dyn Machine>) -> Self {
        Self { own, machine }
    }
}

impl Files for HostFiles {
    fn read<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Option<Vec<u8>>> {
        async move {
            if let Some(own) = self.own.read(path).await {
                return Some(own);
            }
            let path = normal(path, true);
            let (_, service) = LOGS.iter().find(|(log, _)| normal(log, true) == path)?;
            Some(log(&self.machine.look(), service).into_bytes())
        }
        .boxed()
    }

    fn write(&self, path: &str, bytes: &[u8], append: bool) {
        self.own.write(path, bytes, append);
    }

    fn list<'a>(&'a self, folder: &'a str) -> BoxFuture<'a, Option<Vec<String>>> {
        async move {
            let mut names = self.own.list(folder).await.unwrap_or_default();
            let folder = normal(folder, true);
            let below = |log: &str| {
                let path = normal(log, true);
                let (parent, name) = path.rsplit_once('/')?;
                (parent == folder).then(|| name.to_owned())
            };
            names.extend(LOGS.iter().filter_map(|(log, _)| below(log)));
            Some(names).filter(|names| !names.is_empty())
        }
        .boxed()
    }
}

/// The log of one service.
fn log(picture: &Picture, service: &str) -> String {
    match service {
        "kubelet" => picture.journal.iter().map(kubelet).collect(),
        "containerd" => containerd(picture),
        _ => kube_proxy(picture),
    }
}

/// A line of the kubelet's, in klog's format.
fn kubelet(entry: &Entry) -> String {
    let field = entry.field_path.as_ref().map(|path| format!(" fieldPath=\"{path}\"")).unwrap_or_default();
    format!(
        "I{} {:>7} event.go:389] \"Event occurred\" object=\"{}\"{field} kind=\"{}\" apiVersion=\"v1\" type=\"{}\" reason=\"{}\" message={:?}\r\n",
        entry.at.strftime("%m%d %H:%M:%S.%6f"),
        4312,
        entry.object,
        entry.kind,
        entry.class,
        entry.reason,
        entry.message,
    )
}

fn containerd(picture: &Picture) -> String {
    let failures = picture.journal.iter().filter(|entry| entry.reason == "FailedCreatePodSandBox").map(|entry| {
        let (namespace, name) = entry.object.split_once('/').unwrap_or(("", &entry.object));
        let error = entry.message.trim_start_matches("Failed to create pod sandbox: ");
        let text = format!(
            "time=\"{}\" level=error msg=\"RunPodSandbox for &PodSandboxMetadata{{Name:{name},Namespace:{namespace},}} failed, error\" error={error:?}\r\n",
            entry.at
        );
        (entry.at, text)
    });
    let started = picture.sandboxes.iter().map(|sandbox| {
        let text = format!(
            "time=\"{}\" level=info msg=\"RunPodSandbox for &PodSandboxMetadata{{Name:{},Uid:{},Namespace:{},Attempt:{},}} returns sandbox id \\\"{}\\\"\"\r\n",
            sandbox.created, sandbox.name, sandbox.uid, sandbox.namespace, sandbox.attempt, sandbox.id
        );
        (sandbox.created, text)
    });
    let mut lines: Vec<_> = failures.chain(started).collect();
    lines.sort_by_key(|(at, _)| *at);
    lines.into_iter().map(|(_, line)| line).collect()
}

fn kube_proxy(picture: &Picture) -> String {
    let at = picture.booted.strftime("%m%d %H:%M:%S.%6f").to_string();
    let mut text = format!(
        "I{at}    2760 server.go:677] \"Successfully retrieved NodeIPs\" NodeIPs=[\"{}\"]\r\n",
        picture.address
    );
    for balancer in &picture.load_balancers {
        let line = format!(
            "I{at}    2760 proxier.go:1479] \"Hns LoadBalancer resource created for cluster IP resources\" servicePortName=\"{}\" port={} endpoints={}\r\n",
            balancer.service,
            balancer.port,
            balancer.backends.len()
        );
        text += &line;
    }
    text
}
