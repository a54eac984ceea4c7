//! The states of a deployment.

use crate::cause::Cause;

/// Whether a change set creates a stack or updates one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeSetKind {
    /// `CREATE`: there is no stack, or only one in review.
    Create,
    /// `UPDATE`
    Update,
}

/// What follows when the cause of a failed operation is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterCause {
    /// The end: CloudFormation has rolled back.
    RolledBack,
    /// The stack is rolled back.
    StackRollback,
    /// The end: an operator is needed.
    Fail,
}

/// The API call that rolls a stack back to its last stable state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StackRollback {
    /// `ContinueUpdateRollback`, out of `UPDATE_ROLLBACK_FAILED`.
    ContinueRollback,
    /// `RollbackStack`, out of `UPDATE_FAILED`.
    RollBack,
}

/// The method of a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effort {
    /// An ordinary deletion.
    First,
    /// The same once more: many reasons why a resource cannot be deleted pass.
    Again,
    /// Retaining these resources, by logical id.
    Retain(Vec<String>),
    /// By force: `FORCE_DELETE_STACK`.
    Force,
}

/// The state of a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It waits for its stack's lease.
    Waiting,
    /// It holds the lease and reads the stack.
    Inspecting,
    /// The stack can be updated; the versions of its aliases are read.
    ReadingAliases,
    /// The aliases get the versions that they named before the release that is rolled back; the update follows.
    RestoringTraffic,
    /// The stack can be created or updated; it is read what the API mapping of its domain points at.
    ReadingMapping(ChangeSetKind),
    /// The stack of a permanent stage is to be removed: its resources are read and checked by the safeguards.
    PlanningRemoval,
    /// The stack of a permanent stage is about to be removed: its resources are read once more.
    ConfirmingRemoval,
    /// A change set is being created.
    Planning(ChangeSetKind),
    /// The change set is ready and waits for the rollout's answer.
    Planned,
    /// The region gets no traffic, and its record's change and TTL are waited for.
    Draining,
    /// The region gets its traffic back; then this state.
    Undraining(Box<State>),
    /// The change set is being executed.
    Executing,
    /// The stack is up to date; the functions' code is read back.
    Verifying {
        /// Whether the stack was changed.
        changed: bool,
    },
    /// The new versions are published, and get the share of the invocations that the rollout says.
    Shifting {
        /// The share in percent.
        percent: u8,
    },
    /// The old versions get all invocations back; then it has failed.
    ShiftingBack(Cause),
    /// The operation failed; the cause is read from the stack's events.
    FindingCause {
        /// The status the stack ended in.
        status: String,
        /// What follows.
        then: AfterCause,
        /// The first failure, if this is the failure of the recovery from it.
        before: Option<Cause>,
    },
    /// A stack whose operation did not complete is rolled back to its last stable state.
    RollingBackStack {
        /// The API call.
        how: StackRollback,
        /// Why our own operation failed; `None` if the stack was found like this.
        cause: Option<Cause>,
    },
    /// A stack whose first creation failed is deleted, to be recreated.
    DeletingFailedStack(Effort),
    /// The buckets of a preview's stack that will be deleted are emptied.
    EmptyingBuckets,
    /// The stack is about to be removed: an API mapping that points at its API is deleted.
    Unmapping,
    /// The stack is removed.
    Deleting(Effort),
    /// The stack could not be deleted: the resources that cannot be deleted are read.
    FindingUndeletable,
    /// A change set that is not executed is deleted, with the stack in review that it created; then this state.
    DiscardingChangeSet(Box<State>),

    /// Terminal: every function is proven to run the package's bytes.
    Succeeded {
        /// Whether the stack was changed.
        changed: bool,
    },
    /// Terminal: the stack is deleted, as requested.
    Removed,
    /// Terminal: the update failed and the stack is back at its state before.
    RolledBack(Cause),
    /// Terminal: it failed; the cause tells the operator what to do.
    Failed(Cause),
    /// Terminal: it was cancelled before anything was changed.
    Cancelled,
}

impl State {
    /// The state's name in logs, table and API.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Inspecting => "inspecting",
            Self::ReadingAliases => "reading_aliases",
            Self::RestoringTraffic => "restoring",
            Self::ReadingMapping(_) => "reading_mapping",
            Self::PlanningRemoval => "planning_removal",
            Self::ConfirmingRemoval => "confirming_removal",
            Self::Planning(_) => "planning",
            Self::Planned => "planned",
            Self::Draining => "draining",
            Self::Undraining(_) => "undraining",
            Self::Executing => "executing",
            Self::Verifying { .. } => "verifying",
            Self::Shifting { .. } => "shifting",
            Self::ShiftingBack(_) => "shifting_back",
            Self::FindingCause { .. } => "explaining",
            Self::RollingBackStack { .. } => "unwinding",
            Self::DeletingFailedStack(_) => "clearing",
            Self::EmptyingBuckets => "emptying",
            Self::Unmapping => "unmapping",
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

    /// The cause of its failure, if it failed.
    pub fn cause(&self) -> Option<&Cause> {
        match self {
            Self::RolledBack(cause) | Self::Failed(cause) => Some(cause),
            _ => None,
        }
    }
}
