//! `ipconfig /all`: which servers and suffixes a pod was given.
//!
//! Labels carry a leader of dots whose length varies; a value that goes on stands in
//! a line of blanks, without a label.

use std::net::IpAddr;

use crate::probe::dns::Resolver;

/// The command.
pub(in crate::probe) const COMMAND: &str = "ipconfig /all 2>&1";

/// Reads what it printed; nothing where it is no configuration at all.
pub(in crate::probe) fn read(output: &str) -> Option<Resolver> {
    let mut resolver = Resolver::default();
    let mut adapter_suffixes = Vec::new();
    let mut label = String::new();
    let mut adapters = 0;
    for line in output.lines().map(str::trim_end) {
        if line.is_empty() {
            label.clear();
            continue;
        }
        if !line.starts_with(' ') {
            // `Ethernet adapter vEthernet (…):`; `Windows IP Configuration` has no colon.
            adapters += usize::from(line.ends_with(':'));
            label.clear();
            continue;
        }
        let value = match labelled(line) {
            Some((name, value)) => {
                name.clone_into(&mut label);
                value
            }
            None => line.trim(),
        };
        if value.is_empty() {
            continue;
        }
        match label.as_str() {
            "DNS Servers" => resolver.servers.extend(address(value)),
            "DNS Suffix Search List" => resolver.suffixes.push(value.to_owned()),
            "Connection-specific DNS Suffix" => adapter_suffixes.push(value.to_owned()),
            _ => {}
        }
    }
    if adapters == 0 {
        return None;
    }
    // Without a list, the adapter's own suffix is what is tried.
    for suffix in adapter_suffixes {
        if !resolver.suffixes.contains(&suffix) {
            resolver.suffixes.push(suffix);
        }
    }
    Some(resolver)
}

/// `   DNS Servers . . . . . . . . . . . : 10.96.0.10` as label and value.
fn labelled(line: &str) -> Option<(&str, &str)> {
    let (label, value) = line.split_once(" : ").or_else(|| line.strip_suffix(" :").map(|label| (label, "")))?;
    let name = label.trim_end_matches(['.', ' ']).trim_start();
    // An address that goes on in the next line has no dots before a colon.
    (label.ends_with('.') && !name.is_empty()).then_some((name, value.trim()))
}

fn address(value: &str) -> Option<IpAddr> {
    let value = value.split(['%', '(']).next().unwrap_or_default();
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn suffixes(output: &str) -> Vec<String> {
        read(output).unwrap().suffixes
    }

    #[test]
    fn a_pods_suffix_and_address_are_read() {
        // After Azure/azure-container-networking#206.
        let output = "\r\nWindows IP Configuration\r\n\r\n\r\nEthernet adapter vEthernet (f6667ee9-eth0):\r\n\r\n   \
            Connection-specific DNS Suffix  . : default.svc.example.org\r\n   \
            Link-local IPv6 Address . . . . . : fe80::8193:c234:bebb:93db%27\r\n   \
            IPv4 Address. . . . . . . . . . . : 10.244.0.136\r\n   Subnet Mask . . . . . . . . . . . : 255.240.0.0\r\n   \
            Default Gateway . . . . . . . . . : 10.244.0.1\r\n";
        assert_eq!(suffixes(output), ["default.svc.example.org"]);
    }

    #[test]
    fn a_suffix_of_another_namespace_is_seen() {
        // After flannel-io/flannel#1091, cut off as it was there.
        let output = "\nWindows IP Configuration\n\n   Host Name . . . . . . . . . . . . : win-busybox\n   \
            Primary Dns Suffix  . . . . . . . :\n   Node Type . . . . . . . . . . . . : Hybrid\n   \
            DNS Suffix Search List. . . . . . : default.svc.example.org\n\n\
            Ethernet adapter vEthernet (06ac016fad_vxlan0):\n\n   \
            Connection-specific DNS Suffix  . : default.svc.example.org\n   \
            Description . . . . . . . . . . . : Hyper-V Virtual Ethernet Adapter #4\n";
        assert_eq!(suffixes(output), ["default.svc.example.org"]);
        assert_eq!(read(output).unwrap().domain_of("test-ns"), None);
        assert_eq!(read(output).unwrap().domain_of("default").as_deref(), Some("example.org"));
    }

    #[test]
    fn servers_go_on_in_lines_without_a_label_and_no_suffix_is_none() {
        // After microsoft/Windows-Containers#216.
        let output = "\nWindows IP Configuration\n\n   Host Name . . . . . . . . . . . . : 34eba5103fea\n   \
            Primary Dns Suffix  . . . . . . . :\n\nEthernet adapter Ethernet:\n\n   \
            Connection-specific DNS Suffix  . :\n   IPv4 Address. . . . . . . . . . . : 172.17.91.239(Preferred)\n   \
            DNS Servers . . . . . . . . . . . : 172.17.80.1\n                                       192.168.2.253\n   \
            NetBIOS over Tcpip. . . . . . . . : Disabled\n";
        let resolver = read(output).unwrap();
        assert_eq!(resolver.servers, ["172.17.80.1", "192.168.2.253"].map(|ip| ip.parse::<IpAddr>().unwrap()));
        assert!(resolver.suffixes.is_empty());
    }

    #[test]
    fn each_of_two_adapters_counts_and_empty_values_do_not() {
        // After kubernetes-sigs/sig-windows-dev-tools#276 and microsoft/Windows-Containers#210.
        let output = "\nWindows IP Configuration\n\n\nEthernet adapter Ethernet 2:\n\n   \
            Connection-specific DNS Suffix  . : corp.example\n   IPv4 Address. . . . . . . . . . . : 10.0.2.15\n\n\
            Ethernet adapter vEthernet (Ethernet):\n\n   Connection-specific DNS Suffix  . :\n   \
            IPv4 Address. . . . . . . . . . . : 10.20.30.11\n   Default Gateway . . . . . . . . . :\n";
        assert_eq!(suffixes(output), ["corp.example"]);
        let nanoserver = "\nWindows IP Configuration\n\n\nEthernet adapter vEthernet (default-test_nat):\n\n   \
            Connection-specific DNS Suffix  . :\n   IPv4 Address. . . . . . . . . . . : 172.20.88.200\n";
        assert_eq!(read(nanoserver), Some(Resolver::default()));
    }

    #[test]
    fn what_is_no_configuration_is_none() {
        assert_eq!(read("'ipconfig' is not recognized as an internal or external command,\r\n"), None);
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }
    }
}
