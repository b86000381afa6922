//! `klist`: the Kerberos tickets of a container.
//!
//! Formats as Microsoft's GMSA pages show them and microsoft/SDN#339 captured them.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use super::{Exit, Io, Session};
use crate::directory::{LogonError, Ticket};

/// Runs it.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    io.stdout.text(format!("\r\nCurrent LogonId is 0:{:#x}\r\n", session.member.logon_id()));
    let words: Vec<String> = arguments.iter().map(|word| word.to_ascii_lowercase()).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] | ["tickets"] => list(session, io),
        ["purge"] => {
            session.member.purge();
            io.stdout.text("        Deleting all tickets:\r\n        Ticket(s) purged!\r\n");
            0
        }
        ["get", _] => get(session, arguments.last().map_or("", String::as_str), io).await,
        _ => {
            io.stdout.text(
                "\r\nUsage: klist.exe [-lh <LogonId.HighPart>] [-li <LogonId.LowPart>] tickets | tgt | purge | sessions | \
                 kcd_cache | get <spn> | add_bind <domain> <dc> | query_bind | purge_bind\r\n",
            );
            1
        }
    }
}

async fn get(session: &Session, service: &str, io: &Io) -> Exit {
    // The kernel's default user may not ask for tickets in the name of the machine.
    let may_ask = !session.user.to_ascii_lowercase().ends_with(r"\containeruser");
    let got = if may_ask { session.member.ticket(service).await } else { Err(LogonError::AccessDenied) };
    match got {
        Ok(_ticket) => {
            io.stdout.text(format!("A ticket to {service} has been retrieved successfully.\r\n"));
            list(session, io)
        }
        Err(error) => failed(io, error),
    }
}

fn list(session: &Session, io: &Io) -> Exit {
    let tickets = session.member.tickets();
    let rows: String = tickets.iter().enumerate().map(|(number, ticket)| row(number, ticket)).collect();
    io.stdout.text(format!("\r\nCached Tickets: ({})\r\n{rows}", tickets.len()));
    0
}

fn row(number: usize, ticket: &Ticket) -> String {
    let time = |hours: i64| {
        let at = ticket.since.checked_add(hours.hours()).unwrap_or(ticket.since);
        local(at)
    };
    [
        format!("\r\n#{number}>     Client: {}", ticket.client),
        format!("        Server: {}", ticket.server),
        "        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96".to_owned(),
        "        Ticket Flags 0x40a10000 -> forwardable renewable pre_authent name_canonicalize ".to_owned(),
        format!("        Start Time: {} (local)", time(0)),
        format!("        End Time:   {} (local)", time(10)),
        format!("        Renew Time: {} (local)", time(7 * 24)),
        "        Session Key Type: AES-256-CTS-HMAC-SHA1-96".to_owned(),
        "        Cache Flags: 0 ".to_owned(),
        format!("        Kdc Called: {} \r\n", ticket.controller),
    ]
    .join("\r\n")
}

fn local(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).strftime("%-m/%-d/%Y %-H:%M:%S").to_string()
}

/// The error of the call, and the NTSTATUS with its text.
fn failed(io: &Io, error: LogonError) -> Exit {
    let (substatus, status, text) = match error {
        LogonError::AccessDenied => (
            "0x5",
            0xc000_0022_u32,
            "{Access Denied}\r\nA process has requested access to an object, but has not been granted those access rights.",
        ),
        LogonError::NoCredentialSpec | LogonError::PasswordUnreadable => {
            ("1312", 0xc000_005f, "A specified logon session does not exist. It may already have been terminated.")
        }
        LogonError::NoSuchService => (
            "0x6fb",
            0xc000_018b,
            "The SAM database on the Windows Server does not have a computer account for this workstation trust relationship.",
        ),
        LogonError::NoSuchDomain | LogonError::NoLogonServers | LogonError::TrustLost(_) => {
            ("0x51f", 0xc000_005e, "There are currently no logon servers available to service the logon request.")
        }
    };
    io.stdout.text(format!(
        "Error calling API LsaCallAuthenticationPackage (GetTicket substatus): {substatus}\r\n\r\nklist failed with \
         {status:#x}/{}: {text}\r\n\r\n\r\n",
        status.cast_signed()
    ));
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{FakeLink, domain, execute, member, windows};

    async fn said(session: &Session, arguments: &[&str]) -> String {
        let words: Vec<&str> = std::iter::once("klist").chain(arguments.iter().copied()).collect();
        execute(session, &words, "").await.stdout
    }

    #[tokio::test]
    async fn a_ticket_that_was_got_is_listed_with_its_client() {
        let session = member(domain());
        assert!(said(&session, &[]).await.ends_with("\r\nCached Tickets: (0)\r\n"));
        let got = said(&session, &["get", "krbtgt"]).await;
        assert!(got.contains("\r\nA ticket to krbtgt has been retrieved successfully.\r\n\r\nCached Tickets: (1)\r\n"));
        assert!(got.contains("\r\n#0>     Client: webapp01$ @ CORP.EXAMPLE\r\n        Server: krbtgt/CORP.EXAMPLE @ "));
        assert!(said(&session, &["tickets"]).await.contains("Cached Tickets: (1)"));
        let unknown = said(&session, &["get", "http/nowhere"]).await;
        assert!(unknown.contains("klist failed with 0xc000018b/-1073741429: "), "{unknown}");
    }

    #[tokio::test]
    async fn failures_name_their_status_in_both_notations() {
        let nobody = said(&windows(FakeLink::default()), &["get", "krbtgt"]).await;
        assert!(nobody.contains("substatus): 1312\r\n\r\nklist failed with 0xc000005f/-1073741729: "), "{nobody}");
        let mut user = member(domain());
        user.user = r"User Manager\ContainerUser".into();
        let denied = said(&user, &["get", "krbtgt"]).await;
        assert!(denied.contains("klist failed with 0xc0000022/-1073741790: {Access Denied}\r\nA process"), "{denied}");
    }
}
