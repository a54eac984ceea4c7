//! CloudFormation: stacks, change sets and operations that take time, with the statuses of the user guide.
//!
//! Where the rules come from: change sets of one stack end when one is executed, an executed one cannot be
//! executed again (`ExecuteChangeSet`); a first creation that fails ends in `ROLLBACK_COMPLETE` and can only
//! be deleted (`CreateChangeSet`, troubleshooting guide); nothing starts while an operation runs
//! (`OperationInProgress` and validation errors of the API reference).

use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::cause::StackEvent;
use flotilla_domain::deployment::ChangeSummary;
use flotilla_domain::deployment::event::StackSeen;
use flotilla_domain::deployment::state::ChangeSetKind;
use flotilla_domain::package::asset_key;
use flotilla_domain::{Digest, StackName, Target};
use flotilla_engine::ports::{
    ChangeSetRequest, ChangeSetSeen, ChangeSetStatus, ErrorKind, Executed, Place, PortError, StackEventPage,
    StackResource, Stacks as StacksPort,
};
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
enum ChangeSetState {
    Ready,
    Empty,
    Failed(String),
    Executed,
}

#[derive(Debug, Clone)]
struct ChangeSet {
    name: String,
    id: String,
    template: Digest,
    state: ChangeSetState,
}

#[derive(Debug, Clone)]
struct Operation {
    ends_at_ms: i64,
    running: &'static str,
    then: &'static str,
    template: Option<Digest>,
    reason: Option<String>,
    token: String,
}

#[derive(Debug, Clone)]
struct Stack {
    id: String,
    status: &'static str,
    template: Option<Digest>,
    change_sets: Vec<ChangeSet>,
    operation: Option<Operation>,
    events: Vec<StackEvent>,
}

/// All stacks of the world.
#[derive(Debug, Default)]
pub struct Stacks {
    live: BTreeMap<(Target, String), Stack>,
    gone: Vec<String>,
    pub behaviours: BTreeMap<Target, Behaviour>,
    made: u64,
    /// How often each change set was executed, for the checker.
    pub executions: BTreeMap<String, u32>,
    /// Operations that were started while another one ran on the same stack, for the checker.
    pub collisions: Vec<String>,
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

/// The fake.
pub struct SimStacks(pub Shared);

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

fn event(logical_id: &str, kind: &str, status: &str, reason: Option<&str>, token: &str) -> StackEvent {
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
fn functions(state: &State, template: &Digest) -> Vec<(String, String)> {
    let bytes = state.templates.get(template).cloned().unwrap_or_default();
    let template: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let resources = template["Resources"].as_object().cloned().unwrap_or_default();
    let functions = resources.into_iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function");
    let key =
        |resource: &Value| resource["Properties"]["Code"]["S3Key"].as_str().unwrap_or_default().to_owned();
    functions.map(|(id, resource)| (id, key(&resource))).collect()
}

/// Gives every function of a template the code that the target's own bucket holds.
fn give_code(state: &mut State, (target, stack): &(Target, String), template: &Digest) {
    for (id, key) in functions(state, template) {
        let held = state.replicas.get(&(target.clone(), key.clone())).copied();
        if let Some(digest) = held.filter(|digest| asset_key(digest) == key) {
            state.functions.insert((target.clone(), format!("{stack}/{id}")), digest);
        }
    }
}

fn validation(operation: &'static str, message: String) -> PortError {
    PortError::new(ErrorKind::Permanent, operation, format!("ValidationError: {message}"))
}

fn start(state: &mut State, key: &(Target, String), operation: Operation) {
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

#[async_trait]
impl StacksPort for SimStacks {
    async fn describe(&self, place: &Place, stack: &str) -> Result<Option<StackSeen>, PortError> {
        self.0.call("cloudformation:DescribeStacks", |state| {
            settle(state);
            let seen = |id: &str, status: &str| StackSeen {
                stack_id: id.into(),
                status: status.into(),
                reason: None,
            };
            if state.stacks.gone.iter().any(|id| id == stack) {
                return Ok(Some(seen(stack, "DELETE_COMPLETE")));
            }
            let mut at_target = state.stacks.live.iter().filter(|((target, _), _)| *target == place.target);
            let found = at_target.find(|((_, name), live)| name == stack || live.id == stack);
            Ok(found.map(|(_, live)| seen(&live.id, live.status)))
        })
    }

    async fn create_change_set(&self, place: &Place, request: &ChangeSetRequest) -> Result<(), PortError> {
        const OPERATION: &str = "cloudformation:CreateChangeSet";
        self.0.call(OPERATION, |state| {
            settle(state);
            let key = (place.target.clone(), request.stack.to_string());
            let template_key = flotilla_domain::package::template_key(&request.template);
            if !state.replicas.contains_key(&(place.target.clone(), template_key)) {
                return Err(validation(OPERATION, "S3 error: Access Denied".into()));
            }
            state.stacks.made += 1;
            let made = state.stacks.made;
            let behaviour = state.stacks.behaviours.get(&place.target).cloned().unwrap_or_default();
            match (request.kind, state.stacks.live.get(&key)) {
                (ChangeSetKind::Create, Some(stack)) if stack.status != "REVIEW_IN_PROGRESS" => {
                    // AlreadyExistsException: the adapter takes it for a repetition.
                    return Ok(());
                }
                (ChangeSetKind::Update, None) => {
                    return Err(validation(OPERATION, format!("Stack [{}] does not exist", request.stack)));
                }
                (_, Some(stack))
                    if stack.operation.is_some()
                        || stack.status.ends_with("ROLLBACK_COMPLETE") && stack.template.is_none() =>
                {
                    return Err(validation(
                        OPERATION,
                        format!("Stack:{} is in {} state and can not be updated.", stack.id, stack.status),
                    ));
                }
                (ChangeSetKind::Create, None) => {
                    let stack = Stack {
                        id: format!("arn:stack/{}/{made}", request.stack),
                        status: "REVIEW_IN_PROGRESS",
                        template: None,
                        change_sets: Vec::new(),
                        operation: None,
                        events: Vec::new(),
                    };
                    state.stacks.live.insert(key.clone(), stack);
                }
                _ => {}
            }
            let Some(stack) = state.stacks.live.get_mut(&key) else { return Ok(()) };
            if stack.change_sets.iter().any(|set| set.name == request.name) {
                return Ok(());
            }
            let change_state = match behaviour {
                Behaviour::Refuses(reason) => ChangeSetState::Failed(reason),
                _ if stack.template == Some(request.template) => ChangeSetState::Empty,
                _ => ChangeSetState::Ready,
            };
            let id = format!("arn:changeSet/{}/{made}", request.name);
            stack.change_sets.push(ChangeSet {
                name: request.name.clone(),
                id,
                template: request.template,
                state: change_state,
            });
            Ok(())
        })
    }

    async fn describe_change_set(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetSeen>, PortError> {
        self.0.call("cloudformation:DescribeChangeSet", |state| {
            let Some(stack) = state.stacks.live.get(&(place.target.clone(), stack.to_string())) else {
                return Ok(None);
            };
            let set = stack.change_sets.iter().find(|set| set.name == name || set.id == name);
            Ok(set.map(|set| ChangeSetSeen {
                id: set.id.clone(),
                stack_id: stack.id.clone(),
                status: match &set.state {
                    ChangeSetState::Ready => ChangeSetStatus::Ready,
                    ChangeSetState::Empty => ChangeSetStatus::Empty,
                    ChangeSetState::Failed(reason) => ChangeSetStatus::Failed(reason.clone()),
                    ChangeSetState::Executed => ChangeSetStatus::Executed,
                },
                changes: ChangeSummary { modify: 1, ..ChangeSummary::default() },
            }))
        })
    }

    async fn execute(
        &self,
        place: &Place,
        stack: &StackName,
        change_set_id: &str,
        token: &str,
    ) -> Result<Executed, PortError> {
        self.0.call("cloudformation:ExecuteChangeSet", |state| {
            settle(state);
            let key = (place.target.clone(), stack.to_string());
            let Some(stack) = state.stacks.live.get_mut(&key) else { return Ok(Executed::Stale) };
            let first = stack.template.is_none();
            let Some(set) = stack.change_sets.iter_mut().find(|set| set.id == change_set_id) else {
                return Ok(Executed::Stale);
            };
            match set.state {
                ChangeSetState::Executed => return Ok(Executed::Started),
                ChangeSetState::Ready => set.state = ChangeSetState::Executed,
                _ => return Ok(Executed::Stale),
            }
            let template = set.template;
            stack.change_sets.retain(|set| set.id == change_set_id);
            *state.stacks.executions.entry(change_set_id.to_owned()).or_default() += 1;
            let takes_ms = 1_000 + i64::try_from(state.rng.below(60_000)).unwrap_or(0);
            let behaviour = state.stacks.behaviours.get(&place.target).cloned().unwrap_or_default();
            let (then, template, reason) = match (behaviour, first) {
                (Behaviour::RollsBack(reason), true) => ("ROLLBACK_COMPLETE", None, Some(reason)),
                (Behaviour::RollsBack(reason), false) => ("UPDATE_ROLLBACK_COMPLETE", None, Some(reason)),
                (Behaviour::Sticks(reason), true) => ("ROLLBACK_FAILED", None, Some(reason)),
                (Behaviour::Sticks(reason), false) => ("UPDATE_ROLLBACK_FAILED", None, Some(reason)),
                (_, true) => ("CREATE_COMPLETE", Some(template), None),
                (_, false) => ("UPDATE_COMPLETE", Some(template), None),
            };
            let running = if first { "CREATE_IN_PROGRESS" } else { "UPDATE_IN_PROGRESS" };
            let ends_at_ms = state.now_ms + takes_ms;
            start(
                state,
                &key,
                Operation { ends_at_ms, running, then, template, reason, token: token.into() },
            );
            Ok(Executed::Started)
        })
    }

    async fn delete(&self, place: &Place, stack_id: &str, token: &str) -> Result<(), PortError> {
        self.0.call("cloudformation:DeleteStack", |state| {
            settle(state);
            let found = state
                .stacks
                .live
                .iter()
                .find(|((target, _), stack)| *target == place.target && stack.id == stack_id);
            let Some((key, stack)) = found.map(|(key, stack)| (key.clone(), stack.clone())) else {
                return Ok(());
            };
            if stack.operation.as_ref().is_some_and(|op| op.running == "DELETE_IN_PROGRESS") {
                return Ok(());
            }
            let takes_ms = 1_000 + i64::try_from(state.rng.below(30_000)).unwrap_or(0);
            let ends_at_ms = state.now_ms + takes_ms;
            let operation = Operation {
                ends_at_ms,
                running: "DELETE_IN_PROGRESS",
                then: "DELETE_COMPLETE",
                template: None,
                reason: None,
                token: token.into(),
            };
            start(state, &key, operation);
            Ok(())
        })
    }

    async fn events(
        &self,
        place: &Place,
        stack_id: &str,
        _: Option<&str>,
    ) -> Result<StackEventPage, PortError> {
        self.0.call("cloudformation:DescribeStackEvents", |state| {
            let mut at_target = state.stacks.live.iter().filter(|((target, _), _)| *target == place.target);
            let found = at_target.find(|(_, stack)| stack.id == stack_id);
            Ok(StackEventPage {
                events: found.map(|(_, stack)| stack.events.clone()).unwrap_or_default(),
                next: None,
            })
        })
    }

    async fn resources(&self, place: &Place, stack_id: &str) -> Result<Vec<StackResource>, PortError> {
        self.0.call("cloudformation:ListStackResources", |state| {
            let mut at_target = state.stacks.live.iter().filter(|((target, _), _)| *target == place.target);
            let Some(((_, name), stack)) = at_target.find(|(_, stack)| stack.id == stack_id) else {
                return Ok(Vec::new());
            };
            let functions = stack.template.map(|template| functions(state, &template)).unwrap_or_default();
            let resource = |(id, _): (String, String)| StackResource {
                physical_id: format!("{name}/{id}"),
                logical_id: id,
                resource_type: "AWS::Lambda::Function".into(),
            };
            Ok(functions.into_iter().map(resource).collect())
        })
    }
}
