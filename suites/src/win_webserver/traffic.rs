//! Connections to a Service whose backends change: asked again until the rules have
//! followed, and every source has seen every backend.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use winconform_harness::{
    Budget, Context,
    probe::{Aim, HttpProbe, PodRef, Probed, judge},
    run::LogTail,
};
use winconform_reports::{
    Verdict, VerdictKind,
    event::{Destination, Vantage},
};

use crate::reachability::PAGE;

/// Fresh connections from each source: of three backends each is missed once in two hundred times, and then asked for again.
const CONNECTIONS: u32 = 13;

/// A Service of the check's own, and what its backends print.
pub(super) struct Traffic<'a> {
    cx: &'a Context,
    ip: String,
    tails: BTreeMap<String, LogTail>,
}

/// What came of connections from every source.
pub(super) struct Round {
    /// The counts, and what they come to.
    pub(super) verdict: Verdict,
    /// Connections that were not answered.
    pub(super) lost: u32,
    /// Connections that were tried.
    pub(super) tried: u32,
    probed: Vec<Probed>,
}

impl Round {
    /// Puts what was tried into the matrix.
    pub(super) fn report(&self, cx: &Context) {
        cx.report(&self.probed);
    }

    /// How many got lost, in words.
    pub(super) fn words(&self) -> String {
        format!("{} of {} lost", self.lost, self.tried)
    }
}

impl<'a> Traffic<'a> {
    pub(super) fn new(cx: &'a Context, ip: String) -> Self {
        Self { cx, ip, tails: BTreeMap::new() }
    }

    /// Reads what these backends print from now on.
    pub(super) fn follow(&mut self, backends: &[PodRef]) {
        for pod in backends {
            self.tails.entry(pod.name.clone()).or_insert_with(|| self.cx.follow(pod));
        }
    }

    /// Gives the network of new backends its time, asked by their own sources.
    pub(super) async fn settle(&self, from: &[PodRef], backends: &[PodRef]) {
        let Some(from) = from.first() else { return };
        let probe = |to: &PodRef| HttpProbe {
            settle: Some(self.cx.budgets().inside(Budget::Datapath)),
            connections: 1,
            ..self.probe(from, Aim::page(Destination::WindowsPodOtherNode, &to.ip, 80, Some(to.node.clone())))
        };
        self.cx.try_out(&backends.iter().map(probe).collect::<Vec<_>>()).await;
    }

    /// Connections from every source at once, whatever comes of them.
    pub(super) async fn now(&self, sources: &[PodRef]) -> Round {
        let aim = Aim::page(Destination::WindowsServiceIp, &self.ip, 80, None);
        let probes: Vec<HttpProbe> = sources.iter().map(|from| self.probe(from, aim.clone())).collect();
        let probed = self.cx.try_out(&probes).await;
        let verdict = judge(&probed, "every connection to the Service must be answered");
        let (tried, answered) =
            probed.iter().fold((0, 0), |(tried, answered), one| (tried + one.cell.tried, answered + one.cell.answered));
        Round { verdict, lost: tried - answered, tried, probed }
    }

    /// Asks until every connection is answered and every source has seen each of `backends`, at
    /// most for the datapath budget; gives the last round and how long that took.
    pub(super) async fn until_followed(&self, sources: &[PodRef], backends: &[PodRef]) -> (Round, Duration) {
        let (from, patience) = (Instant::now(), self.cx.budgets().of(Budget::Datapath));
        let wanted: BTreeSet<&str> = backends.iter().map(|pod| pod.name.as_str()).collect();
        let mut seen: Vec<BTreeSet<String>> = vec![BTreeSet::new(); sources.len()];
        let mut wait = Duration::from_millis(500);
        loop {
            let mut round = self.now(sources).await;
            let mut unread = 0;
            for (seen, one) in seen.iter_mut().zip(&round.probed) {
                let (by, missing) = self.seen_by(one).await;
                seen.extend(by);
                unread += missing;
            }
            let unseen: Vec<String> = (sources.iter().zip(&seen))
                .flat_map(|(source, seen)| {
                    let missing = wanted.iter().filter(|name| !seen.contains(**name));
                    missing.map(|name| format!("{name} from {}", source.node)).collect::<Vec<_>>()
                })
                .collect();
            let answered = round.verdict.kind() == VerdictKind::Passed;
            let over = from.elapsed() >= patience || round.verdict.kind() == VerdictKind::Undetermined;
            if (answered && unseen.is_empty()) || over {
                self.cx.report(&round.probed);
                if answered && !unseen.is_empty() {
                    round.verdict = self.judge_unseen(&unseen, unread);
                }
                return (round, from.elapsed());
            }
            // A node's rules follow the endpoints by a moment, and nothing tells when.
            self.cx.let_pass(wait.min(patience.saturating_sub(from.elapsed()))).await;
            wait *= 2;
        }
    }

    /// Backends are told apart by their logs only, so without one nobody knows.
    fn judge_unseen(&self, unseen: &[String], unread: usize) -> Verdict {
        match self.tails.iter().find_map(|(pod, tail)| Some((pod, tail.trouble()?))) {
            Some((pod, why)) => Verdict::Undetermined(format!("the log of {pod} could not be read: {why}")),
            None if unread > 0 => Verdict::Undetermined(format!(
                "the logs of the backends could not be read far enough: {unread} requests that were answered are in none"
            )),
            None => Verdict::Failed(format!("a backend gets no connection: {}", unseen.join(", "))),
        }
    }

    fn probe(&self, from: &PodRef, aim: Aim) -> HttpProbe {
        HttpProbe {
            from: from.clone(),
            vantage: Vantage::WindowsPod,
            aim,
            expect: PAGE,
            connections: CONNECTIONS,
            settle: None,
        }
    }

    /// The backends in whose logs a probe's requests arrived, and how many that were answered are in none.
    async fn seen_by(&self, probed: &Probed) -> (BTreeSet<String>, usize) {
        let arrived = |tail: &LogTail| tail.arrived(&probed.nonce).len();
        let all = || self.tails.values().map(arrived).sum::<usize>() >= probed.transfers.len();
        // Each answered request is in some log, but a log may lag behind its answer.
        if probed.cell.answered == probed.cell.tried {
            let patience = self.cx.budgets().stretch(Duration::from_secs(10));
            let waits = self.tails.values().map(|tail| Box::pin(tail.until(patience, |_| all())));
            if self.tails.is_empty() {
                return (BTreeSet::new(), probed.transfers.len());
            }
            futures::future::select_all(waits).await;
        }
        let by = self.tails.iter().filter(|(_, tail)| arrived(tail) > 0).map(|(pod, _)| pod.clone()).collect();
        let answered = usize::try_from(probed.cell.answered).unwrap_or_default();
        (by, answered.saturating_sub(self.tails.values().map(arrived).sum()))
    }
}
