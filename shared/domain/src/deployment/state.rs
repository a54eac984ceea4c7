//! The states of a deployment.

use crate::cause::Cause;

/// Whether a change set makes a stack or changes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetKind {
    /// `CREATE`: there is no stack, or one that only was reviewed.
    Create,
    /// `UPDATE`
    Update,
}

/// Where a deployment stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It has been opened and waits for its stack's lease.
    Waiting,
    /// It holds the lease and finds out how the stack stands.
    Inspecting,
    /// A change set is being made.
    Planning(ChangeSetKind),
    /// The change set is ready; the gates decide.
    Planned,
    /// The change set is being executed.
    Executing,
    /// The stack has the package, or had it already; the functions' code is read back.
    Verifying {
        /// Whether the stack had to be changed.
        changed: bool,
    },
    /// The operation failed; the stack's events tell why.
    Explaining {
        /// Whether what was there before is there again.
        restored: bool,
        /// The status the stack ended in.
        status: String,
    },
    /// A stack that never was stable is deleted, to be made anew.
    Clearing,
    /// The buckets of a stack that is to go are emptied.
    Emptying,
    /// The stack is deleted for good.
    Deleting,

    /// Terminal: every function is proven to run the package's bytes.
    Succeeded {
        /// Whether the stack had to be changed.
        changed: bool,
    },
    /// Terminal: the stack is gone, as asked.
    Removed,
    /// Terminal: the update failed and what was there before is there again.
    RolledBack(Cause),
    /// Terminal: it failed; the cause says what an operator has to do.
    Failed(Cause),
    /// Terminal: it was called off before anything was changed.
    Cancelled,
}

impl State {
    /// Whether nothing follows.
    pub fn is_terminal(&self) -> bool {
        matches!(
            self,
            Self::Succeeded { .. } | Self::Removed | Self::RolledBack(_) | Self::Failed(_) | Self::Cancelled
        )
    }

    /// Whether it ended as asked for.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Succeeded { .. } | Self::Removed)
    }

    /// Whether a change of the stack may be under way.
    pub fn may_mutate(&self) -> bool {
        matches!(self, Self::Executing | Self::Clearing | Self::Emptying | Self::Deleting)
    }

    /// The state's name in logs, table and API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Inspecting => "inspecting",
            Self::Planning(_) => "planning",
            Self::Planned => "planned",
            Self::Executing => "executing",
            Self::Verifying { .. } => "verifying",
            Self::Explaining { .. } => "explaining",
            Self::Clearing => "clearing",
            Self::Emptying => "emptying",
            Self::Deleting => "deleting",
            Self::Succeeded { .. } => "succeeded",
            Self::Removed => "removed",
            Self::RolledBack(_) => "rolled_back",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Why it ended badly, if it did.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::RolledBack(cause) | Self::Failed(cause) => Some(cause),
            _ => None,
        }
    }
}
