//! CloudFormation's books: stacks, change sets, and operations that take time and go through the statuses of
//! the user guide ("Understand CloudFormation stack creation events", "Stack status codes").
//!
//! | rule | where it comes from |
//! |---|---|
//! | a first creation that fails ends in `ROLLBACK_COMPLETE` and can only be deleted | user guide, troubleshooting: "Update rollback failed", "ROLLBACK_COMPLETE" |
//! | an update ends through `UPDATE_COMPLETE_CLEANUP_IN_PROGRESS`, a rolled back one through `UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS` | API reference, `StackStatus` |
//! | executing one change set deletes the stack's other ones | API reference, `ExecuteChangeSet` |
//! | a direct update makes change sets obsolete | API reference, `ExecutionStatus` `OBSOLETE` |
//! | a deletion that fails ends in `DELETE_FAILED`; one that an export forbids brings the old status back | API reference, `DeleteStack`; issue threads on "Export … in use" |
//! | resources are only retained from `DELETE_FAILED` | API reference, `DeleteStack`, `RetainResources` |
//! | `ContinueUpdateRollback` works from `UPDATE_ROLLBACK_FAILED` only | API reference |
//! | `RollbackStack` works from `CREATE_FAILED` and `UPDATE_FAILED`; without a stable state the stack is deleted | API reference |
//! | `CancelUpdateStack` works from `UPDATE_IN_PROGRESS` only | API reference |
//! | an alarm that goes off, or is missing, while a stack is created or updated rolls that back; the stack keeps its alarms | API reference, `RollbackConfiguration` |
//! | every event of an operation carries its `ClientRequestToken` | API reference, `StackEvent` |

use crate::state::State;
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::release::package::asset_key;
use flotilla_domain::{AlarmState, Digest, Site};
use flotilla_engine::ports::RollbackTriggers;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How the next operations at a target go.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Well.
    #[default]
    Works,
    /// Well, each in this many milliseconds.
    Takes(i64),
    /// The update fails for this reason and is rolled back.
    RollsBack(String),
    /// The same, in a nested stack.
    RollsBackNested(String),
    /// The rollback fails as well.
    Sticks(String),
    /// Well, but resources that are no longer in the template cannot be deleted.
    Orphans,
    /// CloudFormation refuses the change set.
    Refuses(String),
    /// Its validation does, for these reasons.
    FailsValidation(Vec<String>),
    /// Its validation warns.
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
    pub state: ChangeSetState,
    /// It is being made until then.
    pub made_at_ms: i64,
    pub rollback: Option<RollbackTriggers>,
    /// The token of its execution.
    pub token: String,
}

/// What an operation has brought about when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The stack runs this template.
    Runs(Digest),
    /// Nothing but its status.
    Nothing,
    /// The stack is gone.
    Gone,
}

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    /// The statuses to come, each with its time.
    pub phases: VecDeque<(i64, &'static str)>,
    pub effect: Effect,
    /// Why it fails, if it does.
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
    /// What it was, until when it may still be seen.
    pub was: (&'static str, i64),
    pub reason: Option<String>,
    pub template: Option<Digest>,
    pub change_sets: Vec<ChangeSet>,
    pub operation: Option<Operation>,
    /// Newest first.
    pub events: VecDeque<StackEvent>,
    /// How many deletions have been begun.
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
    /// How many change sets were asked for in EXPRESS mode.
    pub express: u64,
    /// How many calls a second each account and region takes, if there is a limit.
    pub rate_limit_per_s: Option<u32>,
    /// The calls that are left, and when that was counted.
    pub(crate) tokens: BTreeMap<Site, (f64, i64)>,
    /// Calls, and those of them that were throttled.
    pub asked: u64,
    /// Calls that were throttled.
    pub throttled: u64,
    /// How often each change set was executed, for the checker.
    pub executions: BTreeMap<String, u32>,
    /// The true reason of each failed operation, by target and token, for the checker.
    pub true_reasons: BTreeMap<(Site, String), String>,
    /// The tokens of operations of ours, for the checker.
    pub(crate) begun: BTreeSet<(Site, String)>,
    /// What was begun although it must not have been, for the checker.
    pub breaches: Vec<String>,
    /// Operations of ours that have ended: by target and stack, for stack-status events.
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

    /// Change sets of ours that were never executed, and stacks that only wait for one.
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

/// Moves every operation on to now.
pub fn settle(state: &mut State) {
    let now = state.now_ms;
    while let Some(key) = state
        .stacks
        .live
        .iter()
        .find(|(_, s)| s.operation.as_ref().and_then(|op| op.phases.front()).is_some_and(|p| p.0 <= now))
        .map(|(key, _)| key.clone())
    {
        advance(state, &key);
    }
}

/// Turns an operation that would end well into a rollback, if an alarm that is to end it so has gone off.
fn watch(stack: &mut Stack, site: &Site, alarms: &BTreeMap<(Site, String), AlarmState>) {
    let arns = stack.watched.alarm_arns.iter().chain(&stack.watched.composite_alarm_arns);
    let mut names = arns.filter_map(|arn| Some(arn.split_once(":alarm:")?.1.to_owned()));
    let state = |name: &String| alarms.get(&(site.clone(), name.clone()));
    let fired = names.find(|name| matches!(state(name), None | Some(AlarmState::Alarm)));
    let phases = match stack.status {
        "CREATE_IN_PROGRESS" => ["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"],
        "UPDATE_IN_PROGRESS" => ["UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"],
        _ => return,
    };
    let Some(operation) = stack.operation.as_mut().filter(|operation| operation.reason.is_none()) else {
        return;
    };
    if let (Some(name), Some((at_ms, _))) = (fired, operation.phases.front().copied()) {
        operation.reason = Some(format!("the alarm {name} has gone off, or is not there"));
        operation.effect = Effect::Nothing;
        operation.phases = VecDeque::from([(at_ms, phases[0]), (at_ms + 4_000, phases[1])]);
    }
}

/// Moves one stack's operation on by one status.
fn advance(state: &mut State, key: &(Site, String)) {
    let Some(stack) = state.stacks.live.get_mut(key) else { return };
    watch(stack, &key.0, &state.alarms);
    let Some(operation) = stack.operation.as_mut() else { return };
    let Some((at_ms, status)) = operation.phases.pop_front() else { return };
    let (token, ended) = (operation.token.clone(), operation.phases.is_empty());
    let fails_now = operation.reason.is_some() && (status.contains("ROLLBACK_IN") || ended);
    let reason = if fails_now { operation.reason.take() } else { None };
    let (nested, last_reason) = (operation.nested, operation.last_reason);
    stack.was = (stack.status, at_ms + 1_500);
    stack.status = status;
    stack.reason = None;
    if let Some(reason) = reason {
        state.stacks.true_reasons.insert((key.0.clone(), token.clone()), reason.clone());
        let verb = match status {
            _ if status.contains("DELETE") => "DELETE_FAILED",
            _ if stack.template.is_none() => "CREATE_FAILED",
            _ => "UPDATE_FAILED",
        };
        if nested {
            let id = format!("arn:aws:cloudformation:{}:stack/{}-Nested/{token}", key.0, key.1);
            let mut failed = event(
                "Nested",
                "AWS::CloudFormation::Stack",
                verb,
                Some("Embedded stack was not successfully updated: The following resource(s) failed"),
                &token,
                false,
            );
            failed.physical_id = Some(id.clone());
            failed.reason = Some(format!("Embedded stack {id} was not successfully updated"));
            stack.events.push_front(failed);
            let child = |logical: &str, kind: &str, status: &str, reason: Option<&str>, is_stack| {
                event(logical, kind, status, reason, "child", is_stack)
            };
            let events = vec![
                child("Nested", "AWS::CloudFormation::Stack", "UPDATE_ROLLBACK_COMPLETE", None, true),
                child(
                    "Other",
                    "AWS::Test::Resource",
                    "UPDATE_FAILED",
                    Some("Resource update cancelled"),
                    false,
                ),
                child("Deep", "AWS::Test::Resource", "UPDATE_FAILED", Some(&reason), false),
                child("Nested", "AWS::CloudFormation::Stack", "UPDATE_IN_PROGRESS", None, true),
                child("Older", "AWS::Test::Resource", "UPDATE_FAILED", Some("an older failure"), false),
            ];
            state.stacks.nested.insert(id, events);
        } else {
            stack.events.push_front(event(
                "Resource",
                "AWS::Test::Resource",
                verb,
                Some(&reason),
                &token,
                false,
            ));
        }
        let noise = Some("Resource update cancelled");
        stack.events.push_front(event("Other", "AWS::Test::Resource", verb, noise, &token, false));
    }
    let last_reason = last_reason.filter(|_| ended);
    stack.reason = last_reason.map(str::to_owned);
    stack.events.push_front(event(&key.1, "AWS::CloudFormation::Stack", status, last_reason, &token, true));
    if ended {
        end(state, key, &token);
    }
}

fn end(state: &mut State, key: &(Site, String), token: &str) {
    let Some(mut stack) = state.stacks.live.remove(key) else { return };
    let effect = stack.operation.take().map_or(Effect::Nothing, |operation| operation.effect);
    let completed = matches!(stack.status, "CREATE_COMPLETE" | "UPDATE_COMPLETE");
    for set in stack.change_sets.iter_mut().filter(|set| set.state == ChangeSetState::Executing) {
        set.state = if completed { ChangeSetState::Executed } else { ChangeSetState::ExecutionFailed };
    }
    if token.starts_with("flotilla-") {
        state.stacks.ended.push(key.clone());
    }
    match effect {
        Effect::Gone => {
            state.stacks.gone.insert(stack.id, stack.events);
            let prefix = format!("{}/", key.1);
            state.functions.retain(|(target, name), _| !(target == &key.0 && name.starts_with(&prefix)));
            return;
        }
        Effect::Runs(template) => {
            stack.template = Some(template);
            give_code(state, key, &template);
        }
        Effect::Nothing => {}
    }
    state.stacks.live.insert(key.clone(), stack);
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

/// The functions of a template, with the keys of their code.
pub(crate) fn functions(state: &State, template: &Digest) -> Vec<(String, String)> {
    let bytes = state.templates.get(template).cloned().unwrap_or_default();
    let template: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let resources = template["Resources"].as_object().cloned().unwrap_or_default();
    let functions = resources.into_iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function");
    let key =
        |resource: &Value| resource["Properties"]["Code"]["S3Key"].as_str().unwrap_or_default().to_owned();
    functions.map(|(id, resource)| (id, key(&resource))).collect()
}

/// Gives every function of a template the code that the target's own bucket holds.
fn give_code(state: &mut State, (target, stack): &(Site, String), template: &Digest) {
    for (id, key) in functions(state, template) {
        let held = state.replicas.get(&(target.clone(), key.clone())).copied();
        if let Some(digest) = held.filter(|digest| asset_key(digest) == key) {
            let name = format!("{stack}/{id}");
            state.ran.insert((target.clone(), name.clone(), digest));
            state.functions.insert((target.clone(), name), digest);
        }
    }
}

/// Begins an operation on a stack on which none runs.
pub(crate) fn start(state: &mut State, key: &(Site, String), operation: Operation, running: &'static str) {
    let now_ms = state.now_ms;
    let Some(stack) = state.stacks.live.get_mut(key) else { return };
    if stack.operation.is_some() {
        state.stacks.breaches.push(format!("two operations on {}", stack.id));
        return;
    }
    stack.was = (stack.status, now_ms + 1_500);
    stack.status = running;
    stack.reason = None;
    let begun = Some("User Initiated");
    stack.events.push_front(event(
        &key.1,
        "AWS::CloudFormation::Stack",
        running,
        begun,
        &operation.token,
        true,
    ));
    stack.operation = Some(operation);
}
