//! The lease of a stack: one owner at a time.

use crate::EngineError;
use crate::deployment::save::Saved;
use crate::deployment::{DeploymentController, DeploymentStep};
use crate::records::{lease_key, read_lease};
use crate::step::{Controller, Next, wake};
use flotilla_domain::deployment::Event;

impl DeploymentController {
    /// Takes the stack's lease. Saves it in one transaction with the next state.
    pub(super) async fn lease(&self, step: &mut DeploymentStep) -> Result<Next<Event>, EngineError> {
        let now = self.clock.now();
        let waiting = step.now.clone();
        let key = lease_key(&waiting.id.target.site, &waiting.spec.stack);
        let lease = read_lease(self.store.get(&[key]).await?.into_iter().next().flatten().as_ref());
        if lease.is_held_from(&waiting.id) {
            // A deployment that is no longer wanted does not wait for the lease.
            let declined = self.gates(&waiting).await? == Event::Declined;
            return Ok(Next::Event(if declined { Event::Declined } else { Event::LeaseHeld }));
        }
        let taken = Event::LeaseTaken { fence: lease.number + 1, expected_s: lease.took_s };
        let holding = Self::apply(waiting.clone(), taken, now)?;
        step.notes.lease = Some(lease);
        step.enter(holding, now);
        Ok(match self.save(step, 0).await? {
            Saved::Yes => Next::Again,
            Saved::Lost => Next::Lost,
            Saved::LeaseHeld => {
                step.forget_unsaved();
                Next::Event(Event::LeaseHeld)
            }
        })
    }

    /// Ends a deployment that has lost its lease.
    pub(super) async fn give_up_lease(&self, step: &mut DeploymentStep) -> Result<(), EngineError> {
        let Next::Event(event) = self.lease_lost(step).await? else { return Ok(()) };
        let now = self.clock.now();
        let ended = Self::apply(step.now.clone(), event, now)?;
        step.enter(ended, now);
        match self.save(step, 0).await? {
            Saved::Yes => wake(self.queue.as_ref(), [step.now.id.rollout]).await,
            Saved::Lost | Saved::LeaseHeld => Ok(()),
        }
    }

    /// The lease was not as expected. Reads it again: either another deployment holds it, or the write met
    /// another transaction. In both cases what was not saved is dropped.
    pub(super) async fn lease_lost(&self, step: &mut DeploymentStep) -> Result<Next<Event>, EngineError> {
        step.forget_unsaved();
        let key = lease_key(&step.now.id.target.site, &step.now.spec.stack);
        let lease = read_lease(self.store.get(&[key]).await?.into_iter().next().flatten().as_ref());
        let own = lease.number == step.now.fence && !lease.is_held_from(&step.now.id);
        if own {
            return Err(EngineError::Contended);
        }
        Ok(Next::Event(Event::LeaseLost))
    }
}
