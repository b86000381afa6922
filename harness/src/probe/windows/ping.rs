//! `ping.exe`.
//!
//! Its statistics count `Destination host unreachable.` from a router as received,
//! and its exit code follows them; only a reply with a TTL is an echo.

use crate::probe::ping::Pinged;

/// The command that sends so many echo requests.
pub(in crate::probe) fn command(address: &str, count: u32) -> String {
    format!("ping -n {count} -w 2000 {address} 2>&1")
}

/// Reads what it printed; nothing where it sent nothing (no such host, no such program).
pub(in crate::probe) fn read(output: &str) -> Option<Pinged> {
    let received = output.lines().filter(|line| is_echo(line)).count();
    // `Packets: Sent = 4, Received = 0, Lost = 4 (100% loss),` in whatever language; the percentage
    // may stand on a line of its own. An echo has three equal signs as well, but no blanks around them.
    let sent =
        output.lines().filter(|line| line.matches(" = ").count() == 3 && !line.contains("ms")).find_map(|line| {
            let after = line.split_once(" = ")?.1.trim_start();
            after.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok()
        })?;
    Some(Pinged { sent, received: u32::try_from(received).unwrap_or(u32::MAX).min(sent) })
}

fn is_echo(line: &str) -> bool {
    line.contains("TTL=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pinged(sent: u32, received: u32) -> Option<Pinged> {
        Some(Pinged { sent, received })
    }

    #[test]
    fn replies_with_a_ttl_are_counted() {
        // After a public runbook; the address is ours. One was quicker than the clock.
        let output = "\r\nPinging web.example.com [10.244.3.7] with 32 bytes of data:\r\n\
            Reply from 10.244.3.7: bytes=32 time=2ms TTL=117\r\n\
            Reply from 10.244.3.7: bytes=32 time<1ms TTL=117\r\n\
            Reply from 10.244.3.7: bytes=32 time=2ms TTL=117\r\n\r\n\
            Ping statistics for 10.244.3.7:\r\n    Packets: Sent = 3, Received = 3, Lost = 0 (0% loss),\r\n\
            Approximate round trip times in milli-seconds:\r\n    Minimum = 0ms, Maximum = 2ms, Average = 1ms\r\n";
        assert_eq!(read(output), pinged(3, 3));
    }

    #[test]
    fn a_service_ip_that_answers_no_ping_is_four_losses() {
        // After fluent/fluent-bit#2087.
        let output = "\nPinging kubernetes.default.svc.example.org [10.96.0.1] with 32 bytes of data:\n\
            Request timed out.\nRequest timed out.\nRequest timed out.\nRequest timed out.\n\n\
            Ping statistics for 10.96.0.1:\n    Packets: Sent = 4, Received = 0, Lost = 4 (100% loss),\n\n";
        assert_eq!(read(output), pinged(4, 0));
    }

    #[test]
    fn a_router_that_says_unreachable_is_no_echo_though_windows_counts_it() {
        let output = "\r\nPinging 10.244.9.9 with 32 bytes of data:\r\n\
            Reply from 10.244.1.1: Destination host unreachable.\r\n\
            Reply from 10.244.1.1: Destination host unreachable.\r\n\r\n\
            Ping statistics for 10.244.9.9:\r\n    Packets: Sent = 2, Received = 2, Lost = 0 (0% loss),\r\n";
        assert_eq!(read(output), pinged(2, 0));
    }

    #[test]
    fn another_language_counts_alike() {
        let output = "\r\nAntwort von 10.244.3.7: Bytes=32 Zeit<1ms TTL=126\r\nZeitüberschreitung der Anforderung.\r\n\r\n\
            Ping-Statistik für 10.244.3.7:\r\n    Pakete: Gesendet = 2, Empfangen = 1, Verloren = 1\r\n    (50% Verlust),\r\n";
        assert_eq!(read(output), pinged(2, 1));
    }

    #[test]
    fn a_name_that_is_not_found_sent_nothing() {
        // After microsoft/service-fabric#705 and docker/for-win#5251.
        for host in ["application.test", "example.org"] {
            let output = format!("Ping request could not find host {host}. Please check the name and try again.\n");
            assert_eq!(read(&output), None);
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }

        #[test]
        fn never_more_replies_than_requests(output in "([a-z =%,0-9TL]{0,40}\n){0,12}") {
            if let Some(pinged) = read(&output) {
                prop_assert!(pinged.received <= pinged.sent);
            }
        }
    }
}
