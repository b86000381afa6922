//! `nslookup.exe`.
//!
//! Verdicts (`*** …`) and `Non-authoritative answer:` go to standard error, in any
//! order to the rest. A timeout before `Server:` is only the question for the
//! server's own name; an answer may follow. The answer stands after `Name:`.

use std::net::IpAddr;

use crate::probe::dns::Lookup;

/// The command that asks for a name: by `server`, or by the pod's own.
pub(in crate::probe) fn command(name: &str, server: Option<IpAddr>) -> String {
    let server = server.map(|server| format!(" {server}")).unwrap_or_default();
    format!("nslookup {name}{server} 2>&1")
}

/// Reads what it printed.
pub(in crate::probe) fn read(output: &str) -> Lookup {
    let addresses = addresses_after_name(output);
    if !addresses.is_empty() {
        return Lookup::Found(addresses);
    }
    let lines = || output.lines().map(str::trim_end);
    let verdict = lines().find(|line| line.starts_with("*** "));
    match verdict {
        Some(line) if line.ends_with("Non-existent domain") => Lookup::NoSuchName,
        Some(line) if line.ends_with("Server failed") || line.ends_with("Query refused") => Lookup::ServerFailed,
        Some(line) if line.ends_with("timed-out") => Lookup::TimedOut,
        Some(line) if line.contains("No response from server") => Lookup::TimedOut,
        // The name is there, but not with an address.
        Some(line) if line.starts_with("*** No ") => Lookup::NoSuchName,
        Some(line) => Lookup::Unclear(line.to_owned()),
        None if lines().any(|line| line == "DNS request timed out.") => Lookup::TimedOut,
        None => Lookup::unclear(output),
    }
}

fn addresses_after_name(output: &str) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    let (mut named, mut listing) = (false, false);
    for line in output.lines().map(str::trim_end) {
        let listed = match line.split_once(':') {
            Some(("Name", _)) => {
                (named, listing) = (true, false);
                continue;
            }
            Some(("Address" | "Addresses", rest)) if named => {
                listing = true;
                rest
            }
            _ if listing && line.starts_with([' ', '\t']) => line,
            _ => {
                listing = false;
                continue;
            }
        };
        addresses.extend(listed.trim().parse::<IpAddr>());
    }
    addresses
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(addresses: &[&str]) -> Lookup {
        Lookup::Found(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }

    #[test]
    fn a_silent_server_is_a_timeout() {
        // After microsoft/Windows-Containers#618: the verdict went to another stream.
        let output = "DNS request timed out.\n    timeout was 2 seconds.\nServer:  UnKnown\nAddress:  10.96.0.10\n\n\
            DNS request timed out.\n    timeout was 2 seconds.\nDNS request timed out.\n    timeout was 2 seconds.\n";
        assert_eq!(read(output), Lookup::TimedOut);
        // After a forum's archive: the verdict came first.
        let verdict_first = "*** Request to ROUTER timed-out\nServer:  ROUTER\nAddress:  192.168.1.1\n\n\
            DNS request timed out.\n    timeout was 2 seconds.\n";
        assert_eq!(read(verdict_first), Lookup::TimedOut);
        // After rancher/rancher#29399: through a terminal every line is padded.
        let padded =
            "DNS request timed out.            \n    timeout was 2 seconds.           \nServer:  UnKnown       \n";
        assert_eq!(read(padded), Lookup::TimedOut);
    }

    #[test]
    fn a_timeout_for_the_servers_own_name_is_none_for_ours() {
        // After a public write-up.
        let output = "DNS request timed out.\n    timeout was 2 seconds.\nServer:  UnKnown\nAddress:  10.96.0.10\n\n\
            Name:    web.default.svc.example.org\nAddress:  10.96.7.8\n\n";
        assert_eq!(read(output), found(&["10.96.7.8"]));
    }

    #[test]
    fn names_that_are_not_there_and_servers_that_cannot_say_are_told_apart() {
        // After microsoft/service-fabric#705, FabrikamFiber's README and moby/moby#34458.
        let missing = "*** localhost can't find application.test1: Non-existent domain\n";
        let in_a_pod = "Server:  kube-dns.kube-system.svc.example.org\r\nAddress:  10.0.0.10\r\n\r\n\
            *** kube-dns.kube-system.svc.example.org can't find db: Non-existent domain\r\n";
        assert_eq!((read(missing), read(in_a_pod)), (Lookup::NoSuchName, Lookup::NoSuchName));
        let failed = "Server:  UnKnown\nAddress:  172.16.0.1\n\n*** UnKnown can't find example.org: Server failed\n";
        assert_eq!(read(failed), Lookup::ServerFailed);
    }

    #[test]
    fn several_addresses_go_on_in_indented_lines() {
        // After a README about GKE's DNS; the addresses are documentation's.
        let spaces = "Server:  kube-dns.kube-system.svc.example.org\nAddress:  10.15.240.10\n\nNon-authoritative answer:\n\
            Name:    example.com\nAddresses:  2001:db8::8a\n          192.0.2.138\n          192.0.2.139\n\n";
        assert_eq!(read(spaces), found(&["2001:db8::8a", "192.0.2.138", "192.0.2.139"]));
        // After public notes: the other stream came first, and a tab goes on.
        let tab = "Non-authoritative answer:\nServer:  UnKnown\nAddress:  10.79.11.207\n\nName:    example.com\n\
            Addresses:  2001:db8::200e\n\t  192.0.2.78\n";
        assert_eq!(read(tab), found(&["2001:db8::200e", "192.0.2.78"]));
    }

    #[test]
    fn a_program_that_is_not_there_says_nothing_of_the_name() {
        let output =
            "'nslookup' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n";
        assert!(matches!(read(output), Lookup::Unclear(_)));
        assert!(matches!(read(""), Lookup::Unclear(_)));
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn nothing_is_found_without_a_name(output in "((Server|Address|Addresses): [0-9.]{7,9}\n){0,6}") {
            prop_assert!(!matches!(read(&output), Lookup::Found(_)));
        }
    }
}
