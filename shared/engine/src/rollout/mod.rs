//! Rollouts, from the request to the outcome.
//!
//! A rollout is [composed](compose) from a release and the configuration, [admitted](admit) to its stage, and
//! taken forward by its [controller](RolloutController): [`observe`], [`act`], [`save`], [`finish`], [`promote_by_rule`]. The
//! commands of operators are [`start`], [`promote`], [`rollback`], [`retry`] and [`control`]; [`view`] is what
//! they see.

mod act;
pub(crate) mod admit;
pub(crate) mod compose;
pub(crate) mod control;
pub(crate) mod destination;
mod finish;
mod observe;
mod promote;
mod promote_by_rule;
mod restore;
mod retry;
mod rollback;
pub(crate) mod route;
mod save;
mod start;
mod view;

pub use control::Control;
pub use promote::Promotion;
pub use retry::RetryOptions;
pub use rollback::Rollback;

use crate::EngineError;
use crate::ports::{
    Alarms, Clock, Functions, Metrics, Policies, Probes, StateStore, Subject, Work, WorkQueue,
};
use crate::records::{read, rollout_key};
use crate::step::{Controller, Meter, Next, Pause, Step, wake};
use flotilla_domain::analysis::Reading;
use flotilla_domain::deployment::Deployment;
use flotilla_domain::rollout::{Cancellation, OnCancel, Rollout, RolloutCommand, RolloutEvent};
use flotilla_domain::{RolloutId, Timestamp};
use std::sync::Arc;

/// Attempts to save a deployment of the rollout when other writers change it concurrently.
const RACES_MAX: usize = 8;
/// Most deployments of a rollout: one forward and one rollback for each target.
const DEPLOYMENTS_MAX: usize = 2 * Rollout::TARGETS_MAX;

/// Takes rollouts forward.
pub(crate) struct RolloutController {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) queue: Arc<dyn WorkQueue>,
    pub(crate) alarms: Arc<dyn Alarms>,
    pub(crate) metrics: Arc<dyn Metrics>,
    pub(crate) probes: Arc<dyn Probes>,
    pub(crate) functions: Arc<dyn Functions>,
    pub(crate) policies: Arc<dyn Policies>,
    pub(crate) meter: Arc<Meter>,
}

/// A rollout between two saves.
pub(crate) type RolloutStep = Step<Rollout, Notes>;

/// What one invocation has observed.
#[derive(Default)]
pub(crate) struct Notes {
    /// Its deployments, as they were last observed.
    deployments: Vec<Deployment>,
    /// Whether the stage's head was seen to name it as the active rollout.
    has_its_place: bool,
    /// Whether the last command requested replicas: none can be complete yet.
    asked_for_copies: bool,
    /// The metrics of a shift of traffic, if they were read now.
    reading: Option<Reading>,
}

impl Controller for RolloutController {
    type Id = RolloutId;
    type Value = Rollout;
    type Event = RolloutEvent;
    type Notes = Notes;

    const STEPS_MAX: usize = 16;

    fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn load(&self, id: &RolloutId) -> Result<Option<RolloutStep>, EngineError> {
        let found = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten();
        let saved = found.map(read::<Rollout>).transpose()?;
        Ok(saved.map(|saved| Step::new(saved, Notes::default())))
    }

    fn is_terminal(rollout: &Rollout) -> bool {
        rollout.state.is_terminal()
    }

    async fn next(&self, step: &mut RolloutStep) -> Result<Next<RolloutEvent>, EngineError> {
        step.notes.asked_for_copies = false;
        if let Some(off) = pending_cancellation(&step.now) {
            return Ok(Next::Event(RolloutEvent::CancelRequested(off)));
        }
        let Some(command) = step.now.due() else { return Ok(Next::Event(self.observe(step).await?)) };
        if let Some(seen) = self.done_already(&step.now, &command).await? {
            return Ok(Next::Event(seen));
        }
        self.save(step).await?;
        self.perform(step, &command).await?;
        step.notes.asked_for_copies = matches!(command, RolloutCommand::Replicate(..));
        Ok(Next::Event(RolloutEvent::Acted))
    }

    fn apply(rollout: Rollout, event: RolloutEvent, now: Timestamp) -> Result<Rollout, EngineError> {
        rollout.apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))
    }

    fn enter(step: &mut RolloutStep, after: Rollout, now: Timestamp) {
        save::enter(step, after, now);
    }

    fn must_rest(&self, step: &RolloutStep, _now: Timestamp) -> bool {
        step.notes.asked_for_copies
    }

    async fn pause(&self, step: &mut RolloutStep, pause: Pause) -> Result<(), EngineError> {
        self.save(step).await?;
        match pause {
            Pause::Idle => Ok(()),
            Pause::Bound => wake(self.queue.as_ref(), [step.now.id]).await,
            Pause::For(delay_s) => {
                let tick = Work::Tick(Subject::Rollout(step.now.id));
                Ok(self.queue.send(vec![(tick, delay_s)]).await?)
            }
        }
    }

    async fn finish(&self, step: &mut RolloutStep) -> Result<(), EngineError> {
        self.save(step).await
    }
}

/// The rollout's cancellation, if its state ends at once and waits for no deployment.
fn pending_cancellation(rollout: &Rollout) -> Option<Cancellation> {
    let ends = rollout.state.properties().on_cancel == OnCancel::Ends;
    rollout.cancelled.clone().filter(|_| ends)
}
