//! `nltest`: what Netlogon says of the domain.
//!
//! Formats as Microsoft's and Kubernetes' GMSA pages show them, and as
//! kubernetes/kubernetes#99862 captured them byte by byte. It ends with "completed
//! successfully", and 0, whenever Netlogon could be asked, whatever that said.

use super::{Exit, Io, Session};
use crate::directory::{Controller, LogonError};

/// Runs it.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let Some(argument) = arguments.iter().find(|argument| argument.starts_with(['/', '-'])) else { return usage(io) };
    let (name, domain) = argument.split_once(':').unwrap_or((argument, ""));
    let asked = match name.get(1..).unwrap_or_default().to_ascii_lowercase().as_str() {
        "parentdomain" => return parent_domain(session, io),
        "query" => Asked::Query,
        "sc_query" => Asked::Channel { flags: "30", verify: false },
        "sc_reset" => Asked::Channel { flags: "30", verify: false },
        "sc_verify" => Asked::Channel { flags: "b0", verify: true },
        _ => return usage(io),
    };
    if asked != Asked::Query {
        match session.member.spec() {
            _ if domain.is_empty() => return usage(io),
            Some(spec) if !spec.is_domain(domain) => return failed(io, "I_NetLogonControl", NO_SUCH_DOMAIN),
            _ => {}
        }
    }
    match session.member.channel().await {
        // Netlogon does not run without a credential spec, and does not get up where nobody can log on.
        Err(LogonError::NoCredentialSpec | LogonError::PasswordUnreadable) => {
            failed(io, "I_NetLogonControl", SERVER_UNAVAILABLE)
        }
        Err(LogonError::NoSuchDomain) if asked != Asked::Query => failed(io, "I_NetLogonControl", NO_SUCH_DOMAIN),
        Err(error) => report(io, asked, None, status(error)),
        Ok(controller) => report(io, asked, Some(controller), SUCCESS),
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Query,
    Channel { flags: &'static str, verify: bool },
}

/// A code and its name, as `nltest` prints them.
type Status = (u32, &'static str);

const SUCCESS: Status = (0, "NERR_Success");
const NO_LOGON_SERVERS: Status = (1311, "ERROR_NO_LOGON_SERVERS");
const NO_SUCH_DOMAIN: Status = (1355, "ERROR_NO_SUCH_DOMAIN");
const SERVER_UNAVAILABLE: Status = (1722, "RPC_S_SERVER_UNAVAILABLE");

fn status(error: LogonError) -> Status {
    match error {
        LogonError::TrustLost(status) => match status.code() {
            5 => (5, "ERROR_ACCESS_DENIED"),
            1787 => (1787, "ERROR_NO_TRUST_SAM_ACCOUNT"),
            _ => (1786, "ERROR_NO_TRUST_LSA_SECRET"),
        },
        _ => NO_LOGON_SERVERS,
    }
}

fn spelled((code, name): Status) -> String {
    format!("Status = {code} {code:#x} {name}")
}

/// Needs no domain: it repeats what the credential spec says.
fn parent_domain(session: &Session, io: &Io) -> Exit {
    match session.member.spec() {
        Some(spec) => {
            io.stdout.text(format!("{} (1)\r\nThe command completed successfully\r\n", spec.domain));
            0
        }
        None => failed(io, "Getting parent domain", SERVER_UNAVAILABLE),
    }
}

/// Netlogon could be asked; that it says bad things is no failure of the command.
fn report(io: &Io, asked: Asked, controller: Option<Controller>, status: Status) -> Exit {
    let status_text = spelled(status);
    let mut lines = match asked {
        Asked::Query => vec!["Flags: 0".to_owned(), format!("Connection {status_text}")],
        Asked::Channel { flags, .. } => {
            let flags = match (&controller, flags) {
                (Some(_), flags) => format!("Flags: {flags} HAS_IP  HAS_TIMESERV"),
                (None, "b0") => "Flags: 80".to_owned(),
                (None, _) => "Flags: 0".to_owned(),
            };
            let name = controller.map(|controller| format!(r"\\{}", controller.name)).unwrap_or_default();
            vec![flags, format!("Trusted DC Name {name}"), format!("Trusted DC Connection Status {status_text}")]
        }
    };
    if let Asked::Channel { verify: true, .. } = asked {
        lines.push(format!("Trust Verification {status_text}"));
    }
    lines.push("The command completed successfully".to_owned());
    io.stdout.text(lines.iter().map(|line| format!("{line}\r\n")).collect::<String>());
    0
}

fn failed(io: &Io, what: &str, status: Status) -> Exit {
    io.stdout.text(format!("{what} failed: {}\r\n", spelled(status)));
    1
}

fn usage(io: &Io) -> Exit {
    io.stdout.text(
        "Usage: nltest [/OPTIONS]\r\n\r\n\r\n    /QUERY - Query <ServerName> netlogon service\r\n    /SC_QUERY:<DomainName> - \
         Query secure channel for <Domain> on <ServerName>\r\n    /SC_RESET:<DomainName>[\\<DcName>] - Reset secure channel \
         for <Domain> on <ServerName> to <DcName>\r\n    /SC_VERIFY:<DomainName> - Verify secure channel for <Domain> on \
         <ServerName>\r\n    /PARENTDOMAIN - Get the name of the parent domain of this machine\r\n",
    );
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{FakeLink, domain, execute, member, windows};

    async fn said(session: &Session, argument: &str) -> (String, Exit) {
        let done = execute(session, &["nltest", argument], "").await;
        (done.stdout.replace("\r\n", "\n"), done.code)
    }

    #[tokio::test]
    async fn a_member_of_the_domain_is_told_so_line_by_line() {
        let session = member(domain());
        let lines = [
            said(&session, "/parentdomain").await,
            said(&session, "/QUERY").await,
            said(&session, "/sc_query:corp.example").await,
            said(&session, "/sc_verify:CORP").await,
        ];
        insta::assert_snapshot!(lines.map(|(text, code)| format!("{text}exit {code}")).join("\n"));
    }

    #[tokio::test]
    async fn without_a_controller_it_still_completes_successfully() {
        let mut cut_off = domain();
        cut_off.handlers.clear();
        let session = member(cut_off);
        let lines = [
            said(&session, "/parentdomain").await,
            said(&session, "/query").await,
            said(&session, "/sc_verify:corp.example").await,
            said(&session, "/sc_verify:other.example").await,
        ];
        insta::assert_snapshot!(lines.map(|(text, code)| format!("{text}exit {code}")).join("\n"));
    }

    #[tokio::test]
    async fn a_container_without_a_credential_spec_has_no_netlogon() {
        let session = windows(FakeLink::default());
        assert_eq!(
            said(&session, "/parentdomain").await.0,
            "Getting parent domain failed: Status = 1722 0x6ba RPC_S_SERVER_UNAVAILABLE\n"
        );
        let (text, code) = said(&session, "/sc_verify:corp.example").await;
        assert_eq!(
            (text.as_str(), code),
            ("I_NetLogonControl failed: Status = 1722 0x6ba RPC_S_SERVER_UNAVAILABLE\n", 1)
        );
    }
}
