//! What a deployment asks the engine for. Each command can be repeated without effect.

use super::state::{ChangeSetKind, Effort, StackRollback, State};
use super::{Deployment, DeploymentKind, Stop};

/// What a saved state asks to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Make the change set of this name. Repeated, it is already there.
    CreateChangeSet {
        /// Its name, derived from rollout and attempt.
        name: String,
        /// For a new stack or an existing one.
        kind: ChangeSetKind,
    },
    /// Execute the change set. Repeated, CloudFormation knows the token or says it has begun.
    ExecuteChangeSet {
        /// The change set's id.
        change_set_id: String,
        /// The operation's token.
        token: String,
    },
    /// Stop the running update and roll it back. Repeated, it is being rolled back.
    CancelUpdate {
        /// The stack's id.
        stack_id: String,
        /// The token of the cancellation.
        token: String,
    },
    /// Bring the stack back to its last stable state. Repeated, CloudFormation knows the token.
    RollBackStack {
        /// The stack's id.
        stack_id: String,
        /// How.
        how: StackRollback,
        /// The operation's token.
        token: String,
    },
    /// Delete a stack by its id. Repeated, it is being deleted or gone.
    DeleteStack {
        /// The stack's id.
        stack_id: String,
        /// How hard.
        effort: Effort,
        /// The operation's token.
        token: String,
    },
    /// Remove the change set of this name, which is not executed, and the stack if it alone made it.
    /// Repeated, they are gone.
    DiscardPlan {
        /// The change set's name.
        name: String,
    },
}

/// The one look at the world that a state needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Try to take the stack's lease.
    Lease,
    /// The stack, by its id once known, else by its name.
    Stack,
    /// The change set of the present attempt.
    ChangeSet,
    /// The rollout: does it still want this?
    Gates,
    /// The stack by its id, and what became of our operation on it.
    Operation,
    /// The stack's events.
    StackEvents,
    /// The functions' code.
    Code,
    /// The stack's own buckets, which are emptied as far as one step goes.
    Buckets,
    /// The resources that could not be deleted.
    Leftovers,
}

impl Deployment {
    /// What the saved state asks for and is not yet known to be done.
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
            State::DiscardingChangeSet(_) => Some(Command::DiscardPlan { name: self.change_set_name() }),
            _ => None,
        }
    }

    /// Where the state has to look; `None` when it is terminal, or waits only for its command.
    pub fn look(&self) -> Option<Look> {
        match self.state {
            State::Waiting => Some(Look::Lease),
            State::Inspecting => Some(Look::Stack),
            State::Executing
            | State::RollingBackStack { .. }
            | State::DeletingFailedStack(_)
            | State::Deleting(_) => Some(Look::Operation),
            State::Planning(_) => Some(Look::ChangeSet),
            State::Planned => Some(Look::Gates),
            State::Verifying { .. } => Some(Look::Code),
            State::FindingCause { .. } => Some(Look::StackEvents),
            State::EmptyingBuckets => Some(Look::Buckets),
            State::FindingUndeletable => Some(Look::Leftovers),
            State::DiscardingChangeSet(_)
            | State::Succeeded { .. }
            | State::Removed
            | State::RolledBack(_)
            | State::Failed(_)
            | State::Cancelled => None,
        }
    }

    /// Whether alarms roll its update back. A new stack has none yet: they may be among what it makes.
    pub fn is_watched(&self) -> bool {
        !self.removes() && !self.creates && !self.spec.alarms.is_empty()
    }

    /// Whether it removes its stack.
    pub fn removes(&self) -> bool {
        self.spec.kind == DeploymentKind::Remove
    }
}
