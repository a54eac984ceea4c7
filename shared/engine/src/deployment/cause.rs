//! Finds the cause of a failure: from a port's error, or from a stack's events.

use super::place;
use crate::deployment::DeploymentController;
use crate::ports::{ErrorKind, Place, PortError};
use flotilla_domain::deployment::stack_event::{StackEvent, of_token, root_cause, root_event};
use flotilla_domain::deployment::{AfterCause, Deployment, State};
use flotilla_domain::{Cause, Code, Site};

/// Pages of a stack's events that are read for a cause (100 events each).
const EVENT_PAGES_MAX: usize = 20;
/// What a stack's operation says that CloudFormation's validation stopped before it began.
const SAYS_VALIDATION: &str = "Call DescribeEvents";
/// How deep nested stacks are followed.
const NESTED_MAX: usize = 5;

/// The cause for a permanent error: AWS's own words, and what to do.
pub(crate) fn cause_of(error: &PortError, place: &Place) -> Cause {
    let Place { site: Site { account, region }, access } = place;
    let role = &access.role_arn;
    let add =
        format!("flotilla account add {account} (flotilla install for the control plane's own account)");
    let (code, fix) = match error.kind {
        ErrorKind::Permanent if error.message.contains("TerminationProtection is enabled") => (
            Code::TerminationProtected,
            "if the stack may be deleted, disable its termination protection, then retry the rollout"
                .to_owned(),
        ),
        ErrorKind::Denied if error.is_refused_role() => (
            Code::RoleNotAssumed,
            format!(
                "make {role} trust the control plane and require the external id that is registered for {account}: \
                 run {add}, which configures both, then retry the rollout"
            ),
        ),
        ErrorKind::Denied if reads_the_source(error) => (
            Code::SourceDenied,
            format!(
                "let {role} read assets/ and templates/ of the ingest bucket: run {add}; if another policy \
                 denies it, set copies = \"streamed\" in the profile; then retry the rollout"
            ),
        ),
        ErrorKind::Denied => (
            Code::AccessDenied,
            format!(
                "grant {role} the permission that AWS names: run {add}, which updates the account's stack of \
                 infra/account.yaml, and check for a service control policy that denies it; then retry the rollout"
            ),
        ),
        ErrorKind::Quota => (
            Code::QuotaReached,
            "request a higher quota from AWS or delete unused resources, then retry the rollout".to_owned(),
        ),
        ErrorKind::Missing if error.message.starts_with("NoSuchKey") => (
            Code::HomeCopyGone,
            "upload the package again: its files were deleted from the ingest bucket".to_owned(),
        ),
        ErrorKind::Missing => (
            Code::RegionNotPrepared,
            format!("prepare {region} of account {account}: run {add} with this region among --regions"),
        ),
        ErrorKind::Permanent | ErrorKind::Throttled | ErrorKind::Transient => {
            (Code::CallRefused, "fix what AWS reports, then retry the rollout".to_owned())
        }
    };
    Cause::new(code, error.to_string(), fix)
}

/// Whether a copy was denied read access to the ingest bucket. Across accounts, S3 only reports that access is
/// denied; if it names an action, that action was missing.
fn reads_the_source(error: &PortError) -> bool {
    let names = |action: &str| error.message.contains(action);
    error.operation == "s3:CopyObject" && !names("s3:PutObject") && !names("kms:")
}

/// The cause for a change set that CloudFormation refused to create.
pub(crate) fn refused(error: &PortError) -> Cause {
    if error.message.starts_with("InsufficientCapabilities") {
        return Cause::new(
            Code::CapabilityMissing,
            error.message.clone(),
            "add the capability to the profile's capabilities, if its templates may use it",
        );
    }
    refused_for(error.message.clone())
}

/// The cause for a change set that CloudFormation refused, with its reason.
pub(crate) fn refused_for(reason: String) -> Cause {
    Cause::new(Code::ChangeSetRefused, reason, "fix what CloudFormation reports, then upload again")
}

impl DeploymentController {
    /// The cause of a failed operation: the first failure among the operation's events, followed into the
    /// nested stack where it began.
    pub(crate) async fn cause(&self, deployment: &Deployment) -> Result<Cause, PortError> {
        let place = place(deployment);
        let State::FindingCause { status, then, .. } = &deployment.state else {
            return Ok(Cause::new(
                Code::StackStuck,
                "the stack is in an unknown state",
                "check the stack's events",
            ));
        };
        let deletes = deployment.removes() || status == "DELETE_FAILED";
        let code = match then {
            _ if deletes => Code::DeleteFailed,
            AfterCause::RolledBack | AfterCause::StackRollback => Code::RolledBack,
            AfterCause::Fail => Code::StackStuck,
        };
        let mut stack = deployment.stack_id.clone().unwrap_or_else(|| deployment.spec.stack.to_string());
        let mut token = Some(deployment.operation_token());
        let (mut way, mut root) = (Vec::new(), None);
        for _ in 0..NESTED_MAX {
            let events = self.events_of(&place, &stack, token.as_deref()).await?;
            let Some(found) = root_event(&events).cloned() else { break };
            let nested = found.nested_stack().map(str::to_owned);
            way.push(found.logical_id.clone());
            root = Some(found);
            let Some(nested) = nested else { break };
            (stack, token) = (nested, None);
        }
        let mut cause = root_cause(root.as_ref(), code, status);
        if way.len() > 1 {
            cause.message =
                flotilla_domain::code::storable(format!("in {}: {}", way.join("/"), cause.message));
            cause.resource = Some(way.join("/"));
        }
        if cause.message.contains(SAYS_VALIDATION) {
            let said = match self.stacks.validations(&place, &stack, None).await {
                // CloudFormation's reason is enough if the validations cannot be read.
                Err(error) if !error.may_pass() => Vec::new(),
                said => said?,
            };
            let failed: Vec<String> = said.into_iter().filter(|v| v.failed).map(|v| v.text).collect();
            if !failed.is_empty() {
                let fix = "fix each of these in the template, then upload again";
                cause = Cause::new(Code::ValidationFailed, failed.join("; "), fix);
            }
        }
        if let Some(export) = root.as_ref().and_then(StackEvent::export_in_use) {
            let importers = match self.stacks.importers(&place, export).await {
                // The reason names one importer, which is enough if the list cannot be read.
                Err(error) if !error.may_pass() => Vec::new(),
                importers => importers?,
            };
            cause = Cause {
                code: Code::ExportInUse,
                message: format!("{}; it is imported by: {}", cause.message, importers.join(", ")),
                fix: "deploy or remove these stacks first, so that they no longer import it".into(),
                ..cause
            };
        } else if cause.code == Code::StackStuck && status == "UPDATE_ROLLBACK_FAILED" {
            cause.fix = "fix what blocks the rollback, then retry the rollout; to skip a resource, retry with --skip and its logical id".into();
        }
        Ok(cause)
    }

    /// The events of one operation, newest first: the operation with the token, or else the newest one.
    pub(crate) async fn events_of(
        &self,
        place: &Place,
        stack_id: &str,
        token: Option<&str>,
    ) -> Result<Vec<StackEvent>, PortError> {
        let (mut events, mut next) = (Vec::new(), None);
        for _ in 0..EVENT_PAGES_MAX {
            let page = self.stacks.events(place, stack_id, next.as_deref()).await?;
            let begin = page.events.iter().position(|event| event.begins(token));
            events.extend(page.events.into_iter().take(begin.map_or(usize::MAX, |at| at + 1)));
            next = page.next;
            if begin.is_some() || next.is_none() {
                break;
            }
        }
        Ok(of_token(events, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flotilla_domain::deployment::Access;

    fn cause(kind: ErrorKind, operation: &'static str, message: &str) -> Cause {
        let site = Site::parse("222233334444/eu-west-1").unwrap();
        let role = |name: &str| format!("arn:aws:iam::222233334444:role/{name}");
        let access = Access {
            role_arn: role("deployer"),
            external_id: "e".into(),
            service_role_arn: role("service"),
            role_boundary: None,
        };
        cause_of(&PortError::new(kind, operation, message), &Place { site, access })
    }

    #[test]
    fn what_is_missing_in_an_account_is_told_with_the_account_and_the_sentence_that_mends_it() {
        let role = "arn:aws:iam::222233334444:role/deployer";
        let denied = ErrorKind::Denied;
        for (kind, operation, message, code, named) in [
            (denied, "sts:AssumeRole", "AccessDenied: m", Code::RoleNotAssumed, role),
            (denied, "s3:CopyObject", "AccessDenied: Access Denied", Code::SourceDenied, role),
            (denied, "s3:CopyObject", "AccessDenied: s3:PutObject on x", Code::AccessDenied, role),
            (denied, "s3:CopyObject", "AccessDenied: kms:GenerateDataKey", Code::AccessDenied, role),
            (denied, "cloudformation:CreateChangeSet", "AccessDenied: m", Code::AccessDenied, role),
            (ErrorKind::Missing, "s3:PutObject", "NoSuchBucket: m", Code::RegionNotPrepared, "eu-west-1"),
        ] {
            let cause = cause(kind, operation, message);
            assert_eq!(cause.code, code, "{operation} {message}");
            assert_eq!(cause.message, format!("{operation}: {message}"), "AWS's own words");
            assert!(cause.fix.contains(named) && cause.fix.contains("flotilla account add 222233334444"));
        }
        assert_eq!(cause(ErrorKind::Missing, "s3:CopyObject", "NoSuchKey: m").code, Code::HomeCopyGone);
    }
}
