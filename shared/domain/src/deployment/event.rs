//! The events of a deployment.

use super::aliases::{AliasVersions, TrafficAnswer};
use super::apis::ApiStage;
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
    /// Properties that it would revert because they were changed outside of CloudFormation: `Function.Timeout`.
    pub reverted: Vec<String>,
    /// The warnings of CloudFormation's validation.
    pub warnings: Vec<String>,
}

/// A function that does not run the package's code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeMismatch {
    /// The function's logical id.
    pub function: String,
    /// The digest of the package's code.
    pub expected: Digest,
    /// The digest of the code that it runs, if it can be read.
    pub found: Option<Digest>,
}

/// The outcome of our own operation on a stack, read from its token or its change set and never from the stack's
/// status alone, which may belong to another actor's operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It has not begun, or not ended.
    Pending,
    /// It succeeded.
    Completed,
    /// It failed.
    Failed,
    /// There is no event of it.
    Unseen,
}

/// An observation, the result of a command, or a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// This deployment holds the stack's lease.
    LeaseTaken {
        /// The lease's number: it grows each time the lease is taken or released.
        fence: u64,
        /// How long the stack's last operation took, in seconds.
        expected_s: Option<u32>,
    },
    /// Another deployment holds the lease.
    LeaseHeld,
    /// This deployment no longer holds the lease.
    LeaseLost,
    /// The stack was observed; `None` when there is no such stack.
    StackObserved(Option<StackObserved>),
    /// The stack and our operation on it were observed.
    OperationObserved {
        /// The stack; `None` when there is no such stack.
        stack: Option<StackObserved>,
        /// The outcome of the operation.
        outcome: Outcome,
    },
    /// The change set is still being created.
    PlanPending,
    /// The change set can be executed.
    PlanReady(Plan),
    /// The change set would change nothing. CloudFormation reports this as a failure.
    PlanEmpty {
        /// The stack's id.
        stack_id: String,
    },
    /// CloudFormation refused the change set.
    PlanRefused(Cause),
    /// There is no such change set, or it can no longer be executed.
    PlanGone,
    /// The rollout allows the execution.
    Allowed,
    /// The rollout does not allow the execution yet.
    MustWait,
    /// The rollout no longer wants this deployment.
    Declined,
    /// The rollout allows the execution by break-glass: without rollback triggers.
    AllowedUnwatched,
    /// The plan is not the one that was approved.
    NotApproved,
    /// An operator asked to stop the running update.
    StopAsked {
        /// The operator.
        by: String,
    },
    /// The command of this state is done.
    Acted,
    /// There is no longer an update of ours to stop.
    NothingToStop,
    /// The stack's events were read: the cause of the failure.
    CauseFound(Cause),
    /// The versions of the stack's aliases were read.
    AliasesObserved(Vec<AliasVersions>),
    /// It was read what the API mapping of the stack's domain points at.
    MappingObserved {
        /// The API that gets the traffic; `None` if there is no such mapping.
        points_at: Option<ApiStage>,
        /// The ids of the stack's own APIs before the update.
        own: Vec<String>,
    },
    /// The record of the region was read, and may get the weight 0.
    WeightSeen {
        /// Its weight.
        weight: u8,
        /// How long resolvers keep the record, in seconds.
        ttl_s: u32,
    },
    /// The record of the region has the weight 0.
    WeightSet {
        /// The change of the record; `None` if it had that weight already.
        change: Option<String>,
    },
    /// All name servers have the change of the record.
    RecordInSync,
    /// Some do not have it yet.
    RecordPending,
    /// Every function is proven to run the package's bytes.
    CodeProven {
        /// The versions that the stack has published, by logical id; only those of aliases whose traffic is shifted.
        versions: BTreeMap<String, String>,
        /// The stack's API, if an API mapping is to point at it.
        api: Option<ApiStage>,
    },
    /// Every alias has the share that was asked for. The new revisions, by logical id.
    TrafficShifted(BTreeMap<String, String>),
    /// Some aliases have other revisions than those that were recorded: they must be set again.
    AliasesMoved(BTreeMap<String, String>),
    /// The rollout's answer about the traffic.
    TrafficAnswered(TrafficAnswer),
    /// Some functions do not run the package's bytes.
    CodeDiffers(Vec<CodeMismatch>),
    /// Lambda is still applying an update.
    CodePending,
    /// The stack's buckets are empty.
    Emptied,
    /// The plan of the removal of a permanent stage's stack: each of its resources would be deleted.
    DeletionsPlanned(TargetPlan),
    /// The buckets hold more than one step can delete.
    EmptiedPartly,
    /// The resources that could not be deleted, by logical id.
    LeftoversObserved(Vec<String>),
    /// AWS refused a call permanently: repeating it cannot succeed.
    Refused(Cause),
    /// The state's deadline has passed.
    DeadlinePassed,
}

/// A stack as `DescribeStacks` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackObserved {
    /// Its id.
    pub stack_id: String,
    /// Its status, as CloudFormation writes it.
    pub status: String,
    /// CloudFormation's reason for the status.
    pub reason: Option<String>,
    /// Its owner, if it has the tags `flotilla:service` and `flotilla:stage`.
    pub owner: Option<StackOwner>,
    /// Whether it holds the deployment bucket of a packaging tool: see
    /// [`crate::release::package::KEEP_BUCKET_PARAMETER`].
    pub has_deployment_bucket: bool,
    /// Its outputs after its last complete operation.
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
