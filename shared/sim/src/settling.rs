//! Advances the operations of stacks as time passes.

use crate::checker::traffic;
use crate::publishing;
use crate::stack_books::{ChangeSetState, Effect, Operation, Stack, event};
use crate::state::State;
use flotilla_domain::release::package::{ASSETS_BUCKET_PARAMETER, asset_key};
use flotilla_domain::{AlarmState, Digest, Site};
use flotilla_package::template::image_digest;
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};

/// Advances every operation to the present time.
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

/// Turns an operation that would succeed into a rollback if one of its rollback triggers is in alarm or missing.
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
        operation.reason = Some(format!("the alarm {name} was raised or does not exist"));
        operation.effect = Effect::Nothing;
        operation.phases = VecDeque::from([(at_ms, phases[0]), (at_ms + 4_000, phases[1])]);
    }
}

/// Advances one stack's operation by one status.
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
            publishing::delete(state, key);
            state.functions.retain(|(target, name), _| !(target == &key.0 && name.starts_with(&prefix)));
            return;
        }
        Effect::Runs(template, stable) => {
            stack.template = Some(template);
            give_code(state, key, &template);
            let moved = publishing::apply(state, key, &template, &stable);
            let breach = moved.iter().find_map(|alias| traffic::hurried(state, alias));
            state.stacks.breaches.extend(breach);
            stack.stable = stable;
        }
        Effect::Nothing => {}
    }
    state.stacks.live.insert(key.clone(), stack);
}

/// Sets the code of a template's functions: a zip from the artifact bucket of the target's account-region, or an image from its registry.
fn give_code(state: &mut State, (target, stack): &(Site, String), template: &Digest) {
    for (id, code) in functions(state, template) {
        let digest = match code {
            Code::Zip(key) => {
                let held = state.replicas.get(&(target.clone(), key.clone())).copied();
                held.filter(|digest| asset_key(digest) == key)
            }
            Code::Image(digest) => Some(digest),
            Code::OwnImage(digest) => {
                let repository = state.repositories.get(target);
                Some(digest).filter(|digest| repository.is_some_and(|r| r.images.contains_key(digest)))
            }
        };
        if let Some(digest) = digest {
            let name = format!("{stack}/{id}");
            state.ran.insert((target.clone(), name.clone(), digest));
            state.functions.insert((target.clone(), name), digest);
        }
    }
}

/// What a function runs.
pub(crate) enum Code {
    /// A zip, by its key in the artifact bucket.
    Zip(String),
    /// A container image that the template names by its digest, in a registry that is not simulated.
    Image(Digest),
    /// A container image of the account-region's repository.
    OwnImage(Digest),
}

/// The functions of a template, with their code.
pub(crate) fn functions(state: &State, template: &Digest) -> Vec<(String, Code)> {
    let bytes = state.templates.get(template).cloned().unwrap_or_default();
    let template: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let resources = template["Resources"].as_object().cloned().unwrap_or_default();
    let functions = resources.into_iter().filter(|(_, resource)| resource["Type"] == "AWS::Lambda::Function");
    let code = |resource: &Value| {
        let code = &resource["Properties"]["Code"];
        let zip = || Code::Zip(code["S3Key"].as_str().unwrap_or_default().to_owned());
        let uri = &code["ImageUri"];
        let is_own = uri["Fn::Sub"].as_str().is_some_and(|uri| uri.contains(ASSETS_BUCKET_PARAMETER));
        image_digest(uri).map_or_else(zip, if is_own { Code::OwnImage } else { Code::Image })
    };
    functions.map(|(id, resource)| (id, code(&resource))).collect()
}

/// Begins an operation on a stack. No other operation may run on it.
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
