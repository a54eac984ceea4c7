//! CloudFormation in one account-region.

use super::{Place, PortError};
use async_trait::async_trait;
use flotilla_domain::deployment::event::StackObserved;
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::deployment::{ChangeSetKind, Effort};
use flotilla_domain::plan::ResourceChange;
use flotilla_domain::{Digest, StackName};
use std::collections::{BTreeMap, BTreeSet};

/// Alarms that CloudFormation monitors while it executes a change set. If one goes off, it rolls the operation
/// back. All must be in the stack's account and region; one that does not exist fails the operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollbackTriggers {
    /// ARNs of metric alarms. CloudFormation allows five triggers, including composite alarms.
    pub alarm_arns: Vec<String>,
    /// ARNs of composite alarms, which CloudFormation requires to be marked as such.
    pub composite_alarm_arns: Vec<String>,
    /// How long CloudFormation monitors after the operation, in minutes; at most 180.
    pub monitoring_min: u32,
}

/// A change set to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetRequest {
    /// The stack.
    pub stack: StackName,
    /// The change set's name.
    pub name: String,
    /// Whether it creates or updates the stack.
    pub kind: ChangeSetKind,
    /// The template, in the artifact bucket of the account-region.
    pub template: Digest,
    /// Values of parameters, without the one that names the bucket.
    pub parameters: BTreeMap<String, String>,
    /// Tags of the stack.
    pub tags: BTreeMap<String, String>,
    /// Capabilities granted.
    pub capabilities: BTreeSet<String>,
    /// Whether the operation ends when the configuration is applied, without waiting until resources are ready
    /// (`EXPRESS`).
    pub express: bool,
    /// Whether drift is reverted (`REVERT_DRIFT`).
    pub revert_drift: bool,
    /// Alarms that roll the operation back. `None` also removes those that the stack had.
    pub rollback: Option<RollbackTriggers>,
}

/// The status of a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeSetStatus {
    /// It is being created.
    Pending,
    /// It can be executed.
    Ready,
    /// It is being executed.
    Executing,
    /// Its execution has succeeded.
    Executed,
    /// Its execution has failed.
    ExecutionFailed,
    /// It can no longer be executed.
    Obsolete,
    /// It would change nothing.
    Empty,
    /// CloudFormation refused it, for this reason.
    Failed(String),
}

/// A change set as `DescribeChangeSet` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSetObserved {
    /// Its id.
    pub id: String,
    /// Its stack's id.
    pub stack_id: String,
    /// Its status.
    pub status: ChangeSetStatus,
    /// Its changes, as CloudFormation reports them. Values may be secret.
    pub changes: Vec<ResourceChange>,
    /// Whether `changes` is complete.
    pub complete: bool,
    /// Drift that it would revert: `Function.Timeout`.
    pub reverted: Vec<String>,
    /// Whether CloudFormation reports validation warnings.
    pub has_warnings: bool,
}

/// A finding of CloudFormation's early validation, or of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validation {
    /// Whether it fails the change set, or only warns.
    pub failed: bool,
    /// Resource, property, validation and reason, as text.
    pub text: String,
}

/// The result of a request to execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Executed {
    /// The execution has begun, now or earlier.
    Started,
    /// The change set no longer exists, or cannot be executed.
    Stale,
}

/// A page of a stack's events, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEventPage {
    /// The events.
    pub events: Vec<StackEvent>,
    /// The token of the next page.
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
    /// Describes a stack by id or name; `None` if there is none.
    async fn describe(&self, place: &Place, stack: &str) -> Result<Option<StackObserved>, PortError>;

    /// Creates a change set. Succeeds if it exists already. `Permanent` carries CloudFormation's refusal
    /// unchanged.
    async fn create_change_set(&self, place: &Place, request: &ChangeSetRequest) -> Result<(), PortError>;

    /// Describes a change set with its changes, by the names of stack and change set; `None` if there is none.
    async fn describe_change_set(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetObserved>, PortError>;

    /// Reads only the status of a change set.
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

    /// Cancels a running update, which CloudFormation then rolls back. Returns whether there was one to cancel.
    async fn cancel_update(&self, place: &Place, stack_id: &str, token: &str) -> Result<bool, PortError>;

    /// Continues the rollback of a stack in `UPDATE_ROLLBACK_FAILED`, skipping these resources. Succeeds if the
    /// token is known already, or if the stack is no longer in that status.
    async fn continue_rollback(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        skip: &BTreeSet<String>,
    ) -> Result<(), PortError>;

    /// Rolls a stack in `UPDATE_FAILED` back to its last stable state; a stack without such a state is deleted.
    /// Succeeds if the token is known already, or if the stack is no longer in that status.
    async fn roll_back(&self, place: &Place, stack_id: &str, token: &str) -> Result<(), PortError>;

    /// Deletes a stack by id. Succeeds if it is deleted already. Resources can be retained only if the stack is
    /// in `DELETE_FAILED`.
    async fn delete(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        effort: &Effort,
    ) -> Result<(), PortError>;

    /// Deletes a change set that was not executed. Succeeds if it is deleted already.
    async fn delete_change_set(&self, place: &Place, stack: &str, name: &str) -> Result<(), PortError>;

    /// Whether the stack of this name has any change sets.
    async fn has_change_sets(&self, place: &Place, stack: &str) -> Result<bool, PortError>;

    /// The findings of CloudFormation's validation for a change set, or for the newest operation of the stack.
    async fn validations(
        &self,
        place: &Place,
        stack: &str,
        change_set_id: Option<&str>,
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
