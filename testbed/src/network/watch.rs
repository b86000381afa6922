//! Keeps the Services of the network as those of the API server.

use std::{collections::HashSet, net::Ipv4Addr, pin::pin};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::{
    core::v1::Service as KubeService,
    discovery::v1::{Endpoint as KubeEndpoint, EndpointSlice},
};
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        watcher::{self, Event, watcher},
    },
};
use tokio_util::sync::CancellationToken;

use super::{Endpoint, Network, Service, ServicePort, balancer};
use crate::fault::{Protocol, ServiceName};

/// The label by which a slice names its Service.
const SERVICE_LABEL: &str = "kubernetes.io/service-name";

impl Network {
    /// Follows the Services and EndpointSlices of a cluster, and gives load balancers their addresses, until `cancel`.
    pub fn watch(&self, client: Client, cancel: CancellationToken) {
        let services = watcher(Api::<KubeService>::all(client.clone()), watcher::Config::default()).default_backoff();
        let slices = watcher(Api::<EndpointSlice>::all(client.clone()), watcher::Config::default()).default_backoff();
        let network = self.clone();
        let watching = async move {
            let follow = futures::future::join(network.follow_services(services), network.follow_slices(slices));
            futures::future::join(follow, balancer::run(&network, client)).await;
        };
        tokio::spawn(cancel.run_until_cancelled_owned(watching));
    }

    async fn follow_services(&self, events: impl Stream<Item = Result<Event<KubeService>, watcher::Error>>) {
        let mut events = pin!(events);
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    let service = service(&object);
                    listed.insert(service.name.clone());
                    self.put_service(service);
                }
                Ok(Event::Apply(object)) => self.put_service(service(&object)),
                Ok(Event::Delete(object)) => self.remove_service(&service(&object).name),
                Ok(Event::InitDone) => {
                    self.inner.change_services(|table, _| table.retain_services(|name| listed.contains(name)));
                }
                Err(error) => tracing::debug!(%error, "the watch of Services is interrupted"),
            }
        }
    }

    async fn follow_slices(&self, events: impl Stream<Item = Result<Event<EndpointSlice>, watcher::Error>>) {
        let mut events = pin!(events);
        let mut listed = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    listed.insert(key(&object));
                    self.put_object(&object);
                }
                Ok(Event::Apply(object)) => self.put_object(&object),
                Ok(Event::Delete(object)) => {
                    let (namespace, name) = key(&object);
                    self.remove_slice(&namespace, &name);
                }
                Ok(Event::InitDone) => {
                    self.inner.change_services(|table, now| table.retain_slices(|slice| listed.contains(slice), now));
                }
                Err(error) => tracing::debug!(%error, "the watch of EndpointSlices is interrupted"),
            }
        }
    }

    fn put_object(&self, object: &EndpointSlice) {
        if let Some((service, endpoints)) = endpoints(object) {
            self.put_slice(&key(object).1, service, endpoints);
        }
    }
}

fn key(slice: &EndpointSlice) -> (String, String) {
    (slice.metadata.namespace.clone().unwrap_or_default(), slice.metadata.name.clone().unwrap_or_default())
}

/// A Service as the network keeps it.
fn service(object: &KubeService) -> Service {
    let spec = object.spec.clone().unwrap_or_default();
    let kind = spec.type_.unwrap_or_default();
    let ips = |texts: Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect::<Vec<Ipv4Addr>>();
    let mut addresses = ips(spec.cluster_ips.unwrap_or_default()); // "None" of a headless Service is no address
    addresses.extend(ips(spec.external_ips.unwrap_or_default()));
    let ingress = object.status.as_ref().and_then(|status| status.load_balancer.as_ref()?.ingress.clone());
    let ingress: Vec<_> = ingress.unwrap_or_default();
    Service {
        name: ServiceName {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: object.metadata.name.clone().unwrap_or_default(),
        },
        addresses,
        wants_load_balancer: kind == "LoadBalancer" && ingress.is_empty(),
        load_balancers: ips(ingress.into_iter().filter_map(|ingress| ingress.ip).collect()),
        ports: spec
            .ports
            .unwrap_or_default()
            .into_iter()
            .filter_map(|port| {
                Some(ServicePort {
                    name: port.name.unwrap_or_default(),
                    port: u16::try_from(port.port).ok()?,
                    node_port: port.node_port.and_then(|number| u16::try_from(number).ok()),
                    protocol: protocol(port.protocol.as_deref())?,
                })
            })
            .collect(),
        affinity: spec.session_affinity.as_deref() == Some("ClientIP"),
        internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
        external_local: spec.external_traffic_policy.as_deref() == Some("Local"),
        external_name: spec.external_name.filter(|_| kind == "ExternalName"),
    }
}

/// A slice's Service and endpoints; `None` for a slice of no Service, or of IPv6.
fn endpoints(object: &EndpointSlice) -> Option<(ServiceName, Vec<Endpoint>)> {
    if object.address_type != "IPv4" {
        return None;
    }
    let name = object.metadata.labels.as_ref()?.get(SERVICE_LABEL)?.clone();
    let service = ServiceName { namespace: object.metadata.namespace.clone().unwrap_or_default(), name };
    let ports: Vec<(String, Protocol, u16)> = object
        .ports
        .iter()
        .flatten()
        .filter_map(|port| {
            let number = u16::try_from(port.port?).ok()?;
            Some((port.name.clone().unwrap_or_default(), protocol(port.protocol.as_deref())?, number))
        })
        .collect();
    let endpoints = object.endpoints.iter().flatten().flat_map(|endpoint| each_address(endpoint, &ports)).collect();
    Some((service, endpoints))
}

fn each_address(endpoint: &KubeEndpoint, ports: &[(String, Protocol, u16)]) -> Vec<Endpoint> {
    let conditions = endpoint.conditions.clone().unwrap_or_default();
    // A condition that is not there counts as true, except terminating (the API's documentation).
    let ready = conditions.ready.unwrap_or(true);
    let of_address = |text: &String| {
        Some(Endpoint {
            ip: text.parse().ok()?,
            node: endpoint.node_name.clone(),
            ready,
            serving: conditions.serving.unwrap_or(ready),
            terminating: conditions.terminating.unwrap_or(false),
            hostname: endpoint.hostname.clone(),
            ports: ports.to_vec(),
        })
    };
    endpoint.addresses.iter().filter_map(of_address).collect()
}

fn protocol(text: Option<&str>) -> Option<Protocol> {
    match text.unwrap_or("TCP") {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        _ => None, // SCTP: nobody here speaks it
    }
}

#[cfg(test)]
mod tests;
