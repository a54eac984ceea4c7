//! Observes the outcomes of the rollouts that a set waits for.

use crate::EngineError;
use crate::ports::Key;
use crate::records::{read, rollout_key, stage_key};
use crate::set::SetController;
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::set::{MemberOutcome, ServiceSet};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Cause, Code, RolloutId};
use std::collections::BTreeMap;

impl SetController {
    /// The outcomes of the rollouts that the set waits for, of those that have ended.
    pub(super) async fn ends(&self, set: &ServiceSet) -> Result<BTreeMap<usize, MemberOutcome>, EngineError> {
        let awaited: Vec<(usize, RolloutId)> = set.awaited();
        let keys: Vec<Key> = awaited.iter().map(|(_, id)| rollout_key(id)).collect();
        let mut ends = BTreeMap::new();
        for ((at, id), item) in awaited.into_iter().zip(self.store.get(&keys).await?) {
            let item = item.ok_or_else(|| EngineError::Defect(format!("{id} of {} is not saved", set.id)))?;
            let rollout = read::<Rollout>(item)?.value;
            let Some(mut end) = end(&rollout) else { continue };
            if let MemberOutcome::Failed(cause) = &end
                && !self.has_touched(&rollout).await?
            {
                end = MemberOutcome::Reverted(cause.clone());
            }
            ends.insert(at, end);
        }
        Ok(ends)
    }

    /// Whether an ended rollout may have changed its targets. If a newer rollout came after it, the answer is
    /// yes, because the stage no longer shows what it found.
    async fn has_touched(&self, rollout: &Rollout) -> Result<bool, EngineError> {
        let head = self.store.get(&[stage_key(&rollout.service, &rollout.stage)]).await?;
        let head = head.into_iter().next().flatten().map(read::<StageHead>).transpose()?;
        Ok(head.is_none_or(|head| {
            let left = head.value.targets.values().any(|target| target.rollout == rollout.id);
            left || head.value.newest != Some(rollout.id)
        }))
    }
}

/// The outcome of a rollout, if it has ended.
fn end(rollout: &Rollout) -> Option<MemberOutcome> {
    let id = rollout.id;
    Some(match &rollout.state {
        RolloutState::Succeeded => MemberOutcome::Succeeded,
        RolloutState::Reverted(cause) => MemberOutcome::Reverted(cause.clone()),
        RolloutState::Failed(cause) => MemberOutcome::Failed(cause.clone()),
        RolloutState::Cancelled => {
            let by = rollout.cancelled.as_ref().map_or("an unknown actor", |off| off.by.as_str());
            MemberOutcome::Failed(Cause::new(
                Code::Stopped,
                format!("{id} was cancelled by {by}"),
                "start a new set when the services may be deployed again",
            ))
        }
        RolloutState::Superseded { by } => {
            let by = by.map_or_else(|| "a newer rollout".to_owned(), |by| by.to_string());
            let what = format!("{id} was superseded by {by}");
            MemberOutcome::Overtaken(Cause::new(
                Code::Conflict,
                what,
                "check what runs there now with flotilla status",
            ))
        }
        _ => return None,
    })
}
