//! CloudFormation's books: stacks, change sets and operations that take time, with the statuses of the user
//! guide.

use crate::state::State;
use flotilla_domain::cause::StackEvent;
use flotilla_domain::package::asset_key;
use flotilla_domain::{Digest, Target};
use serde_json::Value;
use std::collections::BTreeMap;

/// How the next operations at a target end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Behaviour {
    /// Well.
    #[default]
    Works,
    /// The update fails for this reason and is rolled back.
    RollsBack(String),
    /// The rollback fails as well.
    Sticks(String),
    /// CloudFormation refuses the change set.
    Refuses(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ChangeSetState {
    Ready,
    Empty,
    Failed(String),
    Executed,
}

#[derive(Debug, Clone)]
pub(crate) struct ChangeSet {
    pub name: String,
    pub id: String,
    pub template: Digest,
    pub state: ChangeSetState,
}

#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub ends_at_ms: i64,
    pub running: &'static str,
    pub then: &'static str,
    pub template: Option<Digest>,
    pub reason: Option<String>,
    pub token: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub id: String,
    pub status: &'static str,
    pub template: Option<Digest>,
    pub change_sets: Vec<ChangeSet>,
    pub operation: Option<Operation>,
    pub events: Vec<StackEvent>,
}

/// All stacks of the world.
#[derive(Debug, Default)]
pub struct Stacks {
    pub(crate) live: BTreeMap<(Target, String), Stack>,
    pub(crate) gone: Vec<String>,
    pub behaviours: BTreeMap<Target, Behaviour>,
    pub(crate) made: u64,
    /// How often each change set was executed, for the checker.
    pub executions: BTreeMap<String, u32>,
    /// Operations that were started while another one ran on the same stack, for the checker.
    pub collisions: Vec<String>,
    /// Change sets that were executed although no saved deployment said so, for the checker.
    pub unsaved: Vec<String>,
}

impl Stacks {
    /// When the next operation ends.
    pub fn next_end_ms(&self) -> Option<i64> {
        self.live.values().filter_map(|stack| Some(stack.operation.as_ref()?.ends_at_ms)).min()
    }

    /// When the last running operation ends.
    pub fn last_end_ms(&self) -> Option<i64> {
        self.live.values().filter_map(|stack| Some(stack.operation.as_ref()?.ends_at_ms)).max()
    }

    pub fn status(&self, target: &Target, stack: &str) -> Option<&'static str> {
        self.live.get(&(target.clone(), stack.to_owned())).map(|stack| stack.status)
    }
}

/// Ends the operations whose time has come.
pub fn settle(state: &mut State) {
    let now = state.now_ms;
    let due = |stack: &Stack| stack.operation.as_ref().is_some_and(|op| op.ends_at_ms <= now);
    let keys: Vec<_> =
        state.stacks.live.iter().filter(|(_, stack)| due(stack)).map(|(key, _)| key.clone()).collect();
    for key in keys {
        let Some(mut stack) = state.stacks.live.remove(&key) else { continue };
        let Some(operation) = stack.operation.take() else { continue };
        stack.status = operation.then;
        if let Some(reason) = &operation.reason {
            stack.events.insert(
                0,
                event("Resource", "AWS::Test::Resource", "UPDATE_FAILED", Some(reason), &operation.token),
            );
            stack.events.insert(
                0,
                event(
                    "Other",
                    "AWS::Test::Resource",
                    "UPDATE_FAILED",
                    Some("Resource update cancelled"),
                    &operation.token,
                ),
            );
        }
        if operation.then == "DELETE_COMPLETE" {
            state.stacks.gone.push(stack.id.clone());
            state
                .functions
                .retain(|(target, name), _| !(target == &key.0 && name.starts_with(&format!("{}/", key.1))));
            continue;
        }
        if let Some(template) = operation.template {
            stack.template = Some(template);
            give_code(state, &key, &template);
        }
        state.stacks.live.insert(key, stack);
    }
}

pub(crate) fn event(
    logical_id: &str,
    kind: &str,
    status: &str,
    reason: Option<&str>,
    token: &str,
) -> StackEvent {
    StackEvent {
        logical_id: logical_id.into(),
        resource_type: kind.into(),
        status: status.into(),
        reason: reason.map(str::to_owned),
        token: Some(token.into()),
        is_stack: kind == "AWS::CloudFormation::Stack",
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
pub(crate) fn give_code(state: &mut State, (target, stack): &(Target, String), template: &Digest) {
    for (id, key) in functions(state, template) {
        let held = state.replicas.get(&(target.clone(), key.clone())).copied();
        if let Some(digest) = held.filter(|digest| asset_key(digest) == key) {
            state.functions.insert((target.clone(), format!("{stack}/{id}")), digest);
        }
    }
}

pub(crate) fn start(state: &mut State, key: &(Target, String), operation: Operation) {
    let Some(stack) = state.stacks.live.get_mut(key) else { return };
    if stack.operation.is_some() {
        state.stacks.collisions.push(stack.id.clone());
        return;
    }
    stack.status = operation.running;
    stack
        .events
        .insert(0, event(&key.1, "AWS::CloudFormation::Stack", operation.running, None, &operation.token));
    stack.operation = Some(operation);
}
