//! `/etc/resolv.conf`: which servers and suffixes a pod was given.

use crate::probe::dns::Resolver;

/// The command that shows it.
pub(in crate::probe) const COMMAND: &str = "cat /etc/resolv.conf 2>&1";

/// Reads it; nothing where it names no server.
pub(in crate::probe) fn read(text: &str) -> Option<Resolver> {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                let address = words.next().and_then(|word| word.split('%').next()?.parse::<std::net::IpAddr>().ok());
                resolver.servers.extend(address);
            }
            // The last one counts (resolv.conf(5)).
            Some("search") => resolver.suffixes = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    (!resolver.servers.is_empty()).then_some(resolver)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pods_file_names_its_server_and_the_clusters_domain() {
        let text = "search team.svc.example.org svc.example.org example.org corp.example\nnameserver 10.96.0.10\noptions ndots:5\n";
        let resolver = read(text).unwrap();
        assert_eq!(resolver.servers, ["10.96.0.10".parse::<std::net::IpAddr>().unwrap()]);
        assert_eq!(resolver.domain_of("team").as_deref(), Some("example.org"));
        assert_eq!(resolver.domain_of("other"), None);
        assert_eq!(read("cat: can't open '/etc/resolv.conf': No such file or directory\n"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "(?s).{0,200}") {
            let _ = read(&text);
        }
    }
}
