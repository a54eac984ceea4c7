//! The steps of one set of services: it begins the rollouts of its members and waits for them.

pub(crate) mod member;
mod request;
mod view;

pub use request::{SetPromotion, SetRollback};

use crate::EngineError;
use crate::ports::{Expect, Key, Write};
use crate::records::{Versioned, read, rollout_key, set_key, stage_key};
use crate::rollout::admit::{Arrival, accept};
use crate::step::{Drive, due_at, wake};
use flotilla_domain::rollout::{Cancellation, Rollout, RolloutState};
use flotilla_domain::set::{Leg, LegEnd, ServiceSet, SetCommand, SetEvent};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Cause, Code, RolloutId, SetId, Turn};
use member::{Planned, plan_member};
use std::collections::BTreeMap;

/// Most transitions of one tick: each level is begun and seen.
const STEPS_MAX: usize = 4;

impl Drive {
    pub(crate) async fn set(&self, id: &SetId) -> Result<(), EngineError> {
        for _ in 0..crate::rollout::RACES_MAX {
            match self.step_set(id).await {
                Err(EngineError::Contended) => {}
                other => return other,
            }
        }
        Err(EngineError::Contended)
    }

    async fn step_set(&self, id: &SetId) -> Result<(), EngineError> {
        let Some(item) = self.store.get(&[set_key(id)]).await?.into_iter().next().flatten() else {
            tracing::warn!(set.id = %id, "a tick for a set that is not saved");
            return Ok(());
        };
        let mut saved = read::<ServiceSet>(item)?;
        let mut now = saved.value.clone();
        for _ in 0..STEPS_MAX {
            if now.state.is_terminal() {
                break;
            }
            let event = match now.due() {
                Some(command) => {
                    // Save, then act.
                    self.save_set(&mut saved, &now).await?;
                    SetEvent::Begun { not: self.begin(&now, saved.version, &command).await? }
                }
                None => {
                    // Saved, then done: what somebody wants of the set, its rollouts are told.
                    if let Some(off) = &now.cancelled {
                        self.call_off(&now, off).await?;
                    }
                    SetEvent::Ended(self.ends(&now).await?)
                }
            };
            let before = now.clone();
            now = now.apply(event, self.clock.now()).map_err(|e| EngineError::Defect(e.to_string()))?;
            if now == before {
                break;
            }
        }
        self.save_set(&mut saved, &now).await
    }

    /// Begins rollouts of these members; answers those that are not. None is begun once the set is no longer what it
    /// was when this was decided.
    async fn begin(
        &self,
        set: &ServiceSet,
        version: u64,
        command: &SetCommand,
    ) -> Result<BTreeMap<usize, LegEnd>, EngineError> {
        let legs = command.members.iter().filter_map(|at| Some((at, set.members[*at].leg(command.turn)?)));
        let legs: Vec<(&usize, &Leg)> = legs.collect();
        let keys: Vec<Key> = legs.iter().map(|(_, leg)| rollout_key(&leg.rollout)).collect();
        let mut not = BTreeMap::new();
        for ((at, leg), there) in legs.into_iter().zip(self.store.get(&keys).await?) {
            // What is begun is begun, whatever its stage's rules say by now.
            if there.is_some() {
                wake(self.queue.as_ref(), [leg.rollout]).await?;
                continue;
            }
            if let Some(cause) = set.called_off().filter(|_| command.turn == Turn::Forward) {
                not.insert(*at, LegEnd::Refused(cause));
                continue;
            }
            let member = &set.members[*at];
            let planned =
                plan_member(self.store.as_ref(), set, member, (command.turn, leg.rollout), self.clock.now());
            let begun = match planned.await {
                Ok(planned) => self.let_member_in(set, version, &planned).await,
                Err(error) => Err(error),
            };
            match begun {
                Ok(()) => {}
                Err(EngineError::Refused(refusal)) => {
                    drop(not.insert(*at, LegEnd::Refused(refusal.into())));
                }
                Err(EngineError::Conflict(conflict)) => {
                    drop(not.insert(*at, LegEnd::Overtaken(conflict.refusal.into())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(not)
    }

    async fn let_member_in(
        &self,
        set: &ServiceSet,
        version: u64,
        planned: &Planned,
    ) -> Result<(), EngineError> {
        let unchanged = [Write::check(set_key(&set.id), Expect::Version(version))];
        let arrival = Arrival {
            hold: planned.hold.then_some(set.because.as_str()),
            upon: planned.upon,
            beside: &unchanged,
            ..Arrival::of(&planned.rollout, planned.ttl_h)
        };
        accept(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), arrival).await.map(drop)
    }

    /// Tells the rollouts under way that they are called off.
    async fn call_off(&self, set: &ServiceSet, off: &Cancellation) -> Result<(), EngineError> {
        if set.turn() != Some(Turn::Forward) {
            return Ok(());
        }
        let keys: Vec<Key> = set.awaited().iter().map(|(_, id)| rollout_key(id)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        for item in self.store.get(&keys).await?.into_iter().flatten() {
            let saved = read::<Rollout>(item)?;
            let wished = saved.value.clone().call_off(&off.by, off.stop_running);
            if wished != saved.value && saved.value.may_be_called_off() {
                let now = self.clock.now();
                self.store.write(vec![saved.write(&wished, Some(due_at(now, 0)))]).await?;
                wake(self.queue.as_ref(), [wished.id]).await?;
            }
        }
        Ok(())
    }

    /// How the rollouts that the set waits for have ended, as far as they have.
    async fn ends(&self, set: &ServiceSet) -> Result<BTreeMap<usize, LegEnd>, EngineError> {
        let awaited: Vec<(usize, RolloutId)> = set.awaited();
        let keys: Vec<Key> = awaited.iter().map(|(_, id)| rollout_key(id)).collect();
        let mut ends = BTreeMap::new();
        for ((at, id), item) in awaited.into_iter().zip(self.store.get(&keys).await?) {
            let item = item.ok_or_else(|| EngineError::Defect(format!("{id} of {} is not saved", set.id)))?;
            let rollout = read::<Rollout>(item)?.value;
            let Some(mut end) = end(&rollout) else { continue };
            if let LegEnd::Failed(cause) = &end
                && !self.has_touched(&rollout).await?
            {
                end = LegEnd::Reverted(cause.clone());
            }
            ends.insert(at, end);
        }
        Ok(ends)
    }

    /// Whether a rollout that has ended may have left anything at its targets. If others came after it, what they found
    /// is not known any more.
    async fn has_touched(&self, rollout: &Rollout) -> Result<bool, EngineError> {
        let head = self.store.get(&[stage_key(&rollout.service, &rollout.stage)]).await?;
        let head = head.into_iter().next().flatten().map(read::<StageHead>).transpose()?;
        Ok(head.is_none_or(|head| {
            let left = head.value.targets.values().any(|target| target.rollout == rollout.id);
            left || head.value.newest != Some(rollout.id)
        }))
    }

    async fn save_set(&self, saved: &mut Versioned<ServiceSet>, set: &ServiceSet) -> Result<(), EngineError> {
        let now = self.clock.now();
        let ended = set.state.is_terminal();
        let overdue_soon = !ended && saved.due_at.is_none_or(|due| due <= due_at(now, 0));
        if *set == saved.value && !overdue_soon {
            return Ok(());
        }
        let due = (!ended).then(|| due_at(now, ServiceSet::PATIENCE_S));
        self.store.write(vec![saved.write(set, due)]).await?;
        if set.state != saved.value.state {
            self.meter.transitions(1);
            tracing::info!(set.id = %set.id, state = set.state.name(), cause = set.state.cause().map(|cause| cause.message.as_str()), "set is {}", set.state.name());
        }
        *saved = Versioned { value: set.clone(), version: saved.version + 1, due_at: due };
        Ok(())
    }
}

/// How a rollout has ended, if it has.
fn end(rollout: &Rollout) -> Option<LegEnd> {
    let id = rollout.id;
    Some(match &rollout.state {
        RolloutState::Succeeded => LegEnd::Succeeded,
        RolloutState::Reverted(cause) => LegEnd::Reverted(cause.clone()),
        RolloutState::Failed(cause) => LegEnd::Failed(cause.clone()),
        RolloutState::Cancelled => {
            let by = rollout.cancelled.as_ref().map_or("somebody", |off| off.by.as_str());
            LegEnd::Failed(Cause::new(
                Code::Stopped,
                format!("{by} has called {id} off"),
                "begin again when it may go on",
            ))
        }
        RolloutState::Superseded { by } => {
            let by = by.map_or_else(|| "a newer rollout".to_owned(), |by| by.to_string());
            let what = format!("{by} took the place of {id}");
            LegEnd::Overtaken(Cause::new(Code::Conflict, what, "look at what runs there now"))
        }
        _ => return None,
    })
}
