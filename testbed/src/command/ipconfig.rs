//! `ipconfig`.

use super::{Exit, Io, Session};

/// Prints the one adapter a container has.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let all = match arguments.first().map(|argument| argument.to_ascii_lowercase()) {
        None => false,
        Some(switch) if switch == "/all" => true,
        Some(switch) => {
            io.stdout.text(format!("\r\nError: unrecognized or incomplete command line: {switch}\r\n"));
            return 1;
        }
    };
    let adapter = &session.adapter;
    let suffix = adapter.dns_suffix.clone().unwrap_or_default();
    let octets = adapter.address.octets();
    let gateway = format!("{}.{}.{}.1", octets[0], octets[1], octets[2]);
    let mut parts = vec!["\r\nWindows IP Configuration\r\n\r\n".to_owned()];
    if all {
        parts.push(format!(
            "   Host Name . . . . . . . . . . . . : {}\r\n   DNS Suffix Search List. . . . . . : {suffix}\r\n",
            session.host_name
        ));
    }
    parts.push("\r\nEthernet adapter vEthernet (Container NIC):\r\n\r\n".to_owned());
    parts.push(format!("   Connection-specific DNS Suffix  . : {suffix}\r\n"));
    if all {
        let address = adapter.address.octets();
        parts.push(format!(
            "   Physical Address. . . . . . . . . : 00-15-5D-{:02X}-{:02X}-{:02X}\r\n   DHCP Enabled. . . . . . . . . . . : No\r\n",
            address[1], address[2], address[3]
        ));
    }
    parts.push(format!(
        "   IPv4 Address. . . . . . . . . . . : {}\r\n   Subnet Mask . . . . . . . . . . . : 255.255.255.0\r\n   Default Gateway . . . . . . . . . : {gateway}\r\n",
        adapter.address
    ));
    if all {
        parts.push(format!("   DNS Servers . . . . . . . . . . . : {}\r\n", adapter.dns_server));
    }
    io.stdout.text(parts.concat());
    0
}
