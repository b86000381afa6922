//! The cluster's DNS, as pods find it: a Service at the address that kubelets tell them,
//! and the servers behind it.
//!
//! The servers run beside the API server, on machines of the control plane, and are no
//! pods: what they know is `network/dns.rs`. Their Service and its endpoints are real
//! objects, so that whoever looks for the DNS by its address finds it.

use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::{Api, Client, api::PostParams};
use serde_json::json;

use crate::network::{DNS_SERVER, DNS_SERVERS, Network};

/// The namespace and the name that most distributions give it.
const NAMESPACE: &str = "kube-system";
const NAME: &str = "kube-dns";

/// Starts the servers and makes their Service.
///
/// # Errors
///
/// When the API server does not take it.
pub(crate) async fn open(client: &Client, network: &Network) -> Result<(), kube::Error> {
    for server in DNS_SERVERS {
        network.add_outside(server);
    }
    let service = json!({
        "metadata": { "name": NAME, "labels": { "k8s-app": NAME, "kubernetes.io/name": "CoreDNS" } },
        "spec": {
            "clusterIP": DNS_SERVER,
            "ports": [{ "name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53 }]
        }
    });
    let slice = json!({
        "metadata": {
            "name": format!("{NAME}-testbed"),
            "labels": {
                "kubernetes.io/service-name": NAME,
                "endpointslice.kubernetes.io/managed-by": "winconform-testbed"
            }
        },
        "addressType": "IPv4",
        "ports": [{ "name": "dns", "port": 53, "protocol": "UDP" }],
        "endpoints": DNS_SERVERS.map(|ip| json!({ "addresses": [ip], "conditions": { "ready": true } }))
    });
    let params = PostParams::default();
    let services: Api<Service> = Api::namespaced(client.clone(), NAMESPACE);
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), NAMESPACE);
    let typed = |error| kube::Error::SerdeError(error);
    let service: Service = serde_json::from_value(service).map_err(typed)?;
    let slice: EndpointSlice = serde_json::from_value(slice).map_err(typed)?;
    taken(services.create(&params, &service).await)?;
    taken(slices.create(&params, &slice).await)
}

/// It may be there from before.
fn taken<T>(made: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match made {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        made => made.map(drop),
    }
}
