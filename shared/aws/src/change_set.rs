//! Converts change sets from CloudFormation's types to the engine's.

use crate::classify::{classify, says_no_stack};
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::operation::describe_change_set::DescribeChangeSetOutput;
use aws_sdk_cloudformation::types as cfn;
use flotilla_domain::plan::{ChangeAction, Leaving, PropertyChange, Replacement, ResourceChange};
use flotilla_engine::plan::change_values::{dotted, property_changes};
use flotilla_engine::ports::{ChangeSetObserved, ChangeSetStatus, PortError, RollbackTriggers, Validation};

/// The status of a change set, from CloudFormation's two statuses and the reason.
fn status(
    status: Option<&cfn::ChangeSetStatus>,
    execution: Option<&cfn::ExecutionStatus>,
    reason: Option<&str>,
) -> ChangeSetStatus {
    use cfn::{ChangeSetStatus as S, ExecutionStatus as E};
    /// The two texts with which CloudFormation reports that nothing would change.
    const EMPTY: [&str; 2] = ["didn't contain changes", "No updates are to be performed"];
    match (status, execution) {
        (Some(S::CreateComplete), Some(E::ExecuteInProgress)) => ChangeSetStatus::Executing,
        (Some(S::CreatePending | S::CreateInProgress), _) => ChangeSetStatus::Pending,
        (Some(S::Failed), _) => {
            let reason = reason.unwrap_or("CloudFormation gave no reason");
            if EMPTY.iter().any(|empty| reason.contains(empty)) {
                ChangeSetStatus::Empty
            } else {
                ChangeSetStatus::Failed(reason.to_owned())
            }
        }
        (Some(S::CreateComplete), Some(E::Available)) => ChangeSetStatus::Ready,
        (Some(S::CreateComplete), Some(E::ExecuteComplete)) => ChangeSetStatus::Executed,
        (Some(S::CreateComplete), Some(E::ExecuteFailed)) => ChangeSetStatus::ExecutionFailed,
        _ => ChangeSetStatus::Obsolete,
    }
}

/// Rollback triggers in CloudFormation's type. An empty list is sent as well, because CloudFormation otherwise
/// keeps the triggers that the stack had (API reference, `RollbackConfiguration`).
pub fn rollback(triggers: Option<&RollbackTriggers>) -> cfn::RollbackConfiguration {
    let triggers = triggers.cloned().unwrap_or_default();
    let trigger = |arn: &String, kind| cfn::RollbackTrigger::builder().arn(arn).r#type(kind).build();
    let metric = triggers.alarm_arns.iter().map(|arn| trigger(arn, "AWS::CloudWatch::Alarm"));
    let composite = triggers.composite_alarm_arns.iter();
    let composite = composite.map(|arn| trigger(arn, "AWS::CloudWatch::CompositeAlarm"));
    cfn::RollbackConfiguration::builder()
        .set_rollback_triggers(Some(metric.chain(composite).collect()))
        .monitoring_time_in_minutes(i32::try_from(triggers.monitoring_min).unwrap_or(i32::MAX))
        .build()
}

/// A page of a change set's description; `None` if there is no such change set.
pub async fn change_set_page(
    client: &Client,
    stack: &str,
    name: &str,
    values: bool,
    next: Option<String>,
) -> Result<Option<DescribeChangeSetOutput>, PortError> {
    let request = client.describe_change_set().stack_name(stack).change_set_name(name);
    let sent = request.include_property_values(values).set_next_token(next).send().await;
    match sent.map_err(|e| classify("cloudformation:DescribeChangeSet", e)) {
        Ok(page) => Ok(Some(page)),
        Err(error) if error.message.starts_with("ChangeSetNotFound") || says_no_stack(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The change set itself, from its first page.
pub fn first_page(page: &DescribeChangeSetOutput) -> ChangeSetObserved {
    ChangeSetObserved {
        id: page.change_set_id().unwrap_or_default().to_owned(),
        stack_id: page.stack_id().unwrap_or_default().to_owned(),
        status: status(page.status(), page.execution_status(), page.status_reason()),
        changes: Vec::new(),
        complete: true,
        reverted: Vec::new(),
        has_warnings: page.status() == Some(&cfn::ChangeSetStatus::CreateComplete)
            && page.status_reason().is_some_and(|reason| reason.to_lowercase().contains("warning")),
    }
}

/// The change of a resource.
pub fn resource_change(change: &cfn::Change) -> Option<ResourceChange> {
    let change = change.resource_change()?;
    let action = match change.action() {
        Some(cfn::ChangeAction::Add) => ChangeAction::Add,
        Some(cfn::ChangeAction::Remove) => ChangeAction::Remove,
        Some(cfn::ChangeAction::Import) => ChangeAction::Import,
        // For a resource whose change only updates CloudFormation's own records (SyncWithActual), no property
        // is reported.
        Some(cfn::ChangeAction::Modify | cfn::ChangeAction::SyncWithActual) => ChangeAction::Modify,
        // Includes values that AWS added later, whose meaning is unknown.
        _ => ChangeAction::Dynamic,
    };
    let properties = match action {
        ChangeAction::Add | ChangeAction::Import => added(change.after_context().unwrap_or_default()),
        _ => {
            change.details().iter().filter_map(cfn::ResourceChangeDetail::target).flat_map(property).collect()
        }
    };
    Some(ResourceChange {
        physical_id: change.physical_resource_id().filter(|id| !id.is_empty()).map(str::to_owned),
        replacement: match change.replacement() {
            Some(cfn::Replacement::True) => Replacement::Always,
            None | Some(cfn::Replacement::False) => Replacement::Never,
            _ => Replacement::Conditional,
        },
        leaving: match change.policy_action() {
            Some(cfn::PolicyAction::Delete | cfn::PolicyAction::ReplaceAndDelete) => Some(Leaving::Deleted),
            Some(cfn::PolicyAction::Retain | cfn::PolicyAction::ReplaceAndRetain) => Some(Leaving::Retained),
            Some(cfn::PolicyAction::Snapshot | cfn::PolicyAction::ReplaceAndSnapshot) => {
                Some(Leaving::Snapshotted)
            }
            _ => None,
        },
        properties,
        ..ResourceChange::new(
            change.logical_resource_id().unwrap_or_default(),
            change.resource_type().unwrap_or_default(),
            action,
        )
    })
}

/// The properties of a resource that is created: `{"Properties": {…}}`.
fn added(context: &str) -> Vec<PropertyChange> {
    let context: serde_json::Value = serde_json::from_str(context).unwrap_or_default();
    match context.get("Properties") {
        Some(properties) => property_changes("", None, Some(&properties.to_string()), Replacement::Never),
        None => Vec::new(),
    }
}

/// The changes of a property, or of an attribute beside the properties such as `DeletionPolicy`.
fn property(target: &cfn::ResourceTargetDefinition) -> Vec<PropertyChange> {
    let attribute = target.attribute().map_or("?", cfn::ResourceAttribute::as_str);
    let path = target.path().map(dotted).or(target.name().map(str::to_owned));
    let recreation = match target.requires_recreation() {
        Some(cfn::RequiresRecreation::Always) => Replacement::Always,
        None | Some(cfn::RequiresRecreation::Never) => Replacement::Never,
        _ => Replacement::Conditional,
    };
    let path = path.filter(|path| !path.is_empty()).unwrap_or_else(|| attribute.to_owned());
    property_changes(&path, target.before_value(), target.after_value(), recreation)
}

/// The properties whose drift a drift-aware change set would revert.
pub fn reverted(changes: &[cfn::Change]) -> Vec<String> {
    let mut names = Vec::new();
    for change in changes.iter().filter_map(cfn::Change::resource_change) {
        let resource = change.logical_resource_id().unwrap_or_default();
        let drifted = change
            .details()
            .iter()
            .filter_map(|detail| detail.target().filter(|target| target.drift().is_some()));
        names.extend(drifted.map(|target| format!("{resource}.{}", target.name().unwrap_or("?"))));
        let deleted = change.resource_drift_status() == Some(&cfn::StackResourceDriftStatus::Deleted);
        if deleted {
            names.push(format!("{resource} (it was deleted)"));
        }
    }
    names
}

/// The finding of a validation event, if the validation did not pass.
pub fn said(event: &cfn::OperationEvent) -> Option<Validation> {
    let warns = event.validation_failure_mode() == Some(&cfn::HookFailureMode::Warn)
        || event.hook_failure_mode() == Some(&cfn::HookFailureMode::Warn);
    let reason = match (event.validation_status(), event.hook_status()) {
        (Some(cfn::ValidationStatus::Failed), _) => event.validation_status_reason(),
        (_, Some(cfn::HookStatus::HookCompleteFailed | cfn::HookStatus::HookFailed)) => {
            event.hook_status_reason()
        }
        _ => return None,
    };
    let place = [event.logical_resource_id(), event.validation_path()];
    let place: Vec<&str> = place.into_iter().flatten().collect();
    let name = event.validation_name().or(event.hook_type()).unwrap_or("validation");
    let text = format!("{} ({name}): {}", place.join(" "), reason.unwrap_or("no reason given"));
    Some(Validation { failed: !warns, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cfn::{ChangeSetStatus as S, ExecutionStatus as E};

    #[test]
    fn c15_c16_c17_nothing_to_change_is_told_from_a_refusal() {
        let failed = |reason| status(Some(&S::Failed), Some(&E::Unavailable), Some(reason));
        assert_eq!(
            failed(
                "The submitted information didn't contain changes. Submit different information to create a change set."
            ),
            ChangeSetStatus::Empty
        );
        assert_eq!(failed("No updates are to be performed."), ChangeSetStatus::Empty);
        assert_eq!(
            failed("Parameter X must have values"),
            ChangeSetStatus::Failed("Parameter X must have values".into())
        );
    }

    #[test]
    fn c20_a_change_set_that_cannot_be_executed_is_obsolete() {
        assert_eq!(status(Some(&S::CreateComplete), Some(&E::Available), None), ChangeSetStatus::Ready);
        assert_eq!(
            status(Some(&S::CreateComplete), Some(&E::ExecuteComplete), None),
            ChangeSetStatus::Executed
        );
        assert_eq!(status(Some(&S::CreateInProgress), Some(&E::Unavailable), None), ChangeSetStatus::Pending);
        assert_eq!(status(Some(&S::CreateComplete), Some(&E::Obsolete), None), ChangeSetStatus::Obsolete);
        assert_eq!(status(Some(&S::DeleteComplete), None, None), ChangeSetStatus::Obsolete);
    }
}
