//! What is collected of a failure before anything is removed.
//!
//! Mostly from what the watches already hold, so that collecting costs no
//! requests; bounded, and without secrets.

mod windows;

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    path::{Path, PathBuf},
};

use futures::future::join_all;
use k8s_openapi::api::core::v1::{Event as KubeEvent, Pod};
use kube::{Api, ResourceExt, api::LogParams};
use serde_json::Value;
use tokio::time::timeout;
use winconform_reports::{event::Evidence, secrets::without_secrets};

pub(crate) use self::windows::WindowsSides;
use super::{live_fixture::fixture_pods, plan::PlannedCheck, stage::Stage};
use crate::{
    budgets::Budget,
    cluster::{ApiError, Os},
    context::Notes,
};

/// A file of evidence is cut here.
const FILE_LIMIT: usize = 512 * 1024;
/// Logs are fetched of at most this many pods for a check.
const POD_LIMIT: usize = 8;

/// Collects for one check that failed or could not be asked.
pub(super) async fn collect(
    stage: &Stage,
    planned: &PlannedCheck,
    notes: &Notes,
    folder: Option<&Path>,
) -> Vec<Evidence> {
    let of_round = match stage.round {
        1 => PathBuf::from("evidence"),
        round => PathBuf::from("evidence").join(format!("round-{round}")),
    };
    let relative = of_round.join(planned.id.check.suite()).join(planned.id.local_name());
    let mut files: Vec<(&str, String, String)> = Vec::new();
    if !notes.transcript.is_empty() {
        files.push(("probes.txt", "commands and their outputs".to_owned(), notes.transcript.join("\n")));
    }
    let pods = pods_of(stage, planned, notes);
    if !pods.is_empty() {
        let objects: Vec<Value> = pods.iter().map(|pod| redacted_object(pod.as_ref())).collect();
        let text = serde_json::to_string_pretty(&objects).unwrap_or_default();
        files.push(("pods.json", "the pods as last seen".to_owned(), text));
        files.push(("events.txt", "events of those pods".to_owned(), events_of(stage, &pods)));
        files.push(("logs.txt", "what those pods printed".to_owned(), logs_of(stage, &pods).await));
    }
    if planned.id.place.node().is_some() {
        files.push(("node.json", "the node as last seen".to_owned(), node_of(stage, planned)));
    }
    let mut evidence = Vec::new();
    for (name, title, text) in files.into_iter().filter(|(_, _, text)| !text.trim().is_empty()) {
        let text = without_secrets(&text);
        let cut = cut(&text, FILE_LIMIT);
        let path = match folder {
            Some(folder) => write(folder, &relative.join(name), cut).await,
            None => None,
        };
        let excerpt = (path.is_none()).then(|| last_lines(cut, 20));
        evidence.push(Evidence { title, path, excerpt });
    }
    evidence.extend(windows::collect(stage, &windows_nodes(stage, planned, notes), folder).await);
    evidence
}

/// The Windows nodes that a failure touches: its place's, those at the ends of ways that
/// did not work, and those that observations name.
fn windows_nodes(stage: &Stage, planned: &PlannedCheck, notes: &Notes) -> Vec<String> {
    let own = planned.id.place.node().map(str::to_owned);
    let named = notes.observations.iter().filter_map(|seen| seen.node().map(str::to_owned));
    let nodes: BTreeSet<String> = own.into_iter().chain(notes.troubled.iter().cloned()).chain(named).collect();
    let is_windows = |name: &String| stage.facts.node(name).is_some_and(|node| node.os == Os::Windows);
    nodes.into_iter().filter(is_windows).collect()
}

/// Writes one file; where that fails, the excerpt must do and the reason is logged.
async fn write(folder: &Path, relative: &Path, text: &str) -> Option<String> {
    let path = folder.join(relative);
    let written = async {
        if let Some(parent) = path.parent() {
            tokio::fs::create_dir_all(parent).await?;
        }
        tokio::fs::write(&path, text).await
    };
    match written.await {
        Ok(()) => Some(relative.to_string_lossy().into_owned()),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "evidence could not be written");
            None
        }
    }
}

fn pods_of(stage: &Stage, planned: &PlannedCheck, notes: &Notes) -> Vec<std::sync::Arc<Pod>> {
    let own = notes.slugs.iter().cloned();
    let of_fixtures = planned.waits.iter().filter(|awaited| stage.fixtures.contains_key(&awaited.key));
    let slugs = own.chain(of_fixtures.map(|awaited| awaited.key.slug()));
    slugs.flat_map(|slug| fixture_pods(&stage.views, &slug)).collect()
}

fn events_of(stage: &Stage, pods: &[std::sync::Arc<Pod>]) -> String {
    let mut text = String::new();
    for host in [false, true] {
        stage.views.events(host).peek(|events| {
            let about = |event: &&std::sync::Arc<KubeEvent>| {
                pods.iter().any(|pod| pod.metadata.uid.is_some() && pod.metadata.uid == event.involved_object.uid)
                    || event.involved_object.kind.as_deref() == Some("ReplicaSet")
            };
            for event in events.all().filter(about) {
                let field = |value: &Option<String>| value.clone().unwrap_or_default();
                // Writing to a String cannot fail.
                let _ = writeln!(
                    text,
                    "{}\t{}\t{}/{}\tx{}\t{}",
                    field(&event.type_),
                    field(&event.reason),
                    field(&event.involved_object.kind),
                    field(&event.involved_object.name),
                    event.count.unwrap_or(1),
                    field(&event.message),
                );
            }
        });
    }
    text
}

async fn logs_of(stage: &Stage, pods: &[std::sync::Arc<Pod>]) -> String {
    let fetch = |pod: &std::sync::Arc<Pod>| {
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let api: Api<Pod> = Api::namespaced(stage.client.clone(), &namespace);
        let params = LogParams { tail_lines: Some(200), limit_bytes: Some(64 * 1024), ..LogParams::default() };
        // Evidence is no reason to hold a run up.
        let limit = stage.budgets.of(Budget::Api) / 4;
        async move {
            let text = match timeout(limit, api.logs(&name, &params)).await {
                Ok(Ok(text)) => text,
                Ok(Err(error)) => format!("({})", ApiError::from(error)),
                Err(_) => "(no answer)".to_owned(),
            };
            format!("== {namespace}/{name}\n{text}\n")
        }
    };
    join_all(pods.iter().take(POD_LIMIT).map(fetch)).await.join("\n")
}

fn node_of(stage: &Stage, planned: &PlannedCheck) -> String {
    let name = planned.id.place.node().unwrap_or_default();
    let node = stage.views.nodes.peek(|nodes| nodes.get("", name).cloned());
    node.map(|node| serde_json::to_string_pretty(&redacted_object(node.as_ref())).unwrap_or_default())
        .unwrap_or_default()
}

/// An object without what is noise or might be secret.
fn redacted_object<T: serde::Serialize>(object: &T) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or(Value::Null);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    hide_values(&mut value);
    value
}

/// Hides the values of environment variables and of keys that sound like secrets.
fn hide_values(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                match field {
                    Value::String(text) if sounds_secret(key) => *text = "(hidden)".to_owned(),
                    Value::Array(entries) if key == "env" => {
                        for entry in entries {
                            if let Some(value) = entry.get_mut("value") {
                                *value = Value::String("(hidden)".to_owned());
                            }
                        }
                    }
                    field => hide_values(field),
                }
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(hide_values),
        _ => {}
    }
}

fn sounds_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["password", "passwd", "token", "secretkey", "credential", "apikey", "gmsacredentialspec"]
        .iter()
        .any(|word| key.contains(word))
        && !key.ends_with("name")
        && key != "automountserviceaccounttoken"
}

fn cut(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn values_of_the_environment_are_hidden_and_names_are_kept() {
        let pod = json!({
            "metadata": { "name": "p", "managedFields": [1] },
            "spec": { "containers": [{ "env": [{ "name": "DB", "value": "geheim" }], "password": "geheim" }] }
        });
        let shown = redacted_object(&pod).to_string();
        assert!(!shown.contains("geheim") && !shown.contains("managedFields"));
        assert!(shown.contains("DB"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_redacted_and_cut(text in "(?s).{0,200}", limit in 0_usize..100) {
            let hidden = without_secrets(&text);
            prop_assert!(cut(&hidden, limit).len() <= limit);
        }
    }
}
