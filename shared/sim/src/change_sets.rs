//! Change sets: creating and describing them.

use crate::stack_books::{Behaviour, ChangeSet, ChangeSetState, Stack};
use crate::state::State;
use flotilla_domain::deployment::ChangeSetKind;
use flotilla_domain::plan::{ChangeAction, Leaving, PropertyChange, Replacement, ResourceChange};
use flotilla_domain::release::package::STABLE_VERSIONS_PARAMETER;
use flotilla_domain::{Digest, Site, StackName};
use flotilla_engine::plan::change_values::property_changes;
use flotilla_engine::ports::{
    ChangeSetObserved, ChangeSetRequest, ChangeSetStatus, ErrorKind, Place, PortError, RollbackTriggers,
};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};

/// The operation's name.
pub const CREATE: &str = "cloudformation:CreateChangeSet";
/// How the reason of a change set that validation refused begins.
const VALIDATION_FAILED: &str =
    "The following early validation(s) failed: [AWS::EarlyValidation::PropertyValidation]";

/// Creates a change set, and for the first one of a stack also the stack in review.
pub fn create(state: &mut State, place: &Place, request: &ChangeSetRequest) -> Result<(), PortError> {
    const OPERATION: &str = CREATE;

    let key = (place.site.clone(), request.stack.to_string());
    let template_key = flotilla_domain::release::package::template_key(&request.template);
    if !state.replicas.contains_key(&(place.site.clone(), template_key)) {
        return Err(validation(OPERATION, "S3 error: Access Denied".into()));
    }
    let quota = state.faults.quota;
    if state.running.is_some() && state.rng.chance(quota) {
        let text = "LimitExceededException: ChangeSet limit exceeded";
        return Err(PortError::new(ErrorKind::Quota, OPERATION, text));
    }
    state.stacks.made += 1;
    state.stacks.express += u64::from(request.express);
    let made = state.stacks.made;
    let how = behaviour(state, &place.site);
    match (request.kind, state.stacks.live.get(&key)) {
        (_, Some(stack)) if stack.change_sets.iter().any(|set| set.name == request.name) => {
            return Ok(());
        }
        (ChangeSetKind::Create, Some(stack)) if stack.status != "REVIEW_IN_PROGRESS" => {
            let text = format!(
                "Stack [{}] already exists and cannot be created again with the changeSet [{}]",
                request.stack, request.name
            );
            return Err(validation(OPERATION, text));
        }
        (ChangeSetKind::Create, _) if request.revert_drift => {
            let text = "a change set that reverts drift needs a stack that is there".to_owned();
            return Err(validation(OPERATION, text));
        }
        (ChangeSetKind::Update, None) => {
            return Err(validation(OPERATION, format!("Stack [{}] does not exist", request.stack)));
        }
        (ChangeSetKind::Update, Some(stack)) if !can_be_updated(stack.status) => {
            let text = format!("Stack:{} is in {} state and can not be updated.", stack.id, stack.status);
            // Another actor's operation: the adapter treats the error as transient.
            let kind =
                if text.contains("_IN_PROGRESS state") { ErrorKind::Transient } else { ErrorKind::Permanent };
            return Err(PortError::new(kind, OPERATION, format!("ValidationError: {text}")));
        }
        (ChangeSetKind::Create, None) => {
            let owner = |tag: &str| request.tags.get(tag).cloned();
            let stack = Stack {
                id: format!("arn:stack/{}/{made}", request.stack),
                status: "REVIEW_IN_PROGRESS",
                was: ("REVIEW_IN_PROGRESS", 0),
                reason: None,
                template: None,
                stable: String::new(),
                change_sets: Vec::new(),
                operation: None,
                events: VecDeque::new(),
                deletions: 0,
                watched: RollbackTriggers::default(),
                owner: owner("flotilla:service").zip(owner("flotilla:stage")),
            };
            state.stacks.live.insert(key.clone(), stack);
        }
        _ => {}
    }
    let made_at_ms = match how {
        Behaviour::Takes(_) => state.now_ms,
        _ => state.now_ms + i64::try_from(state.rng.below(3_000)).unwrap_or(0),
    };
    let stable = request.parameters.get(STABLE_VERSIONS_PARAMETER).cloned().unwrap_or_default();
    let Some(stack) = state.stacks.live.get_mut(&key) else { return Ok(()) };
    let change_state = match how {
        Behaviour::Refuses(reason) => ChangeSetState::Failed(reason),
        Behaviour::FailsValidation(_) => ChangeSetState::Failed(VALIDATION_FAILED.into()),
        Behaviour::Drifted(_) if request.revert_drift => ChangeSetState::Ready,
        _ if stack.template == Some(request.template) && stack.stable == stable => ChangeSetState::Empty,
        _ => ChangeSetState::Ready,
    };
    stack.change_sets.push(ChangeSet {
        name: request.name.clone(),
        id: format!("arn:changeSet/{}/{made}", request.name),
        template: request.template,
        stable,
        state: change_state,
        made_at_ms,
        rollback: request.rollback.clone(),
        token: String::new(),
    });
    Ok(())
}

/// Describes a change set.
pub fn describe(state: &State, place: &Place, stack: &StackName, name: &str) -> Option<ChangeSetObserved> {
    let how = behaviour(state, &place.site);
    let stack = state.stacks.live.get(&(place.site.clone(), stack.to_string()))?;
    let set = stack.change_sets.iter().find(|set| set.name == name || set.id == name);
    let now_ms = state.now_ms;
    set.map(|set| ChangeSetObserved {
        id: set.id.clone(),
        stack_id: stack.id.clone(),
        status: match &set.state {
            _ if now_ms < set.made_at_ms => ChangeSetStatus::Pending,
            ChangeSetState::Ready => ChangeSetStatus::Ready,
            ChangeSetState::Empty => ChangeSetStatus::Empty,
            ChangeSetState::Failed(reason) => ChangeSetStatus::Failed(reason.clone()),
            ChangeSetState::Obsolete => ChangeSetStatus::Obsolete,
            ChangeSetState::Executing => ChangeSetStatus::Executing,
            ChangeSetState::Executed => ChangeSetStatus::Executed,
            ChangeSetState::ExecutionFailed => ChangeSetStatus::ExecutionFailed,
        },
        changes: changes(state, stack.template.as_ref(), &set.template),
        complete: true,
        has_warnings: matches!(how, Behaviour::Warns(_)),
        reverted: match how {
            Behaviour::Drifted(properties) => properties,
            _ => Vec::new(),
        },
    })
}

/// The changes between two templates.
fn changes(state: &State, from: Option<&Digest>, to: &Digest) -> Vec<ResourceChange> {
    let (old, new) = (from.map(|from| resources(state, from)).unwrap_or_default(), resources(state, to));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names.into_iter().filter_map(|name| change(name, old.get(name), new.get(name))).collect()
}

/// The resources of a template.
pub(crate) fn resources(state: &State, template: &Digest) -> Map<String, Value> {
    let bytes = state.templates.get(template).cloned().unwrap_or_default();
    let template: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    template["Resources"].as_object().cloned().unwrap_or_default()
}

fn change(name: &str, old: Option<&Value>, new: Option<&Value>) -> Option<ResourceChange> {
    let resource_type = |resource: &Value| resource["Type"].as_str().unwrap_or_default().to_owned();
    let properties = |resource: Option<&Value>| resource.map(|resource| resource["Properties"].to_string());
    let (before, after) = (properties(old), properties(new));
    let physical_id = old.map(|_| format!("{}-id", name.to_lowercase()));
    let change = match (old, new) {
        (Some(old), None) => ResourceChange {
            leaving: leaving(old, "DeletionPolicy"),
            ..ResourceChange::new(name, resource_type(old), ChangeAction::Remove)
        },
        (None, Some(new)) => ResourceChange {
            properties: property_changes("", None, after.as_deref(), Replacement::Never),
            ..ResourceChange::new(name, resource_type(new), ChangeAction::Add)
        },
        (Some(old), Some(new)) if before != after => {
            let mut properties =
                property_changes("", before.as_deref(), after.as_deref(), Replacement::Never);
            properties.iter_mut().for_each(|property| property.recreation = recreation(property));
            let replacement = properties.iter().map(|property| property.recreation).max().unwrap_or_default();
            let replaced = replacement == Replacement::Always;
            ResourceChange {
                replacement,
                leaving: if replaced { leaving(old, "UpdateReplacePolicy") } else { None },
                properties,
                ..ResourceChange::new(name, resource_type(new), ChangeAction::Modify)
            }
        }
        _ => return None,
    };
    Some(ResourceChange { physical_id, ..change })
}

/// Whether a change replaces the resource: as for most types, a change of its name does.
fn recreation(property: &PropertyChange) -> Replacement {
    let named = !property.path.contains('.') && property.path.ends_with("Name");
    if named { Replacement::Always } else { Replacement::Never }
}

fn leaving(resource: &Value, policy: &str) -> Option<Leaving> {
    Some(match resource[policy].as_str() {
        Some("Retain") => Leaving::Retained,
        Some("Snapshot") => Leaving::Snapshotted,
        _ => Leaving::Deleted,
    })
}

/// Whether an update may begin in this status.
fn can_be_updated(status: &str) -> bool {
    matches!(
        status,
        "CREATE_COMPLETE"
            | "UPDATE_COMPLETE"
            | "UPDATE_ROLLBACK_COMPLETE"
            | "IMPORT_COMPLETE"
            | "IMPORT_ROLLBACK_COMPLETE"
    )
}

pub fn behaviour(state: &State, target: &Site) -> Behaviour {
    state.stacks.behaviours.get(target).cloned().unwrap_or_default()
}

pub fn validation(operation: &'static str, message: String) -> PortError {
    PortError::new(ErrorKind::Permanent, operation, format!("ValidationError: {message}"))
}
