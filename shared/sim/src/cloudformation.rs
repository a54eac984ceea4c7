//! CloudFormation's calls. [`crate::stack_books`] lists the rules and their sources.

use crate::change_sets;
use crate::change_sets::{behaviour, validation};
use crate::operations::{begin_deletion, begin_execution, begin_rollback, fate_of, ours};
use crate::outputs::outputs;
use crate::settling::{functions, settle};
use crate::stack_books::{Behaviour, ChangeSetState, Stacks as Books};
use crate::state::{Shared, State};
use async_trait::async_trait;
use flotilla_domain::deployment::Effort;
use flotilla_domain::deployment::event::{StackObserved, StackOwner};
use flotilla_domain::deployment::stack_event::StackEvent;
use flotilla_domain::{Site, StackName};
use flotilla_engine::ports::{
    ChangeSetObserved, ChangeSetRequest, ChangeSetStatus, ErrorKind, Executed, Place, PortError,
    StackEventPage, StackResource, Stacks as StacksPort, Validation,
};
use std::collections::{BTreeSet, VecDeque};

/// The fake.
pub struct SimStacks(pub Shared);

/// The events of one page: few, so that tests read several pages.
const EVENTS_PAGE: usize = 4;

/// The key of an existing stack, by its name or id.
fn find(books: &Books, target: &Site, stack: &str) -> Option<(Site, String)> {
    let by_name = (target.clone(), stack.to_owned());
    if books.live.contains_key(&by_name) {
        return Some(by_name);
    }
    books.live.iter().find(|((at, _), live)| at == target && live.id == stack).map(|(key, _)| key.clone())
}

impl SimStacks {
    /// Makes a call, unless the rate limit is reached.
    async fn ask<T>(
        &self,
        operation: &'static str,
        place: &Place,
        effect: impl FnOnce(&mut State) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        let call = |state: &mut State| {
            settle(state);
            state.stacks.asked += 1;
            if is_throttled(state, &place.site) {
                state.stacks.throttled += 1;
                return Err(PortError::new(ErrorKind::Throttled, operation, "Throttling: Rate exceeded"));
            }
            effect(state)
        };
        self.0.call(operation, Some(&place.site), call).await
    }
}

/// A token bucket with the calls of one second.
fn is_throttled(state: &mut State, target: &Site) -> bool {
    let Some(limit) = state.stacks.rate_limit_per_s else { return false };
    let limit = f64::from(limit);
    let now_ms = state.now_ms;
    let (tokens, at_ms) = state.stacks.tokens.entry(target.clone()).or_insert((limit, now_ms));
    #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
    let refilled = *tokens + (now_ms - *at_ms) as f64 * limit / 1_000.0;
    (*tokens, *at_ms) = (refilled.min(limit), now_ms);
    if *tokens < 1.0 {
        return true;
    }
    *tokens -= 1.0;
    false
}

/// Whether an operation with this token was begun before (`TokenAlreadyExistsException`). It must have been of the same
/// kind, recognised by the status in which such operations begin.
fn was_begun(state: &mut State, key: &(Site, String), token: &str, kind: &str) -> bool {
    let Some(stack) = state.stacks.live.get(key) else { return false };
    let same = |event: &&StackEvent| event.token.as_deref() == Some(token);
    let Some(first) = stack.events.iter().rev().find(same) else { return false };
    if !first.status.starts_with(kind) {
        state.stacks.breaches.push(format!("{token} is the token of two operations"));
    }
    true
}

#[async_trait]
impl StacksPort for SimStacks {
    async fn describe(&self, place: &Place, stack: &str) -> Result<Option<StackObserved>, PortError> {
        self.ask("cloudformation:DescribeStacks", place, |state| {
            let owned =
                |owner: &(String, String)| StackOwner { service: owner.0.clone(), stage: owner.1.clone() };
            if state.stacks.gone.contains_key(stack) {
                let status = "DELETE_COMPLETE".into();
                return Ok(Some(StackObserved {
                    stack_id: stack.into(),
                    status,
                    reason: None,
                    owner: None,
                    has_deployment_bucket: false,
                    outputs: [].into(),
                }));
            }
            let Some(key) = find(&state.stacks, &place.site, stack) else { return Ok(None) };
            let stale = state.running.is_some() && {
                let chance = state.faults.stale_stack;
                state.rng.chance(chance)
            };
            let now_ms = state.now_ms;
            Ok(state.stacks.live.get(&key).map(|live| StackObserved {
                stack_id: live.id.clone(),
                status: if stale && now_ms < live.was.1 { live.was.0 } else { live.status }.into(),
                reason: live.reason.clone(),
                owner: live.owner.as_ref().map(owned),
                has_deployment_bucket: false,
                outputs: outputs(state, &key, live.template.as_ref()),
            }))
        })
        .await
    }

    async fn create_change_set(&self, place: &Place, request: &ChangeSetRequest) -> Result<(), PortError> {
        self.ask(change_sets::CREATE, place, |state| {
            let key = (place.site.clone(), request.stack.to_string());
            state.parameters.insert(key, request.parameters.clone());
            change_sets::create(state, place, request)
        })
        .await
    }

    async fn describe_change_set(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetObserved>, PortError> {
        self.ask("cloudformation:DescribeChangeSet", place, |state| {
            Ok(change_sets::describe(state, place, stack, name))
        })
        .await
    }

    async fn change_set_status(
        &self,
        place: &Place,
        stack: &StackName,
        name: &str,
    ) -> Result<Option<ChangeSetStatus>, PortError> {
        Ok(self.describe_change_set(place, stack, name).await?.map(|seen| seen.status))
    }

    async fn execute(
        &self,
        place: &Place,
        stack: &StackName,
        change_set_id: &str,
        token: &str,
    ) -> Result<Executed, PortError> {
        self.ask("cloudformation:ExecuteChangeSet", place, |state| {
            let key = (place.site.clone(), stack.to_string());
            let Some(stack) = state.stacks.live.get_mut(&key) else { return Ok(Executed::Stale) };
            let Some(set) = stack.change_sets.iter_mut().find(|set| set.id == change_set_id) else {
                return Ok(Executed::Stale);
            };
            match set.state {
                ChangeSetState::Executing | ChangeSetState::Executed | ChangeSetState::ExecutionFailed => {
                    return Ok(if set.token == token { Executed::Started } else { Executed::Stale });
                }
                ChangeSetState::Ready if stack.operation.is_none() => {}
                _ => return Ok(Executed::Stale),
            }
            set.state = ChangeSetState::Executing;
            set.token = token.to_owned();
            let update = (set.template, set.stable.clone());
            stack.watched = set.rollback.clone().unwrap_or_default();
            stack.change_sets.retain(|set| set.id == change_set_id);
            *state.stacks.executions.entry(change_set_id.to_owned()).or_default() += 1;
            ours(state, &key, token, Some(change_set_id));
            let fails = fate_of(state, &place.site);
            begin_execution(state, &key, update, token, fails);
            Ok(Executed::Started)
        })
        .await
    }

    async fn cancel_update(&self, place: &Place, stack_id: &str, token: &str) -> Result<bool, PortError> {
        self.ask("cloudformation:CancelUpdateStack", place, |state| {
            let Some(key) = find(&state.stacks, &place.site, stack_id) else { return Ok(false) };
            let now_ms = state.now_ms;
            let Some(stack) = state.stacks.live.get_mut(&key) else { return Ok(false) };
            if let (Some(operation), "UPDATE_IN_PROGRESS") = (&mut stack.operation, stack.status) {
                operation.reason = Some("User Initiated cancel".into());
                operation.effect = crate::stack_books::Effect::Nothing;
                operation.phases = VecDeque::from([
                    (now_ms + 10, "UPDATE_ROLLBACK_IN_PROGRESS"),
                    (now_ms + 5_000, "UPDATE_ROLLBACK_COMPLETE"),
                ]);
                // A function that stalled between observation and call cannot know that.
                if !token.starts_with(&operation.token) && state.faults.stalled == 0 {
                    state.stacks.breaches.push(format!("{token} stops another's operation"));
                }
                return Ok(true);
            }
            Ok(false)
        })
        .await
    }

    async fn continue_rollback(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        skip: &BTreeSet<String>,
    ) -> Result<(), PortError> {
        self.ask("cloudformation:ContinueUpdateRollback", place, |state| {
            let Some(key) = find(&state.stacks, &place.site, stack_id) else { return Ok(()) };
            if state.stacks.live.get(&key).is_none_or(|stack| stack.status != "UPDATE_ROLLBACK_FAILED") {
                return Ok(());
            }
            if was_begun(state, &key, token, "UPDATE_ROLLBACK") {
                return Ok(());
            }
            ours(state, &key, token, None);
            let sticks =
                fate_of(state, &place.site).filter(|fails| fails.sticks && !skip.contains("Resource"));
            begin_rollback(state, &key, token, sticks);
            Ok(())
        })
        .await
    }

    async fn roll_back(&self, place: &Place, stack_id: &str, token: &str) -> Result<(), PortError> {
        self.ask("cloudformation:RollbackStack", place, |state| {
            let Some(key) = find(&state.stacks, &place.site, stack_id) else { return Ok(()) };
            if state.stacks.live.get(&key).is_none_or(|stack| stack.status != "UPDATE_FAILED") {
                return Ok(());
            }
            if was_begun(state, &key, token, "UPDATE_ROLLBACK") {
                return Ok(());
            }
            ours(state, &key, token, None);
            begin_rollback(state, &key, token, None);
            Ok(())
        })
        .await
    }

    async fn delete(
        &self,
        place: &Place,
        stack_id: &str,
        token: &str,
        effort: &Effort,
    ) -> Result<(), PortError> {
        const OPERATION: &str = "cloudformation:DeleteStack";
        self.ask(OPERATION, place, |state| {
            let Some(key) = find(&state.stacks, &place.site, stack_id) else { return Ok(()) };
            let how = behaviour(state, &place.site);
            let Some(stack) = state.stacks.live.get(&key) else { return Ok(()) };
            if how == Behaviour::Protected {
                let text =
                    format!("Stack [{}] cannot be deleted while TerminationProtection is enabled", key.1);
                return Err(validation(OPERATION, text));
            }
            if matches!(effort, Effort::Retain(_)) && stack.status != "DELETE_FAILED" {
                let text = "resources can only be retained in DELETE_FAILED".to_owned();
                return if stack.operation.is_some() { Ok(()) } else { Err(validation(OPERATION, text)) };
            }
            if let Some(operation) = &stack.operation {
                let deleting = stack.status == "DELETE_IN_PROGRESS" || operation.token == token;
                let text = format!("Stack [{}] cannot be deleted while in status {}", key.1, stack.status);
                // Another actor's operation: the adapter treats the error as transient.
                return if deleting {
                    Ok(())
                } else {
                    Err(PortError::new(ErrorKind::Transient, OPERATION, text))
                };
            }
            if was_begun(state, &key, token, "DELETE") {
                return Ok(());
            }
            if !token.ends_with("-discard") {
                let breach = crate::checker::slots::deletes(state, &key);
                state.stacks.breaches.extend(breach);
                ours(state, &key, token, None);
            }
            begin_deletion(state, &key, token, effort, &how);
            Ok(())
        })
        .await
    }

    async fn delete_change_set(&self, place: &Place, stack: &str, name: &str) -> Result<(), PortError> {
        self.ask("cloudformation:DeleteChangeSet", place, |state| {
            let Some(key) = find(&state.stacks, &place.site, stack) else { return Ok(()) };
            if let Some(stack) = state.stacks.live.get_mut(&key) {
                stack.change_sets.retain(|set| {
                    set.name != name
                        || matches!(set.state, ChangeSetState::Executing | ChangeSetState::Executed)
                });
            }
            Ok(())
        })
        .await
    }

    async fn has_change_sets(&self, place: &Place, stack: &str) -> Result<bool, PortError> {
        self.ask("cloudformation:ListChangeSets", place, |state| {
            let key = find(&state.stacks, &place.site, stack);
            Ok(key.and_then(|key| state.stacks.live.get(&key)).is_some_and(|s| !s.change_sets.is_empty()))
        })
        .await
    }

    async fn validations(
        &self,
        place: &Place,
        _: &str,
        _: Option<&str>,
    ) -> Result<Vec<Validation>, PortError> {
        self.ask("cloudformation:DescribeEvents", place, |state| {
            let (failed, texts) = match behaviour(state, &place.site) {
                Behaviour::FailsValidation(texts) => (true, texts),
                Behaviour::Warns(texts) => (false, texts),
                _ => (false, Vec::new()),
            };
            Ok(texts.into_iter().map(|text| Validation { failed, text }).collect())
        })
        .await
    }

    async fn importers(&self, place: &Place, _: &str) -> Result<Vec<String>, PortError> {
        self.ask("cloudformation:ListImports", place, |state| match behaviour(state, &place.site) {
            Behaviour::ExportInUse(importers) => Ok(importers),
            _ => Ok(Vec::new()),
        })
        .await
    }

    async fn events(
        &self,
        place: &Place,
        stack_id: &str,
        next: Option<&str>,
    ) -> Result<StackEventPage, PortError> {
        self.ask("cloudformation:DescribeStackEvents", place, |state| {
            let skip = next.and_then(|next| next.parse::<usize>().ok()).unwrap_or(0);
            let page = |events: &mut dyn Iterator<Item = &StackEvent>| {
                let events: Vec<_> = events.skip(skip).take(EVENTS_PAGE + 1).cloned().collect();
                let next = (events.len() > EVENTS_PAGE).then(|| (skip + EVENTS_PAGE).to_string());
                StackEventPage { events: events.into_iter().take(EVENTS_PAGE).collect(), next }
            };
            if let Some(events) = state.stacks.nested.get(stack_id) {
                return Ok(page(&mut events.iter()));
            }
            if let Some(events) = state.stacks.gone.get(stack_id) {
                return Ok(page(&mut events.iter()));
            }
            let found = find(&state.stacks, &place.site, stack_id);
            match found.and_then(|key| state.stacks.live.get(&key)) {
                Some(live) => Ok(page(&mut live.events.iter())),
                None => {
                    let text = format!("Stack [{stack_id}] does not exist");
                    Err(validation("cloudformation:DescribeStackEvents", text))
                }
            }
        })
        .await
    }

    async fn resources(&self, place: &Place, stack_id: &str) -> Result<Vec<StackResource>, PortError> {
        self.ask("cloudformation:ListStackResources", place, |state| {
            let Some(key) = find(&state.stacks, &place.site, stack_id) else {
                let text = format!("Stack with id {stack_id} does not exist");
                return Err(validation("cloudformation:ListStackResources", text));
            };
            let Some(stack) = state.stacks.live.get(&key) else { return Ok(Vec::new()) };
            let functions = stack.template.map(|template| functions(state, &template)).unwrap_or_default();
            let of = |(id, _)| StackResource {
                physical_id: format!("{}/{id}", key.1),
                logical_id: id,
                resource_type: "AWS::Lambda::Function".into(),
                status: "UPDATE_COMPLETE".into(),
            };
            let mut resources: Vec<StackResource> = functions.into_iter().map(of).collect();
            resources.extend(crate::publishing::listed(state, &key));
            resources.extend(crate::domains::resources(&key, &stack.id));
            resources.extend(crate::s3::buckets(state, &key.1));
            if stack.status == "DELETE_FAILED" {
                resources.push(StackResource {
                    logical_id: "Resists".into(),
                    physical_id: "resists".into(),
                    resource_type: "AWS::Test::Resource".into(),
                    status: "DELETE_FAILED".into(),
                });
            }
            Ok(resources)
        })
        .await
    }
}
