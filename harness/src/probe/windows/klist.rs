//! `klist`: Kerberos tickets.
//!
//! Its sentences and labels follow the system's language; the NTSTATUS of a failure and
//! the principals of tickets do not.

/// A cached ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose it is: `webapp01$`.
    pub client: String,
    /// In which realm: `CORP.EXAMPLE`.
    pub realm: String,
}

/// What `klist` printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Klist {
    /// The tickets it listed.
    pub tickets: Vec<Ticket>,
    /// The NTSTATUS it failed with.
    pub failure: Option<u32>,
}

impl Klist {
    /// Reads the output of `klist` or `klist get`.
    #[must_use]
    pub fn read(output: &str) -> Self {
        Self {
            tickets: output.lines().filter_map(ticket).collect(),
            failure: output.split_whitespace().find_map(failure),
        }
    }

    /// The name of an NTSTATUS that Kerberos fails with, for people.
    #[must_use]
    pub fn name(status: u32) -> &'static str {
        match status {
            0xc000_0022 => "STATUS_ACCESS_DENIED",
            0xc000_005e => "STATUS_NO_LOGON_SERVERS",
            0xc000_005f => "STATUS_NO_SUCH_LOGON_SESSION",
            0xc000_006d => "STATUS_LOGON_FAILURE",
            0xc000_018a => "STATUS_NO_TRUST_LSA_SECRET",
            0xc000_018b => "STATUS_NO_TRUST_SAM_ACCOUNT",
            0xc000_02fd => "STATUS_KDC_UNKNOWN_ETYPE",
            _ => "NTSTATUS",
        }
    }
}

/// `#0>     Client: webapp01$ @ CORP.EXAMPLE`
fn ticket(line: &str) -> Option<Ticket> {
    let (number, rest) = line.trim().strip_prefix('#')?.split_once('>')?;
    number.parse::<u32>().ok()?;
    let (client, realm) = rest.split_once(':')?.1.split_once('@')?;
    Some(Ticket { client: client.trim().to_owned(), realm: realm.trim().to_owned() })
}

/// `0xc0000022/-1073741790:`, or the same without its decimal twin.
fn failure(word: &str) -> Option<u32> {
    let hex = word.strip_prefix("0x")?;
    let digits = hex.get(..8)?;
    let ends = hex.get(8..)?.chars().next().is_none_or(|next| !next.is_ascii_hexdigit());
    u32::from_str_radix(digits, 16).ok().filter(|status| ends && status >> 30 == 3)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where it was seen, what was printed (with names of ours), the failure, and how many tickets there are.
    const SEEN: &[(&str, &str, Option<u32>, usize)] = &[
        (
            "Microsoft, run a container with a gMSA: get",
            "\nCurrent LogonId is 0:0xaa79ef8\nA ticket to krbtgt has been retrieved successfully.\n\nCached Tickets: (2)\n\n#0>     Client: webapp01$ @ CORP.EXAMPLE\n        Server: krbtgt/webapp01 @ CORP.EXAMPLE\n        KerbTicket Encryption Type: AES-256-CTS-HMAC-SHA1-96\n        Ticket Flags 0x40a10000 -> forwardable renewable pre_authent name_canonicalize\n        Start Time: 3/21/2019 4:17:53 (local)\n        Kdc Called: dc1.corp.example\n",
            None,
            1,
        ),
        (
            "microsoft/SDN#339: get",
            "\nCurrent LogonId is 0:0x2587c9\nError calling API LsaCallAuthenticationPackage (GetTicket substatus): 0x5\n\nklist failed with 0xc0000022/-1073741790: {Access Denied}\nA process has requested access to an object, but has not been granted those access rights.\n",
            Some(0xc000_0022),
            0,
        ),
        (
            "a write-up on remote sessions: klist",
            "Current LogonId is 0:0xc7fbc\nError calling API LsaCallAuthenticationPackage (ShowTickets substatus): 1312\n\nklist failed with 0xc000005f/-1073741729: A specified logon session does not exist. It may already have been terminated.\n",
            Some(0xc000_005f),
            0,
        ),
        (
            "notes on encryption types: get",
            "Error calling API LsaCallAuthenticationPackage (GetTicket substatus): 0x80090342\n\nklist failed with 0xc00002fd/-1073741059: The encryption type requested is not supported by the KDC.\n",
            Some(0xc000_02fd),
            0,
        ),
        (
            "notes on unreachable controllers: get",
            "Error calling API LsaCallAuthenticationPackage (GetTicket substatus): 0x51f\nklist failed with 0xc000005e\n",
            Some(0xc000_005e),
            0,
        ),
        (
            "Microsoft, gMSA walkthrough: klist before any use",
            "\nCurrent LogonId is 0:0x4402c4a\n\nCached Tickets: (0)\n",
            None,
            0,
        ),
    ];

    #[test]
    fn every_output_that_was_seen_is_read_as_it_was_meant() {
        for (source, output, failure, tickets) in SEEN {
            let read = Klist::read(output);
            assert_eq!((read.failure, read.tickets.len()), (*failure, *tickets), "{source}");
        }
        let ticket = Klist::read(SEEN[0].1).tickets.remove(0);
        assert_eq!((ticket.client.as_str(), ticket.realm.as_str()), ("webapp01$", "CORP.EXAMPLE"));
    }

    #[test]
    fn numbers_that_are_no_failures_are_not_taken_for_one() {
        for text in ["0x40a10000", "0xaa79ef8", "0:0xc0000022", "0x5", "0xc00000221", "0x80090342"] {
            assert_eq!(Klist::read(text).failure, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_output_makes_it_panic(text in "[#0-9a-fx>:@/é -]{0,80}") {
            let _ = Klist::read(&text);
        }
    }
}
