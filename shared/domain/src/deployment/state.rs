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

/// What follows when it is known why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCause {
    /// Nothing: what was there before is there again.
    RolledBack,
    /// The rollback is helped to its end.
    StackRollback,
    /// Nothing: an operator is needed.
    Fail,
}

/// How a stack is brought back to its last stable state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackRollback {
    /// `ContinueUpdateRollback`, out of `UPDATE_ROLLBACK_FAILED`.
    ContinueRollback,
    /// `RollbackStack`, out of `UPDATE_FAILED`.
    RollBack,
}

/// How hard a deletion is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effort {
    /// As CloudFormation does it.
    First,
    /// The same once more: much that keeps a resource from going passes.
    Again,
    /// Leaving these resources behind, by logical id.
    Retain(Vec<String>),
    /// By force: `FORCE_DELETE_STACK`.
    Force,
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
    FindingCause {
        /// The status the stack ended in.
        status: String,
        /// What follows.
        then: AfterCause,
        /// What failed before, if this is the failure of its mending.
        before: Option<Cause>,
    },
    /// A stack that an operation left half done is brought back to its last stable state.
    RollingBackStack {
        /// How.
        how: StackRollback,
        /// Why our own operation failed; `None` if the stack was found like this.
        cause: Option<Cause>,
    },
    /// A stack that never was stable is deleted, to be made anew.
    DeletingFailedStack(Effort),
    /// The buckets of a stack that is to go are emptied.
    EmptyingBuckets,
    /// The stack is deleted for good.
    Deleting(Effort),
    /// The stack could not be deleted: what resists is found out.
    FindingUndeletable,
    /// A change set that is not executed is removed, with the stack that it alone made; then this.
    DiscardingChangeSet(Box<State>),

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
    /// The state's name in logs, table and API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Inspecting => "inspecting",
            Self::Planning(_) => "planning",
            Self::Planned => "planned",
            Self::Executing => "executing",
            Self::Verifying { .. } => "verifying",
            Self::FindingCause { .. } => "explaining",
            Self::RollingBackStack { .. } => "unwinding",
            Self::DeletingFailedStack(_) => "clearing",
            Self::EmptyingBuckets => "emptying",
            Self::Deleting(_) => "deleting",
            Self::FindingUndeletable => "salvaging",
            Self::DiscardingChangeSet(_) => "discarding",
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
