//! What can be seen of the world by a deployment.

use crate::cause::Cause;
use crate::digest::Digest;
use crate::plan::TargetPlan;
use std::collections::BTreeMap;

/// A change set that can be executed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The stack's id.
    pub stack_id: String,
    /// The change set's id.
    pub change_set_id: String,
    /// What it changes.
    pub changes: TargetPlan,
    /// What it would change back, because it was changed outside of CloudFormation: `Function.Timeout`.
    pub reverted: Vec<String>,
    /// What CloudFormation's validation warns of.
    pub warnings: Vec<String>,
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

/// What became of our own operation on a stack, told by its token or its change set and never by the
/// stack's status alone: that may speak of somebody else's operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not begun, or not ended.
    Pending,
    /// It did what was asked for.
    Completed,
    /// It failed.
    Failed,
    /// There is no trace of it.
    Unseen,
}

/// Something that was seen, or came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The stack's lease is this deployment's.
    LeaseTaken {
        /// The lease's number: it grows each time the lease changes hands.
        fence: u64,
        /// How long the stack's last operation took, in seconds.
        expected_s: Option<u32>,
    },
    /// Another deployment holds the lease.
    LeaseHeld,
    /// The lease is no longer this deployment's.
    LeaseLost,
    /// A look at the stack: its id and status; `None` when there is no such stack.
    StackSeen(Option<StackSeen>),
    /// A look at the stack and at our operation on it.
    OperationSeen {
        /// The stack; `None` when there is no such stack.
        stack: Option<StackSeen>,
        /// What became of the operation, if the stack has settled.
        outcome: Outcome,
    },
    /// The change set is still being made.
    PlanPending,
    /// The change set can be executed.
    PlanReady(Plan),
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
    /// It may begin, and somebody has broken the gates open: no alarm is to roll it back.
    AllowedUnwatched,
    /// The plan is not the one that was approved.
    NotApproved,
    /// An operator wants the running update stopped.
    StopAsked {
        /// Who.
        by: String,
    },
    /// The commands of this state were carried out.
    Acted,
    /// There is no update of ours to stop any more.
    NothingToStop,
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
    /// The resources that could not be deleted, by logical id.
    LeftoversSeen(Vec<String>),
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
    /// Whether it holds the deployment bucket of a packaging tool: see
    /// [`crate::release::package::KEEP_BUCKET_PARAMETER`].
    pub has_deployment_bucket: bool,
    /// Its outputs, as its last complete operation left them.
    pub outputs: BTreeMap<String, String>,
}

/// The service and stage that a stack's tags name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackOwner {
    /// The service.
    pub service: String,
    /// The stage.
    pub stage: String,
}
