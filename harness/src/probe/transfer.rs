//! Reading what a batch of curls printed.
//!
//! Every version prints its own sentences; only numbers are stable: curl's exit
//! code in `curl: (7)`, and the fields we ask for with `-w`.

use std::net::IpAddr;

/// What came of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An HTTP answer: its status and body.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: String,
    },
    /// The TCP connection opened, but no HTTP answer came, or a broken one.
    ConnectedOnly(String),
    /// The TCP connection opened, and no whole answer came in the time it had.
    Slow(String),
    /// Refused.
    Refused(String),
    /// No answer to the connection attempt.
    TimedOut(String),
    /// The name was not found, or nobody said in time.
    NoSuchName(String),
    /// Anything else: reset, no route.
    Otherwise(String),
}

/// One connection of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// What came of it.
    pub outcome: Outcome,
    /// Whether the TCP connection was opened.
    pub connected: bool,
    /// Seconds in all.
    pub total_seconds: f64,
    /// The address that was connected to.
    pub remote: Option<IpAddr>,
}

/// What a batch printed.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Batch {
    /// The settling transfer, where the batch began with one.
    pub(super) settle: Option<Transfer>,
    /// The transfers, in order.
    pub(super) transfers: Vec<Transfer>,
    /// Whether the line that ends the batch came: nothing is missing.
    pub(super) whole: bool,
}

impl Batch {
    /// Reads the output of the commands made by `script` with this nonce.
    pub(super) fn read(output: &str, nonce: &str) -> Self {
        let (settle_mark, try_mark) = (format!("wc-settle:{nonce}:"), format!("wc-try:{nonce}:"));
        let end_mark = format!("wc-end:{nonce}");
        let mut batch = Self::default();
        let mut body = String::new();
        let mut errors: Vec<CurlError> = Vec::new();
        for line in output.lines() {
            let line = line.trim_end_matches('\r');
            if let Some(error) = CurlError::read(line) {
                errors.push(error);
            } else if let Some(fields) = line.strip_prefix(&settle_mark) {
                batch.settle = Fields::read(fields).map(|fields| fields.transfer(&body, errors.pop()));
                body.clear();
                errors.clear();
            } else if let Some(fields) = line.strip_prefix(&try_mark) {
                // stdout may be flushed after stderr, so errors pair with failures by their order.
                if let Some(fields) = Fields::read(fields) {
                    batch.transfers.push(fields.transfer(&body, None));
                }
                body.clear();
            } else if line.trim_end() == end_mark {
                batch.whole = true;
            } else {
                if !body.is_empty() {
                    body.push('\n');
                }
                body.push_str(line);
            }
        }
        let mut errors = errors.into_iter();
        for transfer in &mut batch.transfers {
            if !matches!(transfer.outcome, Outcome::Answered { .. })
                && let Some(error) = errors.next()
            {
                transfer.connected = error.is_connected(transfer.connected);
                transfer.outcome = error.outcome(transfer.connected);
            }
        }
        batch
    }
}

/// Whether the line that ends a command's output came: nothing is missing.
pub(super) fn is_whole(output: &str, nonce: &str) -> bool {
    let end = format!("wc-end:{nonce}");
    output.lines().any(|line| line.trim_end() == end)
}

/// The fields of a `-w` trailer: `200:0.001:0.002:10.96.0.9`.
#[derive(Debug)]
struct Fields {
    status: u16,
    connect: f64,
    total: f64,
    remote: Option<IpAddr>,
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        // A curl that follows the system's locale prints a decimal comma.
        let number = |text: &str| text.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite());
        let mut parts = text.trim_end().splitn(4, ':');
        Some(Self {
            status: parts.next()?.parse().ok()?,
            connect: number(parts.next()?)?,
            total: number(parts.next()?)?,
            remote: parts.next().and_then(|address| address.parse().ok()),
        })
    }

    fn transfer(&self, body: &str, error: Option<CurlError>) -> Transfer {
        // Older curls round a quick connection down to 0.000; the address shows it then.
        let seen = self.connect > 0.0 || self.remote.is_some();
        let connected = error.as_ref().map_or(seen, |error| error.is_connected(seen));
        let outcome = match (self.status, error) {
            (0, Some(error)) => error.outcome(connected),
            (0, None) if connected => Outcome::ConnectedOnly("connected, but no HTTP answer came".to_owned()),
            (0, None) => Outcome::Otherwise("no connection, and curl said no reason".to_owned()),
            (status, _) => Outcome::Answered { status, body: body.trim_end().to_owned() },
        };
        Transfer { outcome, connected, total_seconds: self.total, remote: self.remote.filter(|_| connected) }
    }
}

/// A line such as `curl: (28) Connection timed out after 5001 milliseconds`.
#[derive(Debug)]
struct CurlError {
    code: u16,
    line: String,
}

impl CurlError {
    fn read(line: &str) -> Option<Self> {
        let rest = line.strip_prefix("curl: (")?;
        let (code, _) = rest.split_once(')')?;
        Some(Self { code: code.parse().ok()?, line: line.to_owned() })
    }

    /// Whether a connection was open when it happened, given what the fields say of it.
    fn is_connected(&self, seen: bool) -> bool {
        // Some versions name the address of a connection that was refused.
        seen && self.code != 7
    }

    fn outcome(self, connected: bool) -> Outcome {
        match self.code {
            28 if connected => Outcome::Slow(self.line),
            // curl's own words, the same in every language and version.
            28 if self.line.contains("Resolving timed out") => Outcome::NoSuchName(self.line),
            _ if connected => Outcome::ConnectedOnly(self.line),
            // Nobody refused: the packets did not even leave.
            7 if ["No route to host", "etwork is unreachable", "etwork unreachable"]
                .iter()
                .any(|no| self.line.contains(no)) =>
            {
                Outcome::Otherwise(self.line)
            }
            7 => Outcome::Refused(self.line),
            28 => Outcome::TimedOut(self.line),
            6 => Outcome::NoSuchName(self.line),
            // A failed handshake or certificate proves that TCP works.
            35 | 60 => Outcome::ConnectedOnly(self.line),
            _ => Outcome::Otherwise(self.line),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "<html><body><H1>Windows Container Web Server</H1><p>IP 10.244.3.7 callerCount 4 </body></html>";

    fn answered(transfer: &Transfer) -> bool {
        matches!(&transfer.outcome, Outcome::Answered { status: 200, body } if body.contains("Web Server"))
    }

    #[test]
    fn a_whole_batch_from_windows_is_read() {
        let output = format!(
            "\r\nwc-settle:n1:200:0.001:0.004:10.96.0.9\r\n{PAGE}\r\nwc-try:n1:200:0.002:0.005:10.96.0.9\r\n{PAGE}\r\nwc-try:n1:200:0.002:0.004:10.96.0.9\r\nwc-end:n1 \r\n"
        );
        let batch = Batch::read(&output, "n1");
        assert!(batch.whole);
        assert!(batch.settle.is_some());
        assert_eq!(batch.transfers.iter().filter(|transfer| answered(transfer)).count(), 2);
    }

    #[test]
    fn refused_timed_out_and_connected_but_silent_are_told_apart() {
        let output = "curl: (7) Failed to connect to 10.96.0.9 port 80 after 2046 ms: Couldn't connect to server\n\n\
                      wc-try:n1:000:0.000000:2.046:\n\
                      curl: (28) Connection timed out after 5001 milliseconds\n\n\
                      wc-try:n1:000:0.000000:5.001:\n\
                      curl: (28) Operation timed out after 10001 milliseconds with 0 bytes received\n\n\
                      wc-try:n1:000:0.0012:10.001:\n\
                      curl: (6) Could not resolve host: win-webserver\n\n\
                      wc-try:n1:000:0.0:0.1:\nwc-end:n1\n";
        let batch = Batch::read(output, "n1");
        let outcomes: Vec<&Outcome> = batch.transfers.iter().map(|transfer| &transfer.outcome).collect();
        assert!(
            matches!(
                outcomes[..],
                [Outcome::Refused(_), Outcome::TimedOut(_), Outcome::Slow(_), Outcome::NoSuchName(_)]
            ),
            "{outcomes:?}"
        );
    }

    #[test]
    fn errors_that_arrive_before_all_output_still_pair_with_failures() {
        let output = format!(
            "curl: (7) refused\ncurl: (28) timed out\n{PAGE}\nwc-try:n1:200:0.1:0.1:10.96.0.9\n\nwc-try:n1:000:0.0:2.0:\n\nwc-try:n1:000:0.0:5.0:\nwc-end:n1\n"
        );
        let batch = Batch::read(&output, "n1");
        assert!(answered(&batch.transfers[0]));
        assert!(matches!(batch.transfers[1].outcome, Outcome::Refused(_)));
        assert!(matches!(batch.transfers[2].outcome, Outcome::TimedOut(_)));
    }

    #[test]
    fn output_that_was_cut_is_not_whole() {
        assert!(!Batch::read(&format!("{PAGE}\nwc-try:n1:200:0.1:0.1:10.96.0.9\nwc-e"), "n1").whole);
        assert!(!Batch::read("wc-end:other\n", "n1").whole);
    }

    #[test]
    fn a_decimal_comma_is_a_decimal_point() {
        let batch = Batch::read("\nwc-try:n1:200:0,015:0,2:10.96.0.9\nwc-end:n1\n", "n1");
        assert!(batch.transfers[0].connected && (batch.transfers[0].total_seconds - 0.2).abs() < 1e-9);
    }

    /// What one curl said before its trailer, with the fields that belong to it.
    fn one(said: &str, fields: &str) -> Outcome {
        Batch::read(&format!("{said}\nwc-try:n1:{fields}\nwc-end:n1\n"), "n1").transfers.remove(0).outcome
    }

    #[test]
    fn the_number_decides_whatever_curl_of_whatever_version_says() {
        // After rancher/rancher#19954 and kubernetes-sigs/sig-windows-dev-tools#276.
        let missing = "curl: (6) Could not resolve host: web-nodeport";
        assert!(matches!(one(missing, "000:0.000000:0.1:"), Outcome::NoSuchName(_)));
        let slow_name = "curl: (28) Resolving timed out after 5001 milliseconds";
        assert!(matches!(one(slow_name, "000:0.000000:5.0:"), Outcome::NoSuchName(_)));
        // After docker/for-win#14558 and a Microsoft support article: two tails of one timeout.
        for tail in ["21365 ms: Could not connect to server", "21033 ms: Timed out"] {
            let line = format!("curl: (28) Failed to connect to 203.0.113.7 port 443 after {tail}");
            assert!(matches!(one(&line, "000:0.000000:21.3:"), Outcome::TimedOut(_)), "{line}");
        }
        // After public notes: a refusal takes two seconds on Windows; some versions name the address.
        let refused = "curl: (7) Failed to connect to localhost port 80 after 2250 ms: Connection refused";
        for fields in ["000:0.000000:2.2:", "000:0.000000:2.2:127.0.0.1"] {
            assert!(matches!(one(refused, fields), Outcome::Refused(_)), "{fields}");
        }
        let no_way = "curl: (7) Failed to connect to 10.244.5.9 port 80 after 0 ms: No route to host";
        assert!(matches!(one(no_way, "000:0.000000:0.1:"), Outcome::Otherwise(_)));
        // After a public blog: connected, and then nothing.
        let silent = "curl: (28) Operation timed out after 1000 milliseconds with 0 bytes received";
        assert!(matches!(one(silent, "000:0.002:1.0:10.96.0.9"), Outcome::Slow(_)));
    }

    #[test]
    fn what_proves_a_connection_is_one_though_nothing_was_answered() {
        // After denverdino/k8s-for-docker-desktop#3 and kubernetes/kubernetes#122264.
        let empty = "curl: (52) Empty reply from server";
        let tls = "curl: (35) schannel: next InitializeSecurityContext failed: SEC_E_ILLEGAL_MESSAGE (0x80090326)";
        for line in [empty, tls] {
            assert!(matches!(one(line, "000:0.001:0.1:10.96.0.9"), Outcome::ConnectedOnly(_)), "{line}");
        }
        // An old curl rounds the connection's time down to nothing.
        assert!(matches!(one(empty, "000:0.000:0.1:10.96.0.9"), Outcome::ConnectedOnly(_)));
    }

    #[test]
    fn a_progress_meter_before_an_error_is_not_in_the_way() {
        // After docker/for-win#14558: without -s the meter comes first, redrawn by carriage returns.
        let meter = "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n\r  0     0    0     0    0     0      0      0 --:--:--  0:00:21 --:--:--     0";
        let said = format!(
            "{meter}\ncurl: (28) Failed to connect to example.com port 443 after 21365 ms: Could not connect to server"
        );
        assert!(matches!(one(&said, "000:0.000000:21.3:"), Outcome::TimedOut(_)));
    }

    #[test]
    fn bodies_are_read_with_their_status() {
        // After OpenShift's Windows lab, kubernetes-sigs/sig-windows-dev-tools#171 and a public README.
        assert!(
            matches!(one(PAGE, "200:0.001:0.1:10.96.0.9"), Outcome::Answered { status: 200, body } if body == PAGE)
        );
        let said = "I'm whoami-windows running on windows/amd64\n\nIP: 100.244.1.7";
        assert!(
            matches!(one(said, "200:0.001:0.1:10.96.0.9"), Outcome::Answered { body, .. } if body.contains("windows/amd64"))
        );
        let refused = "curl: (22) The requested URL returned error: 403";
        assert!(matches!(one(refused, "403:0.001:0.1:10.96.0.9"), Outcome::Answered { status: 403, .. }));
    }

    #[test]
    fn the_address_of_a_connection_is_kept_ipv6_too() {
        for address in ["10.96.0.9", "2001:db8::9"] {
            let batch = Batch::read(&format!("{PAGE}\nwc-try:n1:200:0.1:0.2:{address}\nwc-end:n1\n"), "n1");
            assert_eq!(batch.transfers[0].remote, Some(address.parse().unwrap()));
        }
    }

    proptest! {
        #[test]
        fn any_output_is_read_without_panic(output in "(?s).{0,400}") {
            let _ = Batch::read(&output, "n1");
        }

        #[test]
        fn any_trailer_is_read_without_panic(fields in "[0-9:.,eE+-]{0,40}") {
            let _ = Batch::read(&format!("wc-try:n1:{fields}\nwc-end:n1"), "n1");
        }
    }
}
