//! CloudFormation's books: stacks, change sets, and operations that take time and pass through the statuses of
//! the user guide ("Understand CloudFormation stack creation events", "Stack status codes").
//!
//! | rule | source |
//! |---|---|
//! | a first creation that fails ends in `ROLLBACK_COMPLETE` and can only be deleted | user guide, troubleshooting: "Update rollback failed", "ROLLBACK_COMPLETE" |
//! | an update ends through `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`, a rolled back one through `UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS` | API reference, `StackStatus` |
//! | executing one change set deletes the stack's other ones | API reference, `ExecuteChangeSet` |
//! | a direct update makes change sets obsolete | API reference, `ExecutionStatus` `OBSOLETE` |
//! | a deletion that fails ends in `DELETE_FAILED`; one that an export forbids restores the old status | API reference, `DeleteStack`; issue threads on "Export … in use" |
//! | resources are only retained from `DELETE_FAILED` | API reference, `DeleteStack`, `RetainResources` |
//! | `ContinueUpdateRollback` works from `UPDATE_ROLLBACK_FAILED` only | API reference |
//! | `RollbackStack` works from `CREATE_FAILED` and `UPDATE_FAILED`; without a stable state the stack is deleted | API reference |
//! | `CancelUpdateStack` works from `UPDATE_IN_PROGRESS` only | API reference |
//! | an alarm that is raised or missing while a stack is created or updated rolls that back; the stack keeps its alarms | API reference, `RollbackConfiguration` |
//! | every event of an operation carries its `ClientRequestToken` | API reference, `StackEvent` |

use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::{Digest, Site};
use flotilla_engine::ports::RollbackTriggers;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How the next operations at a target end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// They succeed.
    #[default]
    Works,
    /// They succeed, each in this many milliseconds.
    Takes(i64),
    /// The update fails for this reason and is rolled back.
    RollsBack(String),
    /// The update of a nested stack fails for this reason and is rolled back.
    RollsBackNested(String),
    /// The update fails for this reason, and its rollback fails too.
    Sticks(String),
    /// They succeed, but resources that are no longer in the template cannot be deleted.
    Orphans,
    /// CloudFormation refuses the change set.
    Refuses(String),
    /// CloudFormation's validation refuses the change set, for these reasons.
    FailsValidation(Vec<String>),
    /// CloudFormation's validation warns.
    Warns(Vec<String>),
    /// These properties were changed outside of CloudFormation.
    Drifted(Vec<String>),
    /// A deletion fails this many times, because of the resource `Resists`.
    DeleteResists(u32),
    /// The stack's export is imported by these stacks.
    ExportInUse(Vec<String>),
    /// The stack has termination protection.
    Protected,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeSetState {
    Ready,
    Empty,
    Failed(String),
    Obsolete,
    Executing,
    Executed,
    ExecutionFailed,
}

#[derive(Debug, Clone)]
pub(crate) struct ChangeSet {
    pub name: String,
    pub id: String,
    pub template: Digest,
    /// The stable versions of aliases that it passes.
    pub stable: String,
    pub state: ChangeSetState,
    /// It is being created until this time.
    pub made_at_ms: i64,
    pub rollback: Option<RollbackTriggers>,
    /// The token of its execution.
    pub token: String,
}

/// The effect of an operation when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The stack runs this template, with these stable versions of its aliases.
    Runs(Digest, String),
    /// Only the status changes.
    Nothing,
    /// The stack is deleted.
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// The next statuses, each with its time.
    pub phases: VecDeque<(i64, &'static str)>,
    pub effect: Effect,
    /// Why it fails, if it fails.
    pub reason: Option<String>,
    /// Whether it fails in a nested stack.
    pub nested: bool,
    /// The stack's reason for its last status.
    pub last_reason: Option<&'static str>,
    pub token: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub id: String,
    pub status: &'static str,
    /// The previous status, and until when a stale read may return it.
    pub was: (&'static str, i64),
    pub reason: Option<String>,
    pub template: Option<Digest>,
    /// The stable versions of aliases that its last update passed.
    pub stable: String,
    pub change_sets: Vec<ChangeSet>,
    pub operation: Option<Operation>,
    /// The events, newest first.
    pub events: VecDeque<StackEvent>,
    /// The number of deletions that were begun.
    pub deletions: u32,
    pub owner: Option<(String, String)>,
    /// The alarms that roll its operations back.
    pub watched: RollbackTriggers,
}

/// All stacks of the world.
#[derive(Debug, Default)]
pub struct Stacks {
    pub(crate) live: BTreeMap<(Site, String), Stack>,
    pub(crate) gone: BTreeMap<String, VecDeque<StackEvent>>,
    pub(crate) nested: BTreeMap<String, Vec<StackEvent>>,
    pub behaviours: BTreeMap<Site, Behaviour>,
    pub(crate) made: u64,
    /// The number of change sets requested in EXPRESS mode.
    pub express: u64,
    /// How many calls per second each account-region accepts, if there is a limit.
    pub rate_limit_per_s: Option<u32>,
    /// The remaining calls, and when they were counted.
    pub(crate) tokens: BTreeMap<Site, (f64, i64)>,
    /// The number of calls.
    pub asked: u64,
    /// The number of throttled calls.
    pub throttled: u64,
    /// How often each change set was executed, for the checker.
    pub executions: BTreeMap<String, u32>,
    /// The true reason of each failed operation, by target and token, for the checker.
    pub true_reasons: BTreeMap<(Site, String), String>,
    /// The tokens of Flotilla's operations, for the checker.
    pub(crate) begun: BTreeSet<(Site, String)>,
    /// Operations that must not have begun, for the checker.
    pub breaches: Vec<String>,
    /// Flotilla's operations that have ended, by target and stack, for stack-status events.
    pub(crate) ended: Vec<(Site, String)>,
}

impl Stacks {
    /// When a stack's status changes next.
    pub fn next_end_ms(&self) -> Option<i64> {
        self.live.values().filter_map(|s| Some(s.operation.as_ref()?.phases.front()?.0)).min()
    }

    /// When the last running operation ends.
    pub fn last_end_ms(&self) -> Option<i64> {
        self.live.values().filter_map(|s| Some(s.operation.as_ref()?.phases.back()?.0)).max()
    }

    /// A stack's status.
    pub fn status(&self, target: &Site, stack: &str) -> Option<&'static str> {
        self.live.get(&(target.clone(), stack.to_owned())).map(|stack| stack.status)
    }

    /// Flotilla's change sets that were never executed, and stacks in review.
    pub fn leftovers(&self) -> Vec<String> {
        let idle = |set: &ChangeSet| {
            matches!(set.state, ChangeSetState::Ready | ChangeSetState::Empty | ChangeSetState::Failed(_))
        };
        let ours = |set: &&ChangeSet| set.name.starts_with("flotilla-") && idle(set);
        let sets = self.live.values().flat_map(|stack| stack.change_sets.iter().filter(ours));
        let sets = sets.map(|set| set.id.clone());
        let reviews =
            self.live.values().filter(|s| s.status == "REVIEW_IN_PROGRESS" && s.change_sets.is_empty());
        sets.chain(reviews.map(|stack| stack.id.clone())).collect()
    }
}

/// The id of the API of a stack: one that is created again has another.
pub(crate) fn api_of(stack_id: &str) -> String {
    format!("api-{stack_id}")
}

pub(crate) fn event(
    logical_id: &str,
    kind: &str,
    status: &str,
    reason: Option<&str>,
    token: &str,
    is_stack: bool,
) -> StackEvent {
    StackEvent {
        logical_id: logical_id.into(),
        physical_id: None,
        resource_type: kind.into(),
        status: status.into(),
        reason: reason.map(str::to_owned),
        token: Some(token.into()),
        is_stack,
    }
}
