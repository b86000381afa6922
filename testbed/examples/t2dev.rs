//! Development only.
#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use std::{path::Path, sync::Arc};
use winconform_testbed::{
    clock::Clock,
    fault::FaultBoard,
    network::Network,
    node,
    shape::Shape,
    world::{KubeletTls, World},
};
#[tokio::main]
async fn main() {
    tracing_subscriber::fmt().with_env_filter(std::env::var("RUST_LOG").unwrap_or("info".into())).init();
    let d = "/tmp/t2/pki";
    let kc = kube::config::Kubeconfig::read_from(format!("{d}/admin.conf")).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kc, &Default::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    let clock = Clock::new(0.1);
    let shape = Arc::new(Shape::find("default").unwrap());
    let faults = FaultBoard::new(clock.clone());
    let cancel = tokio_util::sync::CancellationToken::new();
    let network = Network::new(clock.clone(), faults.clone(), &shape.features);
    let _ = std::fs::remove_file("/tmp/t2/egress.sock");
    network.serve_egress(Path::new("/tmp/t2/egress.sock"), cancel.clone()).unwrap();
    network.forward_api_server("127.0.0.1:16443".parse().unwrap());
    network.watch(client.clone(), cancel.clone());
    let read = |p: &str| -> Arc<str> { std::fs::read_to_string(format!("{d}/{p}")).unwrap().into() };
    let world = World {
        client,
        clock,
        shape,
        network,
        faults,
        kubelet_tls: KubeletTls {
            certificate: read("kubelet.crt"),
            key: read("kubelet.key"),
            client_ca: read("ca.crt"),
        },
        cancel,
    };
    let t = std::time::Instant::now();
    let mut nodes = node::start(&world);
    nodes.ready().await.unwrap();
    println!("ready after {:?}", t.elapsed());
    let faults = world.faults.clone();
    tokio::spawn(async move {
        let mut last = String::new();
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            let now = std::fs::read_to_string("/tmp/t2/fault.json").unwrap_or_default();
            if now != last {
                last = now.clone();
                faults.heal(None);
                if !now.trim().is_empty() {
                    faults.inject(serde_json::from_str(&now).unwrap());
                }
                println!("faults changed");
            }
        }
    });
    nodes.stopped().await.unwrap();
}
