//! Reading what a batch of curls printed.
//!
//! Every version prints its own sentences; only numbers are stable: curl's exit
//! code in `curl: (7)`, and the fields we ask for with `-w` (transcripts.md, 3).

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
    /// The TCP connection opened, but no whole HTTP answer came.
    ConnectedOnly(String),
    /// Refused.
    Refused(String),
    /// No answer to the connection attempt.
    TimedOut(String),
    /// The name was not found.
    NoSuchName(String),
    /// Anything else: reset, no route.
    Otherwise(String),
}

/// One connection of a batch.
#[derive(Debug, Clone, PartialEq)]
pub struct Transfer {
    /// What came of it.
    pub outcome: Outcome,
    /// Seconds until the TCP connection was open; 0 when it never was.
    pub connect_seconds: f64,
    /// Seconds in all.
    pub total_seconds: f64,
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
                transfer.outcome = error.outcome(transfer.connect_seconds > 0.0);
            }
        }
        batch
    }
}

/// The fields of a `-w` trailer: `200:0.001:0.002:123`.
#[derive(Debug)]
struct Fields {
    status: u16,
    connect: f64,
    total: f64,
}

impl Fields {
    fn read(text: &str) -> Option<Self> {
        // A curl that follows the system's locale prints a decimal comma.
        let number = |text: &str| text.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite());
        let mut parts = text.trim_end().split(':');
        Some(Self {
            status: parts.next()?.parse().ok()?,
            connect: number(parts.next()?)?,
            total: number(parts.next()?)?,
        })
    }

    fn transfer(&self, body: &str, error: Option<CurlError>) -> Transfer {
        let connected = self.connect > 0.0;
        let outcome = match (self.status, error) {
            (0, Some(error)) => error.outcome(connected),
            (0, None) if connected => Outcome::ConnectedOnly("connected, but no HTTP answer came".to_owned()),
            (0, None) => Outcome::Otherwise("no connection, and curl said no reason".to_owned()),
            (status, _) => Outcome::Answered { status, body: body.trim_end().to_owned() },
        };
        Transfer { outcome, connect_seconds: self.connect, total_seconds: self.total }
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

    fn outcome(self, connected: bool) -> Outcome {
        match self.code {
            _ if connected => Outcome::ConnectedOnly(self.line),
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
            "\r\nwc-settle:n1:200:0.001:0.004:102\r\n{PAGE}\r\nwc-try:n1:200:0.002:0.005:102\r\n{PAGE}\r\nwc-try:n1:200:0.002:0.004:102\r\nwc-end:n1 \r\n"
        );
        let batch = Batch::read(&output, "n1");
        assert!(batch.whole);
        assert!(batch.settle.is_some());
        assert_eq!(batch.transfers.iter().filter(|transfer| answered(transfer)).count(), 2);
    }

    #[test]
    fn refused_timed_out_and_connected_but_silent_are_told_apart() {
        let output = "curl: (7) Failed to connect to 10.96.0.9 port 80 after 2046 ms: Couldn't connect to server\n\n\
                      wc-try:n1:000:0.000000:2.046:0\n\
                      curl: (28) Connection timed out after 5001 milliseconds\n\n\
                      wc-try:n1:000:0.000000:5.001:0\n\
                      curl: (28) Operation timed out after 10001 milliseconds with 0 bytes received\n\n\
                      wc-try:n1:000:0.0012:10.001:0\n\
                      curl: (6) Could not resolve host: win-webserver\n\n\
                      wc-try:n1:000:0.0:0.1:0\nwc-end:n1\n";
        let batch = Batch::read(output, "n1");
        let outcomes: Vec<&Outcome> = batch.transfers.iter().map(|transfer| &transfer.outcome).collect();
        assert!(
            matches!(
                outcomes[..],
                [Outcome::Refused(_), Outcome::TimedOut(_), Outcome::ConnectedOnly(_), Outcome::NoSuchName(_)]
            ),
            "{outcomes:?}"
        );
    }

    #[test]
    fn errors_that_arrive_before_all_output_still_pair_with_failures() {
        let output = format!(
            "curl: (7) refused\ncurl: (28) timed out\n{PAGE}\nwc-try:n1:200:0.1:0.1:9\n\nwc-try:n1:000:0.0:2.0:0\n\nwc-try:n1:000:0.0:5.0:0\nwc-end:n1\n"
        );
        let batch = Batch::read(&output, "n1");
        assert!(answered(&batch.transfers[0]));
        assert!(matches!(batch.transfers[1].outcome, Outcome::Refused(_)));
        assert!(matches!(batch.transfers[2].outcome, Outcome::TimedOut(_)));
    }

    #[test]
    fn output_that_was_cut_is_not_whole() {
        assert!(!Batch::read(&format!("{PAGE}\nwc-try:n1:200:0.1:0.1:9\nwc-e"), "n1").whole);
        assert!(!Batch::read("wc-end:other\n", "n1").whole);
    }

    #[test]
    fn a_decimal_comma_is_a_decimal_point() {
        let batch = Batch::read("\nwc-try:n1:200:0,015:0,2:9\nwc-end:n1\n", "n1");
        assert!((batch.transfers[0].connect_seconds - 0.015).abs() < 1e-9);
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
