//! The guide's Service and Deployment are accepted, and the Service gets what it needs.

use std::time::Duration;

use k8s_openapi::api::discovery::v1::EndpointSlice;
use winconform_harness::{
    Answer, Budget, Check, Context, Explain, Failure, Trouble, Use,
    run::State,
    wait::{Look, WaitError},
};
use winconform_reports::{Chain, Verdict, event::Observation};

use crate::{fixture::WIN_WEBSERVER, trial::TRIAL};

/// The registered check.
pub(super) const CHECK: Check = Check {
    id: "win-webserver/applies",
    title: "The Service and the Deployment are accepted and endpoints appear",
    statement: "D1",
    passing: "Both objects were accepted, the Service got a node port, and its pods appeared as endpoints.",
    silent_on: "Whether the pods become Ready: `win-webserver/pods-ready` asks that.",
    uses: &[Use::submitted(&WIN_WEBSERVER)],
    budget: Duration::from_secs(1800),
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[
            Failure {
                seen: "The Service or the Deployment is refused.",
                advice: "The message names who refused: a quota, a policy or a webhook of this cluster.",
            },
            Failure {
                seen: "No endpoint appears although pods are Ready.",
                advice: "The controller manager does not follow: look at its EndpointSlice controller.",
            },
        ],
        by_hand: &[
            "kubectl apply --filename win-webserver.yaml",
            "kubectl get service win-webserver --output wide",
            "kubectl get endpointslices --selector kubernetes.io/service-name=win-webserver",
        ],
    },
    run: |cx| Box::pin(run(cx)),
    ..TRIAL
};

/// What became of the endpoints.
#[derive(Clone)]
enum Endpoints {
    Appeared(usize),
    /// The fixture failed before any pod could be one.
    NoPods(String),
}

async fn run(cx: Context) -> Answer {
    let live = cx.fixture(&WIN_WEBSERVER)?;
    let name = live.key.slug();
    let port = cx
        .wait(&format!("node port of service {name}"), || {
            if let State::Failed(trouble) = live.state()
                && cx.service_of(live).is_none()
            {
                return Look::Ready(Err(trouble));
            }
            match cx.service_of(live) {
                Some(service) => match service.spec.as_ref().and_then(|spec| spec.ports.as_ref()?.first()?.node_port) {
                    Some(port) => Look::Ready(Ok(port)),
                    None => Look::NotYet(Budget::Api, "the service has no node port".to_owned()),
                },
                None => Look::NotYet(Budget::Api, "the service is not there".to_owned()),
            }
        })
        .await?;
    let port = match port {
        Ok(port) => port,
        Err(trouble) => return Ok(cx.judge_trouble(&trouble)),
    };
    let endpoints = cx
        .wait(&format!("endpoints of service {name}"), || {
            let count: usize = cx.endpoint_slices().peek(|slices| {
                let own = |slice: &&std::sync::Arc<EndpointSlice>| {
                    let labels = slice.metadata.labels.as_ref();
                    labels.and_then(|labels| labels.get("kubernetes.io/service-name")) == Some(&name)
                };
                slices.all().filter(own).map(|slice| slice.endpoints.iter().flatten().count()).sum()
            });
            match (count, live.state()) {
                (1.., _) => Look::Ready(Endpoints::Appeared(count)),
                (0, State::Failed(trouble)) => Look::Ready(Endpoints::NoPods(Chain(trouble.as_ref()).to_string())),
                (0, State::Ready(_)) => Look::NotYet(Budget::Api, "pods are Ready, but no endpoint".to_owned()),
                // Until a pod has an address there is nothing to be an endpoint; the pod's own wait ends first.
                (0, _) => Look::NotYet(Budget::Pull, "no pod has an address yet".to_owned()),
            }
        })
        .await;
    let endpoints = match endpoints {
        Ok(endpoints) => endpoints,
        // The API server answers, and whoever should have followed the pods did not.
        Err(error @ WaitError::TimedOut { budget: Budget::Api, .. }) => {
            let object = format!("the endpoints of service {name}");
            cx.observe(Observation::Idle { part: "kube-controller-manager".to_owned(), object });
            return Ok(Verdict::Failed(Chain(&error).to_string()));
        }
        Err(error) => return Err(error.into()),
    };
    match endpoints {
        Endpoints::Appeared(count) => {
            Ok(Verdict::Passed(format!("node port {port} allocated, {count} endpoints appeared")))
        }
        Endpoints::NoPods(reason) => Err(Trouble::Fixture { fixture: live.key.to_string(), reason }),
    }
}
