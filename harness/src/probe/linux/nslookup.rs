//! `nslookup` of BIND and of busybox.

use std::net::IpAddr;

use crate::probe::dns::Lookup;

/// The command that asks for a name: by `server`, or by the pod's own.
pub(in crate::probe) fn command(name: &str, server: Option<IpAddr>) -> String {
    let server = server.map(|server| format!(" {server}")).unwrap_or_default();
    format!("nslookup {name}{server} 2>&1")
}

/// Reads what it printed; the answer stands after `Name:`.
pub(in crate::probe) fn read(output: &str) -> Lookup {
    let mut named = false;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for line in output.lines() {
        match line.split_once(':') {
            Some(("Name", _)) => named = true,
            // Busybox numbers them: `Address 1: 10.96.0.9 web.default.svc…`.
            Some((label, rest)) if named && label.starts_with("Address") => {
                addresses.extend(rest.split_whitespace().next().and_then(|word| word.parse::<IpAddr>().ok()));
            }
            _ => {}
        }
    }
    if !addresses.is_empty() {
        return Lookup::Found(addresses);
    }
    let says = |words: &[&str]| words.iter().any(|word| output.contains(word));
    match () {
        () if says(&["NXDOMAIN", "can't resolve", "No answer"]) => Lookup::NoSuchName,
        () if says(&["SERVFAIL", "REFUSED"]) => Lookup::ServerFailed,
        () if says(&["timed out", "no servers could be reached", "no response"]) => Lookup::TimedOut,
        () => Lookup::unclear(output),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_families_are_read() {
        let bind = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10#53\n\nName:\tweb.default.svc.example.org\nAddress: 10.96.7.8\n\n";
        let busybox = "Server:    10.96.0.10\nAddress 1: 10.96.0.10 kube-dns.kube-system\n\n\
            Name:      web\nAddress 1: 10.96.7.8 web.default.svc.example.org\n";
        for output in [bind, busybox] {
            assert_eq!(read(output), Lookup::Found(vec!["10.96.7.8".parse().unwrap()]), "{output}");
        }
    }

    #[test]
    fn failures_are_told_apart() {
        let server = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n";
        assert_eq!(read(&format!("{server}** server can't find web: NXDOMAIN\n")), Lookup::NoSuchName);
        assert_eq!(read(&format!("{server}** server can't find web: SERVFAIL\n")), Lookup::ServerFailed);
        assert_eq!(read(";; connection timed out; no servers could be reached\n\n"), Lookup::TimedOut);
        assert!(matches!(read("sh: nslookup: not found\n"), Lookup::Unclear(_)));
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(output in "(?s).{0,200}") {
            let _ = read(&output);
        }
    }
}
