//! Kubeconfigs as people have them: a plugin that gives the token, a proxy on the way.

use std::{
    fs::{Permissions, set_permissions},
    os::unix::fs::PermissionsExt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
};

use crate::{
    access::{apply, kubeconfig_for, kubeconfig_through, server, token_of},
    command::{Done, Home},
    standing::{block_on, client},
};

/// Makes a service account that may do everything.
pub(crate) fn everything_allowed(name: &str) {
    let group = "rbac.authorization.k8s.io";
    let objects = vec![
        serde_json::json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": name, "namespace": "default" } }),
        serde_json::json!({
            "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": { "name": name },
            "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin" },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": "default" }],
        }),
    ];
    block_on(apply(&client(), objects));
}

/// A token of a service account that may do everything.
fn token(name: &str) -> String {
    everything_allowed(name);
    block_on(token_of(&client(), name))
}

/// Runs `plan` with a kubeconfig whose user asks this shell script.
fn plan_with_plugin(script: &str) -> Done {
    let home = Home::new();
    home.file("plugin", &format!("#!/bin/sh\n{script}\n"));
    set_permissions(home.path("plugin"), Permissions::from_mode(0o755)).unwrap();
    let user = "exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: ./plugin\n      args: [get-token, --server-id, s]\n      \
                env: [{name: LOGIN_MODE, value: azurecli}]\n      interactiveMode: IfAvailable\n      provideClusterInfo: true\n      \
                installHint: get it from the intranet";
    let kubeconfig = home.file("config", &kubeconfig_for(&server(), user));
    home.run(&format!("plan --kubeconfig {kubeconfig} --suite nodes"))
}

#[test]
fn a_plugin_gets_what_the_kubeconfig_says_and_its_token_is_used() {
    let token = token("plugged-in");
    let done = plan_with_plugin(&format!(
        "test \"$1 $2 $3\" = 'get-token --server-id s' && test $LOGIN_MODE = azurecli || exit 9\n\
         echo \"$KUBERNETES_EXEC_INFO\" | grep -q '\"interactive\":false' || exit 8\n\
         echo \"$KUBERNETES_EXEC_INFO\" | grep -q '\"server\":' || exit 7\n\
         echo '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"{token}\"}}}}'"
    ));
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.contains("win-2022-0"), "{}", done.out);
}

#[test]
fn a_plugin_that_fails_is_quoted_and_its_output_is_not() {
    let done = plan_with_plugin("echo 'token: hidden-treasure'; echo 'AADSTS50076: use az login' >&2; exit 1");
    done.must_say(2, &["credential plugin", "AADSTS50076", "log in again"]);
    assert!(!done.err.contains("hidden-treasure"), "{}", done.err);
}

#[test]
fn a_plugin_whose_answer_is_no_credential_is_not_quoted() {
    let done = plan_with_plugin("echo 'hidden-treasure'");
    done.must_say(2, &["answered with no ExecCredential"]);
    assert!(!done.err.contains("hidden-treasure"), "{}", done.err);
}

#[test]
fn a_plugin_that_is_not_installed_is_named_with_the_hint_of_the_kubeconfig() {
    let home = Home::new();
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, command: no-such-kubelogin, installHint: get it from the intranet}";
    let kubeconfig = home.file("config", &kubeconfig_for(&server(), user));
    let done = home.run(&format!("plan --kubeconfig {kubeconfig}"));
    done.must_say(2, &["`no-such-kubelogin` is not installed", "get it from the intranet", "kubectl get nodes"]);
}

#[test]
fn a_token_file_is_read() {
    let home = Home::new();
    home.file("token", &token("from-a-file"));
    let kubeconfig = home.file("config", &kubeconfig_for(&server(), "tokenFile: token"));
    assert_eq!(home.run(&format!("plan --kubeconfig {kubeconfig} --suite nodes")).code, Some(0));
}

#[test]
fn a_proxy_in_the_kubeconfig_is_gone_through() {
    let token = token("behind-a-proxy");
    for scheme in ["http", "socks5", "socks5h"] {
        let (port, passed) = block_on(proxy());
        let home = Home::new();
        let through = format!(", proxy-url: '{scheme}://127.0.0.1:{port}'");
        let kubeconfig = home.file("config", &kubeconfig_through(&server(), &format!("token: {token}"), &through));
        let done = home.run(&format!("plan --kubeconfig {kubeconfig} --suite nodes"));
        assert_eq!(done.code, Some(0), "{scheme}: {done:#?}");
        assert!(passed.load(Ordering::Relaxed) > 0, "{scheme}: nothing went through the proxy");
    }
}

#[test]
fn a_proxy_that_nobody_speaks_is_refused_by_its_name_without_its_password() {
    let home = Home::new();
    let through = ", proxy-url: 'ftp://me:secret@proxy:21'";
    let kubeconfig = home.file("config", &kubeconfig_through(&server(), "token: x", through));
    let done = home.run(&format!("plan --kubeconfig {kubeconfig}"));
    done.must_say(2, &["ftp://proxy:21", "socks5://"]);
    assert!(!done.err.contains("secret"), "{}", done.err);
}

/// A proxy that speaks HTTP CONNECT and SOCKS 5; its port, and how many connections it passed on.
async fn proxy() -> (u16, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let passed = Arc::new(AtomicU32::new(0));
    let counting = passed.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let counting = counting.clone();
            tokio::spawn(async move {
                if pass_on(client, &counting).await.is_none() {
                    // Whoever spoke something else sees the connection end.
                }
            });
        }
    });
    (port, passed)
}

async fn pass_on(mut client: TcpStream, passed: &AtomicU32) -> Option<()> {
    let mut first = [0];
    client.peek(&mut first).await.ok()?;
    let to = if first == [5] { socks(&mut client).await? } else { connect(&mut client).await? };
    let mut server = TcpStream::connect(to).await.ok()?;
    passed.fetch_add(1, Ordering::Relaxed);
    copy_bidirectional(&mut client, &mut server).await.ok().map(drop)
}

async fn connect(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    Some(head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned())
}

/// RFC 1928, without authentication.
async fn socks(client: &mut TcpStream) -> Option<String> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await.ok()?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await.ok()?;
    client.write_all(&[5, 0]).await.ok()?;
    let mut request = [0; 4];
    client.read_exact(&mut request).await.ok()?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await.ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        _ => {
            let mut name = vec![0; client.read_u8().await.ok()?.into()];
            client.read_exact(&mut name).await.ok()?;
            String::from_utf8(name).ok()?
        }
    };
    let port = client.read_u16().await.ok()?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
    Some(format!("{host}:{port}"))
}
