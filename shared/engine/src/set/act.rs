//! Starts and cancels the rollouts of members.

use super::member::{Planned, compose_member};
use crate::EngineError;
use crate::ports::{Expect, Key, Write};
use crate::records::{read, rollout_key, set_key};
use crate::rollout::admit::{AdmissionRequest, HoldOthers, admit};
use crate::set::SetController;
use crate::step::{due_at, wake};
use flotilla_domain::Direction;
use flotilla_domain::rollout::{Cancellation, Rollout};
use flotilla_domain::set::{MemberOutcome, MemberRollout, ServiceSet, SetCommand};
use std::collections::BTreeMap;

impl SetController {
    /// Starts the rollouts of members. Returns the members whose rollout was not started. The write is
    /// conditional on the set's version, so nothing starts for a set that has changed since the decision.
    pub(super) async fn begin(
        &self,
        set: &ServiceSet,
        version: u64,
        command: &SetCommand,
    ) -> Result<BTreeMap<usize, MemberOutcome>, EngineError> {
        let member_rollouts = command
            .members
            .iter()
            .filter_map(|at| Some((at, set.members[*at].member_rollout(command.direction)?)));
        let member_rollouts: Vec<(&usize, &MemberRollout)> = member_rollouts.collect();
        let keys: Vec<Key> =
            member_rollouts.iter().map(|(_, member_rollout)| rollout_key(&member_rollout.rollout)).collect();
        let mut not = BTreeMap::new();
        for ((at, member_rollout), there) in member_rollouts.into_iter().zip(self.store.get(&keys).await?) {
            // A rollout that exists already was admitted, whatever the configuration says now.
            if there.is_some() {
                wake(self.queue.as_ref(), [member_rollout.rollout]).await?;
                continue;
            }
            if let Some(cause) = set.cancellation_cause().filter(|_| command.direction == Direction::Forward)
            {
                not.insert(*at, MemberOutcome::Refused(cause));
                continue;
            }
            let member = &set.members[*at];
            let planned = compose_member(
                self.store.as_ref(),
                set,
                member,
                (command.direction, member_rollout.rollout),
                self.clock.now(),
            );
            let begun = match planned.await {
                Ok(planned) => self.admit(set, version, &planned).await,
                Err(error) => Err(error),
            };
            match begun {
                Ok(()) => {}
                Err(EngineError::Refused(refusal)) => {
                    drop(not.insert(*at, MemberOutcome::Refused(refusal.into())));
                }
                Err(EngineError::Conflict(conflict)) => {
                    drop(not.insert(*at, MemberOutcome::Overtaken(conflict.refusal.into())));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(not)
    }

    async fn admit(&self, set: &ServiceSet, version: u64, planned: &Planned) -> Result<(), EngineError> {
        let unchanged = [Write::check(set_key(&set.id), Expect::Version(version))];
        let request = AdmissionRequest {
            hold: planned.hold.then_some(HoldOthers { because: &set.because, in_progress: None }),
            precondition: planned.precondition,
            beside: &unchanged,
            ..AdmissionRequest::of(&planned.rollout, planned.preview)
        };
        admit(self.store.as_ref(), self.queue.as_ref(), self.clock.as_ref(), request).await.map(drop)
    }

    /// Cancels the rollouts in progress.
    pub(super) async fn cancel(&self, set: &ServiceSet, off: &Cancellation) -> Result<(), EngineError> {
        if set.direction() != Some(Direction::Forward) {
            return Ok(());
        }
        let keys: Vec<Key> = set.awaited().iter().map(|(_, id)| rollout_key(id)).collect();
        if keys.is_empty() {
            return Ok(());
        }
        for item in self.store.get(&keys).await?.into_iter().flatten() {
            let saved = read::<Rollout>(item)?;
            let changed = saved.value.clone().cancel(&off.by, off.stop_running);
            if changed != saved.value && saved.value.is_cancellable() {
                let now = self.clock.now();
                self.store.write(vec![saved.write(&changed, Some(due_at(now, 0)))]).await?;
                wake(self.queue.as_ref(), [changed.id]).await?;
            }
        }
        Ok(())
    }
}
