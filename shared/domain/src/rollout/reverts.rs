//! The revert: the rollback deployments of a rollout that failed.

use super::Rollout;
use super::state::{Revert, RolloutState, TargetOutcome};
use super::transition::{at_target, copies_late};
use crate::cause::Cause;
use crate::code::Code;
use crate::ids::Direction;
use crate::target::Target;

impl Rollout {
    /// The state after an observation of the rollback deployments; `None` while some are in progress.
    pub(super) fn reverted(
        &self,
        targets: &[Target],
        level: usize,
        outcomes: &[TargetOutcome],
    ) -> Option<RolloutState> {
        let back = |target: &Target| {
            outcomes.iter().find(|o| o.direction == Direction::Rollback && &o.target == target)
        };
        let (now, later): (Vec<&Target>, Vec<&Target>) = targets
            .iter()
            .filter(|target| self.level(target) <= level)
            .partition(|target| self.level(target) == level);
        let seen: Vec<&TargetOutcome> = now.into_iter().map(back).collect::<Option<_>>()?;
        if !seen.iter().all(|outcome| outcome.state.is_terminal()) {
            return None;
        }
        let stuck = seen.iter().find(|outcome| !outcome.state.is_success());
        Some(match (stuck, self.failure.clone()) {
            (Some(stuck), _) => {
                let cause = stuck.state.cause().cloned().unwrap_or_else(copies_late);
                RolloutState::Failed(self.not_reverted(&at_target(&stuck.target, cause)))
            }
            (None, _) if !later.is_empty() => {
                let level = later.iter().map(|target| self.level(target)).max().unwrap_or(0);
                RolloutState::Reverting(Revert::Rolling { targets: targets.to_vec(), level })
            }
            (None, Some(failure)) => match self.left_behind(outcomes) {
                Some(why) => RolloutState::Failed(self.not_reverted(&why)),
                None => RolloutState::Reverted(failure),
            },
            (None, None) => RolloutState::Cancelled,
        })
    }

    /// The cause if a target was changed whose stack the stable release does not have.
    pub(super) fn left_behind(&self, outcomes: &[TargetOutcome]) -> Option<Cause> {
        let stable = self.revert_to.as_ref()?;
        let unknown = |o: &&TargetOutcome| {
            o.direction == Direction::Forward && o.changed() && stable.stack(o.target.part.as_ref()).is_none()
        };
        let left = outcomes.iter().find(unknown)?;
        let text = format!("{} was left as it is: the stable release has no such stack", left.target);
        let fix = "delete the stack yourself, or fix what failed and upload again";
        Some(Cause::new(Code::NothingToRevertTo, text, fix))
    }

    pub(super) fn nothing_to_revert_to(&self) -> Cause {
        let failure = self.failure.as_ref().map_or("", |failure| failure.message.as_str());
        Cause::new(
            Code::NothingToRevertTo,
            format!("{failure}; the stage has no stable release to revert to"),
            "fix what failed and upload again; flotilla status shows what runs where",
        )
    }

    pub(super) fn not_reverted(&self, why: &Cause) -> Cause {
        let failure = self.failure.as_ref().map_or("", |failure| failure.message.as_str());
        let text = format!("{failure}; the revert failed too: {}", why.message);
        Cause { resource: why.resource.clone(), ..Cause::new(why.code, text, why.fix.clone()) }
    }
}
