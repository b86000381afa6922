//! Asking one check: its fixtures, its turn, its budget, its verdict, its evidence.

use std::{any::Any, path::PathBuf, sync::Arc};

use futures::future::join_all;
use tokio::{
    sync::{AcquireError, Semaphore, SemaphorePermit},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use winconform_reports::{Event, Verdict, VerdictKind, event::Finished};

use super::{Keep, evidence, live_fixture::State, network_policies, plan::PlannedCheck, stage::Stage};
use crate::{
    blame::Trouble,
    check,
    cluster::{Created, delete},
    context::Context,
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
}

impl Asked {
    /// Asks, reports the verdict, and lets go of the fixtures.
    pub(super) async fn ask(self) -> VerdictKind {
        let context = Context::new(self.stage.clone(), self.planned.id.clone());
        let mut started = Instant::now();
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
        let kind = verdict.kind();
        let evidence = match kind {
            VerdictKind::Failed | VerdictKind::Undetermined => {
                evidence::collect(&self.stage, &self.planned, &notes, self.folder.as_deref()).await
            }
            _ => Vec::new(),
        };
        self.stage.journal.emit(Event::CheckFinished(Box::new(Finished {
            id: self.planned.id.clone(),
            verdict,
            attempts: 1,
            flaky: false,
            earlier: Vec::new(),
            round: 1,
            ms: millis(took),
            phases: notes.phases.clone(),
            observations,
            evidence,
        })));
        self.release(&notes.created).await;
        kind
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

    /// Removes the check's own objects, and the fixtures that nobody needs any more. Where objects may be kept they stay
    /// until the end: with [`Keep::Failed`] a later check may still want them.
    async fn release(&self, created: &[Created]) {
        let remove = self.keep == Keep::Never && !self.stop.is_cancelled();
        if remove {
            // What cannot be removed now is removed at the run's end, which reports what is left.
            join_all(created.iter().map(|created| delete(&self.stage.client, created))).await;
        }
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
