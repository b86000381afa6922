//! `/stats/summary`: what the node and its pods use.
//!
//! As Windows kubelets fill it (`pkg/kubelet/stats/cri_stats_provider_windows.go`):
//! processor time, working sets and file systems, and nothing of Linux's pages.
//! Numbers are sampled every ten seconds, so a container that just started has no
//! `usageNanoCores` yet.

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{command::Meter, node::Host, pod::Cell, shape::Os};

/// How often the runtime takes a sample.
const PERIOD: Duration = Duration::from_secs(10);

/// What the node's own services use: the kubelet, the runtime, kube-proxy, Defender.
const NODE_CORES: f64 = 0.12;
const NODE_MEMORY: u64 = 1800 << 20;

/// `GET /stats/summary`.
pub(super) async fn summary(State(host): State<Arc<Host>>) -> Json<Value> {
    let period = host.world.clock.scaled(PERIOD);
    let pods: Vec<Used> = host.pods.all().iter().map(|cell| pod(cell, period)).collect();
    let memory = NODE_MEMORY + pods.iter().map(|pod| pod.memory).sum::<u64>();
    let cores = NODE_CORES + pods.iter().filter_map(|pod| pod.cores).sum::<f64>();
    let total = host.memory_bytes();
    let up = jiff::Timestamp::now().duration_since(host.booted()).as_secs_f64().max(0.0);
    let time = Timestamp::now();
    let node = json!({
        "nodeName": host.name(),
        "startTime": seconds(host.booted()),
        "cpu": {"time": seconds(time), "usageNanoCores": nano(cores),
                "usageCoreNanoSeconds": nano(NODE_CORES * up + pods.iter().map(|pod| pod.used).sum::<f64>())},
        "memory": memory_of(host.shape.os, time, memory, Some(total.saturating_sub(memory))),
        "fs": file_system(time),
        "runtime": {"imageFs": file_system(time), "containerFs": file_system(time)},
    });
    Json(json!({"node": node, "pods": pods.into_iter().map(|pod| pod.json).collect::<Vec<_>>()}))
}

/// A pod's entry, and what it adds to its node.
struct Used {
    json: Value,
    cores: Option<f64>,
    used: f64,
    memory: u64,
}

fn pod(cell: &Cell, period: Duration) -> Used {
    let os = cell.os();
    let (mut containers, mut cores, mut used, mut memory) = (Vec::new(), None, 0.0, 0);
    let mut newest = Timestamp::now();
    for (name, meter) in cell.meters() {
        let sample = meter.sample(period);
        let time = ago(sample.age);
        newest = time;
        used += sample.used;
        memory += meter.memory();
        cores = sample.cores.map(|own| own + cores.unwrap_or(0.0)).or(cores);
        containers.push(container(os, &name, &meter, time, sample));
    }
    let pod = cell.pod();
    let json = json!({
        "podRef": {"name": cell.name(), "namespace": cell.namespace(), "uid": cell.uid()},
        "startTime": pod.status.as_ref().and_then(|status| status.start_time.as_ref()).map(|time| seconds(time.0)),
        "containers": containers,
        "cpu": cpu(newest, used, cores),
        "memory": memory_of(os, newest, memory, None),
        "ephemeral-storage": file_system(newest),
    });
    Used { json, cores, used, memory }
}

fn container(os: Os, name: &str, meter: &Meter, time: Timestamp, sample: crate::command::Sample) -> Value {
    json!({
        "name": name,
        "startTime": seconds(ago(tokio::time::Instant::now().into_std().saturating_duration_since(meter.started()))),
        "cpu": cpu(time, sample.used, sample.cores),
        "memory": memory_of(os, time, meter.memory(), meter.memory_left()),
        "rootfs": {"time": seconds(time), "usedBytes": 131_072},
        "logs": file_system(time),
    })
}

fn cpu(time: Timestamp, used: f64, cores: Option<f64>) -> Value {
    let mut cpu = json!({"time": seconds(time), "usageCoreNanoSeconds": nano(used)});
    if let (Some(cores), Some(fields)) = (cores, cpu.as_object_mut()) {
        fields.insert("usageNanoCores".to_owned(), json!(nano(cores)));
    }
    cpu
}

fn memory_of(os: Os, time: Timestamp, bytes: u64, left: Option<u64>) -> Value {
    let mut memory = json!({"time": seconds(time), "workingSetBytes": bytes});
    if let Some(fields) = memory.as_object_mut() {
        fields.extend(left.map(|left| ("availableBytes".to_owned(), json!(left))));
        if os == Os::Linux {
            fields.insert("usageBytes".to_owned(), json!(bytes));
            fields.insert("rssBytes".to_owned(), json!(bytes));
        }
    }
    memory
}

fn file_system(time: Timestamp) -> Value {
    json!({"time": seconds(time), "availableBytes": 98_784_247_808_u64, "capacityBytes": 136_912_564_224_u64, "usedBytes": 38_128_316_416_u64})
}

fn ago(age: Duration) -> Timestamp {
    Timestamp::now() - jiff::SignedDuration::try_from(age).unwrap_or_default()
}

/// A time as the API has it, in whole seconds.
fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "uses are positive, and casts saturate")]
fn nano(value: f64) -> u64 {
    (value * 1e9) as u64
}
