use serde_json::json;

use super::*;

#[test]
fn a_service_keeps_its_addresses_ports_and_policies() {
    let object = serde_json::from_value(json!({
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1", "fd00::1"],
            "sessionAffinity": "ClientIP", "externalTrafficPolicy": "Local", "internalTrafficPolicy": "Cluster",
            "ports": [
                {"name": "http", "port": 80, "nodePort": 30080, "protocol": "TCP", "targetPort": "web"},
                {"name": "odd", "port": 81, "protocol": "SCTP"},
            ],
        },
        "status": {"loadBalancer": {}},
    }))
    .unwrap();
    let service = service(&object);
    assert_eq!(service.addresses, [Ipv4Addr::new(10, 96, 1, 1)]);
    assert_eq!(service.ports.len(), 1, "SCTP is left out");
    assert_eq!((service.ports[0].port, service.ports[0].node_port), (80, Some(30080)));
    assert!(service.affinity && service.external_local && !service.internal_local && service.wants_load_balancer);
}

#[test]
fn a_headless_service_has_no_address() {
    let object = serde_json::from_value(json!({
        "metadata": {"namespace": "shop", "name": "web"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"]},
    }))
    .unwrap();
    assert!(service(&object).addresses.is_empty());
}

#[test]
fn an_endpoint_without_conditions_is_ready() {
    let object = serde_json::from_value(json!({
        "metadata": {"namespace": "shop", "name": "web-1", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {"addresses": ["10.244.1.2"], "nodeName": "win-0"},
            {"addresses": ["10.244.1.3"], "conditions": {"ready": false, "serving": true, "terminating": true}},
        ],
    }))
    .unwrap();
    let (service, endpoints) = endpoints(&object).unwrap();
    assert_eq!(service.name, "web");
    assert_eq!(endpoints[0].ports, [("http".to_owned(), Protocol::Tcp, 8080)]);
    assert!(endpoints[0].ready && endpoints[0].serving && !endpoints[0].terminating);
    assert!(!endpoints[1].ready && endpoints[1].serving && endpoints[1].terminating);
}

#[test]
fn slices_of_no_service_and_of_ipv6_are_left_out() {
    for (labels, kind) in [(json!({}), "IPv4"), (json!({"kubernetes.io/service-name": "web"}), "IPv6")] {
        let object = serde_json::from_value(json!({
            "metadata": {"name": "x", "labels": labels}, "addressType": kind, "endpoints": [],
        }))
        .unwrap();
        assert!(endpoints(&object).is_none());
    }
}
