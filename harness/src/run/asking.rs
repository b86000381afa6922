//! Asking one check: its fixtures, its turn, its budget, its verdict, its evidence.

use std::{any::Any, path::PathBuf, sync::Arc, time::Duration};

use futures::future::join_all;
use tokio::{
    sync::{AcquireError, Semaphore, SemaphorePermit},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use winconform_reports::{
    Event, Verdict, VerdictKind,
    event::{Attempt, Finished, Observation},
};

use super::{Keep, evidence, live_fixture::State, network_policies, plan::PlannedCheck, stage::Stage};
use crate::{
    blame::Trouble,
    check,
    cluster::{Created, delete},
    context::{Context, Notes},
    journal::millis,
};

/// A check that is going to be asked, and what that takes.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) planned: PlannedCheck,
    pub(super) stage: Arc<Stage>,
    pub(super) jobs: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
    pub(super) folder: Option<PathBuf>,
    pub(super) keep: Keep,
    /// How often it is asked again where it does not pass.
    pub(super) retries: u32,
}

/// What one attempt came to.
struct Attempted {
    verdict: Verdict,
    took: Duration,
    notes: Notes,
    observations: Vec<Observation>,
    /// How often each of its fixtures had been started again before it.
    restarts: Vec<u32>,
}

impl Asked {
    /// Asks, again where it did not pass and may be, reports the verdict, and lets go of the fixtures.
    pub(super) async fn ask(self) -> VerdictKind {
        let mut earlier: Vec<Attempt> = Vec::new();
        // Of the first attempt that did not pass: a later one may leave no trace of why.
        let mut evidence = Vec::new();
        let mut number = 1;
        let last = loop {
            let attempt = self.attempt(number).await;
            let kind = attempt.verdict.kind();
            let did_not_pass = matches!(kind, VerdictKind::Failed | VerdictKind::Undetermined);
            if did_not_pass && evidence.is_empty() {
                evidence = evidence::collect(&self.stage, &self.planned, &attempt.notes, self.folder.as_deref()).await;
            }
            // What disturbs the cluster is not done twice.
            let may_again = number <= self.retries && !self.planned.check.disruptive && !self.stop.is_cancelled();
            if !did_not_pass || !may_again {
                break attempt;
            }
            self.remove_own(&attempt.notes.created).await;
            tokio::select! {
                () = self.start_fixtures_again(&attempt.restarts) => {}
                () = self.stop.cancelled() => {}
            }
            earlier.push(Attempt {
                verdict: attempt.verdict,
                ms: millis(attempt.took),
                observations: attempt.observations,
            });
            number += 1;
        };
        let kind = last.verdict.kind();
        let failed_before = earlier.iter().any(|attempt| attempt.verdict.kind() == VerdictKind::Failed);
        self.stage.journal.emit(Event::CheckFinished(Box::new(Finished {
            id: self.planned.id.clone(),
            verdict: last.verdict,
            attempts: number,
            flaky: failed_before && kind == VerdictKind::Passed,
            earlier,
            round: self.stage.round,
            ms: millis(last.took),
            phases: last.notes.phases.clone(),
            observations: last.observations,
            evidence,
        })));
        self.remove_own(&last.notes.created).await;
        self.release().await;
        kind
    }

    /// Asks once.
    async fn attempt(&self, number: u32) -> Attempted {
        let context = Context::new(self.stage.clone(), self.planned.id.clone(), number);
        let mut started = Instant::now();
        let mut restarts = Vec::new();
        for awaited in &self.planned.waits {
            let fixture = self.stage.fixtures.get(&awaited.key);
            restarts.push(match fixture {
                // Nobody starts one again where nobody is asked again.
                Some(fixture) if self.retries > 0 => fixture.restarts().await,
                _ => 0,
            });
        }
        let answer = tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(Trouble::Aborted("the run was interrupted".to_owned())),
            answer = self.answer(&context, &mut started) => answer,
        };
        let took = started.elapsed();
        if self.planned.check.disruptive {
            // What cannot be lifted now is tried again, and then reported, at the run's end.
            self.stage.cordons.lift(&self.planned.id.to_string()).await;
        }
        let notes = context.take_notes();
        let mut observations = notes.observations.clone();
        let verdict = match answer {
            Ok(verdict) => verdict,
            Err(trouble) => {
                for observation in trouble.observations() {
                    if !observations.contains(&observation) {
                        observations.push(observation);
                    }
                }
                trouble.verdict()
            }
        };
        let verdict = match notes.unanswered {
            true => network_policies::weigh(&self.stage, verdict).await,
            false => verdict,
        };
        Attempted { verdict, took, notes, observations, restarts }
    }

    /// A check asked again of a fixture that did not come up would only hear the same again.
    async fn start_fixtures_again(&self, restarts: &[u32]) {
        let again = self.planned.waits.iter().zip(restarts).filter_map(|(awaited, &before)| {
            let fixture = self.stage.fixtures.get(&awaited.key)?;
            let asks_of_it = awaited.required || awaited.stage != check::Stage::Ready;
            (asks_of_it && matches!(fixture.state(), State::Failed(_)))
                .then(|| fixture.start_again(&self.stage, before))
        });
        join_all(again).await;
    }

    async fn answer(&self, context: &Context, started: &mut Instant) -> Result<Verdict, Trouble> {
        // Objects that only have to be sent are there in a moment: whoever waits for no more than that has its
        // room first, so that those who need most of it, and longest, begin soonest.
        let at_once = self.planned.waits.iter().all(|awaited| awaited.stage == check::Stage::Submitted);
        let early = if at_once { Some(self.room().await) } else { None };
        for awaited in &self.planned.waits {
            let Some(fixture) = self.stage.fixtures.get(&awaited.key) else { continue };
            if let State::Failed(trouble) = fixture.reached(awaited.stage).await
                && awaited.required
            {
                let host = fixture.planned.fixture.host;
                return Err(Trouble::of_fixture(awaited.key.to_string(), host, &trouble));
            }
        }
        let room = match early {
            Some(room) => room,
            None => self.room().await,
        };
        let Ok(_room) = room else {
            return Err(Trouble::Aborted("the run is over".to_owned()));
        };
        let Ok(_turn) = self.jobs.acquire().await else {
            return Err(Trouble::Aborted("the run is over".to_owned()));
        };
        self.stage.journal.emit(Event::CheckStarted { id: self.planned.id.clone() });
        *started = Instant::now();
        let budget = self.stage.budgets.stretch(self.planned.check.budget);
        // A task of its own: a panic stays a verdict. It ends with us, however we end.
        let mut task = AbortOnDropHandle::new(tokio::spawn((self.planned.check.run)(context.clone())));
        let answer = tokio::time::timeout(budget, &mut task).await;
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_panic() => Err(Trouble::Panic(panic_text(error.into_panic().as_ref()))),
            Ok(Err(_)) => Err(Trouble::Aborted("its task was cancelled".to_owned())),
            Err(_) => Err(Trouble::Budget(budget)),
        }
    }

    /// Room for the check's own pods on the nodes of its target, where it claims any.
    async fn room(&self) -> Result<Option<SemaphorePermit<'_>>, AcquireError> {
        let Some((room, all)) = self.planned.id.place.target().and_then(|target| self.stage.rooms.get(target)) else {
            return Ok(None);
        };
        // A check that claims more than there is has all of it.
        match self.planned.check.claims.pods.min(*all) {
            0 => Ok(None),
            pods => room.acquire_many(pods).await.map(Some),
        }
    }

    /// Where objects may be kept they stay until the end: with [`Keep::Failed`] a later check may still want them.
    fn may_remove(&self) -> bool {
        self.keep == Keep::Never && !self.stop.is_cancelled()
    }

    /// Removes the check's own objects.
    async fn remove_own(&self, created: &[Created]) {
        if self.may_remove() {
            // What cannot be removed now is removed at the run's end, which reports what is left.
            join_all(created.iter().map(|created| delete(&self.stage.client, created))).await;
        }
    }

    /// Removes the fixtures that nobody needs any more.
    async fn release(&self) {
        let remove = self.may_remove();
        for awaited in &self.planned.waits {
            let Some(fixture) = self.stage.fixtures.get(&awaited.key) else { continue };
            // Pods on Windows hosts stay to the end: whatever fails later is looked into through them.
            if fixture.released() && remove && !fixture.is_a_windows_host() {
                fixture.remove(&self.stage).await;
            }
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}
