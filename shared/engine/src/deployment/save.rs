//! Saves a deployment, its timeline, its plan, its outputs and its lease in one transaction.

use crate::EngineError;
use crate::deployment::{DeploymentController, DeploymentStep};
use crate::ports::{Subject, Work, WriteError};
use crate::records::{keep, keep_lease, release_lease, take_lease};
use crate::step::due_at;
use flotilla_domain::Code;
use flotilla_domain::deployment::State;

/// How a save ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Saved {
    Yes,
    /// Another tick saved first, and goes on with the deployment.
    Lost,
    /// Another deployment holds the lease of the stack.
    LeaseHeld,
}

impl DeploymentController {
    /// Saves the changes. Taking and releasing the lease are part of the same transaction. Every save in
    /// between is conditional on the lease.
    pub(super) async fn save(&self, step: &mut DeploymentStep, delay_s: u32) -> Result<Saved, EngineError> {
        let now = self.clock.now();
        let ended = step.now.state.is_terminal();
        let due = (!ended).then(|| due_at(now, delay_s));
        let mut writes = vec![step.saved.write(&step.now, due)];
        writes.extend(step.timeline.iter().map(keep));
        writes.extend(step.plan_record(now).iter().map(keep));
        writes.extend(crate::gate::output::outputs_left(&step.now).iter().map(keep));
        let had_lease = step.saved.value.state != State::Waiting;
        let has_lease = !ended && step.now.state != State::Waiting;
        let lost = step.now.state.cause().is_some_and(|cause| cause.code == Code::LeaseLost);
        let lease = match (had_lease, has_lease, &step.notes.lease) {
            (false, true, Some(lease)) => Some(take_lease(lease, &step.now, now)),
            (true, true, _) => Some(keep_lease(&step.now)),
            (true, false, _) if !lost => Some(release_lease(&step.now, now)),
            _ => None,
        };
        let lease_at = writes.len();
        writes.extend(lease);
        match self.store.write(writes).await {
            Ok(()) => {}
            Err(WriteError::Conflict(places)) if places == [lease_at] => return Ok(Saved::LeaseHeld),
            Err(WriteError::Conflict(places)) => {
                tracing::info!(deployment = %step.now.id, ?places, "another tick saved first");
                return Ok(Saved::Lost);
            }
            Err(WriteError::Port(error)) => return Err(error.into()),
        }
        step.was_saved("deployment", due, &self.meter);
        step.notes.plan = None;
        step.notes.fresh_at = self.clock.now();
        Ok(Saved::Yes)
    }

    /// Ends the step for now, and makes sure that another tick is scheduled.
    pub(super) async fn save_and_come_again(
        &self,
        step: &mut DeploymentStep,
        delay_s: u32,
    ) -> Result<(), EngineError> {
        // The last save scheduled a tick for a minute before the item is due. If that tick is still to come,
        // this one was a duplicate or a hint, and no other is needed.
        let somebody_comes = step.saved.due_at.is_some_and(|due| due > due_at(self.clock.now(), 0));
        if somebody_comes && !step.is_dirty() {
            return Ok(());
        }
        let before = &step.saved.value;
        // The rollout may be waiting for this plan, or for the last alias that gets its share.
        let tells = match step.now.state {
            State::Planned => before.state != State::Planned,
            State::Shifting { .. } => (before.state != step.now.state) || (step.now.acted && !before.acted),
            _ => false,
        };
        match self.save(step, delay_s).await? {
            Saved::Yes => {}
            Saved::Lost => return Ok(()),
            Saved::LeaseHeld => return self.give_up_lease(step).await,
        }
        let mut ticks = vec![(Work::Tick(Subject::Deployment(step.now.id.clone())), delay_s)];
        ticks.extend(tells.then_some((Work::Tick(Subject::Rollout(step.now.id.rollout)), 0)));
        Ok(self.queue.send(ticks).await?)
    }
}
