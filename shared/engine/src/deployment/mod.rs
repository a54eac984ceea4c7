//! Deployments: one release to one target.
//!
//! The [controller](DeploymentController) takes the stack's [`lease`], [`observe`]s, [`act`]s and [`save`]s. A
//! failure becomes a [`cause`]. Once CloudFormation has throttled a call, further calls go through a
//! [`rate_budget`].

mod act;
pub(crate) mod cause;
mod lease;
mod mapping;
mod notes;
mod observe;
mod rate_budget;
mod record;
mod save;
mod traffic;

pub(crate) use notes::DeploymentStep;

use crate::EngineError;
use crate::config::role_is_new;
use crate::deployment::notes::Notes;
use crate::deployment::save::Saved;
use crate::ports::{
    ApiMappings, Buckets, Clock, Functions, Place, PortError, Stacks, StateStore, WeightedRecords, WorkQueue,
};
use crate::records::{BudgetRecord, budget_key, deployment_key, read};
use crate::step::{Controller, Meter, Next, Pause, wake};
use flotilla_domain::deployment::pace::DELAY_S_MAX;
use flotilla_domain::deployment::rate_budget::Slot;
use flotilla_domain::deployment::{Command, Deployment, Event, Observation, Outcome};
use flotilla_domain::{DeploymentId, SignedDuration, Timestamp};
use std::sync::Arc;

/// The delay after a transient error, in seconds.
const ERROR_DELAY_S: u32 = 3;

/// Longest time between the last read or save and an act. A step that was delayed for longer saves again first,
/// to prove that it still holds the lease.
const ACT_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// Takes deployments forward.
pub(crate) struct DeploymentController {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) queue: Arc<dyn WorkQueue>,
    pub(crate) stacks: Arc<dyn Stacks>,
    pub(crate) functions: Arc<dyn Functions>,
    pub(crate) mappings: Arc<dyn ApiMappings>,
    pub(crate) records: Arc<dyn WeightedRecords>,
    pub(crate) buckets: Arc<dyn Buckets>,
    pub(crate) meter: Arc<Meter>,
}

impl Controller for DeploymentController {
    type Id = DeploymentId;
    type Value = Deployment;
    type Event = Event;
    type Notes = Notes;

    const STEPS_MAX: usize = 32;
    /// A run that is repeated may repeat a call to CloudFormation: after the second one the queue waits.
    const RUNS_MAX: usize = 2;

    fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn load(&self, id: &DeploymentId) -> Result<Option<DeploymentStep>, EngineError> {
        let mut found = self.store.get(&[deployment_key(id), budget_key(&id.target.site)]).await?.into_iter();
        let (saved, budget) = (found.next().flatten(), found.next().flatten());
        let budget = budget.map(read::<BudgetRecord>).transpose()?;
        let saved = saved.map(read::<Deployment>).transpose()?;
        Ok(saved.map(|saved| DeploymentStep::loaded(saved, budget, self.clock.now())))
    }

    fn is_terminal(deployment: &Deployment) -> bool {
        deployment.state.is_terminal()
    }

    async fn next(&self, step: &mut DeploymentStep) -> Result<Next<Event>, EngineError> {
        let next = self.next_event(step).await?;
        if let Next::Event(event) = &next {
            step.note(event);
        }
        Ok(next)
    }

    fn apply(deployment: Deployment, event: Event, now: Timestamp) -> Result<Deployment, EngineError> {
        deployment.apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))
    }

    fn enter(step: &mut DeploymentStep, after: Deployment, now: Timestamp) {
        step.enter(after, now);
    }

    /// An operation that just began has rarely ended. Under a rate budget, observing it at once would waste a
    /// call.
    fn must_rest(&self, step: &DeploymentStep, now: Timestamp) -> bool {
        let begun = step.notes.acted && step.now.due().is_none() && step.now.state.is_operation();
        begun && step.is_limited(now)
    }

    async fn pause(&self, step: &mut DeploymentStep, pause: Pause) -> Result<(), EngineError> {
        let delay_s = match pause {
            Pause::Idle => step.delay_s(self.clock.now()),
            Pause::For(delay_s) => delay_s,
            Pause::Bound => 1,
        };
        self.save_and_come_again(step, delay_s).await
    }

    /// Saves the end and wakes the rollout.
    async fn finish(&self, step: &mut DeploymentStep) -> Result<(), EngineError> {
        if step.is_dirty() {
            match self.save(step, 0).await? {
                Saved::Yes => {}
                Saved::Lost => return Ok(()),
                Saved::LeaseHeld => return self.give_up_lease(step).await,
            }
        }
        wake(self.queue.as_ref(), [step.now.id.rollout]).await
    }
}

impl DeploymentController {
    /// Carries out the command that is due, else observes.
    async fn next_event(&self, step: &mut DeploymentStep) -> Result<Next<Event>, EngineError> {
        let now = self.clock.now();
        if step.now.deadline().is_some_and(|deadline| deadline <= now) {
            return Ok(Next::Event(Event::DeadlinePassed));
        }
        let due = step.now.due();
        let look = step.now.observation();
        if due.is_none() {
            match look {
                Some(Observation::Lease) => return self.lease(step).await,
                Some(Observation::Traffic) => return Ok(Next::Event(self.traffic(&step.now).await?)),
                Some(Observation::Gates) => return Ok(Next::Event(self.gates(&step.now).await?)),
                _ => {}
            }
        }
        // Traffic does not wait for CloudFormation's rate limit.
        let shifts = matches!(due, Some(Command::ShiftTraffic(_) | Command::Drain))
            || matches!(look, Some(Observation::Weight | Observation::Record));
        let slot = if shifts { Ok(Slot::Now) } else { self.may_call(step).await };
        match slot {
            Ok(Slot::Now) => {}
            Ok(Slot::Later { wait, .. }) => return Ok(Next::Wait(delay_of(wait))),
            // Too many concurrent writers of the budget.
            Err(EngineError::Contended) => return Ok(Next::Wait(1)),
            Err(error) => return Err(error),
        }
        // Save before acting. Observing buckets also empties them, so it counts as an act.
        if due.is_some() || look == Some(Observation::Buckets) {
            let held_up = self.clock.now().duration_since(step.notes.fresh_at) > ACT_WITHIN;
            if step.is_dirty() || held_up {
                match self.save(step, 0).await? {
                    Saved::Yes => {}
                    Saved::Lost => return Ok(Next::Lost),
                    Saved::LeaseHeld => return self.lease_lost(step).await,
                }
            }
        }
        let seen = match (due, look) {
            (Some(command), _) => self.perform(&step.now, &command).await,
            (None, Some(look)) => self.observe(&step.now, look).await,
            (None, None) => return Err(EngineError::Defect("a deployment has nothing to do".into())),
        };
        match seen {
            Ok(event) => {
                // Observing an ended operation takes two calls: the stack, and who changed it.
                if matches!(event, Event::OperationObserved { outcome, .. } if outcome != Outcome::Pending) {
                    self.charge(step).await?;
                }
                Ok(Next::Event(event))
            }
            Err(error) => self.after_error(step, &error).await,
        }
    }

    /// Decides what follows from a failed call.
    async fn after_error(
        &self,
        step: &mut DeploymentStep,
        error: &PortError,
    ) -> Result<Next<Event>, EngineError> {
        let deployment = &step.now;
        tracing::warn!(deployment = %deployment.id, kind = ?error.kind, state = deployment.state.name(), "{error}");
        if rate_budget::is_throttled(error) {
            return match self.throttled(step).await {
                // Short enough to come back before its turn.
                Ok(()) | Err(EngineError::Contended) => Ok(Next::Wait(ERROR_DELAY_S)),
                Err(error) => Err(error),
            };
        }
        // While an operation runs, a failed observation says nothing about its outcome.
        let watching = deployment.acted && deployment.state.is_operation();
        let account = &deployment.id.target.site.account;
        let may_pass =
            error.may_pass() || role_is_new(self.store.as_ref(), account, error, self.clock.now()).await?;
        if may_pass || watching {
            return Ok(Next::Wait(ERROR_DELAY_S));
        }
        Ok(Next::Event(Event::Refused(cause::cause_of(error, &place(deployment)))))
    }
}

/// The account-region of the deployment, and the roles to use there.
pub(crate) fn place(deployment: &Deployment) -> Place {
    Place { site: deployment.id.target.site.clone(), access: deployment.spec.access.clone() }
}

/// A delay for SQS, in seconds.
fn delay_of(wait: SignedDuration) -> u32 {
    let wait_s = (wait.as_millis().max(0) + 999) / 1_000;
    u32::try_from(wait_s).unwrap_or(DELAY_S_MAX).clamp(1, DELAY_S_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::ErrorKind;

    #[test]
    fn a_wait_is_rounded_up_to_what_sqs_takes() {
        let waits =
            [(-5, 1), (0, 1), (1, 1), (1_000, 1), (1_001, 2), (59_999, 60), (900_000, 900), (i64::MAX, 900)];
        for (wait_ms, delay_s) in waits {
            assert_eq!(delay_of(SignedDuration::from_millis(wait_ms)), delay_s, "{wait_ms} ms");
        }
    }

    #[test]
    fn only_cloudformations_own_throttling_is_told_to_everybody() {
        let throttled = |kind, operation| {
            super::rate_budget::is_throttled(&PortError::new(kind, operation, "Rate exceeded"))
        };
        assert!(throttled(ErrorKind::Throttled, "cloudformation:DescribeStacks"));
        assert!(!throttled(ErrorKind::Throttled, "lambda:GetFunctionConfiguration"));
        assert!(!throttled(ErrorKind::Transient, "cloudformation:DescribeStacks"));
    }
}
