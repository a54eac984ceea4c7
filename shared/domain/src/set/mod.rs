//! Sets: several services that are promoted or rolled back as one, in the order of their dependencies.
//!
//! A set has no targets: each member has its own rollout, which the set starts and waits for. Like a rollout it is
//! saved before it acts: [`ServiceSet::apply`] returns the set after an event, and [`ServiceSet::due`] the command
//! that the saved state asks for.

mod order;
mod transition;

pub use order::in_order;
pub use transition::{IllegalSetTransition, SetEvent};

use crate::cause::Cause;
use crate::ids::{Direction, ReleaseId, RolloutId, SetId};
use crate::names::{ServiceName, StageName};
use crate::rollout::Cancellation;
use jiff::Timestamp;

/// The purpose of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    /// Releases are promoted from one stage to another. If one rollout fails, all members are reverted.
    Promotion {
        /// The stage that they are promoted from.
        from: StageName,
    },
    /// Every member is rolled back to the release it had before. The releases that are replaced are put on hold.
    Rollback {
        /// The set that is rolled back.
        of: SetId,
        /// Whether the rollouts use the profiles' waves; else all targets are deployed concurrently.
        by_waves: bool,
    },
    /// The services that take outputs of a service are deployed again with the same releases.
    Redeploy {
        /// The service that provides the outputs.
        of: ServiceName,
    },
}

impl SetKind {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Promotion { .. } => "promotion",
            Self::Rollback { .. } => "rollback",
            Self::Redeploy { .. } => "redeploy",
        }
    }
}

/// One service of a set, at one stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The service.
    pub service: ServiceName,
    /// The stage.
    pub stage: StageName,
    /// Its level: the length of the longest chain of members that it needs.
    pub level: usize,
    /// The release that is deployed.
    pub release: ReleaseId,
    /// The stable release before.
    pub before: Option<ReleaseId>,
    /// The stage's newest rollout when the set was created. If there is a newer one when the member begins, the member
    /// has been overtaken.
    pub newest: Option<RolloutId>,
    /// Its forward rollout, once it has been started.
    pub forward: Option<MemberRollout>,
    /// Its rollback, once it has been started.
    pub back: Option<MemberRollout>,
}

/// The rollout of one member in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRollout {
    /// The rollout's id, which is derived, so that the rollout is started once at most.
    pub rollout: RolloutId,
    /// The outcome, once it has ended.
    pub end: Option<MemberOutcome>,
}

/// The outcome of the rollout of one member in one direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberOutcome {
    /// The release runs at every target.
    Succeeded,
    /// The rollout failed or was cancelled, and changed nothing or reverted what it changed.
    Reverted(Cause),
    /// The rollout failed or was cancelled, and may have changed something.
    Failed(Cause),
    /// Another rollout has replaced it, which the set does not control.
    Overtaken(Cause),
    /// The rollout was not admitted.
    Refused(Cause),
}

impl MemberOutcome {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Reverted(_) => "reverted",
            Self::Failed(_) => "failed",
            Self::Overtaken(_) => "overtaken",
            Self::Refused(_) => "refused",
        }
    }

    /// The cause, if it did not succeed.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Succeeded => None,
            Self::Reverted(cause) | Self::Failed(cause) | Self::Overtaken(cause) | Self::Refused(cause) => {
                Some(cause)
            }
        }
    }
}

impl Member {
    /// Its rollout in a direction.
    pub fn member_rollout(&self, direction: Direction) -> Option<&MemberRollout> {
        match direction {
            Direction::Forward => self.forward.as_ref(),
            Direction::Rollback => self.back.as_ref(),
        }
    }

    fn member_rollout_mut(&mut self, direction: Direction) -> &mut Option<MemberRollout> {
        match direction {
            Direction::Forward => &mut self.forward,
            Direction::Rollback => &mut self.back,
        }
    }

    /// Whether the set has changed, or may have changed, what runs. A member of a higher level may have got other
    /// parameter values although its release is the same.
    fn is_changed(&self) -> bool {
        let end = self.forward.as_ref().and_then(|member_rollout| member_rollout.end.as_ref());
        let other = self.before != Some(self.release) || self.level > 0;
        matches!(end, Some(MemberOutcome::Succeeded | MemberOutcome::Failed(_))) && other
    }
}

/// The state of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetState {
    /// The members of one level are rolled out.
    Rolling {
        /// The level.
        level: usize,
    },
    /// The members of one level are rolled back to their release before.
    Reverting {
        /// The level.
        level: usize,
        /// What failed.
        cause: Cause,
    },
    /// Every member runs its release at every target.
    Succeeded,
    /// Everything that the set changed is rolled back.
    Reverted(Cause),
    /// It failed; the cause tells which member is not as requested.
    Failed(Cause),
}

impl SetState {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rolling { .. } => "rolling",
            Self::Reverting { .. } => "reverting",
            Self::Succeeded => "succeeded",
            Self::Reverted(_) => "reverted",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether it has ended.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Reverted(_) | Self::Failed(_))
    }

    /// What failed.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::Reverting { cause, .. } | Self::Reverted(cause) | Self::Failed(cause) => Some(cause),
            Self::Rolling { .. } | Self::Succeeded => None,
        }
    }
}

/// A set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceSet {
    /// Its id.
    pub id: SetId,
    /// Its purpose.
    pub kind: SetKind,
    /// Its members by level, each service and stage once.
    pub members: Vec<Member>,
    /// Its state.
    pub state: SetState,
    /// Whether the rollouts of its state are known to be started.
    pub acted: bool,
    /// How it was cancelled, if it was.
    pub cancelled: Option<Cancellation>,
    /// Who requested it.
    pub requested_by: String,
    /// Why.
    pub because: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

/// The command of a saved set: start a rollout of each of these members. Repeated, they are started already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCommand {
    /// The direction: to the set's releases, or back to those before.
    pub direction: Direction,
    /// The indexes of the members.
    pub members: Vec<usize>,
}

impl ServiceSet {
    /// Most members.
    pub const MEMBERS_MAX: usize = 50;
    /// The time until the next step if no rollout sends a tick earlier, in seconds.
    pub const PATIENCE_S: u32 = 60;

    /// The command that the saved state asks for and that is not yet known to be done.
    pub fn due(&self) -> Option<SetCommand> {
        let direction = self.direction()?;
        let members = self.awaited().into_iter().map(|(at, _)| at).collect();
        (!self.acted).then_some(SetCommand { direction, members })
    }

    /// The rollouts of its state that are not known to have ended, with the indexes of their members.
    pub fn awaited(&self) -> Vec<(usize, RolloutId)> {
        let Some((direction, level)) = self.way() else { return Vec::new() };
        let of_level = self.members.iter().enumerate().filter(|(_, member)| member.level == level);
        let open = of_level.filter_map(|(at, member)| Some((at, member.member_rollout(direction)?)));
        open.filter(|(_, member_rollout)| member_rollout.end.is_none())
            .map(|(at, member_rollout)| (at, member_rollout.rollout))
            .collect()
    }

    /// Its direction; `None` once it has ended.
    pub fn direction(&self) -> Option<Direction> {
        self.way().map(|(direction, _)| direction)
    }

    /// Its direction and its level; `None` once it has ended.
    fn way(&self) -> Option<(Direction, usize)> {
        match self.state {
            SetState::Rolling { level } => Some((Direction::Forward, level)),
            SetState::Reverting { level, .. } => Some((Direction::Rollback, level)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
