//! The guide's web server: a PowerShell script around `System.Net.HttpListener`.
//!
//! It answers every request with a page that counts requests for each client,
//! one request at a time, and logs both. Like the original it becomes ready
//! seconds before it listens, since the container has no readiness probe.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use futures::future::FutureExt;
use tokio::sync::Mutex;

use super::http;
use crate::command::{Exit, Io, Session};

/// How long PowerShell and the listener need before connections are accepted.
const BEFORE_LISTENING: Duration = Duration::from_secs(2);

/// What matters of such a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Script {
    prefix: String,
    port: u16,
    counts: bool,
}

impl Script {
    /// Recognises a script by its class and its prefix; `None` for any other script.
    pub(crate) fn recognise(text: &str) -> Option<Self> {
        if !text.contains("System.Net.HttpListener") {
            return None;
        }
        let call = text.split_once("Prefixes.Add(")?.1.trim_start();
        let quote = call.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let prefix = call.get(1..)?.split(quote).next()?;
        let authority = prefix.strip_prefix("http://")?.split('/').next()?;
        let port = match authority.rsplit_once(':') {
            Some((_, port)) => port.parse().ok()?,
            None => 80,
        };
        Some(Self { prefix: prefix.to_owned(), port, counts: text.contains("callerCount") })
    }
}

/// Requests of each client, in the order in which they first came.
type Counts = Vec<(Ipv4Addr, u64)>;

/// Runs the script.
pub(crate) async fn listen_and_count(session: &Session, script: Script, io: &Io) -> Exit {
    session.clock.pass(BEFORE_LISTENING).await;
    if session.user.eq_ignore_ascii_case(r"User Manager\ContainerUser") {
        // http.sys reserves the wildcard for administrators; the script goes on and its loop ends at once.
        io.stderr.text("Exception calling \"Start\" with \"0\" argument(s): \"Access is denied\"\r\n");
        io.stderr.text("    + CategoryInfo          : NotSpecified: (:) [], MethodInvocationException\r\n");
        io.stderr.text("    + FullyQualifiedErrorId : HttpListenerException\r\n");
        io.stdout.text(format!("Listening at {}\r\n", script.prefix));
        return 0;
    }
    let counts: Arc<Mutex<Counts>> = Arc::default();
    let (log, own_address, with_counts) = (io.stdout.clone(), session.adapter.address, script.counts);
    let respond: http::Respond = Arc::new(move |request, client: SocketAddrV4| {
        let (counts, log) = (counts.clone(), log.clone());
        async move {
            let mut counts = counts.lock().await; // `GetContext` in a loop: one request at a time
            let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default();
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            log.text(format!("\r\n> http://{host}{path}\r\n"));
            let page = page(&mut counts, *client.ip(), own_address, with_counts);
            log.text(format!("{page}\r\n< 200\r\n"));
            http::answer(200, &[("server", "Microsoft-HTTPAPI/2.0")], page)
        }
        .boxed()
    });
    let _open = session.link.listen(script.port, http::server(respond));
    io.stdout.text(format!("Listening at {}\r\n", script.prefix));
    std::future::pending().await
}

fn page(counts: &mut Counts, client: Ipv4Addr, own: Ipv4Addr, with_counts: bool) -> String {
    match counts.iter_mut().find(|(known, _)| *known == client) {
        Some((_, count)) => *count += 1,
        None => counts.push((client, 1)),
    }
    let lines: String =
        counts.iter().filter(|_| with_counts).map(|(_, count)| format!("<p>IP {own} callerCount {count} ")).collect();
    format!("<html><body><H1>Windows Container Web Server</H1>{lines}</body></html>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_script_is_recognised_by_its_class_and_prefix() {
        let script =
            "$listener = New-Object System.Net.HttpListener ; $listener.Prefixes.Add('http://*:80/') ; callerCount";
        assert_eq!(Script::recognise(script), Some(Script { prefix: "http://*:80/".into(), port: 80, counts: true }));
        let other = r#"$l = New-Object System.Net.HttpListener; $l.Prefixes.Add("http://+:8080/x/")"#;
        assert_eq!(
            Script::recognise(other),
            Some(Script { prefix: "http://+:8080/x/".into(), port: 8080, counts: false })
        );
        for none in [
            "Get-Date",
            "System.Net.HttpListener",
            "System.Net.HttpListener Prefixes.Add(",
            "System.Net.HttpListener Prefixes.Add('ftp://x/')",
        ] {
            assert_eq!(Script::recognise(none), None, "{none}");
        }
    }

    #[test]
    fn the_page_counts_each_client_for_itself() {
        let mut counts = Counts::new();
        let (own, a, b) = (Ipv4Addr::new(10, 244, 1, 5), Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2));
        page(&mut counts, a, own, true);
        page(&mut counts, a, own, true);
        assert_eq!(
            page(&mut counts, b, own, true),
            "<html><body><H1>Windows Container Web Server</H1><p>IP 10.244.1.5 callerCount 2 <p>IP 10.244.1.5 callerCount 1 </body></html>"
        );
        assert_eq!(page(&mut counts, b, own, false), "<html><body><H1>Windows Container Web Server</H1></body></html>");
    }
}
