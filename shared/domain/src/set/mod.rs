//! Several services brought somewhere as one unit, in the order of what they need from each other.
//!
//! A set owns no targets: each of its members goes by a rollout of its own, which a set only begins and waits for.
//! Like a rollout it is saved before it acts: [`ServiceSet::apply`] says what an event makes of it, and
//! [`ServiceSet::due`] what the saved state asks for.

mod order;
mod transition;

pub use order::in_order;
pub use transition::{IllegalSetTransition, SetEvent};

use crate::cause::Cause;
use crate::ids::{ReleaseId, RolloutId, SetId, Turn};
use crate::names::{ServiceName, StageName};
use crate::rollout::Cancellation;
use jiff::Timestamp;

/// What a set is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKind {
    /// Releases go from one stage to another. If one does not arrive, all go back.
    Promotion {
        /// Where they run.
        from: StageName,
    },
    /// Every member goes back to a release it had; what runs is held.
    Rollback {
        /// The set that says to which.
        of: SetId,
        /// In the profiles' waves; else everywhere at once.
        by_waves: bool,
    },
    /// What takes outputs of a service is deployed again, as it is.
    Redeploy {
        /// The service whose outputs they take.
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
    /// How many members come before it, one behind the other.
    pub level: usize,
    /// The release that it is brought to.
    pub release: ReleaseId,
    /// The release that ran everywhere before.
    pub before: Option<ReleaseId>,
    /// The stage's newest rollout when the set was decided: if there is another one when its turn comes, somebody
    /// else was faster.
    pub newest: Option<RolloutId>,
    /// Its way to the release, once its turn has come.
    pub forward: Option<Leg>,
    /// Its way back.
    pub back: Option<Leg>,
}

/// One way of one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// Its rollout, which is begun under this id or not at all.
    pub rollout: RolloutId,
    /// How it ended.
    pub end: Option<LegEnd>,
}

/// How one way of one member ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LegEnd {
    /// The release runs everywhere.
    Succeeded,
    /// The rollout failed, or was called off, and has changed nothing or brought it back.
    Reverted(Cause),
    /// The rollout failed, or was called off, and may have changed something.
    Failed(Cause),
    /// Somebody else's rollout has the stage now: what becomes of it is theirs to say.
    Overtaken(Cause),
    /// The rollout was not let in.
    Refused(Cause),
}

impl LegEnd {
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

    /// What went wrong.
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
    /// The way in a direction.
    pub fn leg(&self, turn: Turn) -> Option<&Leg> {
        match turn {
            Turn::Forward => self.forward.as_ref(),
            Turn::Back => self.back.as_ref(),
        }
    }

    fn leg_mut(&mut self, turn: Turn) -> &mut Option<Leg> {
        match turn {
            Turn::Forward => &mut self.forward,
            Turn::Back => &mut self.back,
        }
    }

    /// Whether the set has, or may have, changed what runs. What comes after others may have been given other values
    /// although its release is the same.
    fn is_changed(&self) -> bool {
        let end = self.forward.as_ref().and_then(|leg| leg.end.as_ref());
        let other = self.before != Some(self.release) || self.level > 0;
        matches!(end, Some(LegEnd::Succeeded | LegEnd::Failed(_))) && other
    }
}

/// Where a set stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetState {
    /// The members of one level are rolled out.
    Rolling {
        /// The level.
        level: usize,
    },
    /// The members of one level go back to what they had.
    Reverting {
        /// The level.
        level: usize,
        /// What failed.
        cause: Cause,
    },
    /// Every member runs its release everywhere.
    Succeeded,
    /// What the set had changed is as it was.
    Reverted(Cause),
    /// Some members are not as they should be: the cause says which.
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
    /// Which one.
    pub id: SetId,
    /// What it is for.
    pub kind: SetKind,
    /// Its members by level, each service and stage once.
    pub members: Vec<Member>,
    /// Where it stands.
    pub state: SetState,
    /// Whether the rollouts of its state are known to be begun.
    pub acted: bool,
    /// Somebody called it off.
    pub cancelled: Option<Cancellation>,
    /// Who asked for it.
    pub requested_by: String,
    /// Why.
    pub because: String,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the state was entered.
    pub entered_at: Timestamp,
}

/// What a saved set asks to be done: begin a rollout of each of these members. Repeated, they are begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetCommand {
    /// To the set's releases, or back to those before.
    pub turn: Turn,
    /// The members, by their place.
    pub members: Vec<usize>,
}

impl ServiceSet {
    /// Most members.
    pub const MEMBERS_MAX: usize = 50;
    /// How long until it looks again although none of its rollouts woke it, in seconds.
    pub const PATIENCE_S: u32 = 60;

    /// What is to be done and is not known to be.
    pub fn due(&self) -> Option<SetCommand> {
        let turn = self.turn()?;
        let members = self.awaited().into_iter().map(|(at, _)| at).collect();
        (!self.acted).then_some(SetCommand { turn, members })
    }

    /// The rollouts of its state that have not ended, as far as it knows, with the places of their members.
    pub fn awaited(&self) -> Vec<(usize, RolloutId)> {
        let Some((turn, level)) = self.way() else { return Vec::new() };
        let of_level = self.members.iter().enumerate().filter(|(_, member)| member.level == level);
        let open = of_level.filter_map(|(at, member)| Some((at, member.leg(turn)?)));
        open.filter(|(_, leg)| leg.end.is_none()).map(|(at, leg)| (at, leg.rollout)).collect()
    }

    /// Which way it goes; `None` once it has ended.
    pub fn turn(&self) -> Option<Turn> {
        self.way().map(|(turn, _)| turn)
    }

    /// Which way it goes, and at which level it is.
    fn way(&self) -> Option<(Turn, usize)> {
        match self.state {
            SetState::Rolling { level } => Some((Turn::Forward, level)),
            SetState::Reverting { level, .. } => Some((Turn::Back, level)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
