//! Trying a destination over many fresh HTTP connections from one pod.

use std::{net::IpAddr, time::Duration};

use winconform_reports::event::{Cell, Destination, Vantage};

use super::{
    exec::PodRef,
    host_port::HostPort,
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
    /// Whose queue it waits in, where several addresses lead to the same servers; otherwise its own.
    pub queue: Option<String>,
}

impl Aim {
    /// The web server's page at an address, each request recognisable in its log.
    #[must_use]
    pub fn page(destination: Destination, host: &str, port: i32, node: Option<String>) -> Self {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let base = format!("http://{host}:{port}");
        Self { destination, base, path: "/wc-{nonce}".to_owned(), node, queue: None }
    }

    /// A TCP port, whatever is said there.
    #[must_use]
    pub fn port(destination: Destination, to: &HostPort) -> Self {
        Self { path: "/".to_owned(), ..Self::page(destination, &to.host, to.port.into(), None) }
    }

    /// The same at another address.
    #[must_use]
    pub fn at(self, host: &str, port: i32) -> Self {
        let Self { base, .. } = Self::page(self.destination, host, port, None);
        Self { base, ..self }
    }

    /// The same in a queue with others that lead to the same servers.
    #[must_use]
    pub fn in_queue(self, queue: impl Into<String>) -> Self {
        Self { queue: Some(queue.into()), ..self }
    }

    /// Whose queue it waits in.
    pub(crate) fn queue(&self) -> &str {
        self.queue.as_deref().unwrap_or(&self.base)
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
    /// The host's name found, and not leading elsewhere than here. Whether anybody answers
    /// there is another question.
    Resolved(IpAddr),
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
        let fetch = |urls: &[String]| shell.fetch(nonce, urls, self.seconds_each());
        let mut script = fetch(&urls);
        // A line that cmd would cut loses whole URLs; better fewer connections than a lost batch.
        let mut fewer = urls;
        while script.len() > LINE_LIMIT && fewer.len() > 1 {
            fewer.truncate(fewer.len() / 2);
            script = fetch(&fewer);
        }
        if let Some(seconds) = self.settle {
            let settle = shell.settle(nonce, &self.aim.url(nonce, "s"), seconds);
            script = match self.expect {
                // The server may well say nothing, or no HTTP: what counts is the connection.
                Expect::Open => shell.after(&settle, &script),
                Expect::Text(_) | Expect::Resolved(_) => shell.and_then(&settle, &script),
            };
        }
        shell.command(&(script + &shell.end(nonce)))
    }

    /// The longest the command can take, in the cluster's time.
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_secs(self.settle.unwrap_or(0) + 10 + self.seconds_each() * u64::from(self.connections.max(1)))
    }

    /// How long one connection may take, in the cluster's time.
    fn seconds_each(&self) -> u64 {
        match self.expect {
            Expect::Text(_) => 10,
            Expect::Open | Expect::Resolved(_) => 6,
        }
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
            match batch.settle {
                None | Some(Transfer { outcome: Outcome::Answered { .. }, .. }) => return None,
                Some(settle) => count(&mut cell, &self.expect, &settle),
            }
        }
        for transfer in &batch.transfers {
            count(&mut cell, &self.expect, transfer);
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
}

/// Counts one connection into a cell.
pub(super) fn count(cell: &mut Cell, expect: &Expect, transfer: &Transfer) {
    cell.tried += 1;
    if let Expect::Resolved(address) = expect {
        return count_name(cell, *address, transfer);
    }
    let (counter, example) = match (&transfer.outcome, expect) {
        (Outcome::Answered { status: 200, body }, Expect::Text(text)) if body.contains(text) => {
            cell.answered += 1;
            return;
        }
        (Outcome::Answered { .. } | Outcome::ConnectedOnly(_) | Outcome::Slow(_), Expect::Open) => {
            cell.answered += 1;
            return;
        }
        (Outcome::Answered { status, body }, _) => {
            let shown: String = body.chars().take(80).collect();
            (&mut cell.connected_only, format!("HTTP {status} with another body: {shown}"))
        }
        (Outcome::ConnectedOnly(line), _) => (&mut cell.connected_only, line.clone()),
        (Outcome::Slow(line), _) => (&mut cell.slow, line.clone()),
        (Outcome::Refused(line), _) => (&mut cell.refused, line.clone()),
        (Outcome::TimedOut(line), _) => (&mut cell.timed_out, line.clone()),
        (Outcome::NoSuchName(line) | Outcome::Otherwise(line), _) => (&mut cell.otherwise, line.clone()),
    };
    *counter += 1;
    cell.example.get_or_insert(example);
}

/// A connection that was refused or timed out has found its name all the same.
fn count_name(cell: &mut Cell, address: IpAddr, transfer: &Transfer) {
    let (counter, example) = match (&transfer.outcome, transfer.remote) {
        (Outcome::NoSuchName(line) | Outcome::Otherwise(line), None) => (&mut cell.otherwise, line.clone()),
        (_, Some(other)) if other != address => {
            (&mut cell.connected_only, format!("it leads to {other}, which is not {address}"))
        }
        _ => {
            cell.answered += 1;
            return;
        }
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
            "curl: (28) Connection timed out after 3001 milliseconds\n\nwc-settle:n1:000:0.0:60.2:\nwc-end:n1\n";
        let probed = probe(Some(60)).read(output, "n1").unwrap();
        assert_eq!((probed.cell.tried, probed.cell.timed_out, probed.cell.answered), (1, 1, 0));
    }

    #[test]
    fn a_name_is_found_though_nobody_answers_there_and_a_wrong_address_is_told() {
        let named = HttpProbe { expect: Expect::Resolved("10.96.0.9".parse().unwrap()), ..probe(None) };
        let one = |said: &str, fields: &str| {
            named.read(&format!("{said}\nwc-try:n1:{fields}\nwc-end:n1\n"), "n1").unwrap().cell
        };
        assert_eq!(one("page", "200:0.1:0.1:10.96.0.9").answered, 1);
        assert_eq!(one("curl: (28) Connection timed out after 5001 milliseconds", "000:0.0:5.0:").answered, 1);
        assert_eq!(one("curl: (7) Failed to connect to web port 80", "000:0.0:2.0:").answered, 1);
        assert_eq!(one("page", "200:0.1:0.1:10.96.0.7").connected_only, 1);
        assert_eq!(one("curl: (6) Could not resolve host: web", "000:0.0:0.1:").otherwise, 1);
        assert_eq!(one("curl: (28) Resolving timed out after 5000 milliseconds", "000:0.0:5.0:").otherwise, 1);
    }

    #[test]
    fn connected_but_late_is_counted_apart() {
        let output = "curl: (28) Operation timed out after 10001 milliseconds with 0 bytes received\n\nwc-try:n1:000:0.1:10.0:10.96.0.9\nwc-end:n1\n";
        let cell = probe(None).read(output, "n1").unwrap().cell;
        assert_eq!((cell.slow, cell.connected_only, cell.answered), (1, 0, 0));
        let open = HttpProbe { expect: Expect::Open, ..probe(None) };
        assert_eq!(open.read(output, "n1").unwrap().cell.answered, 1);
    }

    #[test]
    fn a_wrong_page_is_connected_only() {
        let output = "hello\nwc-try:n1:200:0.1:0.1:10.96.0.9\nwc-end:n1\n";
        let probed = probe(None).read(output, "n1").unwrap();
        assert_eq!((probed.cell.answered, probed.cell.connected_only), (0, 1));
    }

    #[test]
    fn output_without_its_trailer_is_no_answer_at_all() {
        assert!(probe(None).read("Web Server\nwc-try:n1:200:0.1:0.1:10.96.0.9\n", "n1").is_none());
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
