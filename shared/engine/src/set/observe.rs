//! How the rollouts that a set waits for have ended.

use crate::EngineError;
use crate::ports::Key;
use crate::records::{read, rollout_key, stage_key};
use crate::set::SetController;
use flotilla_domain::rollout::{Rollout, RolloutState};
use flotilla_domain::set::{LegEnd, ServiceSet};
use flotilla_domain::stage::StageHead;
use flotilla_domain::{Cause, Code, RolloutId};
use std::collections::BTreeMap;

impl SetController {
    /// How the rollouts that the set waits for have ended, as far as they have.
    pub(super) async fn ends(&self, set: &ServiceSet) -> Result<BTreeMap<usize, LegEnd>, EngineError> {
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
