//! `nslookup`, in Windows' words and in busybox's.
//!
//! On Windows the verdict (`*** …`) and `Non-authoritative answer:` go to
//! standard error, and names are tried with the suffix of the adapter.

use super::{Exit, Io, Session};
use crate::network::DnsError;

/// Runs nslookup.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let end = session.system.line_end();
    let Some(name) = arguments.iter().find(|argument| !argument.starts_with('-')) else {
        io.stderr.text(format!("nslookup: a name is needed{end}"));
        return 1;
    };
    let server = session.adapter.dns_server;
    let windows = session.system.is_windows();
    io.stdout.text(match windows {
        true => format!("Server:  kube-dns.kube-system.svc.cluster.local{end}Address:  {server}{end}{end}"),
        false => format!("Server:\t\t{server}{end}Address:\t{server}:53{end}{end}"),
    });
    match session.link.resolve(name).await {
        Ok(addresses) if !addresses.is_empty() => {
            let full = full_name(session, name);
            let list: Vec<String> = addresses.iter().map(ToString::to_string).collect();
            io.stdout.text(match (windows, list.as_slice()) {
                (true, [one]) => format!("Name:    {full}{end}Address:  {one}{end}{end}"),
                (true, many) => {
                    format!("Name:    {full}{end}Addresses:  {}{end}{end}", many.join(&format!("{end}\t  ")))
                }
                (false, many) => {
                    many.iter().map(|address| format!("Name:\t{full}{end}Address: {address}{end}")).collect()
                }
            });
            0
        }
        Err(DnsError::TimedOut) if windows => {
            for _ in 0..2 {
                io.stdout.text(format!("DNS request timed out.{end}    timeout was 2 seconds.{end}"));
            }
            io.stderr.text(format!("*** Request to kube-dns.kube-system.svc.cluster.local timed-out{end}"));
            1
        }
        Err(DnsError::TimedOut) => {
            io.stdout.text(format!(";; connection timed out; no servers could be reached{end}{end}"));
            1
        }
        Ok(_) | Err(_) if windows => {
            io.stderr.text(format!(
                "*** kube-dns.kube-system.svc.cluster.local can't find {name}: Non-existent domain{end}"
            ));
            1
        }
        Ok(_) | Err(_) => {
            io.stdout.text(format!("** server can't find {name}: NXDOMAIN{end}{end}"));
            1
        }
    }
}

/// The name that was found, as a server answers with it.
fn full_name(session: &Session, name: &str) -> String {
    match &session.adapter.dns_suffix {
        Some(suffix) if !name.contains('.') => format!("{name}.{suffix}"),
        _ => name.trim_end_matches('.').to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{FakeLink, execute, linux, windows};

    fn link() -> FakeLink {
        let mut link = FakeLink::default();
        link.names.insert("web".into(), vec!["10.96.0.9".parse().unwrap()]);
        link
    }

    #[tokio::test]
    async fn a_name_that_is_there_has_its_address_behind_its_name() {
        let done = execute(&windows(link()), &["nslookup", "web"], "").await;
        insta::assert_debug_snapshot!(done.stdout);
        assert_eq!(done.code, 0);
    }

    #[tokio::test]
    async fn a_name_that_is_not_there_is_said_on_the_stream_of_each_system() {
        let windows = execute(&windows(link()), &["nslookup", "nope"], "").await;
        assert!(windows.stderr.starts_with("*** ") && windows.stderr.contains("Non-existent domain"));
        let linux = execute(&linux(link()), &["nslookup", "nope"], "").await;
        assert!(linux.stdout.contains("NXDOMAIN") && linux.code == 1);
    }
}
