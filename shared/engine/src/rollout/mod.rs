//! The steps of one rollout.

mod act;
pub(crate) mod admit;
pub(crate) mod compose;
pub(crate) mod control;
mod finish;
mod promote;
mod retry;
mod rollback;
pub(crate) mod route;
mod start;
mod view;

pub use control::Control;
pub use promote::Promotion;
pub use retry::OperatorsWord;
pub use rollback::Rollback;

use crate::EngineError;
use crate::ports::{Subject, Work};
use crate::records::{
    EventRecord, REPLICAS_MAX, ReplicaRecord, Versioned, deployments_query, keep, nth_moment, read,
    release_key, replicas_query, rollout_key, stage_key,
};
use crate::step::{Drive, due_at, wake};
use finish::{note_end, note_targets};
use flotilla_domain::deployment::Deployment;
use flotilla_domain::deployment::pace::DELAY_S_MAX;
use flotilla_domain::gates::AlarmSeen;
use flotilla_domain::release::{Release, ReleaseRef};
use flotilla_domain::rollout::{
    Cancellation, Rollout, RolloutCommand, RolloutEvent, RolloutLook, RolloutState, TargetOutcome,
};
use flotilla_domain::stage::{Place, StageHead};
use flotilla_domain::{RolloutId, SignedDuration, Target, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// Most transitions of one tick.
const STEPS_MAX: usize = 16;
/// How often a lost race is run again: the loser may have seen more than the winner.
pub(crate) const RACES_MAX: usize = 8;
/// Most deployments of a rollout: each target forward, and back.
pub(crate) const DEPLOYMENTS_MAX: usize = 2 * Rollout::TARGETS_MAX;

/// A rollout between two saves.
pub(crate) struct InHand {
    pub(crate) saved: Versioned<Rollout>,
    pub(crate) now: Rollout,
    story: Vec<EventRecord>,
    /// How many were told in this tick: entries of one moment keep their order.
    told: usize,
    /// What its deployments have left at the targets.
    ended: Vec<Deployment>,
    /// Whether it was seen in this tick that it is the one that may act.
    has_its_place: bool,
}

impl Drive {
    pub(crate) async fn rollout(&self, id: &RolloutId) -> Result<(), EngineError> {
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
        let mut hand = InHand {
            now: saved.value.clone(),
            saved,
            story: Vec::new(),
            told: 0,
            ended: Vec::new(),
            has_its_place: false,
        };
        for _ in 0..STEPS_MAX {
            let mut asked_for_copies = false;
            if hand.now.state.is_terminal() {
                return self.save_rollout(&mut hand).await;
            }
            let event = if let Some(off) = called_off(&hand.now) {
                RolloutEvent::CancelRequested(off)
            } else if let Some(command) = hand.now.due() {
                match self.done_already(&hand.now, &command).await? {
                    Some(seen) => seen,
                    None => {
                        // Save, then act.
                        self.save_rollout(&mut hand).await?;
                        self.perform_rollout(&hand, &command).await?;
                        asked_for_copies = matches!(command, RolloutCommand::Replicate(..));
                        RolloutEvent::Acted
                    }
                }
            } else {
                self.observe_rollout(&mut hand).await?
            };
            let now = self.clock.now();
            let before = hand.now.clone();
            let after = before.clone().apply(event, now).map_err(|e| EngineError::Defect(e.to_string()))?;
            let changed = after != before;
            hand.enter(after, now);
            // None of the copies that were asked for just now can be there.
            if !changed || asked_for_copies {
                return self.save_rollout(&mut hand).await;
            }
        }
        self.save_rollout(&mut hand).await?;
        wake(self.queue.as_ref(), [*id]).await
    }

    /// What there is to see, if what a command asks for is there already: a promotion or a way back needs no copies.
    async fn done_already(
        &self,
        rollout: &Rollout,
        command: &RolloutCommand,
    ) -> Result<Option<RolloutEvent>, EngineError> {
        let RolloutCommand::Replicate(_, sites) = command else { return Ok(None) };
        let seen = self.replicas(rollout).await?;
        let all = matches!(&seen, RolloutEvent::ReplicasSeen { proven, .. } if sites.is_subset(proven));
        // While it is paused it goes no further, and is to be asked for by nobody.
        Ok(Some(seen).filter(|_| all && rollout.paused_by.is_none()))
    }

    /// Looks where the state has to look.
    async fn observe_rollout(&self, hand: &mut InHand) -> Result<RolloutEvent, EngineError> {
        let rollout = &hand.now;
        if rollout.deadline().is_some_and(|deadline| deadline <= self.clock.now()) {
            return Ok(match rollout.state {
                RolloutState::Gated { wave } if wave > 0 => {
                    RolloutEvent::GatesLate(self.outcomes(hand).await?)
                }
                _ => RolloutEvent::DeadlinePassed,
            });
        }
        let asks = rollout.look() == Some(RolloutLook::Head);
        // Once a tick: whoever takes its place wakes it.
        if asks || (rollout.may_be_superseded() && !hand.has_its_place) {
            let place = self.head(rollout).await?.value.place(rollout.id);
            hand.has_its_place = place == Place::Active;
            if asks || place != Place::Active {
                return Ok(RolloutEvent::PlaceSeen(place));
            }
        }
        let rollout = &hand.now;
        match rollout.look() {
            Some(RolloutLook::Rules) => self.ruling(hand).await,
            Some(RolloutLook::Replicas) => self.replicas(rollout).await,
            Some(RolloutLook::Deployments) => Ok(RolloutEvent::DeploymentsSeen(self.outcomes(hand).await?)),
            Some(RolloutLook::Outputs) => self.outputs_of_others(rollout).await,
            Some(RolloutLook::Gates) => self.gates_of_wave(rollout, rollout.next_wave().unwrap_or(0)).await,
            Some(RolloutLook::Checks) => {
                let outcomes = self.outcomes(hand).await?;
                self.checks(hand, outcomes).await
            }
            Some(RolloutLook::Clock) => {
                let wave = wave_of(rollout).unwrap_or(0);
                let alarms = self.alarms_of(rollout, wave).await?;
                let outcomes = match alarms.iter().all(AlarmSeen::is_ok) {
                    true => Vec::new(),
                    false => self.outcomes(hand).await?,
                };
                Ok(RolloutEvent::AlarmsSeen { alarms, outcomes })
            }
            Some(RolloutLook::Stable) => Ok(RolloutEvent::StableSeen(self.stable(rollout).await?)),
            Some(RolloutLook::Head) | None => {
                Err(EngineError::Defect("a terminal rollout was stepped".into()))
            }
        }
    }

    /// Verifies a wave. What was answered is kept in the timeline once all of it is as it should be.
    async fn checks(
        &self,
        hand: &mut InHand,
        outcomes: Vec<TargetOutcome>,
    ) -> Result<RolloutEvent, EngineError> {
        let wave = wave_of(&hand.now).unwrap_or(0);
        let checked = self.checks_of(&hand.now, wave, &hand.ended).await?;
        let failed = checked.iter().filter(|check| !check.passed);
        let failures: Vec<_> = failed.map(|check| (check.target.clone(), check.said.clone())).collect();
        if failures.is_empty() {
            let now = self.clock.now();
            for check in checked {
                hand.tell(now, Some(check.target), "verified", Some(check.said));
            }
        }
        Ok(RolloutEvent::ChecksSeen { failures, outcomes })
    }

    /// How its deployments stand.
    async fn outcomes(&self, hand: &mut InHand) -> Result<Vec<TargetOutcome>, EngineError> {
        let page = self.store.query(deployments_query(&hand.now.id, DEPLOYMENTS_MAX)).await?;
        let deployments = page.items.into_iter().map(|item| Ok(read::<Deployment>(item)?.value));
        let deployments: Vec<Deployment> = deployments.collect::<Result<_, EngineError>>()?;
        let outcomes = deployments.iter().map(|d| TargetOutcome {
            target: d.id.target.clone(),
            turn: d.id.turn,
            state: d.state.clone(),
            touched: d.operations > 0,
            plan: d.plan_digest,
        });
        let outcomes = outcomes.collect();
        hand.ended = deployments.into_iter().filter(|d| d.state.is_terminal()).collect();
        Ok(outcomes)
    }

    /// The stage's last stable release, unless it is the one that is being rolled out, or is held.
    async fn stable(&self, rollout: &Rollout) -> Result<Option<ReleaseRef>, EngineError> {
        let head = self.head(rollout).await?.value;
        let Some(stable) = head.stable else { return Ok(None) };
        if Some(stable) == rollout.release() {
            return Ok(None);
        }
        let found =
            self.store.get(&[release_key(&rollout.service, &stable)]).await?.into_iter().next().flatten();
        let release = found.map(read::<Release>).transpose()?.map(|release| release.value.to_ref());
        Ok(release.filter(|release| !head.holds.contains_key(&release.package)))
    }

    async fn replicas(&self, rollout: &Rollout) -> Result<RolloutEvent, EngineError> {
        let (mut proven, mut failed) = (BTreeSet::new(), BTreeMap::new());
        if let Some(release) = rollout.awaited_release() {
            for item in self.store.query(replicas_query(&release, REPLICAS_MAX)).await?.items {
                let replica = read::<ReplicaRecord>(item)?.value;
                let proves = replica.proves_for(rollout);
                // A failure of an earlier rollout is tried again, not believed.
                match replica.failure {
                    None if !proves => {}
                    None => drop(proven.insert(replica.site)),
                    Some(cause) if replica.at >= rollout.entered_at => {
                        drop(failed.insert(replica.site, cause))
                    }
                    Some(_) => {}
                }
            }
            let sites = rollout.sites();
            failed.retain(|site, _| sites.contains(site));
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

    /// Saves what has changed of the rollout and of its stage's head, in one transaction.
    async fn save_rollout(&self, hand: &mut InHand) -> Result<(), EngineError> {
        let now = self.clock.now();
        let ended = hand.now.state.is_terminal();
        if ended && hand.saved.value.state.is_terminal() {
            return Ok(());
        }
        // Until what time it sleeps, if it does: nothing else wakes it then.
        let sleeps_until = hand.now.looks_at(now).filter(|_| !ended);
        let sleeps_s = sleeps_until.map(|at| {
            let left_s = at.duration_since(now).as_secs().saturating_add(1).clamp(1, DELAY_S_MAX.into());
            u32::try_from(left_s).unwrap_or(DELAY_S_MAX)
        });
        // One that sleeps is woken a minute before it is due, and has to see then that nobody else comes.
        let soon_s = if sleeps_s.is_some() { 61 } else { 20 };
        let overdue_soon = hand.saved.due_at.is_none_or(|due| due <= later(now, soon_s));
        let dirty = hand.now != hand.saved.value || overdue_soon;
        let due = (!ended).then(|| due_at(now, sleeps_s.unwrap_or(hand.now.patience_s())));
        let mut writes = Vec::new();
        if dirty {
            writes.push(hand.saved.write(&hand.now, due));
            writes.extend(hand.story.iter().map(keep));
        }
        let mut next = None;
        if (ended || !hand.ended.is_empty()) && !hand.now.plan_only {
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
            self.meter.transitions(hand.story.len());
            for event in hand.story.drain(..) {
                tracing::info!(rollout.id = %event.rollout, state = event.what, detail = event.detail, "rollout is {}", event.what);
            }
            hand.saved = Versioned { value: hand.now.clone(), version: hand.saved.version + 1, due_at: due };
            if let Some(delay_s) = sleeps_s {
                let tick = Work::Tick(Subject::Rollout(hand.now.id));
                self.queue.send(vec![(tick, delay_s)]).await?;
            }
        }
        if ended && hand.now.state == RolloutState::Succeeded {
            self.wake_consumers(&hand.now).await?;
        }
        if let Some(set) = hand.now.set.filter(|_| ended) {
            self.queue.send(vec![(Work::Tick(Subject::Set(set)), 0)]).await?;
        }
        wake(self.queue.as_ref(), next).await
    }
}

/// How the rollout was called off, while nothing has begun that would have to be finished.
fn called_off(rollout: &Rollout) -> Option<Cancellation> {
    let unbegun = matches!(
        rollout.state,
        RolloutState::Queued
            | RolloutState::Vetting
            | RolloutState::Replicating
            | RolloutState::Awaiting
            | RolloutState::Planning
            | RolloutState::Gated { .. }
            | RolloutState::Checking { .. }
            | RolloutState::Baking { .. }
    );
    rollout.cancelled.clone().filter(|_| unbegun)
}

fn later(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

impl InHand {
    fn enter(&mut self, after: Rollout, now: Timestamp) {
        // The steps within a wave, and of a way back, are one entry.
        let told = |rollout: &Rollout| (rollout.state.name(), wave_of(rollout), held_by(rollout));
        // Gates that are open are passed without a word.
        let waits = matches!(
            after.state,
            RolloutState::Vetting | RolloutState::Awaiting | RolloutState::Gated { .. }
        );
        if waits && after.closed.is_empty() {
            self.now = after;
            return;
        }
        if told(&after) != told(&self.now) {
            let detail = match &after.state {
                RolloutState::Rolling { wave, .. }
                | RolloutState::Checking { wave }
                | RolloutState::Baking { wave } => {
                    Some(format!("wave {} of {}", wave + 1, after.waves.len()))
                }
                RolloutState::Vetting | RolloutState::Awaiting | RolloutState::Gated { .. } => {
                    Some(held_by(&after))
                }
                RolloutState::Reverting(_) => after.failure.as_ref().map(|cause| cause.message.clone()),
                RolloutState::Superseded { by } => by.map(|by| format!("by {by}")),
                state => state.cause().map(|cause| format!("{}: {}", cause.code, cause.message)),
            };
            self.tell(now, None, after.state.name(), detail);
        }
        self.now = after;
    }

    /// An entry for the timeline, saved with the next step.
    pub(crate) fn tell(
        &mut self,
        now: Timestamp,
        target: Option<Target>,
        what: &str,
        detail: Option<String>,
    ) {
        self.told += 1;
        self.story.push(EventRecord {
            rollout: self.now.id,
            target,
            at: nth_moment(now, self.told),
            actor: "flotilla".into(),
            what: what.into(),
            detail,
        });
    }
}

fn wave_of(rollout: &Rollout) -> Option<usize> {
    match rollout.state {
        RolloutState::Rolling { wave, .. }
        | RolloutState::Gated { wave }
        | RolloutState::Checking { wave }
        | RolloutState::Baking { wave } => Some(wave),
        _ => None,
    }
}

/// What keeps its next wave from beginning.
fn held_by(rollout: &Rollout) -> String {
    rollout.closed.iter().map(|closed| closed.why.as_str()).collect::<Vec<_>>().join("; ")
}
