//! Following one edition of the guide: apply what it prints, and see what comes of it.

use std::{sync::Arc, time::Duration};

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use winconform_harness::{
    Answer, Budget, Check, Claims, Context, Explain, Failure, Need, Scope, Trouble,
    wait::{Cause, Look, WaitError},
};
use winconform_manifests::{EDITIONS, Edition};
use winconform_reports::{Chain, Level, Verdict, event::Observation};

use super::unfit::unfit;

/// What the checks of this suite have in common.
pub(super) const LITERAL: Check = Check {
    id: "",
    title: "",
    statement: "D1",
    passing: "The steps were taken; the notes say what came of each.",
    silent_on: "Whether the cluster keeps the guide's promises: the other suites ask that, with manifests that fit it.",
    level: Level::Info,
    scope: Scope::Cluster,
    needs: &[Need::OpenNode],
    uses: &[],
    creates: &[],
    claims: Claims { pods: 0, exclusive: true },
    budget: Duration::from_secs(3600),
    disruptive: false,
    asks: &[],
    looks_at: &[],
    explain: Explain {
        sources: &["https://kubernetes.io/docs/concepts/windows/user-guide/"],
        failures: &[Failure {
            seen: "A step does not work as printed.",
            advice: "Take the manifests that fit this cluster: `winconform manifests` prints them.",
        }],
        by_hand: &[
            "kubectl apply --filename win-webserver.yaml --filename runtimeClasses.yml --filename iis-2019.yaml",
        ],
    },
    run: |_| Box::pin(async { Err(Trouble::Unexpected("a template was asked".to_owned())) }),
};

/// A step and what came of it.
struct Step {
    step: String,
    worked: bool,
    outcome: String,
    why: Option<String>,
}

/// Follows the edition of that name.
pub(super) async fn follow(cx: Context, name: &'static str) -> Answer {
    let edition = EDITIONS.iter().find(|edition| edition.name == name);
    let edition = edition.ok_or_else(|| Trouble::Unexpected(format!("there is no edition `{name}`")))?;
    let (mut taken, mut worked) = (0, 0);
    for (file, text) in edition.files {
        for document in Edition::documents(text) {
            for step in apply(&cx, name, file, document).await? {
                taken += 1;
                worked += usize::from(step.worked);
                let Step { step, worked, outcome, why } = step;
                cx.observe(Observation::Step { step, worked, outcome, why });
            }
        }
    }
    Ok(Verdict::Passed(format!("{worked} of {taken} steps work here as printed")))
}

/// Applies one document; with the pods it makes, that is two steps.
async fn apply(cx: &Context, edition: &str, file: &str, document: Result<Value, String>) -> Result<Vec<Step>, Trouble> {
    let object = match document {
        Ok(object) => object,
        Err(error) => {
            return Ok(vec![Step {
                step: format!("read {file}"),
                worked: false,
                outcome: format!("it is no valid YAML: {error}"),
                why: Some("a line of it is indented wrongly, so kubectl refuses it too".to_owned()),
            }]);
        }
    };
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let step = format!("apply {file}: {kind} {name}");
    if text("/spec/type") == "LoadBalancer" && !cx.settings().allow_load_balancer {
        let outcome = "not applied: it publishes an address outside the cluster".to_owned();
        let why = Some("`--allow-load-balancer` was not given".to_owned());
        return Ok(vec![Step { step, worked: false, outcome, why }]);
    }
    let api_version = text("/apiVersion");
    let replicas = object.pointer("/spec/replicas").and_then(Value::as_u64).unwrap_or(1);
    if let Some(status) = cx.apply_written(&slug(edition, &name), object).await? {
        let why = match status.code {
            404 => Some(not_served(cx, &api_version, &kind).await?),
            409 => Some("an object of that name is there already; it is left alone".to_owned()),
            _ => None,
        };
        let outcome = format!("refused: {} (HTTP {})", status.message.trim(), status.code);
        return Ok(vec![Step { step, worked: false, outcome, why }]);
    }
    let mut steps = vec![Step { step, worked: true, outcome: "accepted".to_owned(), why: None }];
    if kind == "Deployment" {
        let wanted = usize::try_from(replicas).unwrap_or(1);
        steps.push(pods(cx, &name, &slug(edition, &name), wanted).await?);
    }
    Ok(steps)
}

/// Tells the objects of one edition from the other's of the same name.
fn slug(edition: &str, name: &str) -> String {
    format!("{}-{name}", edition.replace('.', "-"))
}

/// Which version of the kind this cluster serves instead.
async fn not_served(cx: &Context, api_version: &str, kind: &str) -> Result<String, Trouble> {
    let (group, _) = api_version.split_once('/').unwrap_or(("", api_version));
    let groups = cx.client().list_api_groups().await.map_err(|error| Trouble::api("list API groups", error))?;
    let served: Vec<String> = (groups.groups.into_iter())
        .filter(|served| served.name == group)
        .flat_map(|served| served.versions)
        .map(|version| version.group_version)
        .collect();
    Ok(match served.is_empty() {
        true => format!("this cluster does not serve {api_version}"),
        false => format!("this cluster does not serve {kind} in {api_version}, but in {}", served.join(", ")),
    })
}

/// What became of a pod of the Deployment.
#[derive(Clone)]
enum Fate {
    Ready(Arc<Pod>),
    Kept(String),
}

/// Waits until it is known of each pod of a Deployment what becomes of it.
async fn pods(cx: &Context, deployment: &str, slug: &str, wanted: usize) -> Result<Step, Trouble> {
    let step = format!("wait for the pods of {deployment}");
    let waited = cx
        .wait(&step, || {
            let pods = cx.pods_called(slug);
            let mut fates = Vec::new();
            let mut waiting = None;
            for pod in &pods {
                match fate(cx, pod) {
                    Ok(fate) => fates.push(fate),
                    // The pod that is furthest behind decides which budget counts.
                    Err((budget, seen)) => match &waiting {
                        Some((least, _)) if *least <= budget => {}
                        _ => waiting = Some((budget, seen)),
                    },
                }
            }
            if let Some(cause) = cx.pods_refused(deployment).filter(|_| pods.len() < wanted) {
                fates.push(Fate::Kept(why_refused(&cause)));
                return Look::Ready(fates);
            }
            match waiting {
                Some((budget, seen)) => Look::NotYet(budget, seen),
                None if fates.len() < wanted => {
                    Look::NotYet(Budget::Schedule, format!("{} of {wanted} pods exist", fates.len()))
                }
                None => Look::Ready(fates),
            }
        })
        .await;
    let fates = match waited {
        Ok(fates) => fates,
        Err(error @ WaitError::ApiLost { .. }) => return Err(error.into()),
        Err(error) => vec![Fate::Kept(Chain(&error).to_string())],
    };
    let ready: Vec<String> = fates
        .iter()
        .filter_map(|fate| match fate {
            Fate::Ready(pod) => pod.spec.as_ref()?.node_name.clone(),
            Fate::Kept(_) => None,
        })
        .collect();
    let mut kept: Vec<String> = fates
        .into_iter()
        .filter_map(|fate| match fate {
            Fate::Kept(why) => Some(why),
            Fate::Ready(_) => None,
        })
        .collect();
    kept.sort();
    kept.dedup();
    let on = if ready.is_empty() { String::new() } else { format!(", on {}", ready.join(", ")) };
    Ok(Step {
        step,
        worked: ready.len() >= wanted,
        outcome: format!("{} of {wanted} pods Ready{on}", ready.len()),
        why: (!kept.is_empty()).then(|| kept.join("; ")),
    })
}

/// What becomes of a pod, or the budget that counts while that is not known.
fn fate(cx: &Context, pod: &Arc<Pod>) -> Result<Fate, (Budget, String)> {
    if let Some(why) = unfit(pod, cx.facts()) {
        return Ok(Fate::Kept(why));
    }
    match cx.look_at(pod) {
        Look::Ready(pod) => Ok(Fate::Ready(pod)),
        Look::Hopeless(cause) => {
            cx.observe(cause.observation());
            Ok(Fate::Kept(cause.to_string()))
        }
        Look::NotYet(budget, seen) => Err((budget, seen)),
    }
}

fn why_refused(cause: &Cause) -> String {
    match cause {
        Cause::NotCreated { message, .. } => format!("no pod could be created: {message}"),
        other => other.to_string(),
    }
}
