//! The commands and observations of a deployment. Every command can be repeated without effect.

use super::state::{ChangeSetKind, Effort, StackRollback, State};
use super::{Deployment, DeploymentKind, Stop};

/// A command that a saved state asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Create the change set of this name. Repeated, it exists already.
    CreateChangeSet {
        /// Its name, derived from rollout and attempt.
        name: String,
        /// For a new stack or an existing one.
        kind: ChangeSetKind,
    },
    /// Execute the change set. Repeated, CloudFormation recognises the token or answers that it has begun.
    ExecuteChangeSet {
        /// The change set's id.
        change_set_id: String,
        /// The operation's token.
        token: String,
    },
    /// Cancel the running update, which rolls it back. Repeated, it is rolling back already.
    CancelUpdate {
        /// The stack's id.
        stack_id: String,
        /// The token of the cancellation.
        token: String,
    },
    /// Roll the stack back to its last stable state. Repeated, CloudFormation recognises the token.
    RollBackStack {
        /// The stack's id.
        stack_id: String,
        /// The API call to use.
        how: StackRollback,
        /// The operation's token.
        token: String,
    },
    /// Delete a stack by its id. Repeated, it is being deleted or is deleted.
    DeleteStack {
        /// The stack's id.
        stack_id: String,
        /// The method of the deletion.
        effort: Effort,
        /// The operation's token.
        token: String,
    },
    /// Give the new versions this share of the invocations of every alias, in percent; or let the API mapping point at the new API, or
    /// for 0 at the one before. Repeated, they have it already.
    ShiftTraffic(u8),
    /// Give the record of the region the weight 0. Repeated, it has it already.
    Drain,
    /// Delete the API mapping if it points at the stack's API. Repeated, it is deleted already.
    RemoveMapping,
    /// Delete the change set of this name, which is not executed, and the stack in review if only this change set
    /// created it. Repeated, they are deleted already.
    DiscardPlan {
        /// The change set's name.
        name: String,
    },
}

/// The observation that a state needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// The stack's lease, which is taken if it is free.
    Lease,
    /// The stack, by its id once it is known, else by its name.
    Stack,
    /// The versions of the stack's aliases.
    Aliases,
    /// What the API mapping of the stack's domain points at.
    Mapping,
    /// The weight of the region's record, before it is drained.
    Weight,
    /// Whether all name servers have the change of the region's record.
    Record,
    /// The resources of the stack, each of which a removal deletes.
    Resources,
    /// The change set of the present attempt.
    ChangeSet,
    /// The rollout's answer: may the change set be executed?
    Gates,
    /// The stack by its id, and the outcome of our operation on it.
    Operation,
    /// The stack's events.
    StackEvents,
    /// The functions' `CodeSha256`, and the versions that were published.
    Code,
    /// The rollout's answer: which share do the new versions get?
    Traffic,
    /// The stack's own buckets. The observation empties them as far as one step can.
    Buckets,
    /// The resources that could not be deleted.
    Leftovers,
}

impl Deployment {
    /// The command that the saved state asks for and that is not yet known to be done.
    pub fn due(&self) -> Option<Command> {
        let token = || self.operation_token();
        let stack_id = || self.stack_id.clone();
        match &self.state {
            State::Executing if self.acted && matches!(self.stop, Stop::Asked(_)) => {
                Some(Command::CancelUpdate { stack_id: stack_id()?, token: format!("{}-cancel", token()) })
            }
            _ if self.acted => None,
            State::Planning(kind) => {
                Some(Command::CreateChangeSet { name: self.change_set_name(), kind: *kind })
            }
            State::Executing => {
                Some(Command::ExecuteChangeSet { change_set_id: self.change_set_id.clone()?, token: token() })
            }
            State::RollingBackStack { how, .. } => {
                Some(Command::RollBackStack { stack_id: stack_id()?, how: *how, token: token() })
            }
            State::DeletingFailedStack(effort) | State::Deleting(effort) => {
                Some(Command::DeleteStack { stack_id: stack_id()?, effort: effort.clone(), token: token() })
            }
            State::Shifting { percent } if *percent > 0 => Some(Command::ShiftTraffic(*percent)),
            State::ShiftingBack(_) | State::RestoringTraffic => Some(Command::ShiftTraffic(0)),
            State::Unmapping => Some(Command::RemoveMapping),
            State::Draining if self.drain.is_some() => Some(Command::Drain),
            State::Undraining(_) => Some(Command::ShiftTraffic(100)),
            State::DiscardingChangeSet(_) => Some(Command::DiscardPlan { name: self.change_set_name() }),
            _ => None,
        }
    }

    /// What the state observes; `None` when it is terminal or waits only for its command.
    pub fn observation(&self) -> Option<Observation> {
        match self.state {
            State::Waiting => Some(Observation::Lease),
            State::Inspecting => Some(Observation::Stack),
            State::ReadingAliases => Some(Observation::Aliases),
            State::ReadingMapping(_) => Some(Observation::Mapping),
            State::Draining if self.drain.is_none() => Some(Observation::Weight),
            State::Draining => Some(Observation::Record),
            State::ShiftingBack(_) if self.confirms_mapping() || self.confirms_drain() => {
                Some(Observation::Mapping)
            }
            State::PlanningRemoval | State::ConfirmingRemoval => Some(Observation::Resources),
            State::Executing
            | State::RollingBackStack { .. }
            | State::DeletingFailedStack(_)
            | State::Deleting(_) => Some(Observation::Operation),
            State::Planning(_) => Some(Observation::ChangeSet),
            State::Planned => Some(Observation::Gates),
            State::Verifying { .. } => Some(Observation::Code),
            State::Shifting { .. } => Some(Observation::Traffic),
            State::FindingCause { .. } => Some(Observation::StackEvents),
            State::EmptyingBuckets => Some(Observation::Buckets),
            State::FindingUndeletable => Some(Observation::Leftovers),
            State::DiscardingChangeSet(_)
            | State::RestoringTraffic
            | State::Unmapping
            | State::Undraining(_)
            | State::ShiftingBack(_)
            | State::Succeeded { .. }
            | State::Removed
            | State::RolledBack(_)
            | State::Failed(_)
            | State::Cancelled => None,
        }
    }

    /// Whether its change set has rollback triggers. A new stack gets none: it may create the alarms itself.
    pub fn is_watched(&self) -> bool {
        !self.removes() && !self.creates && !self.spec.alarms.is_empty()
    }

    /// Whether it removes the stack of a permanent stage, whose data is protected and whose buckets are not emptied.
    pub(super) fn protects_data(&self) -> bool {
        self.removes() && self.spec.policy.safeguards.block_stateful
    }

    /// Whether it is a removal.
    pub fn removes(&self) -> bool {
        self.spec.kind == DeploymentKind::Remove
    }
}
