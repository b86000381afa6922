//! The admission webhooks that faults bring along: real ones, registered with the API server.
//!
//! One configuration holds them all. It is there while a fault in force has an
//! `admission` effect of its own, and what each webhook answers is asked of the
//! faults at every object, so that `when` decides as it does everywhere.

use std::{
    io,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::{
    api::{
        admissionregistration::v1::{
            MutatingWebhook, MutatingWebhookConfiguration, RuleWithOperations, WebhookClientConfig,
        },
        core::v1::ConfigMap,
    },
    apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    admission::API_SERVER_PATIENCE,
    clock::Clock,
    fault::{Admission, AdmissionEffect, FailurePolicy, FaultBoard, Review},
    kubelet_api::{self, TlsError},
    progress::chain,
    world::KubeletTls,
};

/// The configuration's name, and what its part of the testbed goes by among those who take up faults.
const NAME: &str = "winconform-testbed-faults";

/// The label of the objects that show whether the API server has taken up a configuration.
const CANARY: &str = "testbed.winconform.dev/canary";

/// How often that is looked at. There is no event to wait for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often it is looked at before the testbed gives up.
const LOOKS: usize = 200;

/// The longest review that is read.
const LONGEST_REVIEW: usize = 8 << 20;

/// The webhooks could not be served.
#[derive(Debug, Error)]
pub enum WebhookError {
    /// There is no port.
    #[error("there is no free port on 127.0.0.1 for the webhooks of faults")]
    Listen(#[source] io::Error),
    /// The certificates are no good.
    #[error("the certificates of the webhooks of faults cannot be used")]
    Tls(#[from] TlsError),
}

/// What the webhooks are made of.
pub(crate) struct WebhookParts {
    /// An administrator's client.
    pub(crate) client: Client,
    /// What they serve with; its authority is the one that the API server is told.
    pub(crate) tls: KubeletTls,
    /// What they answer.
    pub(crate) faults: FaultBoard,
    /// How long delays are.
    pub(crate) clock: Clock,
}

/// Serves the webhooks, and keeps them registered as the faults in force want it, until `cancel`.
///
/// # Errors
///
/// When they cannot be served.
pub(crate) async fn serve(parts: WebhookParts, cancel: CancellationToken) -> Result<(), WebhookError> {
    let acceptor = TlsAcceptor::from(kubelet_api::server_config(&parts.tls)?);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(WebhookError::Listen)?;
    let port = listener.local_addr().map_err(WebhookError::Listen)?.port();
    let seen = Arc::new(AtomicU64::new(0));
    let hook = Arc::new(Hook { faults: parts.faults.clone(), clock: parts.clock.clone(), seen: seen.clone() });
    parts.faults.taken_up(NAME, *parts.faults.changed().borrow());
    tokio::spawn(cancel.clone().run_until_cancelled_owned(accept(listener, acceptor, hook)));
    tokio::spawn(cancel.run_until_cancelled_owned(Keeper { parts, port, seen, generation: 0 }.keep()));
    Ok(())
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, hook: Arc<Hook>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let (acceptor, hook) = (acceptor.clone(), hook.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| {
                let hook = hook.clone();
                async move { hook.answer(request).await }
            });
            let served = hyper::server::conn::http1::Builder::new();
            if let Err(error) = served.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "connection to a webhook of a fault");
            }
        });
    }
}

/// Keeps the API server's configuration as the faults in force want it.
struct Keeper {
    parts: WebhookParts,
    port: u16,
    /// The newest generation that the API server has asked about.
    seen: Arc<AtomicU64>,
    generation: u64,
}

impl Keeper {
    async fn keep(mut self) {
        let mut changed = self.parts.faults.changed();
        let mut registered: Vec<AdmissionEffect> = Vec::new();
        loop {
            let version = *changed.borrow_and_update();
            let wanted = self.parts.faults.own_webhooks();
            if wanted == registered {
                self.parts.faults.taken_up(NAME, version);
            } else {
                match self.register(&wanted).await {
                    Ok(()) => {
                        registered = wanted;
                        self.parts.faults.taken_up(NAME, version);
                    }
                    Err(error) => tracing::warn!(error = chain(&error), "the webhooks of faults are not registered"),
                }
            }
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Registers the webhooks and returns when the API server asks them; takes all away when there is none.
    async fn register(&mut self, wanted: &[AdmissionEffect]) -> kube::Result<()> {
        self.generation += 1;
        let api: Api<MutatingWebhookConfiguration> = Api::all(self.parts.client.clone());
        // What goes must be seen to go as well, so it asks to the end.
        self.put(&api, wanted).await?;
        self.taken_up().await?;
        if wanted.is_empty() {
            match api.delete(NAME, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => drop(other?),
            }
        }
        Ok(())
    }

    async fn put(&self, api: &Api<MutatingWebhookConfiguration>, wanted: &[AdmissionEffect]) -> kube::Result<()> {
        let url = |name: &str| format!("https://127.0.0.1:{}/{}/{name}", self.port, self.generation);
        let mut webhooks = vec![canary(self.client_config(url("canary")))];
        for effect in wanted {
            if !webhooks.iter().any(|known| known.name == effect.own_name()) {
                webhooks.push(webhook(effect, self.client_config(url(effect.own_name()))));
            }
        }
        let configuration = MutatingWebhookConfiguration {
            metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
            webhooks: Some(webhooks),
        };
        api.patch(NAME, &PatchParams::apply(NAME).force(), &Patch::Apply(&configuration)).await.map(drop)
    }

    fn client_config(&self, url: String) -> WebhookClientConfig {
        let authority = k8s_openapi::ByteString(self.parts.tls.client_ca.as_bytes().to_vec());
        WebhookClientConfig { url: Some(url), ca_bundle: Some(authority), service: None }
    }

    /// Returns when the API server asks the webhooks of this generation.
    async fn taken_up(&self) -> kube::Result<()> {
        let api: Api<ConfigMap> = Api::namespaced(self.parts.client.clone(), "default");
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(NAME.to_owned()),
                labels: Some([(CANARY.to_owned(), "yes".to_owned())].into()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        };
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for _ in 0..LOOKS {
            look.tick().await;
            api.create(&PostParams { dry_run: true, field_manager: None }, &map).await?;
            if self.seen.load(Ordering::Acquire) >= self.generation {
                return Ok(());
            }
        }
        tracing::warn!("the API server has not taken up the webhooks of faults");
        Ok(())
    }
}

/// A webhook that only shows that its configuration is in force.
fn canary(client_config: WebhookClientConfig) -> MutatingWebhook {
    let labels = LabelSelector {
        match_labels: Some([(CANARY.to_owned(), "yes".to_owned())].into()),
        ..LabelSelector::default()
    };
    MutatingWebhook {
        name: "canary.testbed.winconform.dev".to_owned(),
        object_selector: Some(labels),
        rules: Some(vec![rule(&["configmaps".to_owned()], vec!["CREATE".to_owned()])]),
        failure_policy: Some("Ignore".to_owned()),
        ..plain(client_config)
    }
}

fn webhook(effect: &AdmissionEffect, client_config: WebhookClientConfig) -> MutatingWebhook {
    let operations = effect.objects.operations.iter().map(|operation| operation.as_str().to_owned()).collect();
    let policy = match effect.failure_policy.unwrap_or_default() {
        FailurePolicy::Fail => "Fail",
        FailurePolicy::Ignore => "Ignore",
    };
    MutatingWebhook {
        name: effect.own_name().to_owned(),
        rules: Some(vec![rule(&effect.objects.resources, operations)]),
        failure_policy: Some(policy.to_owned()),
        ..plain(client_config)
    }
}

fn plain(client_config: WebhookClientConfig) -> MutatingWebhook {
    MutatingWebhook {
        admission_review_versions: vec!["v1".to_owned()],
        client_config,
        side_effects: "None".to_owned(),
        timeout_seconds: Some(10),
        ..MutatingWebhook::default()
    }
}

fn rule(resources: &[String], operations: Vec<String>) -> RuleWithOperations {
    RuleWithOperations {
        api_groups: Some(vec!["*".to_owned()]),
        api_versions: Some(vec!["*".to_owned()]),
        resources: Some(resources.to_vec()),
        operations: Some(operations),
        scope: None,
    }
}

/// Answers for all webhooks.
struct Hook {
    faults: FaultBoard,
    clock: Clock,
    seen: Arc<AtomicU64>,
}

/// The connection is cut.
#[derive(Debug, Error)]
#[error("no answer")]
struct Silence;

impl Hook {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Silence> {
        let path = request.uri().path().to_owned();
        let mut parts = path.split('/').skip(1);
        let (generation, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if let Ok(generation) = generation.parse() {
            self.seen.fetch_max(generation, Ordering::AcqRel);
        }
        let bytes =
            Limited::new(request.into_body(), LONGEST_REVIEW).collect().await.map_err(|_cut| Silence)?.to_bytes();
        let review: Value = serde_json::from_slice(&bytes).map_err(|_no_review| Silence)?;
        let uid = review.pointer("/request/uid").cloned().unwrap_or_default();
        let answer = self.judge(name, &review).await?;
        let mut response = json!({"uid": uid});
        if let (Some(response), Value::Object(answer)) = (response.as_object_mut(), answer) {
            response.extend(answer);
        }
        let said = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        Ok(Response::new(Full::new(Bytes::from(said.to_string()))))
    }

    async fn judge(&self, webhook: &str, review: &Value) -> Result<Value, Silence> {
        let allowed = json!({"allowed": true});
        let Some(review) = Review::read(webhook, true, review) else { return Ok(allowed) };
        let Some((effect, mark)) = self.faults.admission(&review) else { return Ok(allowed) };
        self.faults.applied(mark);
        if let Some(delay) = effect.delay {
            if delay.0 >= API_SERVER_PATIENCE {
                // Its limit is in real time, ours is not: whoever is too late for it says nothing any more.
                std::future::pending::<()>().await;
            }
            self.clock.pass(delay.0).await;
        }
        match effect.outcome {
            Admission::Answers | Admission::Ignores => Ok(allowed),
            Admission::Down => Err(Silence),
            Admission::Denies => Ok(effect.denial()),
            Admission::Patches => {
                let patch = serde_json::to_vec(&effect.patch).unwrap_or_default();
                Ok(json!({"allowed": true, "patchType": "JSONPatch", "patch": STANDARD.encode(patch)}))
            }
        }
    }
}
