use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, UnixStream},
};
use tokio_util::sync::CancellationToken;

use super::*;

async fn say(stream: &mut (impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_egress_socket_connects_as_the_api_server() {
    let town = Town::new();
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("egress.sock");
    let cancel = CancellationToken::new();
    town.network.serve_egress(&socket, cancel.clone()).unwrap();
    let to = town.pod_address("web-0");
    let mut stream = UnixStream::connect(&socket).await.unwrap();
    let answer = say(&mut stream, &format!("CONNECT {to} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")).await;
    assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\nweb-0 10.240.0.1");
    assert!(town.network.serve_egress(&socket, cancel).is_err(), "the path is taken");
}

#[tokio::test]
async fn a_failed_connection_is_named_in_the_proxys_status() {
    let town = Town::new();
    let proxy = town.network.serve_outside(CancellationToken::new()).await.unwrap();
    let refused = town.node_port("win-0");
    town.break_it(&format!("  - network: {{ to: {{ kind: nodePort, address: {} }}, outcome: refused }}", refused.ip()));
    for (to, status) in [
        (refused.to_string(), format!("HTTP/1.1 502 dial tcp {refused}: connect: connection refused\r\n")),
        (WEB.to_string(), format!("HTTP/1.1 504 dial tcp {WEB}: connect: connection timed out\r\n")),
        ("nowhere.example:80".into(), "HTTP/1.1 502 lookup nowhere.example: no such host\r\n".into()),
    ] {
        let mut stream = TcpStream::connect(proxy).await.unwrap();
        let answer = say(&mut stream, &format!("CONNECT {to} HTTP/1.1\r\n\r\n")).await;
        assert!(answer.starts_with(&status), "{answer}");
    }
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    assert!(say(&mut stream, "GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 400 this is a proxy"));
}

#[tokio::test]
async fn the_outside_proxy_takes_tunnels_and_urls() {
    let town = Town::new();
    let proxy = town.network.serve_outside(CancellationToken::new()).await.unwrap();
    let to = town.node_port("win-1");
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let answer = say(&mut stream, &format!("CONNECT {to} HTTP/1.1\r\n\r\n")).await;
    assert!(answer.contains(" 200 ") && answer.contains("\r\n\r\nweb-"), "{answer}");
    let mut stream = TcpStream::connect(proxy).await.unwrap();
    let answer = say(&mut stream, &format!("GET http://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n")).await;
    assert!(answer.starts_with("web-"), "{answer}");
}

#[tokio::test]
async fn the_api_servers_address_leads_to_the_real_one() {
    let town = Town::new();
    let real = TcpListener::bind("127.0.0.1:0").await.unwrap();
    town.network.forward_api_server(real.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = real.accept().await.unwrap();
        stream.write_all(b"real").await.unwrap();
    });
    let mut stream = town.network.connect(&town.node("win-0"), API_SERVER, SECOND).await.unwrap().stream;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.unwrap();
    assert_eq!(said, "real");
    server.await.unwrap();
}

#[tokio::test]
async fn node_ports_and_load_balancers_are_real_listeners_where_the_machine_allows() {
    let town = Town::new();
    let cancel = CancellationToken::new();
    if let Err(said) = town.network.open_loopback(cancel.clone()) {
        assert!(said.to_string().contains("proxy"), "{said}");
        return; // not on this machine, and it says so
    }
    let external_ip = town.network.external_ip(0).unwrap();
    let balancer = town.network.load_balancer_ip(0).unwrap();
    town.network.add_node(Arc::new(NodeFacts { external_ip: Some(external_ip), ..(*town.nodes["win-0"]).clone() }));
    // Ports below 1024 may need a privilege.
    let web = service("web", SocketAddrV4::new(*WEB.ip(), 8081), Some(NODE_PORT));
    town.network.put_service(Service { load_balancers: vec![balancer], ..web });
    for address in [SocketAddrV4::new(external_ip, NODE_PORT), SocketAddrV4::new(balancer, 8081)] {
        let mut stream = loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => tokio::task::yield_now().await, // not open yet
            }
        };
        let mut said = String::new();
        stream.read_to_string(&mut said).await.unwrap();
        assert!(said.starts_with("web-"), "{said}");
    }
    let second = Town::new();
    second.network.open_loopback(cancel).unwrap();
    assert_ne!(second.network.external_ip(0), Some(external_ip), "every testbed has a range of its own");
}
