//! `ipconfig`.
//!
//! Labels, leaders and order are those of pods with flannel and Azure CNI
//! (flannel-io/flannel 1091, Azure/azure-container-networking 206).

use super::{Adapter, Exit, Io, Session};

/// Prints the one adapter a container has.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let all = match arguments.first().map(|argument| argument.to_ascii_lowercase().replace('-', "/")) {
        None => false,
        Some(switch) if switch == "/all" => true,
        Some(switch) => {
            io.stdout.text(format!("\r\nError: unrecognized or incomplete command line: {switch}\r\n"));
            return 1;
        }
    };
    let adapter = &session.adapter;
    let mut text = "\r\nWindows IP Configuration\r\n\r\n".to_owned();
    if all {
        text += &line("Host Name", &session.host_name);
        text += &line("Primary Dns Suffix", "");
        text += &line("Node Type", "Hybrid");
        text += &line("IP Routing Enabled", "No");
        text += &line("WINS Proxy Enabled", "No");
        if !adapter.search.is_empty() {
            text += &line("DNS Suffix Search List", &adapter.search.join(&format!("\r\n{:39}", "")));
        }
    }
    let heading = format!("\r\nEthernet adapter {}:\r\n\r\n", adapter.name);
    text += &(heading + &of_adapter(adapter, all));
    io.stdout.text(text);
    0
}

fn of_adapter(adapter: &Adapter, all: bool) -> String {
    let preferred = if all { "(Preferred)" } else { "" };
    let address = adapter.address;
    let mut text = line("Connection-specific DNS Suffix", adapter.search.first().map_or("", String::as_str));
    if all {
        text += &line("Description", "Hyper-V Virtual Ethernet Adapter");
        text += &line("Physical Address", &adapter.mac());
        text += &line("DHCP Enabled", "No");
        text += &line("Autoconfiguration Enabled", "Yes");
    }
    text += &line("Link-local IPv6 Address", &format!("{}%{}{preferred}", adapter.link_local(), adapter.index()));
    text += &line("IPv4 Address", &format!("{address}{preferred}"));
    text += &line("Subnet Mask", "255.255.255.0");
    text += &line("Default Gateway", &adapter.gateway().to_string());
    if all {
        text += &line("DNS Servers", &adapter.dns_server.to_string());
        text += &line("NetBIOS over Tcpip", "Disabled");
    }
    text
}

/// A label with its leader of dots, which stand in columns.
fn line(label: &str, value: &str) -> String {
    const LEADER: &str = ". . . . . . . . . . . . . . . . . ";
    let dots = LEADER.get(label.len()..).unwrap_or_default();
    // The original's labels that end in `Suffix` have a blank where a dot would stand.
    let dots = if label.ends_with("Suffix") { dots.replacen('.', " ", 1) } else { dots.to_owned() };
    format!("   {label}{dots}: {value}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::testing::{FakeLink, execute, windows};

    #[test]
    fn leaders_end_in_one_column_as_the_originals_do() {
        assert_eq!(line("IPv4 Address", "x"), "   IPv4 Address. . . . . . . . . . . : x\r\n");
        assert_eq!(line("Connection-specific DNS Suffix", ""), "   Connection-specific DNS Suffix  . : \r\n");
        assert_eq!(line("Host Name", "x"), "   Host Name . . . . . . . . . . . . : x\r\n");
        assert_eq!(line("Subnet Mask", "x"), "   Subnet Mask . . . . . . . . . . . : x\r\n");
        assert_eq!(line("DNS Suffix Search List", "x"), "   DNS Suffix Search List. . . . . . : x\r\n");
        assert_eq!(line("Primary Dns Suffix", ""), "   Primary Dns Suffix  . . . . . . . : \r\n");
    }

    #[tokio::test]
    async fn all_of_a_pods_adapter_is_told_as_windows_tells_it() {
        let done = execute(&windows(FakeLink::default()), &["ipconfig", "/all"], "").await;
        insta::assert_snapshot!(done.stdout.replace("\r\n", "\n"));
        assert_eq!(done.stdout.matches('\n').count(), done.stdout.matches("\r\n").count());
        let plain = execute(&windows(FakeLink::default()), &["ipconfig"], "").await.stdout;
        assert!(plain.contains("IPv4 Address. . . . . . . . . . . : 10.244.1.5\r\n") && !plain.contains("Host Name"));
    }
}
