//! Trying a destination over many fresh HTTP connections from one pod.

use std::time::Duration;

use winconform_reports::event::{Cell, Destination, Vantage};

use super::{
    exec::PodRef,
    script::{LINE_LIMIT, Shell},
    transfer::{Batch, Outcome, Transfer},
};

/// What is aimed at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aim {
    /// What it is, for the matrix.
    pub destination: Destination,
    /// `http://10.96.0.9:80`, without a path.
    pub base: String,
    /// The path that is asked for; `{nonce}` in it becomes a word of this connection's own.
    pub path: String,
    /// The node behind the address, where it is one.
    pub node: Option<String>,
}

impl Aim {
    /// The web server's page at an address, each request recognisable in its log.
    #[must_use]
    pub fn page(destination: Destination, host: &str, port: i32, node: Option<String>) -> Self {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Self { destination, base: format!("http://{host}:{port}"), path: "/wc-{nonce}".to_owned(), node }
    }

    fn url(&self, nonce: &str, index: impl std::fmt::Display) -> String {
        format!("{}{}", self.base, self.path.replace("{nonce}", &format!("{nonce}-{index}")))
    }

    /// The address for people: `10.96.0.9:80`.
    #[must_use]
    pub fn address(&self) -> &str {
        self.base.split_once("://").map_or(self.base.as_str(), |(_, rest)| rest)
    }
}

/// What counts as the expected answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// Status 200 and this text in the body.
    Text(&'static str),
    /// An open TCP connection, whatever is said over it.
    Open,
}

/// Connections to be tried from one pod to one destination.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    /// The pod to try from.
    pub from: PodRef,
    /// What kind of place that is.
    pub vantage: Vantage,
    /// The destination.
    pub aim: Aim,
    /// The expected answer.
    pub expect: Expect,
    /// How many connections, at least one.
    pub connections: u32,
    /// Seconds, in the cluster's time, to wait for a first answer; none to try at once.
    pub settle: Option<u64>,
}

/// What came of a probe.
#[derive(Debug, Clone)]
pub struct Probed {
    /// The counts, for verdicts and the matrix.
    pub cell: Cell,
    /// Each connection, in order; empty when the destination never answered at all.
    pub transfers: Vec<Transfer>,
    /// How long the first answer took, by the cluster's own clock.
    pub settled: Option<Duration>,
    /// The nonce of its requests; request `i` asked for a path with `nonce-i`.
    pub nonce: String,
}

impl HttpProbe {
    /// The command that tries all connections.
    pub(crate) fn command(&self, nonce: &str) -> Vec<String> {
        let shell = Shell::of(self.from.os);
        let urls: Vec<String> = (0..self.connections.max(1)).map(|index| self.aim.url(nonce, index)).collect();
        let mut script = shell.fetch(nonce, &urls);
        // A line that cmd would cut loses whole URLs; better fewer connections than a lost batch.
        let mut fewer = urls;
        while script.len() > LINE_LIMIT && fewer.len() > 1 {
            fewer.truncate(fewer.len() / 2);
            script = shell.fetch(nonce, &fewer);
        }
        if let Some(seconds) = self.settle {
            script = shell.and_then(&shell.settle(nonce, &self.aim.url(nonce, "s"), seconds), &script);
        }
        shell.command(&(script + &shell.end(nonce)))
    }

    /// The longest the command can take, in the cluster's time.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_secs(self.settle.unwrap_or(0) + 10 * u64::from(self.connections.max(1)))
    }

    /// Reads the command's output; nothing where it did not come back whole.
    pub(crate) fn read(&self, output: &str, nonce: &str) -> Option<Probed> {
        let batch = Batch::read(output, nonce);
        if !batch.whole {
            return None;
        }
        let mut cell = self.empty_cell();
        let settled = batch.settle.as_ref().map(|settle| Duration::from_secs_f64(settle.total_seconds.clamp(0.0, 1e6)));
        if batch.transfers.is_empty() {
            // `&&` kept the connections back, so the destination never answered at all. A curl
            // that said nothing, or that settled and then did not try, was not run: no answer.
            match batch.settle.map(|settle| settle.outcome) {
                None | Some(Outcome::Answered { .. }) => return None,
                Some(outcome) => self.count(&mut cell, &outcome),
            }
        }
        for transfer in &batch.transfers {
            self.count(&mut cell, &transfer.outcome);
        }
        Some(Probed { cell, transfers: batch.transfers, settled, nonce: nonce.to_owned() })
    }

    /// What is reported when the transport failed each time.
    pub(crate) fn lost(&self, nonce: &str, why: String) -> Probed {
        let mut cell = self.empty_cell();
        cell.lost = self.connections.max(1);
        cell.example = Some(why);
        Probed { cell, transfers: Vec::new(), settled: None, nonce: nonce.to_owned() }
    }

    fn empty_cell(&self) -> Cell {
        let source_node = Some(self.from.node.clone());
        let address = self.aim.address().to_owned();
        Cell::untried(self.vantage, source_node, self.aim.destination, address, self.aim.node.clone())
    }

    fn count(&self, cell: &mut Cell, outcome: &Outcome) {
        count(cell, &self.expect, outcome);
    }
}

/// Counts one connection into a cell.
pub(super) fn count(cell: &mut Cell, expect: &Expect, outcome: &Outcome) {
    cell.tried += 1;
    let (counter, example) = match (outcome, expect) {
        (Outcome::Answered { status: 200, body }, Expect::Text(text)) if body.contains(text) => {
            cell.answered += 1;
            return;
        }
        (Outcome::Answered { .. } | Outcome::ConnectedOnly(_), Expect::Open) => {
            cell.answered += 1;
            return;
        }
        (Outcome::Answered { status, body }, _) => {
            let shown: String = body.chars().take(80).collect();
            (&mut cell.connected_only, format!("HTTP {status} with another body: {shown}"))
        }
        (Outcome::ConnectedOnly(line), _) => (&mut cell.connected_only, line.clone()),
        (Outcome::Refused(line), _) => (&mut cell.refused, line.clone()),
        (Outcome::TimedOut(line), _) => (&mut cell.timed_out, line.clone()),
        (Outcome::NoSuchName(line) | Outcome::Otherwise(line), _) => (&mut cell.otherwise, line.clone()),
    };
    *counter += 1;
    cell.example.get_or_insert(example);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Os;

    fn probe(settle: Option<u64>) -> HttpProbe {
        HttpProbe {
            from: PodRef {
                namespace: "ns".into(),
                name: "client".into(),
                container: "client".into(),
                node: "win-0".into(),
                os: Os::Windows,
                ip: "10.244.1.4".into(),
            },
            vantage: Vantage::WindowsPod,
            aim: Aim::page(Destination::WindowsServiceIp, "10.96.0.9", 80, None),
            expect: Expect::Text("Web Server"),
            connections: 3,
            settle,
        }
    }

    #[test]
    fn a_destination_that_never_settles_counts_as_one_failed_connection() {
        let output =
            "curl: (28) Connection timed out after 3001 milliseconds\n\nwc-settle:n1:000:0.0:60.2:0\nwc-end:n1\n";
        let probed = probe(Some(60)).read(output, "n1").unwrap();
        assert_eq!((probed.cell.tried, probed.cell.timed_out, probed.cell.answered), (1, 1, 0));
    }

    #[test]
    fn a_wrong_page_is_connected_only() {
        let output = "hello\nwc-try:n1:200:0.1:0.1:5\nwc-end:n1\n";
        let probed = probe(None).read(output, "n1").unwrap();
        assert_eq!((probed.cell.answered, probed.cell.connected_only), (0, 1));
    }

    #[test]
    fn output_without_its_trailer_is_no_answer_at_all() {
        assert!(probe(None).read("Web Server\nwc-try:n1:200:0.1:0.1:5\n", "n1").is_none());
    }

    #[test]
    fn a_curl_that_is_not_there_is_no_answer_at_all() {
        let output = "'curl.exe' is not recognized as an internal or external command,\r\noperable program or batch file.\r\nwc-end:n1\r\n";
        assert!(probe(Some(60)).read(output, "n1").is_none());
        assert!(probe(None).read(output, "n1").is_none());
    }

    #[test]
    fn a_line_for_cmd_never_grows_past_its_limit() {
        let mut many = probe(Some(60));
        many.connections = 500;
        assert!(many.command("n1")[3].len() <= LINE_LIMIT + 400);
    }
}
