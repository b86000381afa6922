//! Network policies of others in our namespace: connections that are dropped on purpose are
//! no failure of the cluster.
//!
//! Some clusters put a policy that denies everything into each new namespace. What then
//! fails says nothing of the network, so such a verdict becomes undetermined, and names the
//! policy. Asked only when connections failed, and once.

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, ResourceExt, api::ListParams};
use winconform_reports::Verdict;

use super::stage::Stage;
use crate::placement::RUN_LABEL;

/// The verdict on connections of which some failed, seen in the light of others' policies.
pub(super) async fn weigh(stage: &Stage, verdict: Verdict) -> Verdict {
    let Verdict::Failed(text) = verdict else { return verdict };
    let policies = stage.network_policies.get_or_init(|| others(stage)).await;
    match policies.is_empty() {
        true => Verdict::Failed(text),
        false => Verdict::Undetermined(format!(
            "the network policy {} in our namespace {}, which is not ours, may be why; leave namespaces with the label \
             app.kubernetes.io/managed-by=winconform out of it: {text}",
            policies.join(", "),
            stage.names.main
        )),
    }
}

/// The policies that somebody else has put there. Who may not list them knows of none.
async fn others(stage: &Stage) -> Vec<String> {
    let policies: Api<NetworkPolicy> = Api::namespaced(stage.client.clone(), &stage.names.main);
    match policies.list_metadata(&ListParams::default().labels(&format!("!{RUN_LABEL}"))).await {
        Ok(listed) => listed.items.iter().map(ResourceExt::name_any).collect(),
        Err(error) => {
            tracing::debug!(%error, "network policies could not be looked at");
            Vec::new()
        }
    }
}
