//! The cloud's part: addresses for Services of type LoadBalancer.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    time::Duration,
};

use k8s_openapi::api::core::v1::Service as KubeService;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};

use super::Network;
use crate::fault::ServiceName;

/// What a cloud needs to set up a load balancer, in real time.
const SETTING_UP: Duration = Duration::from_secs(5);

/// Gives every Service that waits for one a load balancer's address, for as long as it is polled.
pub(super) async fn run(network: &Network, client: Client) {
    if !network.inner.features.load_balancer {
        return;
    }
    let mut changed = network.inner.services_changed.subscribe();
    let mut given = Given::default();
    loop {
        changed.borrow_and_update();
        let (present, waiting) = {
            let services = network.inner.services();
            let names = |wanted: bool| -> BTreeSet<ServiceName> {
                services.iter().filter(|s| !wanted || s.wants_load_balancer).map(|s| s.name.clone()).collect()
            };
            (names(false), names(true))
        };
        given.keep(&present);
        let mut failed = false;
        for name in waiting {
            let Some(address) = given.address(&name, |index| network.load_balancer_ip(index)) else { continue };
            network.inner.clock.pass(SETTING_UP).await;
            let api = Api::<KubeService>::namespaced(client.clone(), &name.namespace);
            let status = serde_json::json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
            match api.patch_status(&name.name, &PatchParams::default(), &Patch::Merge(status)).await {
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.code == 404 => {} // deleted meanwhile
                Err(error) => {
                    failed = true;
                    tracing::warn!(%error, service = %name.name, "no load balancer could be given");
                }
            }
        }
        if failed {
            network.inner.clock.pass(SETTING_UP).await;
        } else if changed.changed().await.is_err() {
            return;
        }
    }
}

/// Which Service has which address.
#[derive(Debug, Default)]
struct Given {
    numbers: BTreeMap<ServiceName, u8>,
}

impl Given {
    fn keep(&mut self, present: &BTreeSet<ServiceName>) {
        self.numbers.retain(|name, _| present.contains(name));
    }

    /// The address of a Service: the one it has, or the first free one.
    fn address(&mut self, name: &ServiceName, number: impl Fn(u8) -> Option<Ipv4Addr>) -> Option<Ipv4Addr> {
        if let Some(own) = self.numbers.get(name) {
            return number(*own);
        }
        let free = (0..=u8::MAX).find(|index| !self.numbers.values().any(|taken| taken == index))?;
        let address = number(free)?;
        self.numbers.insert(name.clone(), free);
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_given_again_only_when_its_service_is_gone() {
        let name = |name: &str| ServiceName { namespace: "shop".into(), name: name.into() };
        let number = |index| (index < 2).then(|| Ipv4Addr::new(10, 250, 0, index));
        let mut given = Given::default();
        assert_eq!(given.address(&name("a"), number), Some(Ipv4Addr::new(10, 250, 0, 0)));
        assert_eq!(given.address(&name("b"), number), Some(Ipv4Addr::new(10, 250, 0, 1)));
        assert_eq!(given.address(&name("a"), number), Some(Ipv4Addr::new(10, 250, 0, 0)));
        assert_eq!(given.address(&name("c"), number), None, "none is left");
        given.keep(&BTreeSet::from([name("b")]));
        assert_eq!(given.address(&name("c"), number), Some(Ipv4Addr::new(10, 250, 0, 0)));
    }
}
