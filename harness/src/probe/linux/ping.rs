//! `ping` of iputils and of busybox.

use crate::probe::ping::Pinged;

/// The command that sends so many echo requests.
pub(in crate::probe) fn command(address: &str, count: u32) -> String {
    format!("ping -c {count} -W 2 {address} 2>&1")
}

/// Reads `4 packets transmitted, 3 received` and busybox's `3 packets received`.
pub(in crate::probe) fn read(output: &str) -> Option<Pinged> {
    let line = output.lines().find(|line| line.contains("packets transmitted"))?;
    let mut counts = line.split(',').map(|part| part.split_whitespace().next()?.parse::<u32>().ok());
    let sent = counts.next()??;
    let received = counts.next()??;
    Some(Pinged { sent, received: received.min(sent) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_families_are_read() {
        let iputils = "PING 10.244.3.7 (10.244.3.7) 56(84) bytes of data.\n\
            64 bytes from 10.244.3.7: icmp_seq=1 ttl=62 time=0.9 ms\n\n--- 10.244.3.7 ping statistics ---\n\
            2 packets transmitted, 1 received, 50% packet loss, time 1001ms\n";
        assert_eq!(read(iputils), Some(Pinged { sent: 2, received: 1 }));
        let busybox = "PING 10.244.3.7 (10.244.3.7): 56 data bytes\n\n--- 10.244.3.7 ping statistics ---\n\
            4 packets transmitted, 0 packets received, 100% packet loss\n";
        assert_eq!(read(busybox), Some(Pinged { sent: 4, received: 0 }));
        assert_eq!(read("ping: bad address 'nope'\n"), None);
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(output in "(?s).{0,200}", n in any::<u64>()) {
            let _ = read(&output);
            let _ = read(&format!("{n} packets transmitted, {output}"));
        }
    }
}
