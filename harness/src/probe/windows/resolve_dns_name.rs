//! `Resolve-DnsName`, which asks as Windows' own resolver does.
//!
//! Its output goes through `Out-String` with a wide width: without a console,
//! PowerShell breaks lines at 80 columns in the middle of words and cuts tables off.

use std::net::IpAddr;

use crate::probe::dns::Lookup;

/// The statement that asks for a name: by `server`, or as the pod's own resolver does.
pub(in crate::probe) fn statement(name: &str, server: Option<IpAddr>) -> String {
    let server = server.map(|server| format!(" -Server {server}")).unwrap_or_default();
    format!("Resolve-DnsName -Name {name} -Type A -DnsOnly{server} 2>&1 | Out-String -Width 4096")
}

/// Reads what it printed: a table, or an error whose id is the same in every language.
pub(in crate::probe) fn read(output: &str) -> Lookup {
    if let Some(id) = error_id(output) {
        return match id.as_str() {
            "DNS_ERROR_RCODE_NAME_ERROR" | "DNS_INFO_NO_RECORDS" => Lookup::NoSuchName,
            "DNS_ERROR_RCODE_SERVER_FAILURE" | "DNS_ERROR_RCODE_REFUSED" => Lookup::ServerFailed,
            "ERROR_TIMEOUT" | "DNS_ERROR_RECORD_TIMED_OUT" => Lookup::TimedOut,
            other => Lookup::Unclear(other.to_owned()),
        };
    }
    let addresses = addresses_in_table(output);
    if addresses.is_empty() { Lookup::unclear(output) } else { Lookup::Found(addresses) }
}

/// `FullyQualifiedErrorId : ID,…`.
fn error_id(output: &str) -> Option<String> {
    let text = unbroken(output);
    let (_, rest) = text.split_once("FullyQualifiedErrorId : ")?;
    let id: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!id.is_empty()).then_some(id)
}

/// Joins lines that were broken at the margin: what goes on begins with three blanks.
fn unbroken(output: &str) -> String {
    let mut text = String::with_capacity(output.len());
    for line in output.lines() {
        match line.strip_prefix("   ").filter(|rest| !rest.starts_with(' ') && !rest.is_empty()) {
            Some(rest) => text.push_str(rest),
            None => {
                text.push('\n');
                text.push_str(line);
            }
        }
    }
    text
}

/// The addresses of rows of type A and AAAA, by the columns that the line of dashes shows.
fn addresses_in_table(output: &str) -> Vec<IpAddr> {
    let mut lines = output.lines();
    if !lines.any(|line| line.starts_with("----")) {
        return Vec::new();
    }
    let rows = lines.map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.iter().any(|word| matches!(*word, "A" | "AAAA")))
        .filter_map(|row| row.last()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_error_id_decides_whatever_the_sentence_says() {
        // After kubernetes/kubernetes#78565.
        let output = "Resolve-DnsName : web : DNS name does not exist\nAt line:1 char:1\n+ Resolve-DnsName -Name 'web' -Type 'A'\n\
            + ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~\n    + CategoryInfo          : ResourceUnavailable: (web:String) [Resolve-DnsName], Win32Exception\n    \
            + FullyQualifiedErrorId : DNS_ERROR_RCODE_NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName\n";
        assert_eq!(read(output), Lookup::NoSuchName);
        let german = output.replace("DNS name does not exist", "Der DNS-Name ist nicht vorhanden.");
        assert_eq!(read(&german), Lookup::NoSuchName);
        assert_eq!(read(&output.replace("DNS_ERROR_RCODE_NAME_ERROR", "ERROR_TIMEOUT")), Lookup::TimedOut);
        let failure = output.replace("NAME_ERROR", "SERVER_FAILURE");
        assert_eq!(read(&failure), Lookup::ServerFailed);
    }

    #[test]
    fn an_id_that_was_broken_at_the_margin_is_joined_again() {
        let output = "Resolve-DnsName : web : DNS name does not exist\r\n    + FullyQualifiedErrorId : DNS_ERROR_RCODE\r\n   _NAME_ERROR,Microsoft.DnsClient.Commands.ResolveDnsName\r\n";
        assert_eq!(read(output), Lookup::NoSuchName);
    }

    #[test]
    fn a_table_is_read_whatever_its_widths() {
        // After a public tutorial; AAAA rows come first where there are some.
        let wide = "\nName                                           Type   TTL   Section    IPAddress\n\
            ----                                           ----   ---   -------    ---------\n\
            web                                            A      86400 Answer     10.10.42.101\n\n";
        assert_eq!(read(wide), Lookup::Found(vec!["10.10.42.101".parse().unwrap()]));
        let narrow = "\r\nName                Type TTL Section IPAddress\r\n----                ---- --- ------- ---------\r\n\
            a-name-that-is-c... AAAA 5   Answer  2001:db8::7\r\na-name-that-is-c... A    5   Answer  10.96.7.8\r\n";
        assert_eq!(read(narrow), Lookup::Found(vec!["2001:db8::7".parse().unwrap(), "10.96.7.8".parse().unwrap()]));
    }

    #[test]
    fn nothing_and_other_errors_are_unclear() {
        assert!(matches!(read(""), Lookup::Unclear(_)));
        let unknown = "+ FullyQualifiedErrorId : CommandNotFoundException\r\n";
        assert!(matches!(read(unknown), Lookup::Unclear(_)));
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let text = String::from_utf8_lossy(&bytes);
            let _ = read(&text);
            let _ = read(&format!("+ FullyQualifiedErrorId : {text}"));
            let _ = read(&format!("---- ----\n{text}"));
        }
    }
}
