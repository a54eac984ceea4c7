//! The steps of one deployment.

use super::{Drive, due_at};
use crate::EngineError;
use crate::accept::{keep, wake};
use crate::ports::{PortError, Subject, Work, WriteError};
use crate::records::{EventRecord, Versioned, deployment_key, nth_moment, read, release_lease, take_lease};
use flotilla_domain::deployment::{Deployment, Event, Look, State};
use flotilla_domain::{DeploymentId, Timestamp};

/// Most transitions of one tick: a bound of our own on what feeds itself.
const STEPS_MAX: usize = 32;
/// The delay after an error that may pass, in seconds.
const ERROR_DELAY_S: u32 = 3;

/// A deployment between two saves.
pub(super) struct InHand {
    saved: Versioned<Deployment>,
    pub(super) now: Deployment,
    /// Transitions that the timeline does not have yet.
    story: Vec<EventRecord>,
    /// How many were told in this tick: entries of one moment keep their order.
    told: usize,
}

/// How a save ended.
#[derive(Debug, PartialEq, Eq)]
enum Saved {
    Yes,
    /// Somebody else was faster; they go on with it.
    Lost,
    /// Another deployment holds the stack.
    LeaseHeld,
}

impl Drive {
    pub(super) async fn deployment(&self, id: &DeploymentId) -> Result<(), EngineError> {
        let Some(item) = self.store.get(&[deployment_key(id)]).await?.into_iter().next().flatten() else {
            tracing::warn!(deployment = %id, "a tick for a deployment that is not saved");
            return Ok(());
        };
        let saved = read::<Deployment>(item)?;
        let mut hand = InHand { now: saved.value.clone(), saved, story: Vec::new(), told: 0 };
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
            let after = before.clone().apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))?;
            if after == before {
                let delay_s = after.delay_s(now);
                return self.pause(&mut hand, delay_s).await;
            }
            hand.enter(after, now);
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
        let seen = if !due.is_empty() {
            // Save, then act.
            if hand.is_dirty() && self.save(hand, 0).await? != Saved::Yes {
                return Ok(Next::Lost);
            }
            self.perform(&hand.now, &due).await
        } else {
            match hand.now.look() {
                Some(Look::Lease) => return self.lease(hand).await,
                Some(Look::Gates) => return Ok(Next::Event(self.gates(&hand.now).await?)),
                Some(look) => self.observe(&hand.now, look).await,
                None => return Err(EngineError::Defect("a terminal deployment was stepped".into())),
            }
        };
        Ok(match seen {
            Ok(event) => Next::Event(event),
            Err(error) => after_error(&hand.now, &error),
        })
    }

    /// Takes the stack's lease together with the transition that follows from having it.
    async fn lease(&self, hand: &mut InHand) -> Result<Next, EngineError> {
        let now = self.clock.now();
        let waiting = hand.now.clone();
        let holding =
            waiting.clone().apply(Event::LeaseTaken, now).map_err(|e| EngineError::Defect(e.to_string()))?;
        hand.enter(holding, now);
        Ok(match self.save(hand, 0).await? {
            Saved::Yes => Next::Again,
            Saved::Lost => Next::Lost,
            Saved::LeaseHeld => {
                hand.now = waiting;
                hand.story.clear();
                Next::Event(Event::LeaseHeld)
            }
        })
    }

    /// Saves what has changed. Taking and giving back the lease are part of the same transaction.
    async fn save(&self, hand: &mut InHand, delay_s: u32) -> Result<Saved, EngineError> {
        let now = self.clock.now();
        let ended = hand.now.state.is_terminal();
        let due = (!ended).then(|| due_at(now, delay_s));
        let mut writes = vec![hand.saved.write(&hand.now, due)];
        writes.extend(hand.story.iter().map(keep));
        let had_lease = hand.saved.value.state != State::Waiting;
        let has_lease = !ended && hand.now.state != State::Waiting;
        let lease = match (had_lease, has_lease) {
            (false, true) => Some(take_lease(&hand.now, now)),
            (true, false) => Some(release_lease(&hand.now, now)),
            _ => None,
        };
        let lease_at = writes.len();
        writes.extend(lease);
        match self.store.write(writes).await {
            Ok(()) => {}
            Err(WriteError::Conflict(places)) if places == [lease_at] && !had_lease => {
                return Ok(Saved::LeaseHeld);
            }
            Err(WriteError::Conflict(places)) => {
                tracing::info!(deployment = %hand.now.id, ?places, "another tick was faster");
                return Ok(Saved::Lost);
            }
            Err(WriteError::Port(error)) => return Err(error.into()),
        }
        for event in hand.story.drain(..) {
            let target = &hand.now.id.target;
            tracing::info!(rollout.id = %event.rollout, target.account = %target.account, target.region = %target.region, state = event.what, detail = event.detail, "deployment is {}", event.what);
        }
        hand.saved = Versioned { value: hand.now.clone(), version: hand.saved.version + 1, due_at: due };
        Ok(Saved::Yes)
    }

    /// Nothing more to do for now: makes sure that somebody comes again.
    async fn pause(&self, hand: &mut InHand, delay_s: u32) -> Result<(), EngineError> {
        // Whoever saved last comes again a minute before the item is due. If that is still to come, this tick
        // was a duplicate or a hint: one that comes is enough.
        let somebody_comes = hand.saved.due_at.is_some_and(|due| due > due_at(self.clock.now(), 0));
        if (somebody_comes && !hand.is_dirty()) || self.save(hand, delay_s).await? != Saved::Yes {
            return Ok(());
        }
        let tick = Work::Tick(Subject::Deployment(hand.now.id.clone()));
        Ok(self.queue.send(vec![(tick, delay_s)]).await?)
    }

    /// Saves the end and tells the rollout.
    async fn end(&self, hand: &mut InHand) -> Result<(), EngineError> {
        if hand.is_dirty() && self.save(hand, 0).await? != Saved::Yes {
            return Ok(());
        }
        wake(self.queue.as_ref(), [hand.now.id.rollout]).await
    }
}

enum Next {
    Event(Event),
    Again,
    Wait(u32),
    Lost,
}

/// What follows from a call that failed.
fn after_error(deployment: &Deployment, error: &PortError) -> Next {
    tracing::warn!(deployment = %deployment.id, kind = ?error.kind, state = deployment.state.name(), "{error}");
    // While the stack is being changed, not being able to look is no verdict on the change.
    let watching = deployment.acted && deployment.state.may_mutate();
    if error.may_pass() || watching {
        return Next::Wait(ERROR_DELAY_S);
    }
    Next::Event(Event::Refused(super::cause_of(error)))
}

impl InHand {
    fn is_dirty(&self) -> bool {
        self.now != self.saved.value
    }

    fn enter(&mut self, after: Deployment, now: Timestamp) {
        if after.state != self.now.state {
            self.told += 1;
            self.story.push(EventRecord {
                rollout: after.id.rollout,
                target: Some(after.id.target.clone()),
                at: nth_moment(now, self.told),
                actor: "flotilla".into(),
                what: after.state.name().into(),
                detail: detail(&after),
            });
        }
        self.now = after;
    }
}

/// What the timeline says of a state beyond its name.
fn detail(deployment: &Deployment) -> Option<String> {
    match &deployment.state {
        State::Planning(_) => Some(deployment.change_set_name()),
        State::Planned => deployment.changes.map(|c| {
            format!(
                "{} to add, {} to change, {} to replace, {} to remove",
                c.add, c.modify, c.replace, c.remove
            )
        }),
        State::Explaining { status, .. } => Some(status.clone()),
        State::Succeeded { changed: false } => Some("nothing to change".into()),
        state => state.cause().map(|cause| format!("{}: {}", cause.code, cause.message)),
    }
}
