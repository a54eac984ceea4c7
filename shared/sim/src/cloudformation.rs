//! CloudFormation's calls.
//!
//! Where the rules come from: change sets of one stack end when one is executed, an executed one cannot be
//! executed again (`ExecuteChangeSet`); a first creation that fails ends in `ROLLBACK_COMPLETE` and can only
//! be deleted (`CreateChangeSet`, troubleshooting guide); nothing starts while an operation runs
//! (`OperationInProgress` and validation errors of the API reference).

use crate::stack_books::{Behaviour, ChangeSet, ChangeSetState, Operation, Stack, functions, settle, start};
use crate::state::Shared;
use async_trait::async_trait;
use flotilla_domain::StackName;
use flotilla_domain::deployment::ChangeSummary;
use flotilla_domain::deployment::event::StackSeen;
use flotilla_domain::deployment::state::ChangeSetKind;
use flotilla_engine::ports::{
    ChangeSetRequest, ChangeSetSeen, ChangeSetStatus, ErrorKind, Executed, Item, Place, PortError,
    StackEventPage, StackResource, Stacks as StacksPort,
};

/// The fake.
pub struct SimStacks(pub Shared);

fn validation(operation: &'static str, message: String) -> PortError {
    PortError::new(ErrorKind::Permanent, operation, format!("ValidationError: {message}"))
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
                owner: None,
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
            let says_so = |item: &Item| {
                item.body.get("change_set_id").is_some_and(|id| id == change_set_id)
                    && item.body["state"]["name"] == "executing"
            };
            if !state.table.values().any(says_so) {
                state.stacks.unsaved.push(change_set_id.to_owned());
            }
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
