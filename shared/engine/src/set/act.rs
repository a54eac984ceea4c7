//! Beginning the rollouts of members, and calling them off.

use super::member::{Planned, plan_member};
use crate::EngineError;
use crate::ports::{Expect, Key, Write};
use crate::records::{read, rollout_key, set_key};
use crate::rollout::admit::{Arrival, accept};
use crate::set::SetController;
use crate::step::{due_at, wake};
use flotilla_domain::Turn;
use flotilla_domain::rollout::{Cancellation, Rollout};
use flotilla_domain::set::{Leg, LegEnd, ServiceSet, SetCommand};
use std::collections::BTreeMap;

impl SetController {
    /// Begins rollouts of these members; answers those that are not. None is begun once the set is no longer what it
    /// was when this was decided.
    pub(super) async fn begin(
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
                Ok(planned) => self.admit(set, version, &planned).await,
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

    async fn admit(&self, set: &ServiceSet, version: u64, planned: &Planned) -> Result<(), EngineError> {
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
    pub(super) async fn call_off(&self, set: &ServiceSet, off: &Cancellation) -> Result<(), EngineError> {
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
}
