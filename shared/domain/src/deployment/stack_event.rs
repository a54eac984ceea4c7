//! Reads a stack's events: the outcome of an operation, and the first failure.

use super::Outcome;
use crate::cause::Cause;
use crate::code::Code;

/// An event of a stack, as `DescribeStackEvents` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackEvent {
    /// The resource's id in the template; the stack's name for the stack itself.
    pub logical_id: String,
    /// The resource's id in AWS, if it has one yet; of a nested stack, the stack's id.
    pub physical_id: Option<String>,
    /// Its type.
    pub resource_type: String,
    /// Its status.
    pub status: String,
    /// CloudFormation's reason.
    pub reason: Option<String>,
    /// The token of the operation it belongs to.
    pub token: Option<String>,
    /// Whether it is about the stack itself, not one of its resources.
    pub is_stack: bool,
}

impl StackEvent {
    /// Whether it begins an operation. With a token, only an operation that may be this token's: no older event
    /// belongs to that operation.
    pub fn begins(&self, token: Option<&str>) -> bool {
        let begins = matches!(
            self.status.as_str(),
            "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "DELETE_IN_PROGRESS" | "REVIEW_IN_PROGRESS"
        );
        let others = self.token.as_deref().zip(token).is_some_and(|(own, asked)| own != asked);
        self.is_stack && begins && !others
    }

    /// The id of the nested stack that it is about.
    pub fn nested_stack(&self) -> Option<&str> {
        let nested = !self.is_stack && self.resource_type == "AWS::CloudFormation::Stack";
        self.physical_id.as_deref().filter(|id| nested && id.starts_with("arn:"))
    }

    /// The export that its reason says is in use: `Export NAME cannot be deleted as it is in use by STACK`, or
    /// `updated`.
    pub fn export_in_use(&self) -> Option<&str> {
        let (name, rest) = self.reason.as_deref()?.split_once("Export ")?.1.split_once(" cannot be ")?;
        rest.contains("in use by").then_some(name.trim())
    }

    /// Whether it has a reason other than `User Initiated`.
    fn says_why(&self) -> bool {
        self.reason.as_deref().is_some_and(|reason| reason != "User Initiated")
    }

    /// Whether it is a failure with its own reason, not the consequence of another failure.
    ///
    /// The texts are CloudFormation's own: see "Resource creation cancelled" in the user guide's
    /// "Troubleshooting CloudFormation".
    fn is_true_failure(&self) -> bool {
        const FOLLOWS: [&str; 2] = ["The following resource(s) failed", "Rollback requested by user"];
        let own = self.reason.as_deref().is_some_and(|reason| {
            let cancelled =
                reason.starts_with("Resource ") && reason.trim_end_matches('.').ends_with("cancelled");
            !cancelled && !FOLLOWS.iter().any(|text| reason.contains(text))
        });
        own && self.status.ends_with("_FAILED")
    }
}

/// The events of a token's operation: those that have this token or no token. All of them if no event has it.
pub fn of_token(mut events: Vec<StackEvent>, token: Option<&str>) -> Vec<StackEvent> {
    if token.is_some() && events.iter().any(|event| event.token.as_deref() == token) {
        events.retain(|event| event.token.is_none() || event.token.as_deref() == token);
    }
    events
}

/// The outcome of a token's operation, from the events of its stack, newest first.
pub fn outcome(events: &[StackEvent], token: &str) -> Outcome {
    let own = |event: &&StackEvent| event.is_stack && event.token.as_deref() == Some(token);
    match events.iter().find(own).map(|event| event.status.as_str()) {
        None => Outcome::Unseen,
        Some("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS") => Outcome::Pending,
        Some(status) if status.ends_with("_IN_PROGRESS") => Outcome::Pending,
        Some(status) if status.ends_with("_FAILED") || status.contains("ROLLBACK") => Outcome::Failed,
        Some(_) => Outcome::Completed,
    }
}

/// Finds the event in which an operation began to fail: the earliest failure that is not merely a cancellation
/// because of another one. Takes the events newest first.
pub fn root_event(events: &[StackEvent]) -> Option<&StackEvent> {
    let oldest_first = || events.iter().rev();
    oldest_first()
        .find(|event| !event.is_stack && event.is_true_failure())
        .or_else(|| oldest_first().find(|event| event.is_true_failure()))
        .or_else(|| oldest_first().find(|event| event.is_stack && event.says_why()))
}

/// What to do where the role that CloudFormation uses lacks a permission.
const FIX_DENIED: &str = "if AWS names the role of CloudFormation, allow the action: flotilla install or flotilla account add with --extra-actions ACTION (docs/resource-types.md; a boundary or an organisation's policy that denies it stays); then retry the rollout";

/// Whether a resource failed because a permission is missing, in the words of the services.
fn says_denied(reason: &str) -> bool {
    ["is not authorized to perform", "AccessDenied", "Access Denied", "UnauthorizedOperation"]
        .iter()
        .any(|words| reason.contains(words))
}

/// The cause of a failure, from the event in which it began.
pub fn root_cause(root: Option<&StackEvent>, code: Code, status: &str) -> Cause {
    let fix = match code {
        // A new upload does not repeat a deletion, and fails again at a stuck stack.
        Code::DeleteFailed | Code::StackStuck => "fix what CloudFormation reports, then retry the rollout",
        _ => "fix what CloudFormation reports and upload again",
    };
    match root {
        None => Cause::new(code, format!("the stack is {status}; CloudFormation gave no reason"), fix),
        Some(event) => {
            let reason = event.reason.as_deref().unwrap_or("no reason given");
            let message = format!("{} ({}): {reason}", event.logical_id, event.resource_type);
            let fix = if says_denied(reason) { FIX_DENIED } else { fix };
            Cause::new(code, message, fix).of(event.logical_id.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(logical_id: &str, kind: &str, status: &str, reason: &str) -> StackEvent {
        let reason = (!reason.is_empty()).then(|| reason.to_owned());
        let is_stack = kind == "AWS::CloudFormation::Stack" && logical_id == "orders-staging";
        StackEvent {
            logical_id: logical_id.into(),
            physical_id: None,
            resource_type: kind.into(),
            status: status.into(),
            reason,
            token: None,
            is_stack,
        }
    }

    #[test]
    fn c27_the_earliest_real_failure_is_reported_and_not_the_cancellations_after_it() {
        let events = [
            event(
                "orders-staging",
                "AWS::CloudFormation::Stack",
                "ROLLBACK_IN_PROGRESS",
                "The following resource(s) failed to create: [Queue, Table]. Rollback requested by user.",
            ),
            event("Queue", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
            event("Table", "AWS::DynamoDB::Table", "CREATE_FAILED", "Table already exists: orders"),
            event("Table", "AWS::DynamoDB::Table", "CREATE_IN_PROGRESS", ""),
        ];
        let cause = root_cause(root_event(&events), Code::RolledBack, "ROLLBACK_COMPLETE");
        assert_eq!(cause.resource.as_deref(), Some("Table"));
        assert_eq!(cause.message, "Table (AWS::DynamoDB::Table): Table already exists: orders");
    }

    #[test]
    fn without_a_resources_failure_the_stacks_own_reason_is_reported() {
        let events = [event(
            "orders-staging",
            "AWS::CloudFormation::Stack",
            "ROLLBACK_IN_PROGRESS",
            "Alarm x breached",
        )];
        assert!(
            root_cause(root_event(&events), Code::RolledBack, "ROLLBACK_COMPLETE")
                .message
                .contains("Alarm x breached")
        );
        assert!(
            root_cause(None, Code::RolledBack, "ROLLBACK_COMPLETE").message.contains("ROLLBACK_COMPLETE")
        );
    }

    #[test]
    fn a_missing_permission_is_fixed_by_the_parameter_that_adds_it() {
        let reason = "Resource handler returned message: \"User: arn:aws:sts::333344445555:assumed-role/flotilla-cloudformation/AWSCloudFormation is not authorized to perform: rds:CreateDBCluster on resource: * because no identity-based policy allows the rds:CreateDBCluster action\" (HandlerErrorCode: AccessDenied)";
        let denied = event("Database", "AWS::RDS::DBCluster", "CREATE_FAILED", reason);
        let cause = root_cause(Some(&denied), Code::RolledBack, "ROLLBACK_COMPLETE");
        assert!(
            cause.fix.contains("--extra-actions") && cause.fix.ends_with("retry the rollout"),
            "{}",
            cause.fix
        );
        assert!(cause.fix.len() < crate::code::TEXT_BYTES_MAX);
    }

    #[test]
    fn a_failed_deletion_is_retried_and_a_failed_update_needs_an_upload() {
        let fix = |code| root_cause(None, code, "DELETE_FAILED").fix;
        for code in [Code::DeleteFailed, Code::StackStuck] {
            assert_eq!(fix(code), "fix what CloudFormation reports, then retry the rollout");
        }
        assert_eq!(fix(Code::RolledBack), "fix what CloudFormation reports and upload again");
    }

    #[test]
    fn c27_a_resources_failure_tells_more_than_the_stacks_and_who_began_is_no_cause() {
        let stack = |status, reason| event("orders-staging", "AWS::CloudFormation::Stack", status, reason);
        let failed = stack("UPDATE_FAILED", "the stack itself failed");
        let resource = event("Queue", "AWS::SQS::Queue", "UPDATE_FAILED", "the name is taken");
        let root = |events: &[StackEvent]| root_event(events).map(|root| root.logical_id.clone());
        assert_eq!(root(&[resource, failed.clone()]).as_deref(), Some("Queue"));
        assert_eq!(root(&[failed]).as_deref(), Some("orders-staging"));
        let began = [stack("UPDATE_IN_PROGRESS", "User Initiated"), stack("CREATE_COMPLETE", "")];
        assert_eq!(root(&began), None);
    }

    #[test]
    fn c27_a_nested_stack_that_failed_is_named_by_its_id() {
        let mut nested = event(
            "Nested",
            "AWS::CloudFormation::Stack",
            "CREATE_FAILED",
            "Embedded stack arn:x was not successfully created",
        );
        assert_eq!(nested.nested_stack(), None, "it never came to be");
        nested.physical_id = Some("arn:aws:cloudformation:eu-west-1:1:stack/n/1".into());
        assert_eq!(nested.nested_stack(), nested.physical_id.as_deref());
        let itself = event("orders-staging", "AWS::CloudFormation::Stack", "ROLLBACK_IN_PROGRESS", "no");
        assert_eq!(StackEvent { physical_id: nested.physical_id.clone(), ..itself }.nested_stack(), None);
        nested.resource_type = "AWS::S3::Bucket".into();
        assert_eq!(nested.nested_stack(), None);
    }

    #[test]
    fn c09_an_export_in_use_is_read_from_the_reason() {
        let reason = "Export orders-TableName cannot be deleted as it is in use by billing-staging and shop";
        assert_eq!(event("s", "x", "DELETE_FAILED", reason).export_in_use(), Some("orders-TableName"));
        let update = "Export a:b cannot be updated as it is in use by c";
        assert_eq!(event("s", "x", "UPDATE_FAILED", update).export_in_use(), Some("a:b"));
        assert_eq!(event("s", "x", "UPDATE_FAILED", "Export of goods cannot be found").export_in_use(), None);
        assert_eq!(event("s", "x", "UPDATE_FAILED", "").export_in_use(), None);
    }

    #[test]
    fn c12_an_operation_is_found_by_its_token_and_by_nothing_else() {
        let at = |status: &str, token: &str| StackEvent {
            token: Some(token.into()),
            ..event("orders-staging", "AWS::CloudFormation::Stack", status, "")
        };
        let theirs = at("UPDATE_COMPLETE", "theirs");
        assert_eq!(outcome(std::slice::from_ref(&theirs), "ours"), Outcome::Unseen);
        for (status, expected) in [
            ("UPDATE_IN_PROGRESS", Outcome::Pending),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Outcome::Pending),
            ("UPDATE_COMPLETE", Outcome::Completed),
            ("CREATE_COMPLETE", Outcome::Completed),
            ("UPDATE_ROLLBACK_COMPLETE", Outcome::Failed),
            ("UPDATE_ROLLBACK_FAILED", Outcome::Failed),
            ("DELETE_FAILED", Outcome::Failed),
        ] {
            let events = [theirs.clone(), at(status, "ours"), at("UPDATE_IN_PROGRESS", "ours")];
            assert_eq!(outcome(&events, "ours"), expected, "{status}");
        }
    }

    #[test]
    fn c11_what_others_did_meanwhile_is_no_part_of_an_operation() {
        let of = |id: &str, token: Option<&str>| StackEvent {
            token: token.map(str::to_owned),
            ..event(id, "AWS::SQS::Queue", "UPDATE_FAILED", "no")
        };
        let events = [of("A", Some("ours")), of("B", Some("theirs")), of("C", None)];
        let ids = |token| {
            let events = of_token(events.to_vec(), token);
            events.into_iter().map(|event| event.logical_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(Some("ours")), ["A", "C"]);
        assert_eq!(ids(Some("nobody's")), ["A", "B", "C"], "nothing tells them apart");
        assert_eq!(ids(None), ["A", "B", "C"]);
    }

    #[test]
    fn c26_an_operation_begins_with_its_own_first_event() {
        let at = |status: &str, token: Option<&str>| StackEvent {
            token: token.map(str::to_owned),
            ..event("orders-staging", "AWS::CloudFormation::Stack", status, "")
        };
        assert!(at("UPDATE_IN_PROGRESS", Some("ours")).begins(Some("ours")));
        assert!(at("UPDATE_IN_PROGRESS", None).begins(Some("ours")), "an emulator without tokens");
        assert!(at("CREATE_IN_PROGRESS", Some("x")).begins(None), "a nested stack has tokens of its own");
        assert!(!at("UPDATE_IN_PROGRESS", Some("theirs")).begins(Some("ours")));
        assert!(!at("UPDATE_COMPLETE", Some("ours")).begins(Some("ours")));
        assert!(!event("Table", "AWS::DynamoDB::Table", "UPDATE_IN_PROGRESS", "").begins(None));
    }

    #[test]
    fn only_cloudformations_own_words_for_cancelling_are_noise() {
        let failed = |reason| event("Order", "AWS::Test::R", "UPDATE_FAILED", reason);
        assert!(root_event(&[failed("Resource update cancelled")]).is_none());
        assert!(root_event(&[failed("the subscription was cancelled by its owner")]).is_some());
        assert!(root_event(&[failed("Resource handler returned message: \"it exists\"")]).is_some());
    }
}
