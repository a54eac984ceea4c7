//! Sets: several services promoted or rolled back as one, with one outcome.
//!
//! A set starts the rollouts of its [`member`]s level by level, and waits for their outcomes.

mod act;
pub(crate) mod member;
mod observe;
mod request;
mod view;

pub use request::{SetPromotion, SetRollback};

use crate::EngineError;
use crate::ports::{Clock, StateStore, Subject, Work, WorkQueue};
use crate::records::{read, set_key};
use crate::step::{Controller, Meter, Next, Pause, Step, due_at};
use flotilla_domain::set::{ServiceSet, SetEvent};
use flotilla_domain::{SetId, Timestamp};
use std::sync::Arc;

/// Takes sets forward.
pub(crate) struct SetController {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) queue: Arc<dyn WorkQueue>,
    pub(crate) meter: Arc<Meter>,
}

/// A set between two saves.
type SetStep = Step<ServiceSet, ()>;

impl Controller for SetController {
    type Id = SetId;
    type Value = ServiceSet;
    type Event = SetEvent;
    type Notes = ();

    /// Each level is started and observed.
    const STEPS_MAX: usize = 4;

    fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn load(&self, id: &SetId) -> Result<Option<SetStep>, EngineError> {
        let found = self.store.get(&[set_key(id)]).await?.into_iter().next().flatten();
        let saved = found.map(read::<ServiceSet>).transpose()?;
        Ok(saved.map(|saved| Step::new(saved, ())))
    }

    fn is_terminal(set: &ServiceSet) -> bool {
        set.state.is_terminal()
    }

    async fn next(&self, step: &mut SetStep) -> Result<Next<SetEvent>, EngineError> {
        if let Some(command) = step.now.due() {
            self.save(step).await?;
            let not = self.begin(&step.now, step.saved.version, &command).await?;
            return Ok(Next::Event(SetEvent::Begun { not }));
        }
        // The cancel command only saves the request; the rollouts are cancelled here.
        if let Some(off) = &step.now.cancelled {
            self.cancel(&step.now, off).await?;
        }
        Ok(Next::Event(SetEvent::Ended(self.ends(&step.now).await?)))
    }

    fn apply(set: ServiceSet, event: SetEvent, now: Timestamp) -> Result<ServiceSet, EngineError> {
        set.apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))
    }

    fn enter(step: &mut SetStep, after: ServiceSet, _now: Timestamp) {
        step.now = after;
    }

    /// Each rollout wakes the set when it ends, so the set needs a tick of its own only if the step was cut
    /// short.
    async fn pause(&self, step: &mut SetStep, pause: Pause) -> Result<(), EngineError> {
        self.save(step).await?;
        match pause {
            Pause::Idle => Ok(()),
            Pause::For(_) | Pause::Bound => {
                let delay_s = if let Pause::For(delay_s) = pause { delay_s } else { 0 };
                let tick = Work::Tick(Subject::Set(step.now.id));
                Ok(self.queue.send(vec![(tick, delay_s)]).await?)
            }
        }
    }

    async fn finish(&self, step: &mut SetStep) -> Result<(), EngineError> {
        self.save(step).await
    }
}

impl SetController {
    async fn save(&self, step: &mut SetStep) -> Result<(), EngineError> {
        let (now, set, saved) = (self.clock.now(), &step.now, &step.saved);
        let ended = set.state.is_terminal();
        let overdue_soon = !ended && saved.due_at.is_none_or(|due| due <= due_at(now, 0));
        if !step.is_dirty() && !overdue_soon {
            return Ok(());
        }
        let due = (!ended).then(|| due_at(now, ServiceSet::PATIENCE_S));
        self.store.write(vec![saved.write(set, due)]).await?;
        if set.state != saved.value.state {
            self.meter.transitions(1);
            let cause = set.state.cause().map(|cause| cause.message.as_str());
            tracing::info!(set.id = %set.id, state = set.state.name(), cause, "set is {}", set.state.name());
        }
        step.was_saved("set", due, &self.meter);
        Ok(())
    }
}
