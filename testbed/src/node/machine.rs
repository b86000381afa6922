//! A node as the programs on it see it.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod};

use super::{Host, power};
use crate::{
    command::{Contained, LoadBalancer, Machine, Picture, Sandbox},
    pod::{Cell, Doing, Record},
};

/// The machine that HostProcess containers of a node run on.
pub(crate) struct NodeMachine(pub(crate) Arc<Host>);

impl Machine for NodeMachine {
    fn look(&self) -> Picture {
        let host = &self.0;
        let power = host.power();
        let mut sandboxes: Vec<Sandbox> = host.pods.all().iter().filter_map(|cell| sandbox(cell)).collect();
        sandboxes.sort_by(|a, b| (b.created, &b.name).cmp(&(a.created, &a.name))); // newest first, as the runtime lists
        Picture {
            name: host.name().to_owned(),
            product: host.shape.os_image().to_owned(),
            runtime: host.shape.runtime.clone(),
            address: host.facts.internal_ip,
            pod_range: host.pod_range(),
            booted: power.booted,
            restarted: power.boots > power::FIRST_BOOT,
            sandboxes,
            load_balancers: load_balancers(host),
            journal: host.recorder.journal(),
            images: host.images.list().into_iter().map(|image| (image.name, image.id, image.size)).collect(),
        }
    }

    fn reboot(&self) {
        self.0.reboot();
    }
}

/// A pod's sandbox; none before the runtime has made it.
fn sandbox(cell: &Cell) -> Option<Sandbox> {
    let pod = cell.pod();
    let facts = cell.facts();
    cell.read(|state| {
        let ip = state.ip.filter(|_| state.sandbox)?;
        let spec = pod.spec.as_ref()?;
        let init = spec.init_containers.iter().flatten().zip(&state.init);
        let containers = init
            .chain(spec.containers.iter().zip(&state.app))
            .filter_map(|(container, record)| contained(container, record));
        Some(Sandbox {
            id: cell.sandbox_id(),
            namespace: facts.namespace.clone(),
            name: facts.name.clone(),
            uid: facts.uid.clone(),
            attempt: cell.attempt(),
            created: created(&pod, state.start_time),
            ready: state.sandbox,
            ip: (!facts.host_network).then_some(ip),
            labels: facts.labels.clone().into_iter().collect(),
            handler: String::new(),
            containers: containers.collect(),
        })
    })
}

fn created(pod: &Pod, start: Timestamp) -> Timestamp {
    pod.metadata.creation_timestamp.as_ref().map_or(start, |time| start.max(time.0))
}

fn contained(container: &Container, record: &Record) -> Option<Contained> {
    let since = match &record.doing {
        Doing::Running { since } => *since,
        Doing::Terminated(ended) => ended.started?,
        Doing::Waiting { .. } => return None,
    };
    Some(Contained {
        id: record.id.as_ref()?.split_once("://").map(|(_runtime, id)| id.to_owned())?,
        name: container.name.clone(),
        attempt: record.restarts.unsigned_abs(),
        image: record.image.clone()?,
        image_id: record.image_id.clone()?,
        running: record.running(),
        created: since,
    })
}

/// What kube-proxy asks HNS for: one load balancer for each port and kind of address of each Service.
fn load_balancers(host: &Host) -> Vec<LoadBalancer> {
    let of_service = |service: crate::network::ServiceWithBackends| {
        let mut all = Vec::new();
        for (port, backends) in service.ports {
            let backends: Vec<_> = backends
                .into_iter()
                .map(|backend| (backend.address, backend.node.as_deref() == Some(host.name())))
                .collect();
            if backends.is_empty() {
                continue; // kube-proxy makes none without endpoints
            }
            let balancer = |addresses: Vec<_>, number: u16| LoadBalancer {
                service: format!("{}:{}", service.name, port.name).trim_end_matches(':').to_owned(),
                addresses,
                port: number,
                protocol: if port.protocol == crate::fault::Protocol::Udp { 17 } else { 6 },
                backends: backends.clone(),
            };
            if !service.addresses.is_empty() {
                all.push(balancer(service.addresses.clone(), port.port));
            }
            all.extend(port.node_port.map(|number| balancer(Vec::new(), number)));
            if !service.load_balancers.is_empty() {
                all.push(balancer(service.load_balancers.clone(), port.port));
            }
        }
        all
    };
    host.world.network.services().into_iter().flat_map(of_service).collect()
}
