//! A RuntimeClass of the check's own, and a pod that chooses it.

use k8s_openapi::api::{
    core::v1::Pod,
    node::v1::{RuntimeClass, Scheduling},
};
use kube::{Api, ResourceExt, api::ListParams};
use winconform_harness::{
    Admission, Context, Trouble,
    cluster::{BUILD_LABEL, NodeFacts},
    placement::RUN_LABEL,
};
use winconform_manifests::{Kind, Manifest, Object};
use winconform_reports::Verdict;

use crate::trial::exactly;

/// containerd's default on Windows, and the one name that every distribution keeps.
const USUAL: &str = "runhcs-wcow-process";
/// The only one that the kubelet's dockershim and cri-dockerd know; the guide of Kubernetes 1.18 names it.
const DOCKER: &str = "docker";

/// A class and a pod, ready to be created.
pub(super) struct Drafted {
    class: Object,
    pod: Object,
}

impl Drafted {
    /// The two objects of a manifest, for nodes that are alike: the class selects and tolerates
    /// what the pod would have to, and the pod does neither.
    pub(super) async fn new(
        cx: &Context,
        manifest: &Manifest,
        nodes: &[&NodeFacts],
        handler: Option<String>,
    ) -> Result<Self, Trouble> {
        let [mut class, mut pod] = exactly(cx.draft(manifest, "", nodes)?)?;
        let name = class.name().to_owned();
        let spec = pod.pod_spec_mut().ok_or_else(|| Trouble::Unexpected("the manifest makes no pod".to_owned()))?;
        let (mut selector, tolerations) = (spec.node_selector.take(), spec.tolerations.take());
        spec.affinity = None;
        spec.runtime_class_name = Some(name);
        let build = nodes.first().and_then(|node| node.windows).map(|version| version.build_label());
        if let (Some(selector), Some(build)) = (&mut selector, build)
            && nodes.iter().all(|node| node.build_label_is_true())
        {
            selector.insert(BUILD_LABEL.to_owned(), build);
        }
        let handler = match handler {
            Some(handler) => handler,
            None => handler_of(cx, nodes).await?,
        };
        let Kind::RuntimeClass(object) = &mut class.kind else {
            return Err(Trouble::Unexpected("the manifest makes no RuntimeClass".to_owned()));
        };
        object.handler = handler;
        object.scheduling = Some(Scheduling { node_selector: selector, tolerations });
        Ok(Self { class, pod })
    }

    /// What the class selects and tolerates.
    pub(super) fn scheduling(&self) -> Scheduling {
        match &self.class.kind {
            Kind::RuntimeClass(class) => class.scheduling.clone().unwrap_or_default(),
            _ => Scheduling::default(),
        }
    }

    /// The class's handler.
    pub(super) fn handler(&self) -> &str {
        match &self.class.kind {
            Kind::RuntimeClass(class) => &class.handler,
            _ => "",
        }
    }

    /// The class's name.
    pub(super) fn class_name(&self) -> &str {
        self.class.name()
    }

    /// The pod, to be changed before it is sent.
    pub(super) fn pod_mut(&mut self) -> Result<&mut Pod, Trouble> {
        winconform_harness::context::pod_in(&mut self.pod)
    }

    /// The pod as it would be sent.
    pub(super) fn pod(&self) -> &Object {
        &self.pod
    }

    /// Creates the class. A name that somebody else has taken is the environment's trouble.
    pub(super) async fn create_class(&self, cx: &Context) -> Result<(), Trouble> {
        cx.create(&self.class).await.map(drop)
    }

    /// Creates the pod.
    pub(super) async fn create_pod(&self, cx: &Context) -> Result<Object, Trouble> {
        cx.create(&self.pod).await
    }

    /// Whether the pod would be taken as it is; otherwise the refusal as a verdict: nothing
    /// follows from another refusal then.
    pub(super) async fn twin_is_taken(&self, cx: &Context) -> Result<Result<(), Verdict>, Trouble> {
        match cx.dry_run(&self.pod).await? {
            Admission::Accepted(_) => Ok(Ok(())),
            Admission::Rejected(status) => Ok(Err(Verdict::Undetermined(format!(
                "the cluster refuses even a pod whose class exists and fits: {}",
                status.message
            )))),
        }
    }
}

/// A handler that the nodes have: as they say, Docker's own, as another RuntimeClass for Windows says, or the usual one.
async fn handler_of(cx: &Context, nodes: &[&NodeFacts]) -> Result<String, Trouble> {
    if let Some(handler) = common_handler(nodes) {
        return Ok(handler);
    }
    if nodes.iter().all(|node| node.runs_docker()) {
        return Ok(DOCKER.to_owned());
    }
    let classes: Api<RuntimeClass> = Api::all(cx.client());
    let listed = classes.list(&ListParams::default().labels(&format!("!{RUN_LABEL}"))).await;
    let listed = listed.map_err(|error| Trouble::api("list runtime classes", error))?;
    Ok(listed.items.iter().find_map(windows_handler).unwrap_or_else(|| USUAL.to_owned()))
}

/// The best handler that all nodes name: the usual one, else any that does not stand for Hyper-V.
fn common_handler(nodes: &[&NodeFacts]) -> Option<String> {
    let everywhere = |handler: &&String| nodes.iter().all(|node| node.handlers.contains(handler));
    let first = nodes.first()?;
    let mut common = first.handlers.iter().filter(|handler| is_process(handler)).filter(everywhere);
    let usual = common.clone().find(|handler| *handler == USUAL);
    usual.or_else(|| common.next()).cloned()
}

fn is_process(handler: &str) -> bool {
    !handler.is_empty() && !handler.contains("hypervisor")
}

/// The handler of somebody's RuntimeClass for Windows.
fn windows_handler(class: &RuntimeClass) -> Option<String> {
    let selector = class.scheduling.as_ref()?.node_selector.as_ref()?;
    let windows = selector.get("kubernetes.io/os").is_some_and(|os| os == "windows");
    (windows && is_process(&class.handler) && !class.labels().contains_key(RUN_LABEL)).then(|| class.handler.clone())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Node;
    use serde_json::json;
    use winconform_harness::Facts;

    use super::*;

    fn common(handlers: &[&[&str]]) -> Option<String> {
        let nodes: Vec<Node> = (handlers.iter().enumerate())
            .map(|(index, names)| {
                let handlers: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
                serde_json::from_value(json!({
                    "metadata": { "name": format!("win-{index}") }, "status": { "runtimeHandlers": handlers }
                }))
                .unwrap()
            })
            .collect();
        let facts = Facts::from_nodes(&nodes);
        common_handler(&facts.nodes.iter().collect::<Vec<_>>())
    }

    #[test]
    fn the_handler_is_one_that_every_node_has_and_that_isolates_by_process() {
        let usual = ["", "runhcs-wcow-hypervisor", "runhcs-wcow-process"];
        assert_eq!(common(&[&usual, &usual]).as_deref(), Some(USUAL));
        assert_eq!(common(&[&["", "default_runtime", USUAL]]).as_deref(), Some(USUAL));
        assert_eq!(common(&[&["", "default_runtime"]]).as_deref(), Some("default_runtime"));
        assert_eq!(common(&[&["", "runhcs-wcow-hypervisor"]]), None);
        assert_eq!(common(&[&usual, &[""]]), None);
        assert_eq!(common(&[&[]]), None);
    }

    #[test]
    fn a_class_for_linux_or_for_hyper_v_lends_no_handler() {
        let class = |os: &str, handler: &str| -> RuntimeClass {
            serde_json::from_value(json!({
                "metadata": { "name": "c" }, "handler": handler,
                "scheduling": { "nodeSelector": { "kubernetes.io/os": os } }
            }))
            .unwrap()
        };
        assert_eq!(windows_handler(&class("windows", "docker")).as_deref(), Some("docker"));
        assert_eq!(windows_handler(&class("linux", "runc")), None);
        assert_eq!(windows_handler(&class("windows", "runhcs-wcow-hypervisor")), None);
    }
}
