//! Asking from inside the cluster: commands by exec, and the probes made of them.

use std::{convert::Infallible, sync::atomic::Ordering, time::Duration};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;
use winconform_reports::{
    Chain, Event,
    event::{Cell, ServiceMade, Vantage},
};

use super::Context;
use crate::{
    budgets::Budget,
    probe::{
        Admission, Aim, ExecError, Expect, HttpProbe, Limits, Line, Lookup, NameProbe, Output, PingProbe, PodRef,
        Probed, Resolver, Transport, exec, probe_outside,
    },
    run::live_fixture::Ready,
    wait::{Snapshot, ended, pause},
};

/// How many times the connections are tried again where some were slow: a path that
/// stalls one in N would otherwise pass for a server with much to do.
const AGAIN: u32 = 3;

/// A server that answers nobody of a queue that short for one in so many is not just busy.
const BUSY: u32 = 4;

/// Whether a command is given up where others found its node silent.
#[derive(Debug, Clone, Copy)]
enum Patience {
    /// As long as its node lets commands start.
    OfNode,
    /// Its own limits only.
    Own,
}

impl Context {
    /// Runs a command in a pod's container.
    ///
    /// An outcome that was lost is asked for again, so the command must be safe to repeat.
    /// Where commands on the node do not start, and elsewhere do, it is given up early.
    ///
    /// # Errors
    ///
    /// When it could not be run, or its outcome stayed lost.
    pub async fn exec(&self, pod: &PodRef, command: &[String], longest: Duration) -> Result<Output, ExecError> {
        let pause = self.stage.budgets.of(Budget::Exec);
        let given_up = || ExecError::Silent { node: pod.node.clone(), pod: format!("{}/{}", pod.namespace, pod.name) };
        match self.stage.silence.admit(&pod.node, pause) {
            Admission::Silent => Err(given_up()),
            Admission::Trial => self.exec_patiently(pod, command, longest).await,
            Admission::Free => tokio::select! {
                biased;
                outcome = self.exec_patiently(pod, command, longest) => outcome,
                () = self.stage.silence.until_silent(&pod.node) => Err(given_up()),
            },
        }
    }

    /// The same whatever is known of the node: for the check that judges whether it answers.
    ///
    /// # Errors
    ///
    /// When it could not be run, or its outcome stayed lost.
    pub async fn exec_patiently(
        &self,
        pod: &PodRef,
        command: &[String],
        longest: Duration,
    ) -> Result<Output, ExecError> {
        let limits = self.limits(longest);
        let mut transport = Transport::new(self.stage.budgets);
        loop {
            let permit = self.stage.execs.acquire().await;
            let from = Instant::now();
            let spoke = || self.stage.silence.spoke(&pod.node);
            let outcome = exec(&self.stage.client, pod, command, limits, spoke).await;
            drop(permit);
            self.record(pod, command, &outcome);
            match outcome {
                Ok(output) => {
                    let now = Instant::now();
                    let accepted = now.checked_sub(output.took).unwrap_or(from);
                    self.stage.cluster_time.note_between(&self.id.to_string(), accepted, now);
                    return Ok(output);
                }
                Err(error) if error.is_transport() => match transport.lost(from.elapsed()) {
                    Some(until_next) => {
                        tracing::debug!(%error, losses = transport.losses(), "an exec is made again");
                        pause(until_next).await;
                    }
                    None => {
                        self.observe_end_of(pod);
                        return Err(error);
                    }
                },
                Err(error) => {
                    self.observe_end_of(pod);
                    if matches!(error, ExecError::Unanswered { .. }) {
                        self.stage.silence.unanswered(&pod.node, from);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Keeps as a fact how a container ended in which no command could be run.
    fn observe_end_of(&self, pod: &PodRef) {
        let now = |pods: &Snapshot<Pod>| pods.get(&pod.namespace, &pod.name).and_then(|now| ended(now, &pod.container));
        if let Some(seen) = self.stage.views.pods.peek(now) {
            self.observe(seen);
        }
    }

    /// Runs a command that must not be run twice: an outcome that was lost stays lost.
    ///
    /// # Errors
    ///
    /// As [`Context::exec`].
    pub async fn exec_once(&self, pod: &PodRef, command: &[String], longest: Duration) -> Result<Output, ExecError> {
        let spoke = || self.stage.silence.spoke(&pod.node);
        let outcome = exec(&self.stage.client, pod, command, self.limits(longest), spoke).await;
        self.record(pod, command, &outcome);
        outcome
    }

    /// What the command itself may take is in the cluster's time; ours is added on top.
    fn limits(&self, longest: Duration) -> Limits {
        let start = self.stage.budgets.of(Budget::Exec);
        Limits { start, run: start + self.stage.budgets.stretch(longest) }
    }

    fn record(&self, pod: &PodRef, command: &[String], outcome: &Result<Output, ExecError>) {
        let head = format!("{}/{} on {} $ {}", pod.namespace, pod.name, pod.node, command.join(" "));
        let text = match outcome {
            Ok(output) => format!("{head}\n{}{}exit code {}\n", output.stdout, output.stderr, output.exit_code),
            Err(error) => format!("{head}\n{}\n", Chain(error)),
        };
        self.note(|notes| notes.transcript.push(text));
    }

    /// Has a pod's shell run a line, and gives what that printed and ended with, whole.
    ///
    /// Output that was cut on the way is asked for again, so the line must be safe to repeat.
    ///
    /// # Errors
    ///
    /// When it could not be run, or its outcome stayed lost.
    pub async fn ask(&self, pod: &PodRef, text: &str, longest: Duration) -> Result<Output, ExecError> {
        self.ask_line(Line { pod, text, longest }, Patience::OfNode).await
    }

    /// The same whatever is known of the node: for the check that judges whether it answers.
    ///
    /// # Errors
    ///
    /// As [`Context::ask`].
    pub async fn ask_patiently(&self, pod: &PodRef, text: &str, longest: Duration) -> Result<Output, ExecError> {
        self.ask_line(Line { pod, text, longest }, Patience::Own).await
    }

    async fn ask_line(&self, line: Line<'_>, patience: Patience) -> Result<Output, ExecError> {
        let nonce = self.nonce();
        let command = line.command(&nonce);
        let read = |output: &Output| line.read(output, &nonce);
        let whole = self.read(line.pod, &command, line.longest, patience, read).await;
        self.seen(&format!("`{}` on {}", line.text, line.pod.node), whole.and_then(|output| line.ran(output)))
    }

    /// Runs a command and reads what it printed; output that is not whole is asked for again.
    async fn read<T>(
        &self,
        pod: &PodRef,
        command: &[String],
        longest: Duration,
        patience: Patience,
        read: impl Fn(&Output) -> Option<T>,
    ) -> Result<T, ExecError> {
        let mut transport = Transport::new(self.stage.budgets);
        loop {
            let from = Instant::now();
            let output = match patience {
                Patience::OfNode => self.exec(pod, command, longest).await?,
                Patience::Own => self.exec_patiently(pod, command, longest).await?,
            };
            if let Some(read) = read(&output) {
                return Ok(read);
            }
            match transport.lost(from.elapsed()) {
                Some(until_next) => pause(until_next).await,
                None => {
                    return Err(ExecError::Lost {
                        node: pod.node.clone(),
                        pod: format!("{}/{}", pod.namespace, pod.name),
                        detail: format!("its output is not whole: {:?}", tail(&output.stdout)),
                    });
                }
            }
        }
    }

    /// Why an outcome is missing, kept as a fact too.
    fn why_lost(&self, error: &ExecError) -> String {
        self.observe(error.observation(false));
        Chain(error).to_string()
    }

    /// Tries connections from pods, each probe in an exec of its own, all at once but for the
    /// queue at each destination; the pairs go into the matrix.
    ///
    /// Connections that opened and then waited in vain are tried again, more of them and with
    /// nobody of ours beside: what is answered then was a server with much to do
    /// ([`Cell::slow`]), what is not was no matter of load.
    pub async fn probe(&self, probes: Vec<HttpProbe>) -> Vec<Probed> {
        let probed = self.try_out(&probes).await;
        self.report(&probed);
        probed
    }

    /// Tries connections as [`Context::probe`] does, and keeps them out of the matrix: for rounds that only
    /// lead up to the one that counts, which [`Context::report`] puts there.
    pub async fn try_out(&self, probes: &[HttpProbe]) -> Vec<Probed> {
        let mut probed = join_all(probes.iter().map(|probe| self.probe_one(probe))).await;
        for (probe, first) in probes.iter().zip(&mut probed) {
            if is_perhaps_busy(&mut first.cell) {
                let alone = HttpProbe { connections: probe.connections * AGAIN, settle: None, ..probe.clone() };
                let again = self.probe_one(&alone).await.cell;
                tell_load_from_loss(&mut first.cell, &again);
            }
        }
        self.all_seen(probed)
    }

    /// Passes on what came of connections.
    fn all_seen(&self, probed: Vec<Probed>) -> Vec<Probed> {
        probed.into_iter().map(|one| self.seen_of(&one.cell.clone(), one)).collect()
    }

    /// Passes on what came of the attempts of a pair in the matrix.
    fn seen_of<T: Clone + Send + Sync + 'static>(&self, cell: &Cell, found: T) -> T {
        let node = |node: &Option<String>| node.clone().unwrap_or_default();
        let (from, to) = (node(&cell.source_node), node(&cell.destination_node));
        let what = format!("{:?} on {from} to {:?} on {to}", cell.source, cell.destination);
        let Ok(seen) = self.seen(&what, Ok::<T, Infallible>(found));
        seen
    }

    async fn probe_one(&self, probe: &HttpProbe) -> Probed {
        let nonce = self.nonce();
        let _turn = self.stage.crowds.turn(probe.aim.queue()).await;
        let read = |output: &Output| probe.read(&output.stdout, &nonce);
        match self.read(&probe.from, &probe.command(&nonce), probe.longest(), Patience::OfNode, read).await {
            Ok(probed) => probed,
            Err(error) => probe.lost(&nonce, self.why_lost(&error)),
        }
    }

    /// Sends echo requests, all pairs at once. Where some are lost more are sent: an echo
    /// request has no second try of its own, as a connection has.
    pub async fn ping(&self, probes: &[PingProbe]) -> Vec<Cell> {
        let cells = join_all(probes.iter().map(|probe| async {
            let mut cell = self.ping_one(probe).await;
            if cell.answered < cell.tried {
                let more = self.ping_one(&PingProbe { count: probe.count * 2, ..probe.clone() }).await;
                cell.tried += more.tried;
                cell.answered += more.answered;
                cell.timed_out += more.timed_out;
                cell.example = cell.example.map(|_| format!("{} of {} were not answered", cell.timed_out, cell.tried));
            }
            cell
        }))
        .await;
        let cells: Vec<Cell> = cells.into_iter().map(|cell| self.seen_of(&cell.clone(), cell)).collect();
        self.report_cells(&cells);
        cells
    }

    async fn ping_one(&self, probe: &PingProbe) -> Cell {
        let nonce = self.nonce();
        let read = |output: &Output| probe.read(&output.stdout, &nonce);
        match self.read(&probe.from, &probe.command(&nonce), probe.longest(), Patience::OfNode, read).await {
            Ok(cell) => cell,
            Err(error) => probe.lost(self.why_lost(&error)),
        }
    }

    /// Asks for names in a pod: with the best tool that it has.
    ///
    /// # Errors
    ///
    /// When no answer came back.
    pub async fn look_up(&self, probe: &NameProbe) -> Result<Vec<Lookup>, ExecError> {
        let found = self.look_up_with_any(probe).await;
        self.seen(&format!("names from a pod on {}", probe.from.node), found)
    }

    async fn look_up_with_any(&self, probe: &NameProbe) -> Result<Vec<Lookup>, ExecError> {
        let nonce = self.nonce();
        let mut missing = None;
        for tool in probe.tools() {
            let read = |output: &Output| probe.read(*tool, &output.stdout, &nonce);
            match self.read(&probe.from, &probe.command(*tool, &nonce), probe.longest(), Patience::OfNode, read).await {
                // The image lacks the program.
                Err(error @ ExecError::Runtime { .. }) => missing = Some(error),
                outcome => return outcome,
            }
        }
        Err(missing.unwrap_or_else(|| ExecError::Lost {
            node: probe.from.node.clone(),
            pod: format!("{}/{}", probe.from.namespace, probe.from.name),
            detail: "there is no tool to ask with".to_owned(),
        }))
    }

    /// What a pod's resolver was told; nothing where the pod does not show it.
    ///
    /// # Errors
    ///
    /// When no answer came back.
    pub async fn resolver_of(&self, pod: &PodRef) -> Result<Option<Resolver>, ExecError> {
        let nonce = self.nonce();
        let read = |output: &Output| Resolver::read(pod.os, &output.stdout, &nonce);
        let command = Resolver::command(pod.os, &nonce);
        let told = self.read(pod, &command, Duration::from_secs(10), Patience::OfNode, read).await;
        self.seen(&format!("the resolver of a pod on {}", pod.node), told)
    }

    /// Waits until each way works or was given its time, and reports nothing.
    pub async fn await_network(&self, ways: &[HttpProbe]) {
        join_all(ways.iter().map(|way| self.probe_one(way))).await;
    }

    /// Gives the network of each pod of a fixture its time to come up, once for all checks.
    ///
    /// A Service answers as soon as one backend does, so its first answer says nothing
    /// of the others: here each is asked by another (or by itself, if it is alone) until
    /// it answers or the datapath budget is spent. That is no verdict; checks give those.
    pub async fn settle(&self, ready: &Ready, aim: impl Fn(&PodRef) -> Aim, expect: &Expect) {
        ready
            .settled
            .get_or_init(|| async {
                let from = Instant::now();
                let others = ready.pods.iter().cycle().skip(1);
                let probes = ready.pods.iter().zip(others).map(|(to, from)| HttpProbe {
                    from: from.clone(),
                    vantage: Vantage::WindowsPod,
                    aim: aim(to),
                    expect: expect.clone(),
                    connections: 1,
                    settle: Some(self.stage.budgets.inside(Budget::Datapath)),
                });
                self.await_network(&probes.collect::<Vec<_>>()).await;
                self.phase("network of the backends", from.elapsed());
            })
            .await;
    }

    /// Tries connections from where winconform runs, through the proxy if there is one.
    pub async fn probe_outside(&self, aims: &[Aim], expect: &Expect, connections: u32) -> Vec<Probed> {
        let limit = self.stage.budgets.stretch(Duration::from_secs(10));
        let settle = self.stage.budgets.of(Budget::Datapath);
        let proxy = self.stage.outside_proxy.as_ref();
        let from = Instant::now();
        let one = |aim: Aim, connections, settle| {
            let nonce = self.nonce();
            async move { probe_outside(proxy, &aim, expect, connections, limit, settle, &nonce).await }
        };
        let mut probed = join_all(aims.iter().map(|aim| one(aim.clone(), connections, Some(settle)))).await;
        for (aim, first) in aims.iter().zip(&mut probed) {
            if is_perhaps_busy(&mut first.cell) {
                let again = one(aim.clone(), connections * AGAIN, None).await.cell;
                tell_load_from_loss(&mut first.cell, &again);
            }
        }
        self.stage.cluster_time.note(&self.id.to_string(), from);
        let probed = self.all_seen(probed);
        self.report(&probed);
        probed
    }

    /// Puts what connections came to into the matrix.
    pub fn report(&self, probed: &[Probed]) {
        if let Some(slowest) = probed.iter().filter_map(|probed| probed.settled).max() {
            self.phase("first answer", slowest);
        }
        let cells: Vec<Cell> = probed.iter().map(|probed| probed.cell.clone()).collect();
        self.report_cells(&cells);
    }

    /// Puts pairs into the matrix; the ends of those that are troubled are looked into for evidence.
    pub fn report_cells(&self, cells: &[Cell]) {
        let troubled = cells.iter().filter(|cell| cell.answered + cell.slow < cell.tried || cell.lost > 0);
        let ends = troubled.flat_map(|cell| [cell.source_node.clone(), cell.destination_node.clone()]).flatten();
        let unanswered = cells.iter().any(|cell| cell.answered + cell.slow < cell.tried);
        self.note(|notes| {
            notes.troubled.extend(ends);
            notes.unanswered |= unanswered;
        });
        self.stage.journal.emit(Event::Probed { id: self.id.clone(), cells: cells.to_vec() });
    }

    /// Says what a Service of the cluster's own is called, for findings.
    pub fn name_service(&self, name: &str, address: &str) {
        self.stage.journal.emit(Event::ServiceMade(ServiceMade {
            owner: name.to_owned(),
            addresses: vec![address.to_owned()],
            node_ports: Vec::new(),
        }));
    }

    /// A word that no other probe of this run has.
    fn nonce(&self) -> String {
        let number = self.probes.fetch_add(1, Ordering::Relaxed);
        // The id's own slug keeps the nonces of different checks apart.
        let hash = self
            .id
            .to_string()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{:08x}n{number}", (hash >> 32) ^ (hash & 0xffff_ffff))
    }
}

/// Whether few enough connections were slow for a server with much to do; if not, none counts as slow.
fn is_perhaps_busy(cell: &mut Cell) -> bool {
    if cell.slow * BUSY > cell.tried {
        cell.connected_only += std::mem::take(&mut cell.slow);
    }
    cell.slow > 0
}

/// Decides what slow connections were, by what came of many more without load.
fn tell_load_from_loss(cell: &mut Cell, again: &Cell) {
    if again.tried > 0 && again.answered == again.tried {
        return;
    }
    let slow = std::mem::take(&mut cell.slow);
    if again.tried == 0 {
        // Nobody can say any more.
        cell.tried -= slow;
        cell.lost += slow;
    } else {
        cell.connected_only += slow;
    }
}

/// The end of a text, for messages.
fn tail(text: &str) -> &str {
    let start = text.char_indices().rev().nth(119).map_or(0, |(index, _)| index);
    &text[start..]
}

#[cfg(test)]
mod tests {
    use winconform_reports::event::Destination;

    use super::*;

    fn cell(tried: u32, answered: u32, slow: u32) -> Cell {
        let empty =
            Cell::untried(Vantage::WindowsPod, None, Destination::WindowsServiceIp, "10.96.0.9:80".into(), None);
        Cell { tried, answered, slow, ..empty }
    }

    #[test]
    fn a_server_that_leaves_many_waiting_is_not_just_busy() {
        let mut most = cell(12, 4, 8);
        assert!(!is_perhaps_busy(&mut most));
        assert_eq!((most.slow, most.connected_only), (0, 8));
        assert!(is_perhaps_busy(&mut cell(12, 10, 2)));
        assert!(!is_perhaps_busy(&mut cell(12, 12, 0)));
    }

    #[test]
    fn slow_under_load_and_quick_alone_is_no_loss() {
        let mut first = cell(12, 10, 2);
        tell_load_from_loss(&mut first, &cell(36, 36, 0));
        assert_eq!((first.slow, first.connected_only, first.lost), (2, 0, 0));
    }

    #[test]
    fn slow_again_when_asked_alone_is_no_load() {
        let mut first = cell(12, 10, 2);
        tell_load_from_loss(&mut first, &cell(36, 35, 1));
        assert_eq!((first.slow, first.connected_only, first.tried), (0, 2, 12));
    }

    #[test]
    fn what_could_not_be_asked_again_is_unknown() {
        let mut first = cell(12, 10, 2);
        tell_load_from_loss(&mut first, &Cell { lost: 36, ..cell(0, 0, 0) });
        assert_eq!((first.slow, first.connected_only, first.tried, first.lost), (0, 0, 10, 2));
    }
}
