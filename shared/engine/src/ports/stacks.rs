//! CloudFormation, in one account and region.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::deployment::event::StackSeen;
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::deployment::{ChangeSetKind, Effort};
use flotilla_domain::plan::ResourceChange;
use flotilla_domain::{Digest, StackName};
use std::collections::{BTreeMap, BTreeSet};

/// Alarms that CloudFormation itself watches while it carries a change set out: if one goes off, it rolls
/// the operation back. All of them have to be in the stack's account and region; one that does not exist
/// fails the operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollbackTriggers {
    /// ARNs of metric alarms. CloudFormation takes five triggers, with the composite ones.
    pub alarm_arns: Vec<String>,
    /// ARNs of composite alarms, of which CloudFormation has to be told that they are composite.
    pub composite_alarm_arns: Vec<String>,
    /// How long it goes on watching when everything is done, at most 180 minutes.
    pub monitoring_min: u32,
}

/// A change set to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetRequest {
    /// The stack.
    pub stack: StackName,
    /// The change set's name.
    pub name: String,
    /// For a new stack or an existing one.
    pub kind: ChangeSetKind,
    /// The template in the target's own bucket.
    pub template: Digest,
    /// Values of parameters, less the one that names the bucket.
    pub parameters: BTreeMap<String, String>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// Capabilities granted.
    pub capabilities: BTreeSet<String>,
    /// The operation ends when the configuration is applied, not when resources serve (`EXPRESS`).
    pub express: bool,
    /// What was changed outside of CloudFormation is changed back (`REVERT_DRIFT`).
    pub revert_drift: bool,
    /// Alarms that roll the operation back. `None` also ends the watch over those that the stack had.
    pub rollback: Option<RollbackTriggers>,
}

/// How a change set stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetStatus {
    /// It is being made.
    Pending,
    /// It can be executed.
    Ready,
    /// It is being executed.
    Executing,
    /// Its execution has done what it should.
    Executed,
    /// Its execution has failed.
    ExecutionFailed,
    /// It can no longer be executed.
    Obsolete,
    /// It would change nothing.
    Empty,
    /// CloudFormation refused it; its reason, word for word.
    Failed(String),
}

/// A change set as `DescribeChangeSet` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetSeen {
    /// Its id.
    pub id: String,
    /// Its stack's id.
    pub stack_id: String,
    /// How it stands.
    pub status: ChangeSetStatus,
    /// What it changes, as CloudFormation says it: values may be secret.
    pub changes: Vec<ResourceChange>,
    /// Whether these are all of its changes.
    pub complete: bool,
    /// What it would change back, because it was changed outside of CloudFormation: `Function.Timeout`.
    pub reverted: Vec<String>,
    /// Whether CloudFormation hints that its validation has something to say.
    pub has_warnings: bool,
}

/// What CloudFormation's early validation, or a hook, says of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether it refuses the change set; else it only warns.
    pub failed: bool,
    /// Resource, property, validation and reason, in words.
    pub text: String,
}

/// What came of asking for an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executed {
    /// It has begun, now or earlier.
    Started,
    /// There is no such change set any more, or it cannot be executed.
    Stale,
}

/// A page of a stack's events, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEventPage {
    /// The events.
    pub events: Vec<StackEvent>,
    /// Where to go on.
    pub next: Option<String>,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackResource {
    /// Its id in the template.
    pub logical_id: String,
    /// Its id in AWS.
    pub physical_id: String,
    /// Its type.
    pub resource_type: String,
    /// Its status.
    pub status: String,
}

/// CloudFormation.
#[async_trait]
pub trait Stacks: Send + Sync {
    /// Looks at a stack by its id or name; `None` when there is none.
    async fn describe(&self, place: &Place, stack: &str) -> Result<Option<StackSeen>, PortError>;

    /// Makes a change set. That it is there already is no error. `Permanent` carries CloudFormation's
    /// refusal word for word.
    async fn create_change_set(&self, place: &Place, request: &ChangeSetRequest) -> Result<(), PortError>;

    /// Looks at a change set, with all that it changes, by the stack's and its own name; `None` when there is
    /// none.
    async fn describe_change_set(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetSeen>, PortError>;

    /// Only how a change set stands.
    async fn change_set_status(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetStatus>, PortError>;

    /// Executes a change set.
    async fn execute(
        &self,
        place: &Place,
        stack: &StackName,
        change_set_id: &str,
        token: &str,
    ) -> Result<Executed, PortError>;

    /// Stops a running update and has it rolled back; answers whether there is one that is being stopped.
    async fn cancel_update(&self, place: &Place, stack_id: &str, token: &str) -> Result<bool, PortError>;

    /// Continues the rollback of a stack that is `UPDATE_ROLLBACK_FAILED`, skipping these resources. That
    /// this token is known already, or the stack is no longer in that status, is no error.
    async fn continue_rollback(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        skip: &BTreeSet<String>,
    ) -> Result<(), PortError>;

    /// Brings a stack that is `UPDATE_FAILED` back to its last stable state; one without such a state is
    /// deleted. That this token is known already, or the stack is no longer in that status, is no error.
    async fn roll_back(&self, place: &Place, stack_id: &str, token: &str) -> Result<(), PortError>;

    /// Deletes a stack by its id. That it is gone already is no error. Resources are only left behind if
    /// the stack is `DELETE_FAILED`.
    async fn delete(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        effort: &Effort,
    ) -> Result<(), PortError>;

    /// Deletes a change set that was not executed. That it is gone already is no error.
    async fn delete_change_set(&self, place: &Place, stack: &str, name: &str) -> Result<(), PortError>;

    /// Whether the stack of this name has any change sets.
    async fn has_change_sets(&self, place: &Place, stack: &str) -> Result<bool, PortError>;

    /// What CloudFormation's validation says of a change set.
    async fn validations(
        &self,
        place: &Place,
        stack: &StackName,
        change_set_id: &str,
    ) -> Result<Vec<Validation>, PortError>;

    /// The names of the stacks that import an export.
    async fn importers(&self, place: &Place, export: &str) -> Result<Vec<String>, PortError>;

    /// Reads a stack's events, newest first.
    async fn events(
        &self,
        place: &Place,
        stack_id: &str,
        next: Option<&str>,
    ) -> Result<StackEventPage, PortError>;

    /// Lists a stack's resources.
    async fn resources(&self, place: &Place, stack_id: &str) -> Result<Vec<StackResource>, PortError>;
}
