//! The steps of one rollout.

use super::{Drive, due_at};
use crate::EngineError;
use crate::accept::{keep, wake};
use crate::ports::{Subject, Work, WriteError};
use crate::records::{
    EventRecord, ReplicaRecord, Versioned, deployments_query, nth_moment, read, replicas_query, rollout_key,
    stage_key,
};
use flotilla_domain::deployment::{Deployment, State};
use flotilla_domain::rollout::{
    Rollout, RolloutCommand, RolloutEvent, RolloutKind, RolloutLook, RolloutState, TargetOutcome,
};
use flotilla_domain::stage::{Running, StageHead};
use flotilla_domain::{RolloutId, SignedDuration, Target, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Most transitions of one tick.
const STEPS_MAX: usize = 16;
/// How often a lost race is run again: the loser may have seen more than the winner.
const RACES_MAX: usize = 8;
/// Most targets of a rollout.
const TARGETS_MAX: usize = flotilla_domain::profile::Profile::REGIONS_MAX;
/// Deployments opened in one transaction: each is two writes of a hundred.
const OPENED_AT_ONCE: usize = 50;

/// A rollout between two saves.
struct InHand {
    saved: Versioned<Rollout>,
    now: Rollout,
    story: Vec<EventRecord>,
    /// How many were told in this tick: entries of one moment keep their order.
    told: usize,
    /// What its deployments have left at the targets.
    ended: Vec<Deployment>,
}

impl Drive {
    pub(super) async fn rollout(&self, id: &RolloutId) -> Result<(), EngineError> {
        for _ in 0..RACES_MAX {
            match self.step_rollout(id).await {
                Err(EngineError::Contended) => {}
                other => return other,
            }
        }
        Err(EngineError::Contended)
    }

    async fn step_rollout(&self, id: &RolloutId) -> Result<(), EngineError> {
        let Some(item) = self.store.get(&[rollout_key(id)]).await?.into_iter().next().flatten() else {
            tracing::warn!(rollout.id = %id, "a tick for a rollout that is not saved");
            return Ok(());
        };
        let saved = read::<Rollout>(item)?;
        let mut hand =
            InHand { now: saved.value.clone(), saved, story: Vec::new(), told: 0, ended: Vec::new() };
        for _ in 0..STEPS_MAX {
            if hand.now.state.is_terminal() {
                return self.save_rollout(&mut hand).await;
            }
            let due = hand.now.due();
            let event = if let Some(by) = called_off(&hand.now) {
                RolloutEvent::CancelRequested { by }
            } else if due.is_empty() {
                self.observe_rollout(&mut hand).await?
            } else {
                // Save, then act.
                self.save_rollout(&mut hand).await?;
                self.perform_rollout(&hand.now, &due).await?;
                RolloutEvent::Acted
            };
            let now = self.clock.now();
            let before = hand.now.clone();
            let after = before.clone().apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))?;
            let changed = after != before;
            hand.enter(after, now);
            if !changed {
                return self.save_rollout(&mut hand).await;
            }
        }
        self.save_rollout(&mut hand).await?;
        wake(self.queue.as_ref(), [*id]).await
    }

    /// Looks where the state has to look.
    async fn observe_rollout(&self, hand: &mut InHand) -> Result<RolloutEvent, EngineError> {
        let rollout = &hand.now;
        if rollout.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            return Ok(RolloutEvent::DeadlinePassed);
        }
        match rollout.look() {
            Some(RolloutLook::Head) => {
                Ok(RolloutEvent::PlaceSeen(self.head(rollout).await?.value.place(rollout.id)))
            }
            Some(RolloutLook::Replicas) => {
                // Superseded or not: that decides before anything is deployed.
                let place = self.head(rollout).await?.value.place(rollout.id);
                if place != flotilla_domain::stage::Place::Active {
                    return Ok(RolloutEvent::PlaceSeen(place));
                }
                self.replicas(rollout).await
            }
            Some(RolloutLook::Deployments) => {
                let page = self.store.query(deployments_query(&rollout.id, TARGETS_MAX)).await?;
                let deployments = page.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
                let deployments: Vec<Deployment> = deployments.collect::<Result<_, EngineError>>()?;
                let outcomes = deployments
                    .iter()
                    .map(|d| TargetOutcome { target: d.id.target.clone(), state: d.state.clone() });
                let event = RolloutEvent::DeploymentsSeen(outcomes.collect());
                hand.ended = deployments.into_iter().filter(|d| d.state.is_terminal()).collect();
                Ok(event)
            }
            None => Err(EngineError::Defect("a terminal rollout was stepped".into())),
        }
    }

    async fn replicas(&self, rollout: &Rollout) -> Result<RolloutEvent, EngineError> {
        let (mut proven, mut failed) = (BTreeSet::new(), BTreeMap::new());
        if let Some(release) = rollout.release() {
            // A release may be at more targets than this rollout has.
            for item in self.store.query(replicas_query(&release, 1_000)).await?.items {
                let replica = read::<ReplicaRecord>(item)?.value;
                // A failure of an earlier rollout is tried again, not believed.
                match replica.failure {
                    None => drop(proven.insert(replica.target)),
                    Some(cause) if replica.at >= rollout.entered_at => {
                        drop(failed.insert(replica.target, cause))
                    }
                    Some(_) => {}
                }
            }
            failed.retain(|target, _| rollout.targets().any(|own| own == target));
        }
        Ok(RolloutEvent::ReplicasSeen { proven, failed })
    }

    async fn head(&self, rollout: &Rollout) -> Result<Versioned<StageHead>, EngineError> {
        let key = stage_key(&rollout.service, &rollout.stage);
        match self.store.get(&[key]).await?.into_iter().next().flatten() {
            Some(item) => Ok(read::<StageHead>(item)?),
            None => Err(EngineError::Defect(format!(
                "the stage {}/{} is not saved",
                rollout.service, rollout.stage
            ))),
        }
    }

    /// Carries out what the saved rollout asks for.
    async fn perform_rollout(
        &self,
        rollout: &Rollout,
        commands: &[RolloutCommand],
    ) -> Result<(), EngineError> {
        for command in commands {
            match command {
                RolloutCommand::Replicate(targets) => {
                    let Some(release) = rollout.release() else { continue };
                    let work = |target: &Target| Work::Replicate {
                        release,
                        rollout: rollout.id,
                        target: target.clone(),
                    };
                    self.queue.send(targets.iter().map(|target| (work(target), 0)).collect()).await?;
                }
                RolloutCommand::Open(targets) => {
                    for targets in targets.chunks(OPENED_AT_ONCE) {
                        self.open(rollout, targets).await?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens deployments and wakes them; those that are open already are only woken.
    async fn open(&self, rollout: &Rollout, targets: &[Target]) -> Result<(), EngineError> {
        let now = self.clock.now();
        let open =
            |target: &Target| Deployment::open(rollout.deployment_id(target), rollout.deployment_spec(), now);
        let opened: Vec<Deployment> = targets.iter().map(open).collect();
        let write = |d: &Deployment| Versioned::new(d.clone()).write(d, Some(due_at(now, 0)));
        if let Err(WriteError::Conflict(_)) =
            bubble(self.store.write(opened.iter().map(write).collect()).await)?
        {
            for deployment in &opened {
                // One by one: what is there already stays.
                let _ = bubble(self.store.write(vec![write(deployment)]).await)?;
            }
        }
        let ticks = opened.into_iter().map(|d| (Work::Tick(Subject::Deployment(d.id)), 0));
        Ok(self.queue.send(ticks.collect()).await?)
    }

    /// Saves what has changed of the rollout and of its stage's head, in one transaction.
    async fn save_rollout(&self, hand: &mut InHand) -> Result<(), EngineError> {
        let now = self.clock.now();
        let ended = hand.now.state.is_terminal();
        if ended && hand.saved.value.state.is_terminal() {
            return Ok(());
        }
        let overdue_soon = hand.saved.due_at.is_none_or(|due| due <= soon(now));
        let dirty = hand.now != hand.saved.value || overdue_soon;
        let due = (!ended).then(|| due_at(now, hand.now.patience_s()));
        let mut writes = Vec::new();
        if dirty {
            writes.push(hand.saved.write(&hand.now, due));
            writes.extend(hand.story.iter().map(keep));
        }
        let mut next = None;
        if ended || !hand.ended.is_empty() {
            let before = self.head(&hand.now).await?;
            let mut head = before.value.clone();
            note_targets(&mut head, &hand.now, &hand.ended);
            if ended {
                note_end(&mut head, &hand.now, now);
                next = head.leave(hand.now.id);
            }
            if head != before.value {
                writes.push(before.write(&head, head.expires_at));
            }
        }
        if writes.is_empty() {
            return Ok(());
        }
        self.store.write(writes).await?;
        if dirty {
            for event in hand.story.drain(..) {
                tracing::info!(rollout.id = %event.rollout, state = event.what, detail = event.detail, "rollout is {}", event.what);
            }
            hand.saved = Versioned { value: hand.now.clone(), version: hand.saved.version + 1, due_at: due };
        }
        wake(self.queue.as_ref(), next).await
    }
}

/// Who called the rollout off, while nothing has begun that would have to be finished.
fn called_off(rollout: &Rollout) -> Option<String> {
    let unbegun = matches!(rollout.state, RolloutState::Queued | RolloutState::Replicating);
    rollout.cancelled_by.clone().filter(|_| unbegun)
}

/// Lets a conflict through as a value; every other failure ends the step.
fn bubble(result: Result<(), WriteError>) -> Result<Result<(), WriteError>, EngineError> {
    match result {
        Err(WriteError::Port(error)) => Err(error.into()),
        other => Ok(other),
    }
}

/// An item that is due before this is given a new due time.
fn soon(now: Timestamp) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(20)).unwrap_or(now)
}

/// Writes down what the deployments that have ended left at their targets.
fn note_targets(head: &mut StageHead, rollout: &Rollout, ended: &[Deployment]) {
    for deployment in ended {
        let target = deployment.id.target.clone();
        match &rollout.kind {
            RolloutKind::Remove if deployment.state.is_success() => {
                head.targets.remove(&target);
            }
            RolloutKind::Remove => {}
            // Called off before anything was changed: what runs there is as before.
            RolloutKind::Deploy { .. } if deployment.state == State::Cancelled => {}
            RolloutKind::Deploy { release, package, .. } => {
                let before = head.targets.get(&target).and_then(|running| running.proven);
                let running = Running {
                    proven: if deployment.state.is_success() { Some((*release, *package)) } else { before },
                    rollout: rollout.id,
                    status: deployment.state.name().into(),
                    at: deployment.entered_at,
                };
                head.targets.insert(target, running);
            }
        }
    }
}

/// What the end of a rollout means for its stage.
fn note_end(head: &mut StageHead, rollout: &Rollout, now: Timestamp) {
    match (&rollout.kind, &rollout.state) {
        (RolloutKind::Deploy { release, .. }, RolloutState::Succeeded) => head.stable = Some(*release),
        (RolloutKind::Remove, RolloutState::Succeeded) => {
            head.stable = None;
            // An upload that waits has set an end of its own.
            head.expires_at = head.expires_at.filter(|_| head.queued.is_some());
        }
        // A removal that did not come to its end is tried again, unless a newer upload wants the stage.
        (RolloutKind::Remove, RolloutState::Failed(_) | RolloutState::Cancelled) if head.queued.is_none() => {
            head.expires_at = now.saturating_add(SignedDuration::from_hours(1)).ok();
        }
        _ => {}
    }
}

impl InHand {
    fn enter(&mut self, after: Rollout, now: Timestamp) {
        if after.state != self.now.state {
            let detail = match &after.state {
                RolloutState::Rolling { wave } => Some(format!("wave {} of {}", wave + 1, after.waves.len())),
                RolloutState::Superseded { by } => by.map(|by| format!("by {by}")),
                state => state.cause().map(|cause| format!("{}: {}", cause.code, cause.message)),
            };
            self.told += 1;
            self.story.push(EventRecord {
                rollout: after.id,
                target: None,
                at: nth_moment(now, self.told),
                actor: "flotilla".into(),
                what: after.state.name().into(),
                detail,
            });
        }
        self.now = after;
    }
}
