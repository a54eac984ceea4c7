//! What can be seen of the world by a deployment.

use crate::cause::Cause;
use crate::digest::Digest;

/// What a change set does, in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChangeSummary {
    /// Resources that are added.
    pub add: u32,
    /// Resources that are changed in place.
    pub modify: u32,
    /// Resources that are, or may be, replaced.
    pub replace: u32,
    /// Resources that are removed.
    pub remove: u32,
}

/// A function that does not run what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeMismatch {
    /// The function's logical id.
    pub function: String,
    /// What it should run.
    pub expected: Digest,
    /// What it runs, as far as it can be read.
    pub found: Option<Digest>,
}

/// Something that was seen, or came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The stack's lease is this deployment's.
    LeaseTaken,
    /// Another deployment holds the lease.
    LeaseHeld,

    /// A look at the stack: its id and status; `None` when there is no such stack.
    StackSeen(Option<StackSeen>),

    /// The change set is still being made.
    PlanPending,
    /// The change set can be executed.
    PlanReady {
        /// The stack's id.
        stack_id: String,
        /// The change set's id.
        change_set_id: String,
        /// What it changes.
        changes: ChangeSummary,
    },
    /// The change set would change nothing (CloudFormation says this by a failure).
    PlanEmpty {
        /// The stack's id.
        stack_id: String,
    },
    /// CloudFormation refused the change set.
    PlanRefused(Cause),
    /// There is no such change set, or it can no longer be executed.
    PlanGone,

    /// The gates are open.
    Allowed,
    /// The gates are closed for now.
    Held,
    /// The rollout was called off.
    Declined,

    /// The commands of this state were carried out.
    Acted,

    /// The stack seems settled, but the change set's execution has not ended: the status is an old one.
    ExecutionPending,

    /// The stack's events were read: why it failed.
    CauseFound(Cause),

    /// Every function runs the package's bytes.
    CodeProven,
    /// Some functions do not.
    CodeDiffers(Vec<CodeMismatch>),
    /// Lambda is still applying an update.
    CodePending,

    /// The stack's buckets hold nothing any more.
    Emptied,
    /// There was more in the buckets than one step removes.
    EmptiedPartly,

    /// AWS refused a call in a way that repeating cannot mend.
    Refused(Cause),
    /// The state's deadline has passed.
    DeadlinePassed,
}

/// A stack as `DescribeStacks` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackSeen {
    /// Its id.
    pub stack_id: String,
    /// Its status, as CloudFormation writes it.
    pub status: String,
    /// CloudFormation's reason for the status.
    pub reason: Option<String>,
    /// Whose it is, if its tags `flotilla:service` and `flotilla:stage` say so.
    pub owner: Option<StackOwner>,
}

/// The service and stage that a stack's tags name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackOwner {
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
}
