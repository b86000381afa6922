//! `crictl`: what the container runtime has, as the runtime itself tells it.

use serde_json::{Map, Value, json};

use super::{
    Exit, Io, Session,
    machine::{Contained, Picture, Sandbox},
};

/// Runs crictl.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let Some(machine) = &session.machine else { return no_runtime(io) };
    let picture = machine.look();
    if picture.runtime.starts_with("docker://") {
        return no_runtime(io);
    }
    let asked = Asked::read(arguments);
    match asked.command.as_deref() {
        Some("ps") => told(io, &asked, containers(&picture, &asked)),
        Some("pods") => told(io, &asked, sandboxes(&picture, &asked)),
        Some("images" | "image" | "img") => told(io, &asked, images(&picture)),
        Some("version") => {
            let version = picture.runtime.trim_start_matches("containerd://");
            io.stdout.text(format!(
                "Version:  0.1.0\nRuntimeName:  containerd\nRuntimeVersion:  v{version}\nRuntimeApiVersion:  v1\n"
            ));
            0
        }
        Some(other) => {
            io.stdout.text(format!("No help topic for '{other}'\n"));
            3
        }
        None => {
            io.stdout.text("NAME:\n   crictl - client for CRI\n\nUSAGE:\n   crictl [global options] command [command options] [arguments...]\n");
            0
        }
    }
}

fn no_runtime(io: &Io) -> Exit {
    io.stderr.text(
        "time=\"2026-01-01T00:00:00Z\" level=fatal msg=\"validate service connection: validate CRI v1 runtime API for endpoint \
         \\\"npipe:////./pipe/containerd-containerd\\\": rpc error: code = Unavailable desc = connection error: desc = \\\"transport: \
         Error while dialing: open //./pipe/containerd-containerd: The system cannot find the file specified.\\\"\"\n",
    );
    1
}

/// What the command line asks for.
#[derive(Debug, Default)]
struct Asked {
    command: Option<String>,
    json: bool,
    quiet: bool,
    all: bool,
    pod: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
}

impl Asked {
    fn read(arguments: &[String]) -> Self {
        let mut asked = Self::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let (option, inline) = match word.split_once('=') {
                Some((option, value)) if option.starts_with('-') => (option, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let mut value = || inline.clone().or_else(|| words.next().cloned());
            match option {
                "-o" | "--output" => asked.json = value().as_deref() == Some("json"),
                "-p" | "--pod" => asked.pod = value(),
                "--name" => asked.name = value(),
                "--namespace" => asked.namespace = value(),
                "-r" | "--runtime-endpoint" | "-i" | "--image-endpoint" | "-t" | "--timeout" | "-c" | "--config"
                | "--state" | "-s" | "--label" | "--id" => {
                    value();
                }
                "-a" | "--all" => asked.all = true,
                "-q" | "--quiet" => asked.quiet = true,
                option if option.starts_with('-') => {}
                command if asked.command.is_none() => asked.command = Some(command.to_owned()),
                _ => {}
            }
        }
        asked
    }

    fn wants(&self, sandbox: &Sandbox) -> bool {
        self.pod.as_ref().is_none_or(|id| sandbox.id.starts_with(id.as_str()))
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == sandbox.namespace)
    }
}

/// An answer in all its formats.
struct Told {
    json: Value,
    ids: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn told(io: &Io, asked: &Asked, told: Told) -> Exit {
    if asked.quiet {
        io.stdout.text(told.ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    } else if asked.json {
        // The original ends its lines as Go does, on Windows too.
        io.stdout.text(format!("{}\n", serde_json::to_string_pretty(&told.json).unwrap_or_default()));
    } else {
        io.stdout.text(table(&told.rows));
    }
    0
}

fn table(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let line = |row: &Vec<String>| {
        let cells =
            row.iter().enumerate().map(|(column, text)| format!("{text:<width$}", width = width(column).max(17) + 3));
        format!("{}\n", cells.collect::<String>().trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

fn short(id: &str) -> String {
    id.chars().take(13).collect()
}

fn nanoseconds(time: jiff::Timestamp) -> String {
    time.as_nanosecond().to_string()
}

/// The digest behind an image's repository.
fn digest(image_id: &str) -> String {
    image_id.rsplit('@').next().unwrap_or(image_id).to_owned()
}

fn labels(sandbox: &Sandbox, container: Option<&Contained>) -> Value {
    let mut all: Map<String, Value> = Map::new();
    if container.is_none() {
        all.extend(sandbox.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    all.extend(container.map(|container| ("io.kubernetes.container.name".to_owned(), json!(container.name))));
    all.extend([
        ("io.kubernetes.pod.name".to_owned(), json!(sandbox.name)),
        ("io.kubernetes.pod.namespace".to_owned(), json!(sandbox.namespace)),
        ("io.kubernetes.pod.uid".to_owned(), json!(sandbox.uid)),
    ]);
    Value::Object(all)
}

fn containers(picture: &Picture, asked: &Asked) -> Told {
    let mut told = Told {
        json: json!({}),
        ids: Vec::new(),
        rows: vec![row(&["CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD", "NAMESPACE"])],
    };
    let mut list = Vec::new();
    for sandbox in picture.sandboxes.iter().filter(|sandbox| asked.wants(sandbox)) {
        let named = |container: &&Contained| asked.name.as_ref().is_none_or(|name| container.name.contains(name));
        for container in sandbox.containers.iter().filter(named).filter(|container| container.running || asked.all) {
            let state = if container.running { "CONTAINER_RUNNING" } else { "CONTAINER_EXITED" };
            list.push(json!({
                "id": container.id,
                "podSandboxId": sandbox.id,
                "metadata": {"name": container.name, "attempt": container.attempt},
                "image": {"image": digest(&container.image_id), "annotations": {}, "userSpecifiedImage": container.image, "runtimeHandler": ""},
                "imageRef": digest(&container.image_id),
                "state": state,
                "createdAt": nanoseconds(container.created),
                "labels": labels(sandbox, Some(container)),
                "annotations": {"io.kubernetes.container.restartCount": container.attempt.to_string()},
                "imageId": digest(&container.image_id),
            }));
            told.ids.push(container.id.clone());
            let shown = if container.running { "Running" } else { "Exited" };
            told.rows.push(row(&[
                &short(&container.id),
                &short(digest(&container.image_id).trim_start_matches("sha256:")),
                &ago(container.created),
                shown,
                &container.name,
                &container.attempt.to_string(),
                &short(&sandbox.id),
                &sandbox.name,
                &sandbox.namespace,
            ]));
        }
    }
    told.json = json!({"containers": list});
    told
}

fn sandboxes(picture: &Picture, asked: &Asked) -> Told {
    let mut told = Told {
        json: json!({}),
        ids: Vec::new(),
        rows: vec![row(&["POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME"])],
    };
    let mut list = Vec::new();
    for sandbox in picture.sandboxes.iter().filter(|sandbox| asked.wants(sandbox)) {
        if asked.name.as_ref().is_some_and(|name| !sandbox.name.contains(name)) {
            continue;
        }
        let state = if sandbox.ready { "SANDBOX_READY" } else { "SANDBOX_NOTREADY" };
        list.push(json!({
            "id": sandbox.id,
            "metadata": {"name": sandbox.name, "uid": sandbox.uid, "namespace": sandbox.namespace, "attempt": sandbox.attempt},
            "state": state,
            "createdAt": nanoseconds(sandbox.created),
            "labels": labels(sandbox, None),
            "annotations": {"kubernetes.io/config.source": "api"},
            "runtimeHandler": sandbox.handler,
        }));
        told.ids.push(sandbox.id.clone());
        let shown = if sandbox.ready { "Ready" } else { "NotReady" };
        let handler = if sandbox.handler.is_empty() { "(default)" } else { &sandbox.handler };
        told.rows.push(row(&[
            &short(&sandbox.id),
            &ago(sandbox.created),
            shown,
            &sandbox.name,
            &sandbox.namespace,
            &sandbox.attempt.to_string(),
            handler,
        ]));
    }
    told.json = json!({"items": list});
    told
}

fn images(picture: &Picture) -> Told {
    let mut told = Told { json: json!({}), ids: Vec::new(), rows: vec![row(&["IMAGE", "TAG", "IMAGE ID", "SIZE"])] };
    let mut list = Vec::new();
    for (name, id, size) in &picture.images {
        list.push(json!({"id": digest(id), "repoTags": [name], "repoDigests": [id], "size": size.to_string(), "username": "", "pinned": name.contains("/pause:")}));
        told.ids.push(digest(id));
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "<none>"));
        let short = short(digest(id).trim_start_matches("sha256:"));
        told.rows.push(row(&[repository, tag, &short, &format!("{}MB", size / 1_000_000)]));
    }
    told.json = json!({"images": list});
    told
}

/// How long ago, as crictl says it.
fn ago(time: jiff::Timestamp) -> String {
    let seconds = jiff::Timestamp::now().duration_since(time).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds} seconds ago"),
        60..3600 => format!("{} minutes ago", seconds / 60),
        _ => format!("{} hours ago", seconds / 3600),
    }
}
