//! The steps of one deployment.

mod act;
pub(crate) mod cause;
pub(crate) mod observe;
mod progress;
mod rate_budget;

use crate::EngineError;
use crate::ports::{PortError, Subject, Work, WriteError};
use crate::records::{
    BudgetRecord, Versioned, budget_key, deployment_key, keep, keep_lease, lease_key, read, read_lease,
    release_lease, take_lease,
};
use crate::step::{Drive, due_at, wake};
use flotilla_domain::call_budget::Turn;
use flotilla_domain::deployment::pace::DELAY_S_MAX;
use flotilla_domain::deployment::{Deployment, Event, Look, Outcome, State};
use flotilla_domain::{Code, DeploymentId, SignedDuration, Timestamp};
use progress::InHand;

/// Most transitions of one tick: a bound of our own on what feeds itself.
const STEPS_MAX: usize = 32;
/// The delay after an error that may pass, in seconds.
const ERROR_DELAY_S: u32 = 3;
/// A step acts within this time of what it has read or saved. One that was held up for longer proves first,
/// by saving again, that it still owns the stack.
const ACT_WITHIN: SignedDuration = SignedDuration::from_secs(10);

/// A delay for SQS, in seconds.
fn delay_of(wait: SignedDuration) -> u32 {
    let wait_s = (wait.as_millis().max(0) + 999) / 1_000;
    u32::try_from(wait_s).unwrap_or(DELAY_S_MAX).clamp(1, DELAY_S_MAX)
}

/// What an event makes of a deployment. What was seen always fits the state that asked for the look.
fn applied(deployment: &Deployment, event: Event, now: Timestamp) -> Result<Deployment, EngineError> {
    deployment.clone().apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))
}

/// How a save ended.
#[derive(Debug, PartialEq, Eq)]
enum Saved {
    Yes,
    /// Somebody else was faster; they go on with it.
    Lost,
    /// Another deployment holds the stack, or took it over.
    LeaseHeld,
}

/// What follows from one look or act.
pub(crate) enum Next {
    Event(Event),
    Again,
    Wait(u32),
    Lost,
}

impl Drive {
    pub(crate) async fn deployment(&self, id: &DeploymentId) -> Result<(), EngineError> {
        let mut found = self.store.get(&[deployment_key(id), budget_key(&id.target.site)]).await?.into_iter();
        let Some(item) = found.next().flatten() else {
            tracing::warn!(deployment = %id, "a tick for a deployment that is not saved");
            return Ok(());
        };
        let budget = found.next().flatten().map(read::<BudgetRecord>).transpose()?;
        let mut hand = InHand::new(read::<Deployment>(item)?, budget, self.clock.now());
        for _ in 0..STEPS_MAX {
            if hand.now.state.is_terminal() {
                return self.end(&mut hand).await;
            }
            let event = match self.next_event(&mut hand).await? {
                Next::Event(event) => event,
                Next::Again => continue,
                Next::Wait(delay_s) => return self.pause(&mut hand, delay_s).await,
                Next::Lost => return Ok(()),
            };
            let now = self.clock.now();
            let before = hand.now.clone();
            let acted = event == Event::Acted;
            hand.note_plan(&event);
            let after = applied(&before, event, now)?;
            if after == before {
                let delay_s = hand.delay_s(now);
                return self.pause(&mut hand, delay_s).await;
            }
            hand.enter(after, now);
            // What was begun a moment ago has rarely ended: where calls are rationed, nobody looks at once.
            if acted && hand.is_rationed(now) && hand.now.due().is_none() && hand.now.state.is_operation() {
                let delay_s = hand.delay_s(now);
                return self.pause(&mut hand, delay_s).await;
            }
        }
        // A step budget of our own: the rest comes with the next tick.
        self.pause(&mut hand, 1).await
    }

    /// Acts if something is due, else looks.
    async fn next_event(&self, hand: &mut InHand) -> Result<Next, EngineError> {
        let now = self.clock.now();
        if hand.now.deadline().is_some_and(|deadline| deadline <= now) {
            return Ok(Next::Event(Event::DeadlinePassed));
        }
        let due = hand.now.due();
        let look = hand.now.look();
        if due.is_none() {
            match look {
                Some(Look::Lease) => return self.lease(hand).await,
                Some(Look::Gates) => return Ok(Next::Event(self.gates(&hand.now).await?)),
                _ => {}
            }
        }
        match self.may_call(hand).await {
            Ok(Turn::Now) => {}
            Ok(Turn::Later { wait, .. }) => return Ok(Next::Wait(delay_of(wait))),
            // Everybody wants a turn at once.
            Err(EngineError::Contended) => return Ok(Next::Wait(1)),
            Err(error) => return Err(error),
        }
        // Save, then act. The look into buckets empties them: it is an act as well.
        if due.is_some() || look == Some(Look::Buckets) {
            let held_up = self.clock.now().duration_since(hand.fresh_at) > ACT_WITHIN;
            if hand.is_dirty() || held_up {
                match self.save(hand, 0).await? {
                    Saved::Yes => {}
                    Saved::Lost => return Ok(Next::Lost),
                    Saved::LeaseHeld => return self.lease_lost(hand).await,
                }
            }
        }
        let seen = match (due, look) {
            (Some(command), _) => self.perform(&hand.now, &command).await,
            (None, Some(look)) => self.observe(&hand.now, look).await,
            (None, None) => return Err(EngineError::Defect("a deployment has nothing to do".into())),
        };
        match seen {
            Ok(event) => {
                // A look at an operation that has ended has asked twice: what the stack is, and whose doing.
                if matches!(event, Event::OperationSeen { outcome, .. } if outcome != Outcome::Pending) {
                    self.charge(hand).await?;
                }
                Ok(Next::Event(event))
            }
            Err(error) => self.after_error(hand, &error).await,
        }
    }

    /// What follows from a call that failed.
    async fn after_error(&self, hand: &mut InHand, error: &PortError) -> Result<Next, EngineError> {
        let deployment = &hand.now;
        tracing::warn!(deployment = %deployment.id, kind = ?error.kind, state = deployment.state.name(), "{error}");
        if rate_budget::is_throttled(error) {
            return match self.throttled(hand).await {
                // Soon enough to be there when its turn comes up.
                Ok(()) | Err(EngineError::Contended) => Ok(Next::Wait(ERROR_DELAY_S)),
                Err(error) => Err(error),
            };
        }
        // While the stack is being changed, not being able to look is no verdict on the change.
        let watching = deployment.acted && deployment.state.is_operation();
        if error.may_pass() || watching {
            return Ok(Next::Wait(ERROR_DELAY_S));
        }
        Ok(Next::Event(Event::Refused(cause::cause_of(error, &observe::place(deployment)))))
    }

    /// Takes the stack's lease together with the transition that follows from having it.
    async fn lease(&self, hand: &mut InHand) -> Result<Next, EngineError> {
        let now = self.clock.now();
        let waiting = hand.now.clone();
        let key = lease_key(&waiting.id.target.site, &waiting.spec.stack);
        let lease = read_lease(self.store.get(&[key]).await?.into_iter().next().flatten().as_ref());
        if lease.is_held_from(&waiting.id) {
            // Whoever waits for nothing more does not wait for the stack either.
            let declined = self.gates(&waiting).await? == Event::Declined;
            return Ok(Next::Event(if declined { Event::Declined } else { Event::LeaseHeld }));
        }
        let taken = Event::LeaseTaken { fence: lease.number + 1, expected_s: lease.took_s };
        let holding = applied(&waiting, taken, now)?;
        hand.lease = Some(lease);
        hand.enter(holding, now);
        Ok(match self.save(hand, 0).await? {
            Saved::Yes => Next::Again,
            Saved::Lost => Next::Lost,
            Saved::LeaseHeld => {
                hand.drop_unsaved();
                Next::Event(Event::LeaseHeld)
            }
        })
    }

    /// Saves what has changed. Taking and giving back the lease are part of the same transaction; every
    /// save between them is made only while the lease is this deployment's own.
    async fn save(&self, hand: &mut InHand, delay_s: u32) -> Result<Saved, EngineError> {
        let now = self.clock.now();
        let ended = hand.now.state.is_terminal();
        let due = (!ended).then(|| due_at(now, delay_s));
        let mut writes = vec![hand.saved.write(&hand.now, due)];
        writes.extend(hand.story.iter().map(keep));
        writes.extend(hand.plan_record(now).iter().map(keep));
        writes.extend(crate::gate::outputs::outputs_left(&hand.now).iter().map(keep));
        let had_lease = hand.saved.value.state != State::Waiting;
        let has_lease = !ended && hand.now.state != State::Waiting;
        let lost = hand.now.state.cause().is_some_and(|cause| cause.code == Code::LeaseLost);
        let lease = match (had_lease, has_lease, &hand.lease) {
            (false, true, Some(lease)) => Some(take_lease(lease, &hand.now, now)),
            (true, true, _) => Some(keep_lease(&hand.now)),
            (true, false, _) if !lost => Some(release_lease(&hand.now, now)),
            _ => None,
        };
        let lease_at = writes.len();
        writes.extend(lease);
        match self.store.write(writes).await {
            Ok(()) => {}
            Err(WriteError::Conflict(places)) if places == [lease_at] => return Ok(Saved::LeaseHeld),
            Err(WriteError::Conflict(places)) => {
                tracing::info!(deployment = %hand.now.id, ?places, "another tick was faster");
                return Ok(Saved::Lost);
            }
            Err(WriteError::Port(error)) => return Err(error.into()),
        }
        self.meter.transitions(hand.story.len());
        for event in hand.story.drain(..) {
            let target = &hand.now.id.target;
            tracing::info!(rollout.id = %event.rollout, %target, state = event.what, detail = event.detail, "deployment is {}", event.what);
        }
        hand.saved = Versioned { value: hand.now.clone(), version: hand.saved.version + 1, due_at: due };
        hand.plan = None;
        hand.fresh_at = self.clock.now();
        Ok(Saved::Yes)
    }

    /// Nothing more to do for now: makes sure that somebody comes again.
    async fn pause(&self, hand: &mut InHand, delay_s: u32) -> Result<(), EngineError> {
        // Whoever saved last comes again a minute before the item is due. If that is still to come, this tick
        // was a duplicate or a hint: one that comes is enough.
        let somebody_comes = hand.saved.due_at.is_some_and(|due| due > due_at(self.clock.now(), 0));
        if somebody_comes && !hand.is_dirty() {
            return Ok(());
        }
        let planned = hand.now.state == State::Planned && hand.saved.value.state != State::Planned;
        match self.save(hand, delay_s).await? {
            Saved::Yes => {}
            Saved::Lost => return Ok(()),
            Saved::LeaseHeld => return self.give_up_lease(hand).await,
        }
        let mut ticks = vec![(Work::Tick(Subject::Deployment(hand.now.id.clone())), delay_s)];
        // Its rollout may wait for the last of the plans.
        ticks.extend(planned.then_some((Work::Tick(Subject::Rollout(hand.now.id.rollout)), 0)));
        Ok(self.queue.send(ticks).await?)
    }

    /// Saves the end and tells the rollout.
    async fn end(&self, hand: &mut InHand) -> Result<(), EngineError> {
        if hand.is_dirty() {
            match self.save(hand, 0).await? {
                Saved::Yes => {}
                Saved::Lost => return Ok(()),
                Saved::LeaseHeld => return self.give_up_lease(hand).await,
            }
        }
        wake(self.queue.as_ref(), [hand.now.id.rollout]).await
    }

    /// Ends a deployment whose lease is no longer its own.
    async fn give_up_lease(&self, hand: &mut InHand) -> Result<(), EngineError> {
        let Next::Event(event) = self.lease_lost(hand).await? else { return Ok(()) };
        let now = self.clock.now();
        let ended = applied(&hand.now, event, now)?;
        hand.enter(ended, now);
        match self.save(hand, 0).await? {
            Saved::Yes => wake(self.queue.as_ref(), [hand.now.id.rollout]).await,
            Saved::Lost | Saved::LeaseHeld => Ok(()),
        }
    }

    /// The lease was not as expected. Is it another's, or was it only busy with somebody's transaction? Then
    /// that one goes on; what was not saved here is forgotten either way.
    async fn lease_lost(&self, hand: &mut InHand) -> Result<Next, EngineError> {
        hand.drop_unsaved();
        let key = lease_key(&hand.now.id.target.site, &hand.now.spec.stack);
        let lease = read_lease(self.store.get(&[key]).await?.into_iter().next().flatten().as_ref());
        let own = lease.number == hand.now.fence && !lease.is_held_from(&hand.now.id);
        if own {
            return Err(EngineError::Contended);
        }
        Ok(Next::Event(Event::LeaseLost))
    }
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
    fn an_item_is_due_a_minute_after_its_next_tick() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(due_at(at(1_000), 0), at(1_060));
        assert_eq!(due_at(at(1_000), 30), at(1_090));
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
