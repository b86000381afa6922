//! `nltest`: what Netlogon says of a domain.
//!
//! The last line says "completed successfully", and the exit code is 0, whatever the
//! lines above say (kubernetes/kubernetes#99862: a test passed on it). What counts is
//! that every `Status = <decimal> <hex> <SYMBOL>` is 0.

use std::fmt;

/// One status that `nltest` printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The Win32 code.
    pub code: u32,
    /// Its name: `ERROR_NO_LOGON_SERVERS`.
    pub symbol: String,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:#x} {}", self.code, self.code, self.symbol)
    }
}

/// What `nltest` printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Netlogon {
    /// Its statuses, in order.
    pub statuses: Vec<Status>,
    /// The domain controller it named, without the backslashes.
    pub controller: Option<String>,
    /// Its first line that is not empty.
    pub first_line: String,
}

impl Netlogon {
    /// Reads the output of `nltest`, whichever question it answers.
    #[must_use]
    pub fn read(output: &str) -> Self {
        let lines = || output.lines().map(str::trim).filter(|line| !line.is_empty());
        Self {
            statuses: lines().filter_map(status).collect(),
            controller: lines().find_map(|line| Some(line.split_once(r"\\")?.1.trim().to_owned())),
            first_line: lines().next().unwrap_or_default().to_owned(),
        }
    }

    /// Whether every status is 0; not without any.
    #[must_use]
    pub fn is_good(&self) -> bool {
        !self.statuses.is_empty() && self.failure().is_none()
    }

    /// The first status that is not 0.
    #[must_use]
    pub fn failure(&self) -> Option<&Status> {
        self.statuses.iter().find(|status| status.code != 0)
    }

    /// Whether it answers `/parentdomain` with this domain.
    #[must_use]
    pub fn names_domain(&self, domain: &str) -> bool {
        let begins = self.first_line.get(..domain.len()).is_some_and(|start| start.eq_ignore_ascii_case(domain));
        begins && self.failure().is_none()
    }
}

/// The status at the end of a line. The words before it differ: `Connection Status =`,
/// `Trusted DC Connection Status Status =`, `I_NetLogonControl failed: Status =`.
fn status(line: &str) -> Option<Status> {
    let mut words = line.rsplit_once('=')?.1.split_whitespace();
    let code: u32 = words.next()?.parse().ok()?;
    let hex = words.next()?.strip_prefix("0x")?;
    let symbol = words.next()?;
    (u32::from_str_radix(hex, 16) == Ok(code)).then(|| Status { code, symbol: symbol.to_owned() })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where it was seen, what was printed (with names of ours), and the statuses in it.
    const SEEN: &[(&str, &str, &[u32])] = &[
        (
            "Microsoft, run a container with a gMSA: sc_verify",
            "\nFlags: b0 HAS_IP  HAS_TIMESERV\nTrusted DC Name \\\\dc1.corp.example\nTrusted DC Connection Status Status = 0 0x0 NERR_Success\nTrust Verification Status = 0 0x0 NERR_Success\nThe command completed successfully\n",
            &[0, 0],
        ),
        (
            "Microsoft support, access denied on the secure channel: sc_query",
            "\nFlags: 0\nTrusted DC Name\nTrusted DC Connection Status Status = 5 0x5 ERROR_ACCESS_DENIED\nThe command completed successfully\n",
            &[5],
        ),
        (
            "plooploops/windows-containers-AD#7: sc_verify",
            "Flags: 80\nTrusted DC Name\nTrusted DC Connection Status Status = 1787 0x6fb ERROR_NO_TRUST_SAM_ACCOUNT\nTrust Verification Status = 1787 0x6fb ERROR_NO_TRUST_SAM_ACCOUNT\nThe command completed successfully\n",
            &[1787, 1787],
        ),
        (
            "kubernetes.io, configure GMSA: sc_reset",
            "Flags: 30 HAS_IP  HAS_TIMESERV\nTrusted DC Name \\\\dc2.corp.example\nTrusted DC Connection Status Status = 0 0x0 NERR_Success\nThe command completed successfully\n",
            &[0],
        ),
        (
            "Microsoft support, Netlogon not running: sc_query",
            "\nI_NetLogonControl failed: Status = 1722 0x6ba RPC_S_SERVER_UNAVAILABLE\n",
            &[1722],
        ),
        (
            "a runbook for gMSA on Tanzu: query",
            "Flags: 0\nConnection Status = 0 0x0 NERR_Success\nThe command completed successfully\n",
            &[0],
        ),
        ("Microsoft Q&A: sc_verify", "I_NetLogonControl failed: Status = 1355 0x54b ERROR_NO_SUCH_DOMAIN\n", &[1355]),
        (
            "redcanaryco/atomic-red-team#3219: domain_trusts",
            "Enumerating domain trusts failed: Status = 1722 0x6ba RPC_S_SERVER_UNAVAILABLE\n",
            &[1722],
        ),
        (
            "kubernetes/kubernetes#99862, byte by byte: query",
            "Flags: 0\r\nConnection Status = 1311 0x51f ERROR_NO_LOGON_SERVERS\r\nThe command completed successfully\r\n",
            &[1311],
        ),
        (
            "kubernetes.io, configure GMSA: parentdomain",
            "Getting parent domain failed: Status = 1722 0x6ba RPC_S_SERVER_UNAVAILABLE\n",
            &[1722],
        ),
        (
            "kubernetes.io, configure GMSA: query",
            "I_NetLogonControl failed: Status = 1722 0x6ba RPC_S_SERVER_UNAVAILABLE\n",
            &[1722],
        ),
        (
            "Microsoft, gMSA walkthrough of 2016: query",
            "\nFlags: 0\nConnection Status = 1786 0x6fa ERROR_NO_TRUST_LSA_SECRET\nThe command completed successfully\n",
            &[1786],
        ),
    ];

    #[test]
    fn every_output_that_was_seen_is_judged_by_its_statuses_alone() {
        for (source, output, codes) in SEEN {
            let read = Netlogon::read(output);
            assert_eq!(read.statuses.iter().map(|status| status.code).collect::<Vec<_>>(), *codes, "{source}");
            assert_eq!(read.is_good(), codes.iter().all(|code| *code == 0), "{source}");
        }
        assert_eq!(Netlogon::read(SEEN[0].1).controller.as_deref(), Some("dc1.corp.example"));
        assert_eq!(Netlogon::read(SEEN[2].1).controller, None);
    }

    #[test]
    fn a_parent_domain_is_the_beginning_of_the_first_line() {
        let named = Netlogon::read("corp.example (1)\r\nThe command completed successfully\r\n");
        assert!(named.names_domain("Corp.Example") && !named.names_domain("other.example"));
        assert!(!Netlogon::read(SEEN[9].1).names_domain("corp.example"));
        assert!(!Netlogon::read("").is_good(), "nothing printed is no success");
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic(text in "\\PC{0,200}") {
            let read = Netlogon::read(&text);
            let _ = read.names_domain("corp.example");
        }
    }
}
