//! `nslookup`, in Windows' words and in busybox's.
//!
//! On Windows the verdict (`*** …`) and `Non-authoritative answer:` go to
//! standard error. It asks for the name of the server first, so a server that
//! is silent times out before `Server:` too, and is then called `UnKnown`
//! (microsoft/Windows-Containers 618, moby/moby 34458).

use std::net::Ipv4Addr;

use super::{Exit, Io, Session};
use crate::network::{CLUSTER_DOMAIN, DnsError, Resolved};

/// What Windows prints for a question that nobody answered.
const TIMED_OUT: &str = "DNS request timed out.\r\n    timeout was 2 seconds.\r\n";

/// Runs nslookup.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let end = session.system.line_end();
    let mut operands = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let Some(name) = operands.next() else {
        io.stderr.text(format!("nslookup: a name is needed{end}"));
        return 1;
    };
    let wanted = operands.next();
    let server = match wanted {
        None => None,
        Some(server) => match address_of(session, server).await {
            Some(address) => Some(address),
            None => return no_server(session, server, io),
        },
    };
    let answer = session.link.lookup(server, name).await;
    let server = server.unwrap_or(session.adapter.dns_server);
    match session.system.is_windows() {
        true => on_windows(session, server, name, answer, io),
        false => on_linux(server, name, answer, io),
    }
}

async fn address_of(session: &Session, server: &str) -> Option<Ipv4Addr> {
    match server.parse() {
        Ok(address) => Some(address),
        Err(_) => session.link.resolve(server).await.ok()?.first().copied(),
    }
}

fn no_server(session: &Session, server: &str, io: &Io) -> Exit {
    if session.system.is_windows() {
        io.stderr.text(format!("*** Can't find address for server {server}: Non-existent domain\r\n"));
    } else {
        io.stderr.text(format!("nslookup: bad address '{server}'\n"));
    }
    1
}

fn on_windows(session: &Session, server: Ipv4Addr, name: &str, answer: Result<Resolved, DnsError>, io: &Io) -> Exit {
    let silent = answer == Err(DnsError::TimedOut);
    let known = !silent && answer != Err(DnsError::ServerFailure) && server == session.adapter.dns_server;
    let called = if known { "kube-dns.kube-system.svc.cluster.local" } else { "UnKnown" };
    if silent {
        io.stdout.text(TIMED_OUT);
    }
    io.stdout.text(format!("Server:  {called}\r\nAddress:  {server}\r\n\r\n"));
    let verdict = match answer {
        Ok(found) if !found.addresses.is_empty() => {
            if !found.name.ends_with(CLUSTER_DOMAIN) {
                io.stderr.text("Non-authoritative answer:\r\n");
            }
            let list: Vec<String> = found.addresses.iter().map(ToString::to_string).collect();
            let label = if list.len() == 1 { "Address" } else { "Addresses" };
            io.stdout.text(format!("Name:    {}\r\n{label}:  {}\r\n\r\n", found.name, list.join("\r\n\t  ")));
            return 0;
        }
        Err(DnsError::TimedOut) => {
            io.stdout.text(TIMED_OUT.repeat(2));
            format!("*** Request to {called} timed-out")
        }
        Err(DnsError::ServerFailure) => format!("*** {called} can't find {name}: Server failed"),
        Ok(_) | Err(DnsError::NoSuchName) => format!("*** {called} can't find {name}: Non-existent domain"),
    };
    io.stderr.text(format!("{verdict}\r\n"));
    1
}

fn on_linux(server: Ipv4Addr, name: &str, answer: Result<Resolved, DnsError>, io: &Io) -> Exit {
    if answer == Err(DnsError::TimedOut) {
        io.stdout.text(";; connection timed out; no servers could be reached\n\n");
        return 1;
    }
    io.stdout.text(format!("Server:\t\t{server}\nAddress:\t{server}:53\n\n"));
    match answer {
        Ok(found) if !found.addresses.is_empty() => {
            let rows = found.addresses.iter().map(|address| format!("Name:\t{}\nAddress: {address}\n", found.name));
            io.stdout.text(rows.collect::<String>() + "\n");
            0
        }
        Err(DnsError::ServerFailure) => {
            io.stdout.text(format!("** server can't find {name}: SERVFAIL\n\n"));
            1
        }
        _ => {
            io.stdout.text(format!("** server can't find {name}: NXDOMAIN\n\n"));
            1
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{FakeLink, execute, linux, windows};
    use crate::network::DnsError;

    fn link() -> FakeLink {
        let mut link = FakeLink::default();
        link.names.insert("web".into(), vec!["10.96.0.9".parse().unwrap()]);
        link.names.insert("example.org".into(), vec!["203.0.113.1".parse().unwrap(), "203.0.113.2".parse().unwrap()]);
        link.dns_errors.insert("silent".into(), DnsError::TimedOut);
        link.dns_errors.insert("broken".into(), DnsError::ServerFailure);
        link
    }

    #[tokio::test]
    async fn windows_tells_answers_and_failures_on_the_streams_of_the_original() {
        let mut told = Vec::new();
        for name in ["web", "example.org", "nope", "silent", "broken"] {
            let done = execute(&windows(link()), &["nslookup", name], "").await;
            told.push(format!("# {name}: {}\n{}## stderr\n{}", done.code, done.stdout, done.stderr));
        }
        insta::assert_snapshot!(told.concat().replace("\r\n", "\n"));
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_said_on_the_stream_of_each_system() {
        let windows = execute(&windows(link()), &["nslookup", "nope", "10.96.0.10"], "").await;
        assert!(windows.stderr.starts_with("*** ") && windows.stderr.contains("Non-existent domain"));
        let linux = execute(&linux(link()), &["nslookup", "nope"], "").await;
        assert!(linux.stdout.contains("NXDOMAIN") && linux.code == 1);
    }
}
