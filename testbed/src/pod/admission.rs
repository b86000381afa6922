//! Whether a kubelet takes a pod that was bound to its node.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodSpec};

use super::resources::Shortage;
use crate::shape::Os;

/// Why a pod is failed as soon as it is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// The pod's reason, and the event's.
    pub(crate) reason: String,
    /// The sentence.
    pub(crate) message: String,
}

impl Rejection {
    fn new(reason: &str, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into() }
    }
}

/// What a pod fails with that its node has no room for, though the scheduler or its owner sent it here.
pub(crate) fn no_room(short: &Shortage) -> Rejection {
    let Shortage { resource, requested, used, capacity } = short;
    let message = format!(
        "Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}"
    );
    Rejection { reason: format!("OutOf{resource}"), message }
}

/// Decides as `pkg/kubelet/lifecycle/predicate.go` does, in its order.
///
/// # Errors
///
/// The reason and sentence with which the pod becomes `Failed`.
pub(crate) fn admit(pod: &Pod, os: Os, labels: &BTreeMap<String, String>) -> Result<(), Rejection> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    if selects_other_system(spec, os) {
        return Err(Rejection::new(
            "PodOSSelectorNodeLabelDoesNotMatch",
            "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label",
        ));
    }
    if spec.os.as_ref().is_some_and(|wanted| wanted.name != os.label()) {
        return Err(Rejection::new("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"));
    }
    let unmatched = |(key, value): (&String, &String)| labels.get(key) != Some(value);
    if spec.node_selector.as_ref().is_some_and(|selector| selector.iter().any(unmatched)) {
        return Err(Rejection::new(
            "NodeAffinity",
            "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
        ));
    }
    Ok(())
}

fn selects_other_system(spec: &PodSpec, os: Os) -> bool {
    let wanted = spec.node_selector.as_ref().and_then(|selector| selector.get("kubernetes.io/os"));
    wanted.is_some_and(|wanted| wanted != os.label())
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::PodOS;

    fn reason(spec: PodSpec) -> Option<String> {
        let labels = [("kubernetes.io/os".to_owned(), "windows".to_owned())].into();
        admit(&Pod { spec: Some(spec), ..Pod::default() }, Os::Windows, &labels).err().map(|rejection| rejection.reason)
    }

    #[test]
    fn a_linux_pod_on_a_windows_node_fails_by_its_os_field() {
        let spec = PodSpec { os: Some(PodOS { name: "linux".into() }), ..PodSpec::default() };
        assert_eq!(reason(spec).as_deref(), Some("PodOSNotSupported"));
    }

    #[test]
    fn a_selector_for_another_system_has_a_reason_of_its_own() {
        let selector = |key: &str, value: &str| PodSpec {
            node_selector: Some([(key.to_owned(), value.to_owned())].into()),
            ..PodSpec::default()
        };
        assert_eq!(
            reason(selector("kubernetes.io/os", "linux")).as_deref(),
            Some("PodOSSelectorNodeLabelDoesNotMatch")
        );
        assert_eq!(reason(selector("disk", "ssd")).as_deref(), Some("NodeAffinity"));
        assert_eq!(reason(selector("kubernetes.io/os", "windows")), None);
        assert_eq!(reason(PodSpec::default()), None);
    }
}
