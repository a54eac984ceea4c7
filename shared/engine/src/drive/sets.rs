//! The steps of one set of services: it begins the rollouts of its members and waits for them.

use super::{Drive, due_at};
use crate::EngineError;
use crate::accept::{Arrival, accept};
use crate::plan::{Planned, plan_member};
use crate::ports::Key;
use crate::records::{Versioned, read, rollout_key, set_key};
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::set::{LegEnd, ServiceSet, SetCommand, SetEvent};
use flotilla_domain::{Cause, Code, Refusal, RolloutId, SetId};
use std::collections::BTreeMap;

/// Most transitions of one tick: each level is begun and seen.
const STEPS_MAX: usize = 4;

impl Drive {
    pub(super) async fn set(&self, id: &SetId) -> Result<(), EngineError> {
        for _ in 0..super::rollout::RACES_MAX {
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
                    SetEvent::Begun { not: self.begin(&now, &command).await? }
                }
                None => SetEvent::Ended(self.ends(&now).await?),
            };
            let before = now.clone();
            now = now.apply(event, self.clock.now()).map_err(|e| EngineError::Defect(e.to_string()))?;
            if now == before {
                break;
            }
        }
        self.save_set(&mut saved, &now).await
    }

    /// Begins rollouts of these members; answers those that are not.
    async fn begin(
        &self,
        set: &ServiceSet,
        command: &SetCommand,
    ) -> Result<BTreeMap<usize, LegEnd>, EngineError> {
        let mut not = BTreeMap::new();
        for at in &command.members {
            let member = &set.members[*at];
            let Some(leg) = member.leg(command.turn) else { continue };
            let planned =
                plan_member(self.store.as_ref(), set, member, (command.turn, leg.rollout), self.clock.now());
            let begun = match planned.await {
                Ok(planned) => self.let_member_in(set, &planned).await,
                Err(error) => Err(error),
            };
            match begun {
                Ok(()) => {}
                Err(EngineError::Refused(refusal)) => {
                    drop(not.insert(*at, LegEnd::Refused(cause(refusal))));
                }
                Err(EngineError::Conflict(conflict)) => {
                    drop(not.insert(*at, LegEnd::Overtaken(cause(conflict.refusal))));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(not)
    }

    async fn let_member_in(&self, set: &ServiceSet, planned: &Planned) -> Result<(), EngineError> {
        let arrival = Arrival {
            hold: planned.hold.then_some(set.because.as_str()),
            upon: planned.upon,
            ..Arrival::of(&planned.rollout, planned.ttl_h)
        };
        accept(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), arrival).await.map(drop)
    }

    /// How the rollouts that the set waits for have ended, as far as they have.
    async fn ends(&self, set: &ServiceSet) -> Result<BTreeMap<usize, LegEnd>, EngineError> {
        let awaited: Vec<(usize, RolloutId)> = set.awaited();
        let keys: Vec<Key> = awaited.iter().map(|(_, id)| rollout_key(id)).collect();
        let mut ends = BTreeMap::new();
        for ((at, id), item) in awaited.into_iter().zip(self.store.get(&keys).await?) {
            let item = item.ok_or_else(|| EngineError::Defect(format!("{id} of {} is not saved", set.id)))?;
            let rollout = read::<Rollout>(item)?.value;
            ends.extend(end(&rollout).map(|end| (at, end)));
        }
        Ok(ends)
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

fn cause(refusal: Refusal) -> Cause {
    let Refusal { code, message, fix, path } = refusal;
    Cause { code, message, fix, resource: path }
}
