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
    let mut text = String::from("\r\nWindows IP Configuration\r\n\r\n");
    if all {
        text += &format!(
            "   Host Name . . . . . . . . . . . . : {}\r\n   DNS Suffix Search List. . . . . . : {suffix}\r\n",
            session.host_name
        );
    }
    text += "\r\nEthernet adapter vEthernet (Container NIC):\r\n\r\n";
    text += &format!("   Connection-specific DNS Suffix  . : {suffix}\r\n");
    if all {
        let address = adapter.address.octets();
        text += &format!(
            "   Physical Address. . . . . . . . . : 00-15-5D-{:02X}-{:02X}-{:02X}\r\n   DHCP Enabled. . . . . . . . . . . : No\r\n",
            address[1], address[2], address[3]
        );
    }
    text += &format!(
        "   IPv4 Address. . . . . . . . . . . : {}\r\n   Subnet Mask . . . . . . . . . . . : 255.255.255.0\r\n   Default Gateway . . . . . . . . . : {gateway}\r\n",
        adapter.address
    );
    if all {
        text += &format!("   DNS Servers . . . . . . . . . . . : {}\r\n", adapter.dns_server);
    }
    io.stdout.text(text);
    0
}
