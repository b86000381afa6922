//! `ping`, in Windows' words and in busybox's.

use std::{net::Ipv4Addr, time::Duration};

use super::{Exit, Io, Session};

/// How long one echo request is waited for on Windows.
const WINDOWS_WAIT: Duration = Duration::from_secs(4);
/// Between two echo requests.
const PAUSE: Duration = Duration::from_secs(1);

/// What a command line asks for.
struct Request {
    host: String,
    /// None: until it is stopped.
    count: Option<u32>,
    wait: Duration,
}

/// Runs ping.
pub(super) async fn main(session: &Session, arguments: &[String], io: &Io) -> Exit {
    let windows = session.system.is_windows();
    let end = session.system.line_end();
    let Some(request) = read(arguments, windows) else {
        io.stderr
            .text(format!("{}{end}", if windows { "IP address must be specified." } else { "ping: missing operand" }));
        return 1;
    };
    let Some(address) = look_up(session, &request.host).await else {
        let host = &request.host;
        if windows {
            io.stdout
                .text(format!("Ping request could not find host {host}. Please check the name and try again.{end}"));
        } else {
            io.stderr.text(format!("ping: bad address '{host}'{end}"));
        }
        return 1;
    };
    let named =
        if request.host == address.to_string() { address.to_string() } else { format!("{} [{address}]", request.host) };
    io.stdout.text(match windows {
        true => format!("{end}Pinging {named} with 32 bytes of data:{end}"),
        false => format!("PING {} ({address}): 56 data bytes{end}", request.host),
    });
    let mut times: Vec<f64> = Vec::new();
    let mut sent = 0_u32;
    loop {
        if sent > 0 {
            session.clock.pass(PAUSE).await;
            // At scale 0 an endless ping must not stop everything else.
            tokio::task::yield_now().await;
        }
        sent = sent.saturating_add(1);
        match echo(session, address, request.wait).await {
            Some(took) => {
                let millis = session.unscaled(took).as_secs_f64() * 1000.0;
                times.push(millis);
                io.stdout.text(match windows {
                    true if millis < 1.0 => format!("Reply from {address}: bytes=32 time<1ms TTL=126{end}"),
                    true => format!("Reply from {address}: bytes=32 time={millis:.0}ms TTL=126{end}"),
                    false => format!("64 bytes from {address}: seq={} ttl=62 time={millis:.3} ms{end}", sent - 1),
                });
            }
            None if windows => io.stdout.text(format!("Request timed out.{end}")),
            None => {}
        }
        if request.count.is_some_and(|count| sent >= count) {
            break;
        }
        // Nobody reads the statistics of an endless ping; they must not grow.
        times.truncate(1000);
    }
    io.stdout.text(summary(windows, end, &named, address, sent, &times));
    Exit::from(times.is_empty())
}

fn read(arguments: &[String], windows: bool) -> Option<Request> {
    let mut request = Request {
        host: String::new(),
        count: windows.then_some(4),
        wait: if windows { WINDOWS_WAIT } else { Duration::from_secs(10) },
    };
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match (word.to_ascii_lowercase().as_str(), windows) {
            ("-t", true) => request.count = None,
            ("-n", true) | ("-c", false) => request.count = Some(words.next()?.parse().ok()?),
            ("-w", true) => request.wait = Duration::from_millis(words.next()?.parse().ok()?),
            ("-w" | "-W", false) => request.wait = Duration::from_secs(words.next()?.parse().ok()?),
            (option, _) if option.starts_with('-') => {}
            _ => request.host.clone_from(word),
        }
    }
    (!request.host.is_empty()).then_some(request)
}

async fn look_up(session: &Session, host: &str) -> Option<Ipv4Addr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST);
    }
    match host.parse() {
        Ok(address) => Some(address),
        Err(_) => session.link.resolve(host).await.ok()?.first().copied(),
    }
}

async fn echo(session: &Session, address: Ipv4Addr, wait: Duration) -> Option<Duration> {
    if address.is_loopback() || address == session.adapter.address {
        return Some(Duration::ZERO);
    }
    session.link.ping(address, wait).await.ok()
}

fn summary(windows: bool, end: &str, named: &str, address: Ipv4Addr, sent: u32, times: &[f64]) -> String {
    let received = u32::try_from(times.len()).unwrap_or(u32::MAX);
    let lost = sent.saturating_sub(received);
    let percent = f64::from(lost) * 100.0 / f64::from(sent.max(1));
    let (least, most) =
        times.iter().fold((f64::MAX, 0.0_f64), |(least, most), time| (least.min(*time), most.max(*time)));
    let mean = times.iter().sum::<f64>() / f64::from(received.max(1));
    let packets = match windows {
        true => format!(
            "{end}Ping statistics for {address}:{end}    Packets: Sent = {sent}, Received = {received}, Lost = {lost} ({percent:.0}% loss),{end}"
        ),
        false => format!(
            "{end}--- {named} ping statistics ---{end}{sent} packets transmitted, {received} packets received, {percent:.0}% packet loss{end}"
        ),
    };
    let times = match (received, windows) {
        (0, _) => String::new(),
        (_, true) => format!(
            "Approximate round trip times in milli-seconds:{end}    Minimum = {least:.0}ms, Maximum = {most:.0}ms, Average = {mean:.0}ms{end}"
        ),
        (_, false) => format!("round-trip min/avg/max = {least:.3}/{mean:.3}/{most:.3} ms{end}"),
    };
    packets + &times
}

#[cfg(test)]
mod tests {
    use crate::command::testing::{FakeLink, execute, linux, windows};

    fn link() -> FakeLink {
        FakeLink { replies: vec!["10.244.2.7".parse().unwrap()], ..FakeLink::default() }
    }

    #[tokio::test]
    async fn windows_prints_replies_and_statistics_with_its_line_ends() {
        let done = execute(&windows(link()), &["ping", "-n", "1", "10.244.2.7"], "").await;
        insta::assert_debug_snapshot!(done.stdout);
        assert_eq!(done.code, 0);
    }

    #[tokio::test]
    async fn no_reply_is_said_and_is_a_failure() {
        let done = execute(&windows(link()), &["ping", "-n", "2", "10.244.9.9"], "").await;
        assert_eq!(done.stdout.matches("Request timed out.").count(), 2);
        assert!(done.stdout.contains("Lost = 2 (100% loss)"));
        assert_eq!(done.code, 1);
        assert_eq!(execute(&linux(link()), &["ping", "-c", "1", "10.244.9.9"], "").await.code, 1);
    }
}
