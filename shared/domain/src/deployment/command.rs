//! What a deployment asks the engine for. Each command can be repeated without effect.

use super::state::{ChangeSetKind, State};
use super::{Deployment, DeploymentKind};

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
        /// The token, derived from rollout and attempt.
        token: String,
    },
    /// Delete a stack by its id. Repeated, it is being deleted or gone.
    DeleteStack {
        /// The stack's id.
        stack_id: String,
        /// The token, derived from rollout and attempt.
        token: String,
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
    /// The stack's events.
    StackEvents,
    /// The functions' code.
    Code,
    /// The stack's own buckets, which are emptied as far as one step goes.
    Buckets,
}

impl Deployment {
    /// What the saved state asks for and is not yet known to be done.
    pub fn due(&self) -> Vec<Command> {
        if self.acted {
            return Vec::new();
        }
        match (&self.state, &self.stack_id, &self.change_set_id) {
            (State::Planning(kind), _, _) => {
                vec![Command::CreateChangeSet { name: self.change_set_name(), kind: *kind }]
            }
            (State::Executing, _, Some(change_set_id)) => vec![Command::ExecuteChangeSet {
                change_set_id: change_set_id.clone(),
                token: self.execution_token(),
            }],
            (State::Clearing | State::Deleting, Some(stack_id), _) => {
                vec![Command::DeleteStack { stack_id: stack_id.clone(), token: self.deletion_token() }]
            }
            _ => Vec::new(),
        }
    }

    /// Where the state has to look; `None` when it is terminal.
    pub fn look(&self) -> Option<Look> {
        match self.state {
            State::Waiting => Some(Look::Lease),
            State::Inspecting | State::Executing | State::Clearing | State::Deleting => Some(Look::Stack),
            State::Planning(_) => Some(Look::ChangeSet),
            State::Planned => Some(Look::Gates),
            State::Verifying { .. } => Some(Look::Code),
            State::Explaining { .. } => Some(Look::StackEvents),
            State::Emptying => Some(Look::Buckets),
            State::Succeeded { .. }
            | State::Removed
            | State::RolledBack(_)
            | State::Failed(_)
            | State::Cancelled => None,
        }
    }

    /// Whether it removes its stack.
    pub fn removes(&self) -> bool {
        self.spec.kind == DeploymentKind::Remove
    }
}
