//! What CloudFormation says of a change set, in the engine's words.

use aws_sdk_cloudformation::types as cfn;
use flotilla_domain::deployment::ChangeSummary;
use flotilla_engine::ports::{ChangeSetStatus, RollbackTriggers, Validation};

/// How a change set stands, from its two statuses and its reason.
pub fn status(
    status: Option<&cfn::ChangeSetStatus>,
    execution: Option<&cfn::ExecutionStatus>,
    reason: Option<&str>,
) -> ChangeSetStatus {
    use cfn::{ChangeSetStatus as S, ExecutionStatus as E};
    /// The two texts by which CloudFormation says that nothing would change.
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

/// Rollback triggers as CloudFormation wants them. An empty list is sent as well: CloudFormation keeps what
/// a stack had when nothing is said (API reference, `RollbackConfiguration`).
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

/// Adds changes to a summary.
pub fn count(changes: &[cfn::Change], summary: &mut ChangeSummary) {
    for change in changes.iter().filter_map(cfn::Change::resource_change) {
        let replaced =
            matches!(change.replacement(), Some(cfn::Replacement::True | cfn::Replacement::Conditional));
        match change.action() {
            Some(cfn::ChangeAction::Add | cfn::ChangeAction::Import) => summary.add += 1,
            Some(cfn::ChangeAction::Remove) => summary.remove += 1,
            _ if replaced => summary.replace += 1,
            _ => summary.modify += 1,
        }
    }
}

/// The properties that a drift-aware change set would change back.
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

/// What a validation event says, if it is one that did not pass.
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
