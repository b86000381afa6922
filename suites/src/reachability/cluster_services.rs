//! Services of the cluster's own, found by what they are and never by a name that a
//! distribution chose: the API server's (whose name is Kubernetes' own) and the DNS.

use std::net::IpAddr;

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{Api, api::ListParams};
use winconform_harness::{Context, Trouble, probe::HostPort};

/// The Service by which pods reach the API server.
const API_SERVER: (&str, &str) = ("default", "kubernetes");

/// The API server's Service: its IP and port.
///
/// # Errors
///
/// When it cannot be read.
pub(super) async fn api_server(cx: &Context) -> Result<HostPort, Trouble> {
    let (namespace, name) = API_SERVER;
    let services: Api<Service> = Api::namespaced(cx.client(), namespace);
    let params = ListParams::default().fields(&format!("metadata.name={name}"));
    let list = services.list(&params).await.map_err(|error| Trouble::api("list the API server's Service", error))?;
    let found = list.items.into_iter().find_map(|service| {
        let spec = service.spec?;
        let port = spec.ports?.first()?.port;
        Some(HostPort { host: spec.cluster_ip?, port: u16::try_from(port).ok()? })
    });
    found.ok_or_else(|| Trouble::Unexpected("the cluster has no Service `default/kubernetes`".to_owned()))
}

/// Where the API server itself listens, behind its Service.
///
/// # Errors
///
/// When it cannot be read.
pub(super) async fn api_server_itself(cx: &Context) -> Result<Vec<HostPort>, Trouble> {
    let (namespace, name) = API_SERVER;
    Ok(slices_of(cx, namespace, name).await?.iter().flat_map(addresses_in).collect())
}

/// The cluster's DNS, as pods are told to reach it.
#[derive(Debug, Clone)]
pub(super) struct DnsService {
    /// Its name, for people and findings.
    pub(super) name: String,
    /// Its IP.
    pub(super) ip: IpAddr,
    /// The servers behind it.
    pub(super) servers: Vec<IpAddr>,
}

/// The Service at one of these addresses, which pods were told to ask for names.
///
/// # Errors
///
/// When Services cannot be listed.
pub(super) async fn dns_service(cx: &Context, told: &[IpAddr]) -> Result<Option<DnsService>, Trouble> {
    let services: Api<Service> = Api::all(cx.client());
    let list = services.list(&ListParams::default()).await.map_err(|error| Trouble::api("list Services", error))?;
    let found = list.items.into_iter().find_map(|service| {
        let spec = service.spec?;
        let ips = spec.cluster_ips.into_iter().flatten().chain(spec.cluster_ip);
        let ip = ips.filter_map(|ip| ip.parse::<IpAddr>().ok()).find(|ip| told.contains(ip))?;
        Some((service.metadata.namespace?, service.metadata.name?, ip))
    });
    let Some((namespace, name, ip)) = found else { return Ok(None) };
    let slices = slices_of(cx, &namespace, &name).await?;
    let mut servers: Vec<IpAddr> =
        slices.iter().flat_map(addresses_in).filter_map(|server| server.host.parse().ok()).collect();
    servers.sort_unstable();
    servers.dedup();
    Ok(Some(DnsService { name, ip, servers }))
}

async fn slices_of(cx: &Context, namespace: &str, service: &str) -> Result<Vec<EndpointSlice>, Trouble> {
    let slices: Api<EndpointSlice> = Api::namespaced(cx.client(), namespace);
    let params = ListParams::default().labels(&format!("kubernetes.io/service-name={service}"));
    let list = slices.list(&params).await;
    Ok(list.map_err(|error| Trouble::api(format!("list the endpoints of {namespace}/{service}"), error))?.items)
}

/// The ready addresses of a slice, each with its first port.
fn addresses_in(slice: &EndpointSlice) -> Vec<HostPort> {
    let port = slice.ports.iter().flatten().find_map(|port| u16::try_from(port.port?).ok()).unwrap_or_default();
    let ready = slice
        .endpoints
        .iter()
        .flatten()
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false));
    ready.flat_map(|endpoint| endpoint.addresses.iter()).map(|host| HostPort { host: host.clone(), port }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_ready_addresses_of_a_slice_are_asked() {
        let slice: EndpointSlice = serde_json::from_value(json!({
            "metadata": { "name": "dns-1" }, "addressType": "IPv4",
            "ports": [{ "name": "dns", "port": 53, "protocol": "UDP" }],
            "endpoints": [
                { "addresses": ["10.244.0.2"], "conditions": { "ready": true } },
                { "addresses": ["10.244.0.3"], "conditions": { "ready": false } },
                { "addresses": ["10.244.0.4"] }
            ]
        }))
        .unwrap();
        let found: Vec<String> = addresses_in(&slice).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["10.244.0.2:53", "10.244.0.4:53"]);
    }
}
